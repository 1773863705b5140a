"""`backtester suite`: the same portfolios through the same crashes every month, archived."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backtester.cli.console import emit, emit_rows, make_console, settings, talk
from backtester.cli.running import JobsOption, announce_compiling, jobs_of, progress_of, tell_breaches, tell_failures
from backtester.errors import ExitCode, usage_error
from backtester.texts import message_line

if TYPE_CHECKING:
    from backtester.suite.monthly import Month

app = typer.Typer(
    help="Stress runs that are kept, month by month: run them, see where they stand, thin them out.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

SuiteFile = Annotated[Path, typer.Argument(help="What is run every month (TOML).", metavar="SUITE")]


@app.command()
def run(
    ctx: typer.Context,
    suite: SuiteFile,
    month: Annotated[
        str | None, typer.Option("--month", metavar="YYYY-MM", help="The month it counts for. Default: this one.")
    ] = None,
    jobs: JobsOption = None,
) -> int:
    """Run a suite, archive it as a month, and tell what is new since the month before.

    A month that is archived is never replaced: run again, it is told as it was, and on stderr what changed since. What
    was killed goes on where it was.

    Example: backtester suite run suite.toml --month 2026-11
    """
    chosen = settings(ctx)
    name = _month(month)
    from backtester.config.suite import load_suite
    from backtester.report.render import render_report
    from backtester.suite.archive import Archive
    from backtester.suite.monthly import run_month
    from backtester.suite.notify import notify

    file = load_suite(suite)
    announce_compiling(chosen)
    with file.blamed(), progress_of(chosen, file.suite.name) as listener:
        found = run_month(file, name, chosen.seed, listener=listener, jobs=jobs_of(jobs))
    pages = {"table": found.summary, "markdown": found.summary, "html": found.page}
    told = pages.get(chosen.format) or render_report(found.model, chosen.format, make_console(chosen))
    emit(told, chosen)
    failed = tell_failures(found.model)
    if not found.is_kept:
        print(f"{found.directory} is not archived: mend this and run it again, what is done is kept", file=sys.stderr)
        return failed
    _tell_changed(found)
    if found.is_new and name > this_month():
        print(f"warning[suite] {found.directory}: is a month to come, which `latest` may lead to now", file=sys.stderr)
    talk(f"{found.directory} {'is written' if found.is_new else 'is already there: same receipt'}", chosen)
    code = notify(Archive(file.archive), found, file.suite.notify) if file.suite.notify else ExitCode.OK
    return max(tell_breaches(found.model), code)


def _tell_changed(month: Month) -> None:
    """Say that a month which is told as it was would come out of other files now."""
    if month.changed:
        message = f"is told as it was; changed since: {', '.join(month.changed)}"
        print(message_line(f"warning[suite] {month.directory}: {message}"), file=sys.stderr)


def this_month() -> str:
    """In UTC. Example: 2026-11."""
    return f"{datetime.now(UTC):%Y-%m}"


def _month(text: str | None) -> str:
    """A month as `2026-11`; this one if none is named. Raises a usage error."""
    if text is None:
        return this_month()
    from backtester.results.places import MONTH

    if not MONTH.fullmatch(text):
        raise usage_error("--month", f'"{text}" is no month', "write it like 2026-11")
    return text


@app.command()
def status(ctx: typer.Context, suite: SuiteFile) -> None:
    """List the months that are archived or under way: how many cells, how they ended, what was breached."""
    from backtester.config.suite import load_suite
    from backtester.suite.archive import Archive
    from backtester.suite.history import MONTH_COLUMNS, month_rows, month_texts, read_months

    chosen, months = settings(ctx), read_months(Archive(load_suite(suite).archive))
    rows = month_rows(months)
    emit_rows("suite", MONTH_COLUMNS, rows if chosen.format in ("json", "csv") else month_texts(rows), chosen)
    if error := months.error():
        raise error


@app.command()
def history(
    ctx: typer.Context,
    suite: SuiteFile,
    figure: Annotated[
        list[str] | None,
        typer.Option(
            "--figure",
            metavar="FIELD",
            help="A figure of a cell, as in a condition: loss_pct, accounts[main].buffer_min. May be given more than "
            "once. Default: loss_pct and equity_min.",
        ),
    ] = None,
) -> None:
    """Show how the figures of every cell went from month to month, and what changed when they jumped.

    That is told of what the cell itself is made from: its portfolio, tape, scenario, rules, options, the program; `=`
    where none of it did.
    """
    from backtester.config.suite import load_suite
    from backtester.suite.archive import Archive
    from backtester.suite.history import FIGURE_COLUMNS, FIGURES, figure_rows, read_months

    months = read_months(Archive(load_suite(suite).archive))
    emit_rows("history", FIGURE_COLUMNS, figure_rows(months.models, figure or FIGURES), settings(ctx))
    if error := months.error():
        raise error


@app.command()
def prune(
    ctx: typer.Context,
    suite: SuiteFile,
    keep: Annotated[str, typer.Option("--keep", metavar="24m", help="Keep the newest so many months.")],
) -> None:
    """Remove the oldest months of the archive."""
    from backtester.config.suite import load_suite
    from backtester.suite.archive import Archive

    count = _months(keep)
    archive = Archive(load_suite(suite).archive)
    with archive.locked():
        gone = archive.months()[:-count]
        archive.remove(gone)
    emit_rows("prune", ("removed",), [(month,) for month in gone], settings(ctx))


def _months(text: str) -> int:
    """`24m` or `24` is 24 months. Raises a usage error."""
    number = text.removesuffix("m")
    if not (number.isascii() and number.isdigit()) or not int(number):
        raise usage_error("--keep", f'"{text}" is no number of months', "write it like 24m")
    return int(number)
