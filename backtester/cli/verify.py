"""`backtester verify`: a stored result, looked at and run again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from backtester.cli.console import emit_rows, settings
from backtester.cli.running import JobsOption, announce_compiling, jobs_of, progress_of
from backtester.errors import ExitCode


def verify(
    ctx: typer.Context,
    directory: Annotated[Path, typer.Argument(help="A result that was stored with --out.", metavar="DIR")],
    inputs: Annotated[
        list[Path] | None,
        typer.Option(
            "--inputs",
            metavar="DIR",
            help="Where its portfolios, tapes and other files are, looked for by name; also here, in DIR itself and "
            "where the suite of a month names them. May be given more than once.",
        ),
    ] = None,
    jobs: JobsOption = None,
) -> int:
    """Run a stored result again: say that it is equal, or what differs. Exit code 0 or 1.

    The pages of an archived month are made again from its result and the months before it, as long as those are there.

    Example: backtester verify results/2025-10-10 --inputs data
    """
    from backtester.regress.verify import verify
    from backtester.suite.pages import check_pages

    chosen = settings(ctx)
    announce_compiling(chosen)
    with progress_of(chosen, directory.name) as listener:
        again = verify(directory, inputs or (), listener=listener, jobs=jobs_of(jobs))
    checks = (*again, *check_pages(directory))
    emit_rows("verify", ("check", "holds", "found"), checks, chosen)
    return ExitCode.OK if all(check.holds is not False for check in checks) else ExitCode.GATE
