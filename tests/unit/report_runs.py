"""Small finished runs for the tests of the report: one instrument X, tick 1, lot 1, everything dyadic.

The run path's own types, filled from `spec` and the engine; the tape and the rules are those of the worked examples.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from backtester.config.command import Command
from backtester.config.portfolio import Account, Plan, Portfolio
from backtester.config.values import Collateral
from backtester.config.venue import TierRow
from backtester.engine import spec
from backtester.engine.state import DEFAULT_CAPACITIES
from backtester.enums import Advance
from backtester.market.feed import bound_ns
from backtester.market.schema import TapeInstrument
from backtester.metrics.cell import measure
from backtester.report.records import ReportModel
from backtester.results.model import summarise
from backtester.run.drive import Engine
from backtester.run.result import Instrument, RunFailure, RunResult, Source
from backtester.run.saved import Ridden, find_saved
from backtester.venue.loader import load_profile
from backtester.venue.profile import MarketRules, VenueProfile
from tests.oracle.examples import FLAT_TIER, PLAIN, case, market_data
from tests.oracle.ladder import Event

Tape = Sequence[Sequence[Event]]
#: Of runs that no command line asked for.
NO_COMMAND = Command(())


def account(
    balance: float,
    places: Sequence[spec.Position],
    orders: Sequence[spec.Order] = (),
    name: str = "main",
    plans: Sequence[spec.Plan] = (),
) -> spec.Account:
    """An account of the first rules."""
    return spec.Account(name, 0, balance, tuple(places), tuple(orders), tuple(plans))


def cross(lots: int, entry_price: float = 100.0, leverage: float = 10.0) -> spec.Position:
    """A cross position in X."""
    return spec.Position(0, lots, entry_price, leverage)


def isolated(lots: int, margin: float, entry_price: float = 100.0, leverage: float = 10.0) -> spec.Position:
    """An isolated position in X."""
    return spec.Position(0, lots, entry_price, leverage, True, margin)


def finished(
    accounts: Sequence[spec.Account],
    tape: Tape,
    rules: spec.Rules = PLAIN,
    tiers: tuple[spec.Tier, ...] = FLAT_TIER,
    insurance: float = 0.0,
    liquidation_fee: float = 0.0,
) -> RunResult:
    """Run accounts, with and without liquidation, over a tape."""
    data = market_data(rules, tiers=tiers, liquidation_fee=liquidation_fee)
    world = spec.World(tuple(accounts), insurance_start=(insurance,))
    inputs = case(data, (world, world._replace(liquidation=False)), tape)
    engine = Engine(data)
    status = engine.feed(inputs.events)
    assert status == Advance.STARTED, "the tape needs a ladder, a mark and a record after the first second"
    engine.attach(inputs.worlds)
    engine.resume()
    engine.finish()
    written = tuple(map(_written, accounts))
    ridden = Ridden(world, written, lambda settings: None)
    [saved] = find_saved(engine, [ridden], lambda: [inputs.events], DEFAULT_CAPACITIES)
    return RunResult(
        portfolio=Portfolio.model_construct(name="test", accounts=written),
        portfolio_source=Source("p.toml", "0" * 64),
        tape=Source("t.parquet", "1" * 64),
        scenario=None,
        profiles=(_profile(tiers),) * len(accounts),
        instruments=(Instrument(TapeInstrument("test", "X", "X", 1.0, 1.0), None),),
        data=data,
        world=world,
        market=engine.market,
        state=engine.worlds,
        index=engine.index,
        fills=engine.fills,
        ledger=engine.ledger,
        liquidations=engine.liquidations,
        payments=engine.payments,
        guard_events=engine.guard_events,
        start_ts=engine.start_ts,
        end_ts=int(engine.control["now"][0]),
        path_width_ns=int(engine.control["path_width"][0]),
        book_bounds_ns=(bound_ns(engine.market.gaps[0]),),
        assumptions=(),
        warnings=(),
        variant=(),
        reached=(),
        seed=0,
        saved=saved,
    )


def build_report(outcomes: Iterable[RunResult | RunFailure], command: Command = NO_COMMAND) -> ReportModel:
    """The report of finished runs, a cell per outcome."""
    return summarise([measure(each) if isinstance(each, RunResult) else each for each in outcomes], command)


def _written(made: spec.Account) -> Account:
    """What a report reads of the portfolio behind an account: how its plans work, all of them in slices here."""
    plans = tuple(Plan.model_construct(algo="twap", size=1.0) for _ in made.plans)
    collateral = Collateral("USDC", made.balance)
    return Account.model_construct(name="test", collateral=collateral, positions=(), orders=(), plans=plans)


def _profile(tiers: Sequence[spec.Tier]) -> VenueProfile:
    rows = tuple(TierRow(**tier._asdict()) for tier in tiers)
    return replace(load_profile("hyperliquid"), markets=(MarketRules("X", rows, 1.0, None, "test", True),))
