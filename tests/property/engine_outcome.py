"""The engine alone on a universe: all it leaves behind, and ways to alter a universe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from backtester.engine import spec
from backtester.engine.state import Capacities
from backtester.enums import Fault
from backtester.errors import BacktesterError
from backtester.run.drive import Engine
from tests.oracle.examples import cut
from tests.oracle.universe import Universe

#: Everything that can be full is full all the time.
SMALL = Capacities(cells=1, overlay=1, rows=1, group=1)
LARGE = Capacities()


class Outcome(NamedTuple):
    """What is left at the end of a tape; the arrays of `engine.state`."""

    fault: Fault
    start_ts: int
    accounts: np.ndarray
    pools: np.ndarray
    positions: np.ndarray
    orders: np.ndarray
    plans: np.ndarray
    parties: np.ndarray  # f8[world, Party]
    fills: np.ndarray
    ledger: np.ndarray
    liquidations: np.ndarray
    payments: np.ndarray
    guards: np.ndarray
    guard_events: np.ndarray
    account_path: np.ndarray
    market_path: np.ndarray


def outcome(inputs: Universe, capacities: Capacities = LARGE, steps_per_chunk: int | None = None) -> Outcome:
    """Run the engine over the whole tape, so many steps a chunk (all in one without)."""
    engine = Engine(inputs.data, capacities)
    fault = Fault.NONE
    try:
        for chunk in chunks(inputs.events, steps_per_chunk):
            engine.feed(chunk)
            _attach(engine, inputs.worlds)
        engine.finish()
        if _attach(engine, inputs.worlds):
            engine.finish()
    except BacktesterError:
        fault = Fault(int(engine.control["fault"][0]))
    w = engine.worlds
    return Outcome(
        fault=fault,
        start_ts=engine.start_ts,
        accounts=w.accounts,
        pools=w.pools,
        positions=w.positions,
        orders=w.orders,
        plans=w.plans,
        parties=w.parties,
        fills=engine.fills,
        ledger=engine.ledger,
        liquidations=engine.liquidations,
        payments=engine.payments,
        guards=w.guards,
        guard_events=engine.guard_events,
        account_path=w.path,
        market_path=engine.market.path,
    )


def _attach(engine: Engine, worlds: tuple[spec.World, ...]) -> bool:
    """Attach the worlds at the start, once."""
    if not engine.control["started"][0] or len(engine.worlds.worlds):
        return False
    engine.attach(worlds)
    engine.resume()
    return True


def chunks(events: np.ndarray, steps_per_chunk: int | None) -> list[np.ndarray]:
    """Cut a tape between steps."""
    if steps_per_chunk is None:
        return [events]
    ends = np.cumsum([len(step) for step in cut(events)])
    return np.split(events, ends[steps_per_chunk - 1 : -1 : steps_per_chunk])


def calm(inputs: Universe) -> Universe:
    """The same without faults: a stamp without a funding rate charges nothing."""
    return with_rules(inputs, lambda rules: rules._replace(assume_funding_zero=True))


def with_rules(inputs: Universe, change: Callable[[spec.Rules], spec.Rules]) -> Universe:
    """The same under other rules."""
    return inputs._replace(data=inputs.data._replace(rules=tuple(map(change, inputs.data.rules))))


def with_accounts(inputs: Universe, change: Callable[[spec.Account], spec.Account]) -> Universe:
    """The same with other accounts."""
    worlds = tuple(world._replace(accounts=tuple(map(change, world.accounts))) for world in inputs.worlds)
    return inputs._replace(worlds=worlds)


def same(a: np.ndarray, b: np.ndarray, ignore: frozenset[str] = frozenset()) -> bool:
    """Whether two arrays of records are equal, field by field and to the last bit; what is not a number is like it."""
    names = [name for name in a.dtype.names or () if name not in ignore]
    return len(a) == len(b) and all(np.array_equal(a[name], b[name], equal_nan=True) for name in names)


def rows(table: np.ndarray, *names: str) -> list[tuple[Any, ...]]:
    """Columns of a table as plain tuples."""
    return [tuple(row[name].item() for name in names) for row in table]
