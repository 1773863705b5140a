"""`backtester run`: one portfolio through crashes, on the order book."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backtester.bounds import LONGEST_S
from backtester.cli.completion import scenarios_or_all, tapes, venues
from backtester.cli.console import Details, DetailsOption, Settings, emit, make_console, settings, talk, written_for
from backtester.cli.running import JobsOption, announce_compiling, jobs_of, progress_of, tell_breaches, tell_failures
from backtester.errors import usage_error
from backtester.files import prove_directory
from backtester.texts import counted

if TYPE_CHECKING:
    from backtester.config.command import Command
    from backtester.report.records import ReportModel


def run(
    ctx: typer.Context,
    portfolios: Annotated[list[Path], typer.Argument(help="What is held and ordered (TOML).", metavar="PORTFOLIO…")],
    scenario: Annotated[
        list[str] | None,
        typer.Option(
            "--scenario",
            metavar="ID[+ID…],…|all",
            autocompletion=scenarios_or_all,
            help="Crashes to replay, also laid over each other (2025-10-10+outage); none: the tape as it is. "
            "May be given more than once.",
        ),
    ] = None,
    shock: Annotated[
        str | None,
        typer.Option(
            "--shock",
            metavar="depth=0.5,…",
            help="On top of it: factors on depth, bid_depth, ask_depth, spread, volume, trades; latency=+200ms, "
            "refill=60s, funding=0.1%/8h; price=-10% (a gap after a minute) or price=*1.2 (a crash 1.2 times as deep).",
        ),
    ] = None,
    venue: Annotated[
        list[str] | None,
        typer.Option(
            "--venue",
            metavar="[ID][@DATE|@scenario],…",
            autocompletion=venues,
            help="Rules for every account, newest unless dated; without an ID each keeps its own venue. Several are "
            "run side by side.",
        ),
    ] = None,
    tape: Annotated[
        list[str] | None,
        typer.Option(
            "--tape",
            metavar="PATH|NAME",
            autocompletion=tapes,
            help="Base tape; may be given more than once. Under a scenario, shipped ones add the markets it lacks.",
        ),
    ] = None,
    instrument: Annotated[
        list[str] | None,
        typer.Option("--instrument", metavar="BTC:tick=0.1,lot=0.001", help="Describe a symbol of a bare tape."),
    ] = None,
    override: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change a value of the portfolio; venue.RULE of its venues, scenario.COLUMN of the scenario. KEY=*1.5 "
            "and KEY=-10% change it by what is there.",
        ),
    ] = None,
    compare: Annotated[
        list[str] | None,
        typer.Option(
            "--compare",
            metavar="KEY=A,B,…",
            help="Run the portfolio with each of these values side by side; more than once: every combination.",
        ),
    ] = None,
    price: Annotated[
        list[str] | None,
        typer.Option(
            "--price",
            metavar="BTC=68000",
            help="Move the tape so that it begins at this price, with as much money in its order book.",
        ),
    ] = None,
    most: Annotated[
        int, typer.Option("--max", metavar="N", min=1, help="The most combinations of --compare that are run.")
    ] = 100,
    proxy: Annotated[
        list[str] | None,
        typer.Option(
            "--proxy", metavar="SOL=ETH*1.2", help="A path, and an order book (at its --price), for a symbol without."
        ),
    ] = None,
    rebase: Annotated[
        bool, typer.Option("--rebase", help="Move a portfolio written at other prices to the prices of the tape.")
    ] = False,
    as_written: Annotated[
        bool, typer.Option("--as-written", help="Take entry prices far from those of the tape as they are.")
    ] = False,
    assume_funding_zero: Annotated[
        bool, typer.Option("--assume-funding-zero", help="Charge nothing where the tape has no funding rate.")
    ] = False,
    assume_index_mid: Annotated[
        bool, typer.Option("--assume-index-mid", help="Take the mid where the tape has no index.")
    ] = False,
    assume_order_book: Annotated[
        bool, typer.Option("--assume-order-book", help="Trade on another venue's order book where its own has no tape.")
    ] = False,
    assume_order_book_frozen: Annotated[
        bool,
        typer.Option("--assume-order-book-frozen", help="Believe an order book that stands still under its trades."),
    ] = False,
    stale_after: Annotated[
        float | None,
        typer.Option(
            "--stale-after",
            min=0,
            max=LONGEST_S,
            help="Flag fills on an order book older than this, in s. Default: 20 times the median time between two of "
            "its messages, 10 to 120.",
        ),
    ] = None,
    details: DetailsOption = "worst",
    jobs: JobsOption = None,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-on",
            metavar="CONDITION",
            help="Exit with 1 if it holds in a cell, or cannot be told: 'verdict in [liquidated, insolvent]', "
            "'loss_pct > 40', 'accounts[main].buffer_min < 1.5% notional'. May be given more than once.",
        ),
    ] = None,
    warn_on: Annotated[
        list[str] | None,
        typer.Option("--warn-on", metavar="CONDITION", help="The same, but only say it: the exit code stays."),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Store result.json and the tables there: a new directory, or with --force that of an earlier result.",
        ),
    ] = None,
) -> int:
    """Replay crashes through the order book and report what became of each portfolio.

    Examples: backtester run data/demo-portfolio.toml --scenario 2025-10-10
    backtester run data/demo-portfolio.toml --scenario 2025-10-10 --compare held=venue,client
    """
    chosen = settings(ctx)
    _check_directory(out, chosen.force)
    from backtester.config.command import Acceptances, Command
    from backtester.report.produce import produce

    accept = Acceptances(assume_funding_zero, assume_index_mid, assume_order_book, as_written, assume_order_book_frozen)
    command = Command(
        portfolios=tuple(map(str, portfolios)),
        scenarios=tuple(scenario or ()),
        venues=tuple(venue or ()),
        shock=shock,
        tapes=tuple(tape or ()),
        instruments=tuple(instrument or ()),
        set=tuple(override or ()),
        compare=tuple(compare or ()),
        prices=tuple(price or ()),
        proxies=tuple(proxy or ()),
        fail_on=tuple(fail_on or ()),
        warn_on=tuple(warn_on or ()),
        stale_after=stale_after,
        rebase=rebase,
        accept=accept,
    )
    _check_size(command, most, chosen)
    announce_compiling(chosen)
    with progress_of(chosen, ", ".join(command.scenarios) or "tape") as progress:
        made = produce(command, chosen.seed, with_tables=out is not None, progress=progress, jobs=jobs_of(jobs))
    if out is not None:
        with written_for("--out", out, "name a directory of yours"):
            made.write(Path(out))
    return _tell(made.model, chosen, details)


def _tell(report: ReportModel, chosen: Settings, details: Details) -> int:
    """Print the report, and on stderr what failed and which limits are not kept; the exit code of the worst."""
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
    from backtester.report.tables import check_directory

    with written_for("--out", out, "name a directory of yours"):
        prove_directory(Path(out))
        check_directory(Path(out), force)
