"""`backtester check`: a result against its baseline, for a pull request."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from backtester.cli.console import emit, make_console, settings
from backtester.errors import ExitCode


def check(
    ctx: typer.Context,
    result: Annotated[Path, typer.Argument(help="A result that `run --out` stored.", metavar="RESULT")],
    baseline: Annotated[
        Path,
        typer.Option("--baseline", metavar="DIR", help="What was accepted: result.json, and SHA256SUMS beside it."),
    ],
    portfolio: Annotated[
        list[Path] | None,
        typer.Option(
            "--portfolio",
            metavar="FILE",
            help="A portfolio of the result, whose [tolerances] hold for it. May be given more than once.",
        ),
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Show what differs, then make this result the baseline.")
    ] = False,
    across: Annotated[
        bool,
        typer.Option(
            "--across",
            help="Compare also with a baseline of other rules, another tape, scenario, engine or other options.",
        ),
    ] = False,
) -> int:
    """Fail when a result went further from its baseline than its tolerances allow, or does not keep its limits.

    Exit code 0: kept; 1: failed, no baseline, or one that is not comparable.

    Example: backtester check results/new --baseline stress/baseline --format markdown
    """
    from backtester.regress.baseline import prove_baseline, read_baseline, read_untouched, write_baseline
    from backtester.regress.check import check as judge
    from backtester.regress.check_report import failure, render_check
    from backtester.regress.rulebook import read_rulebook
    from backtester.regress.tolerances import FAIL

    chosen = settings(ctx)
    if update:
        prove_baseline(baseline)
    rules = read_rulebook(portfolio or ())
    checked = judge(read_untouched(result), read_baseline(baseline), rules.of, across or update)
    emit(render_check(checked, chosen.format, make_console(chosen), update), chosen)
    if update:
        write_baseline(read_untouched(result), baseline)
        return ExitCode.GATE if checked.limits(FAIL) else ExitCode.OK
    reason = failure(checked, str(baseline))
    if reason is None:
        return ExitCode.OK
    print(reason, file=sys.stderr)
    return ExitCode.GATE
