"""`backtester run`: one portfolio through crashes, on the order book."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backtester.cli.console import Details, DetailsOption, Settings, emit, make_console, settings, talk, written_for
from backtester.cli.options import (
    AsWrittenOption,
    DrillOption,
    FrozenOrderBookOption,
    FundingZeroOption,
    IndexMidOption,
    InstrumentOption,
    OrderBookOption,
    PortfoliosArgument,
    PriceOption,
    ProxyOption,
    RebaseOption,
    ScenarioOption,
    SetOption,
    ShockOption,
    StaleAfterOption,
    TapeOption,
    VenueOption,
    command_of,
)
from backtester.cli.running import JobsOption, announce_compiling, jobs_of, progress_of, tell_breaches, tell_failures
from backtester.errors import usage_error
from backtester.files import prove_directory
from backtester.options import OPTIONS
from backtester.texts import counted

if TYPE_CHECKING:
    from backtester.config.command import Command
    from backtester.report.records import ReportModel


FailOnOption = Annotated[
    list[str] | None,
    typer.Option(
        OPTIONS["fail_on"],
        metavar="CONDITION",
        help="Exit with 1 if it holds in a cell, or cannot be told: 'verdict in [liquidated, insolvent]', "
        "'loss_pct > 40', 'accounts[main].buffer_min < 1.5% notional'. May be given more than once.",
    ),
]
WarnOnOption = Annotated[
    list[str] | None,
    typer.Option(OPTIONS["warn_on"], metavar="CONDITION", help="The same, but only say it: the exit code stays."),
]
OutOption = Annotated[
    str | None,
    typer.Option(
        "--out",
        metavar="DIR",
        help="Store result.json and the tables there: a new directory, or with --force that of an earlier result.",
    ),
]


def run(
    ctx: typer.Context,
    portfolios: PortfoliosArgument,
    scenarios: ScenarioOption = None,
    shock: ShockOption = None,
    venues: VenueOption = None,
    tapes: TapeOption = None,
    instruments: InstrumentOption = None,
    set: SetOption = None,
    compare: Annotated[
        list[str] | None,
        typer.Option(
            OPTIONS["compare"],
            metavar="KEY=A,B,…",
            help="Run the portfolio with each of these values side by side; more than once: every combination.",
        ),
    ] = None,
    prices: PriceOption = None,
    most: Annotated[
        int, typer.Option("--max", metavar="N", min=1, help="The most combinations of --compare that are run.")
    ] = 100,
    proxies: ProxyOption = None,
    rebase: RebaseOption = False,
    as_written: AsWrittenOption = False,
    funding_zero: FundingZeroOption = False,
    index_mid: IndexMidOption = False,
    order_book: OrderBookOption = False,
    frozen_order_book: FrozenOrderBookOption = False,
    stale_after: StaleAfterOption = None,
    details: DetailsOption = "brief",
    jobs: JobsOption = None,
    drills: DrillOption = None,
    fail_on: FailOnOption = None,
    warn_on: WarnOnOption = None,
    out: OutOption = None,
) -> int:
    """Replay crashes through the order book and report what became of each portfolio.

    Examples: backtester run data/demo-portfolio.toml --scenario 2025-10-10
    backtester run data/demo-portfolio.toml --scenario 2025-10-10 --compare held=venue,client
    """
    command, chosen = command_of(ctx), settings(ctx)
    _check_size(command, most, chosen)
    return carry_out(command, chosen, details, jobs, out)


def carry_out(command: Command, chosen: Settings, details: Details, jobs: int | None, out: str | None) -> int:
    """Run what a command asks for, store it where that is wanted, and tell it; returns the exit code."""
    _check_directory(out, chosen.force)
    from backtester.results.produce import produce

    announce_compiling(chosen)
    with progress_of(chosen, ", ".join(command.scenarios) or "tape") as listener:
        made = produce(command, chosen.seed, with_tables=out is not None, listener=listener, jobs=jobs_of(jobs))
    if out is not None:
        with written_for("--out", out, "name a directory of yours"):
            made.write(Path(out))
    return _tell(made.model, chosen, details)


def _tell(report: ReportModel, chosen: Settings, details: Details) -> int:
    """Print the report, and on stderr what failed and which limits are breached; the exit code of the worst."""
    from backtester.report.render import render_report

    emit(render_report(report, chosen.format, make_console(chosen), details), chosen)
    return max(tell_failures(report), tell_breaches(report))


def _check_size(command: Command, most: int, chosen: Settings) -> None:
    """Say how many combinations are to be run, and refuse more than `most`: two keys more can mean hours."""
    from backtester.run.request import requests
    from backtester.run.variants import count_combinations

    asked = len(requests(command))
    count = count_combinations(command.compare) * asked
    if count > most:
        over = ", those of portfolios, scenarios and venues counted" if asked > 1 else ""
        message = f"makes {count:,} combinations{over}, more than {most:,}"
        raise usage_error("--compare", message, f"name fewer values, or run them all with --max {count}")
    if command.compare:
        talk(counted(count, "combination"), chosen)


def _check_directory(out: str | None, force: bool) -> None:
    """Prove that the target of --out can be written before the run, so that a bad one fails at once.

    What it holds is a matter of `check_directory`.
    """
    if out is None:
        return
    if not out:
        raise usage_error("--out", "is empty", "name a directory of yours")
    from backtester.results.tables import check_directory

    with written_for("--out", out, "name a directory of yours"):
        prove_directory(Path(out))
        check_directory(Path(out), force)
