"""What verbs that run have in common: how many passes at a time, progress, and what is said of failures and limits."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from backtester.cli.console import Settings, make_console, talk
from backtester.errors import ExitCode

if TYPE_CHECKING:
    from backtester.report.records import ReportModel
    from backtester.run.session import Done, Listener

#: Passes at a time where the user names no number.
MOST_JOBS = 8

JobsOption = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        metavar="N",
        min=1,
        help="Passes through tapes at a time, each with memory of its own; the result is the same for any number. "
        f"Default: one a core, at most {MOST_JOBS}.",
    ),
]


def jobs_of(jobs: int | None) -> int:
    """The number of passes at a time."""
    return jobs or min(os.cpu_count() or 1, MOST_JOBS)


def announce_compiling(chosen: Settings) -> None:
    """Say that the first run takes longer, where it does."""
    from backtester.engine.jit import CACHE_DIR
    from backtester.run.session import is_warm

    if not is_warm():
        talk(f"compiling kernels, once per machine and version (cache: {CACHE_DIR})", chosen)


@contextmanager
def progress_of(chosen: Settings, name: str) -> Iterator[Listener]:
    """A progress bar on stderr, on a terminal only: what runs, cells that are done, time that is left."""
    if not (chosen.progress and sys.stderr.isatty()):
        yield lambda done: None
        return
    from rich.progress import Progress

    with Progress(*Progress.get_default_columns(), console=make_console(chosen, stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=1.0)

        def hear(done: Done) -> None:
            cells = f"{name}, {done.cells} of {done.of} cells" if done.of > 1 else name
            bar.update(task, completed=done.fraction, description=cells)

        yield hear


def tell_failures(report: ReportModel) -> int:
    """Repeat on stderr why cells failed; the exit code of the worst, 0 without any."""
    from backtester.report.records import ErrorText

    failed = [cell for cell in report.failed if cell.exit_code]
    errors = (cell.error for cell in failed)
    for text in dict.fromkeys(each.typed if isinstance(each, ErrorText) else each for each in errors):
        print(text, file=sys.stderr)
    return max((cell.exit_code for cell in failed), default=0)


def tell_breaches(report: ReportModel) -> int:
    """Say on stderr which limits are breached, those that fail first; 1 if one of them does."""
    from backtester.report.gates import FAIL, WARN, breaches
    from backtester.report.naming import cell_name
    from backtester.report.text import limit_line
    from backtester.texts import message_line

    unjudged = [cell for cell in report.failed if cell.status == "not_applicable"]
    if unjudged and (report.command.fail_on or any(cell.limits for cell in report.finished)):
        text = f"{len(unjudged)} of {len(report.cells)} cells are not applicable: no limit was judged there"
        print(f"warning[gate] {text}", file=sys.stderr)
    found = list(breaches(report.cells))
    for level, head in ((FAIL, "error[gate]"), (WARN, "warning[gate]")):
        for cell, limit in found:
            if limit.level == level:
                print(message_line(f"{head} {cell_name(cell)}: {limit_line(limit)}"), file=sys.stderr)
    return ExitCode.GATE if any(limit.level == FAIL for _, limit in found) else ExitCode.OK
