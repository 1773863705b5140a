"""The one report model, which every renderer reads, and how it is made from finished runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from backtester import __version__
from backtester.config.values import Instant
from backtester.errors import BacktesterError
from backtester.report.impact_law import courses
from backtester.report.metrics import (
    account_reports,
    margin_paths,
    mark_paths,
    portfolio_report,
    system_report,
)
from backtester.report.names import Names, known
from backtester.report.notices import notices
from backtester.report.old_books import warnings as old_book_warnings
from backtester.report.plans import plan_reports
from backtester.report.reconcile import reconcile
from backtester.report.records import (
    Cell,
    FailedCell,
    FileInput,
    Inputs,
    Named,
    RealisedPrices,
    ScenarioInput,
    VenueInput,
)
from backtester.report.slippage import OrderFills
from backtester.report.trade_costs import slipped, trade_reports
from backtester.report.trades import funding_payments, liquidation_reports, order_reports
from backtester.report.verdict import cell_verdict, flags
from backtester.run.result import RunFailure, RunResult, ScenarioSource
from backtester.venue.profile import VenueProfile

T = TypeVar("T")

SCHEMA_VERSION = 1
NO_EXIT = (
    "the final order book cannot take everything (too thin, or the market is closed): equity_end_exit is not known"
)


class ReportModel(NamedTuple):
    """A whole result: the fields of the result document, in its order."""

    kind: str
    schema_version: int
    engine_version: str
    seed: int
    reporting_currency: str
    inputs: Inputs
    assumptions: tuple[str, ...]
    warnings: tuple[str, ...]
    cells: tuple[Cell | FailedCell, ...]

    @property
    def finished(self) -> tuple[Cell, ...]:
        """The cells that have a result."""
        return tuple(cell for cell in self.cells if isinstance(cell, Cell))

    @property
    def failed(self) -> tuple[FailedCell, ...]:
        """The cells that came to nothing."""
        return tuple(cell for cell in self.cells if isinstance(cell, FailedCell))


def build_report(outcomes: Sequence[RunResult | RunFailure]) -> ReportModel:
    """The report of one portfolio on one tape, a cell per outcome.

    Money that does not add up (`reconcile`) makes a run fail with an engine fault (exit code 5). Raises the error of a
    single cell, and those of all cells, the worst first, when none has a result.
    """
    made = [_try_cell(outcome) for outcome in outcomes]
    failures = [each for each in made if isinstance(each, RunFailure)]
    if len(failures) == len(made):
        raise _all_errors(failures)
    cells = tuple(_failed_cell(each) if isinstance(each, RunFailure) else each for each in made)
    results = [each for each in outcomes if isinstance(each, RunResult)]
    first = results[0]
    warnings = [warning for result in results for warning in (*result.warnings, *old_book_warnings(result))]
    if any(isinstance(cell, Cell) and cell.portfolio.equity_end_exit is None for cell in cells):
        warnings.append(NO_EXIT)
    return ReportModel(
        kind="run",
        schema_version=SCHEMA_VERSION,
        engine_version=__version__,
        seed=first.seed,
        reporting_currency=_currency(first),
        inputs=Inputs(
            portfolio=FileInput(Path(first.portfolio_source.name).name, first.portfolio_source.sha256),
            tape=FileInput(*first.tape),
            scenarios=_once(_scenario_input(each.scenario) for each in results if each.scenario),
            venues=_once(_venue_input(profile) for each in results for profile in each.profiles),
        ),
        assumptions=_once(line for result in results for line in result.assumptions),
        warnings=_once(warnings),
        cells=cells,
    )


def _try_cell(outcome: RunResult | RunFailure) -> Cell | RunFailure:
    """The cell of a run whose money adds up."""
    if isinstance(outcome, RunFailure):
        return outcome
    try:
        return _build_cell(outcome)
    except BacktesterError as error:
        scenario = outcome.scenario.id if outcome.scenario else None
        return RunFailure(scenario, _venues(outcome), outcome.variant, error)


def _failed_cell(failure: RunFailure) -> FailedCell:
    variant, error = Named(failure.variant), failure.error
    return FailedCell(failure.scenario, failure.venue, variant, "failed", str(error), int(error.exit_code))


def _all_errors(failures: Sequence[RunFailure]) -> BacktesterError:
    """Every problem once, those of the worst exit code first."""
    worst_first = sorted((failure.error for failure in failures), key=lambda error: -error.exit_code)
    return BacktesterError(_once(problem for error in worst_first for problem in error.diagnostics))


def _venues(result: RunResult) -> str:
    return ", ".join(_once(profile.name for profile in result.profiles))


def _build_cell(result: RunResult) -> Cell:
    """One run, reconciled and measured."""
    errors = reconcile(result)
    names = Names(result)
    fills, traded = OrderFills(result.fills), courses(result)
    costs = slipped(result, names, fills)
    accounts = tuple(account_reports(result, names, errors, costs))
    portfolio = portfolio_report(result, names, accounts)
    orders = tuple(order_reports(result, names, fills, traded))
    plans = tuple(plan_reports(result, names, traded))
    noticed = tuple(notices(result, names, orders, plans))
    return Cell(
        scenario=result.scenario.id if result.scenario else None,
        venue=_venues(result),
        variant=Named(result.variant),
        status="ok",
        error=None,
        verdict=cell_verdict(result),
        flags=_once((*(each.flag for each in noticed), *flags(result, portfolio.equity_end_exit is not None))),
        portfolio=portfolio,
        accounts=accounts,
        orders=orders,
        liquidations=tuple(liquidation_reports(result, names)),
        adl=(),
        funding=tuple(funding_payments(result, names)),
        actions=(),
        plans=plans,
        system=system_report(result),
        start_ts=Instant(result.start_ts),
        end_ts=Instant(result.end_ts),
        trades=tuple(trade_reports(result, names, costs)),
        notices=noticed,
        margin_paths=tuple(margin_paths(result, names)),
        mark_paths=tuple(mark_paths(result)),
        reached=Named(result.reached),
    )


def _scenario_input(source: ScenarioSource) -> ScenarioInput:
    realised = tuple(
        RealisedPrices(each.symbol, *map(known, (each.low, each.high, each.path_low, each.path_high)))
        for each in source.summary.realised
        if known(each.low) is not None  # a market that only lends its order book is never shown
    )
    return ScenarioInput(
        source.id, source.sha256, source.assumed_share, source.title, source.type, source.summary.tiles, realised
    )


def _venue_input(profile: VenueProfile) -> VenueInput:
    return VenueInput(profile.id, profile.sha256, str(profile.rules_date), profile.assumed_share)


def _currency(result: RunResult) -> str:
    """The collateral all accounts share; USD when they differ: stablecoins count at par."""
    assets = _once(account.collateral.asset for account in result.portfolio.accounts)
    return assets[0] if len(assets) == 1 else "USD"


def _once(values: Iterable[T]) -> tuple[T, ...]:
    """Values without repetition, in order."""
    return tuple(_distinct(values))


def _distinct(values: Iterable[T]) -> Iterator[T]:
    seen: list[T] = []
    for value in values:
        if value not in seen:
            seen.append(value)
            yield value
