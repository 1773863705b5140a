"""One finished run, measured: its cell of the report, and what the head of the report says of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

from backtester.config.values import Instant
from backtester.enums import DrillVerdict
from backtester.errors import BacktesterError
from backtester.metrics.accounts import (
    account_reports,
    portfolio_report,
    system_report,
)
from backtester.metrics.drills import drill_reports
from backtester.metrics.guards import action_reports, guard_reports
from backtester.metrics.impact_law import courses
from backtester.metrics.names import Names, known
from backtester.metrics.notices import notices
from backtester.metrics.old_books import warnings as old_book_warnings
from backtester.metrics.paths import margin_paths, market_paths
from backtester.metrics.phases import phase_reports
from backtester.metrics.plans import plan_reports
from backtester.metrics.reconcile import reconcile
from backtester.metrics.slippage import OrderFills
from backtester.metrics.trade_costs import slipped, trade_reports
from backtester.metrics.trades import funding_payments, liquidation_reports, order_reports
from backtester.metrics.verdict import cell_verdict, flags
from backtester.report.gates import judged
from backtester.report.pools import fates
from backtester.report.records import Cell, FileInput, Named, RealisedPrices, ScenarioInput, Source, VenueInput
from backtester.run.result import RunFailure, RunResult, ScenarioSource
from backtester.venue.profile import VenueProfile

T = TypeVar("T")
NO_EXIT = (
    "the final order book cannot take everything (too thin, or the market is closed): equity_end_exit is not known"
)


class Measured(NamedTuple):
    """What is kept of a run for the report: the run itself may go."""

    cell: Cell
    seed: int
    currency: str
    portfolio: FileInput
    tape: FileInput
    scenario: ScenarioInput | None
    venues: tuple[VenueInput, ...]
    assumptions: tuple[str, ...]
    warnings: tuple[str, ...]


def measure(result: RunResult) -> Measured | RunFailure:
    """A run whose money adds up; one whose does not (`reconcile`) fails with an engine fault (exit code 5)."""
    try:
        cell = _build_cell(result)
    except BacktesterError as error:
        scenario = result.scenario.id if result.scenario else None
        limits = result.portfolio.limits.all()
        title = result.portfolio.name
        return RunFailure(result.name, title, scenario, _venues(result), result.variant, error, limits=limits)
    return Measured(
        cell=cell,
        seed=result.seed,
        currency=_currency(result),
        portfolio=FileInput(Path(result.portfolio_source.name).name, result.portfolio_source.sha256),
        tape=FileInput(*result.tape),
        scenario=_scenario_input(result.scenario) if result.scenario else None,
        venues=once(map(_venue_input, result.profiles)),
        assumptions=result.assumptions,
        warnings=tuple(_warnings(result, cell)),
    )


def _warnings(result: RunResult, cell: Cell) -> Iterator[str]:
    yield from result.warnings
    yield from old_book_warnings(result)
    if cell.portfolio.equity_end_exit is None:
        yield NO_EXIT


def _venues(result: RunResult) -> str:
    return ", ".join(once(profile.name for profile in result.profiles))


def _build_cell(result: RunResult) -> Cell:
    """One run, reconciled and measured."""
    errors = reconcile(result)
    names = Names(result)
    fills, traded = OrderFills(result.fills), courses(result)
    costs = slipped(result, names, fills)
    accounts = tuple(account_reports(result, names, errors, costs))
    liquidations = tuple(liquidation_reports(result, names))
    trades = tuple(trade_reports(result, names, costs))
    portfolio = portfolio_report(result, names, accounts, fates(accounts, liquidations), trades)
    orders = tuple(order_reports(result, names, fills, traded))
    plans = tuple(plan_reports(result, names, traded))
    drills = tuple(drill_reports(result, names))
    noticed = tuple(notices(result, names, orders, plans))
    cell = Cell(
        scenario=result.scenario.id if result.scenario else None,
        venue=_venues(result),
        variant=Named(result.variant),
        status="ok",
        error=None,
        verdict=cell_verdict(result),
        flags=once((*(each.flag for each in noticed), *flags(result, portfolio.equity_end_exit is not None))),
        portfolio=portfolio,
        accounts=accounts,
        orders=orders,
        liquidations=liquidations,
        funding=tuple(funding_payments(result, names)),
        plans=plans,
        system=system_report(result),
        start_ts=Instant(result.start_ts),
        end_ts=Instant(result.end_ts),
        trades=trades,
        notices=noticed,
        margin_paths=tuple(margin_paths(result, names)),
        market_paths=tuple(market_paths(result, names)),
        reached=Named(result.reached),
        limits=(),
        actions=tuple(action_reports(result, names)),
        guards=tuple(guard_reports(result, names)),
        phases=tuple(phase_reports(result, names)),
        missed=sum(each.verdict is DrillVerdict.MISSED for each in drills) if drills else None,
        drills=drills,
    )
    return cell._replace(limits=judged(cell, result.portfolio.limits.all()))


def _scenario_input(source: ScenarioSource) -> ScenarioInput:
    realised = tuple(
        RealisedPrices(each.symbol, *map(known, (each.low, each.high, each.path_low, each.path_high)))
        for each in source.summary.realised
        if known(each.low) is not None  # a market that only lends its order book is never shown
    )
    return ScenarioInput(
        source.id,
        source.sha256,
        source.assumed_share,
        source.title,
        source.type,
        source.summary.tiles,
        realised,
        tuple(Source(*each) for each in source.sources),
    )


def _venue_input(profile: VenueProfile) -> VenueInput:
    cited = tuple(Source(*each) for each in profile.cited)
    return VenueInput(profile.id, profile.sha256, str(profile.rules_date), profile.assumed_share, cited)


def _currency(result: RunResult) -> str:
    return shared_currency(account.collateral.asset for account in result.portfolio.accounts)


def shared_currency(assets: Iterable[str]) -> str:
    """The one that all are; USD where they differ: stablecoins count at par."""
    different = once(assets)
    return different[0] if len(different) == 1 else "USD"


def once(values: Iterable[T]) -> tuple[T, ...]:
    """Values without repetition, in order."""
    return tuple(dict.fromkeys(values))
