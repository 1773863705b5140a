"""`backtester rehearse`: crashes again, with something broken for the guards."""

from __future__ import annotations

import typer

from backtester.cli.console import DetailsOption, settings
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
from backtester.cli.run import FailOnOption, OutOption, WarnOnOption, carry_out
from backtester.cli.running import JobsOption


def rehearse(
    ctx: typer.Context,
    portfolios: PortfoliosArgument,
    drills: DrillOption = None,
    scenarios: ScenarioOption = None,
    shock: ShockOption = None,
    venues: VenueOption = None,
    tapes: TapeOption = None,
    instruments: InstrumentOption = None,
    set: SetOption = None,
    prices: PriceOption = None,
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
    fail_on: FailOnOption = None,
    warn_on: WarnOnOption = None,
    out: OutOption = None,
) -> int:
    """Break the guards of a portfolio on purpose, one thing at a time: does the policy hold, and which limit stops it?

    It is `run` with all drills, or with those of --drill.

    Examples: backtester rehearse data/guarded-portfolio.toml --scenario 2025-10-10
    backtester rehearse data/guarded-portfolio.toml --scenario crashes --fail-on "missed > 0"
    """
    command = command_of(ctx)
    return carry_out(command._replace(drills=command.drills or ("all",)), settings(ctx), details, jobs, out)
