"""Same inputs, same bytes: again, in other chunks, with other buffers, and with other worlds beside."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backtester.config.command import Acceptances
from backtester.config.portfolio import load_portfolio
from backtester.engine import spec
from backtester.engine.state import DEFAULT_CAPACITIES, Capacities
from backtester.enums import Advance, FillReason, OrderStatus
from backtester.market.read import open_tape
from backtester.run.drive import Engine
from backtester.run.request import Request
from backtester.run.resolve import Holder, resolve_markets, resolve_world
from backtester.run.resolve_values import Start
from backtester.run.result import RunResult
from backtester.run.session import run_cell
from backtester.scenario.apply import StressedTape
from backtester.scenario.grid import Target
from backtester.scenario.stored import load
from backtester.venue.loader import load_profile
from tests.unit.market_tapes import Row
from tests.unit.run_cases import (
    CRASH,
    DEMO,
    START,
    S,
    account,
    crash,
    demo,
    differences,
    ladder,
    order,
    order_row,
    portfolio,
    position,
    same_bytes,
    tape,
)

TAPES = ("hyperliquid-btc", "hyperliquid-eth")
#: A crash of two minutes on the shipped tapes: thinner and thinner, with every kind of order of the demo in it.
KNOTS = [(0.0, 1.0), (20.0, 0.99), (60.0, 0.93), (62.0, 0.8), (90.0, 0.85), (120.0, 0.8)]
SOONER = ("orders[cut-eth].at=10s",)
SMALLEST = Capacities(cells=1 << 10, overlay=4, rows=1)


@pytest.fixture(scope="module")
def request_short(tmp_path_factory: pytest.TempPathFactory) -> Request:
    """The demo portfolio in the short crash."""
    return Request(DEMO, SOONER, scenario=str(short_crash(tmp_path_factory.mktemp("scenario"))))


def short_crash(directory: Path) -> Path:
    thin = [(0.0, 1.0), (30.0, 0.3), (60.0, 0.1)]
    depth = {f"{side}_depth_{band}": thin for side in ("bid", "ask") for band in ("near", "mid", "far")}
    return crash(directory, KNOTS, start=1_760_128_200 * S, bases=["BTC", "ETH"], columns=depth)


@pytest.fixture(scope="module")
def short(request_short: Request) -> RunResult:
    """Its result, as everybody gets it."""
    return run_cell(request_short)


# --- the same run --------------------------------------------------------------------------------------------------


def test_the_short_crash_has_something_to_compare(short: RunResult) -> None:
    assert len(short.fills) > 50 and len(short.liquidations) >= 3
    assert {FillReason.TAKER_WALK, FillReason.LIQUIDATION, FillReason.TAKEOVER} <= set(short.fills["reason"])


def test_the_demo_twice() -> None:
    again = run_cell(Request(DEMO, scenario=CRASH))
    assert differences(demo(), again) == []
    assert (again.assumptions, again.end_ts, again.tape) == (demo().assumptions, demo().end_ts, demo().tape)


@pytest.mark.parametrize("chunk_rows", [10_000, 1 << 20])
def test_chunks_of_the_demo(chunk_rows: int) -> None:
    assert differences(demo(), run_cell(Request(DEMO, scenario=CRASH, chunk_rows=chunk_rows))) == []


def test_capacities_of_the_demo() -> None:
    """Every buffer starts as small as it can be and grows, a ladder of 1,024 ticks first of all."""
    grown = run_cell(Request(DEMO, scenario=CRASH, capacities=SMALLEST))
    assert differences(demo(), grown) == []
    assert len(grown.state.overlay) > SMALLEST.overlay
    assert SMALLEST.rows < len(grown.state.fills) < DEFAULT_CAPACITIES.rows
    assert (grown.market.instruments["capacity"] > SMALLEST.cells).all()


@pytest.mark.parametrize("chunk_rows", [997, 4_096])
@pytest.mark.parametrize("capacities", [SMALLEST, Capacities(cells=1 << 18, overlay=1 << 15, rows=1 << 15)])
def test_chunks_and_capacities_together(
    request_short: Request, short: RunResult, chunk_rows: int, capacities: Capacities
) -> None:
    other = run_cell(request_short._replace(chunk_rows=chunk_rows, capacities=capacities))
    assert differences(short, other) == []
    assert len(other.state.overlay) > SMALLEST.overlay


@pytest.mark.parametrize("chunk_rows", [1_000, 1 << 20])
def test_chunks_of_a_plain_tape(chunk_rows: int) -> None:
    base = run_cell(Request(DEMO, SOONER))
    assert differences(base, run_cell(Request(DEMO, SOONER, chunk_rows=chunk_rows, capacities=SMALLEST))) == []


def test_a_ladder_that_grows_keeps_its_levels_and_orders(tmp_path: Path) -> None:
    """It grows inside the first snapshot, for an order far out, and once more with own orders in it."""
    shown = [row for n in range(8) for row in ladder(START + n * S, 900, levels=50)]
    index = [Row(START + n * S, "BTC", "index", 0, 900.0, 0.0) for n in range(8)]
    late = [Row(START + 2 * S, "BTC", "delta", -1, 20_000.0, 1.0)]
    trade = [Row(START + 3 * S, "BTC", "trade", -1, 800.0, 5.0)]
    bid = order("bid", type="limit", side="buy", size=2.0, price=899.0, tif="post_only")
    far = order("far", type="limit", side="sell", size=1.0, price=9_000.0)
    path = portfolio(tmp_path, account(position(), bid, far, order("out", at="4s")))
    base = tape(tmp_path, (), more=[*shown, *index, *late, *trade])
    request = Request(path, tapes=(str(base),))
    large, grown = (run_cell(request._replace(capacities=Capacities(cells=cells))) for cells in (1 << 16, 1 << 10))
    assert differences(large, grown) == []
    assert grown.market.instruments["capacity"].tolist() == [32_768]
    assert [int(order_row(grown, name)["filled"]) for name in ("bid", "far", "out")] == [200_000, 0, 50_000]
    assert order_row(grown, "far")["status"] == OrderStatus.RESTING


def test_another_portfolio_is_another_result(request_short: Request, short: RunResult) -> None:
    """The comparison can fail."""
    other = run_cell(request_short._replace(overrides=(*SOONER, "orders[cut-eth].size=75.0001")))
    assert {"fills", "ledger", "orders", "pools", "positions", "path"} <= set(differences(short, other))


# --- many worlds ---------------------------------------------------------------------------------------------------


@cache
def stressed(scenario: str) -> tuple[Any, ...]:
    """The short crash as chunks, read once for all engines."""
    targets = [Target(each.symbol, each.base, each.venue, each.tick_size, each.lot_size) for each in instruments()]
    return tuple(StressedTape(load(Path(scenario)), targets, open_tape(TAPES).chunks, capacity=50_000).chunks())


def instruments() -> Any:
    return open_tape(TAPES).instruments


def engine_of(scenario: str, *plans: tuple[str, ...]) -> Engine:
    """One engine with a world for each plan of overrides, run to its end; "off" stands for liquidation off."""
    first = load_portfolio(DEMO, SOONER)
    profiles = [load_profile(each.venue) for each in first.portfolio.accounts]
    resolved = resolve_markets([Holder(first, profiles)], instruments(), Acceptances())[0]
    engine = Engine(resolved.data)
    chunks: Iterator[Any] = iter(stressed(scenario))
    while engine.feed(next(chunks)) != Advance.STARTED:
        pass
    marks, indexed = engine.market.markets["mark"].tolist(), engine.market.instruments["has_index"].tolist()

    def world(plan: tuple[str, ...]) -> spec.World:
        file = load_portfolio(DEMO, (*SOONER, *(each for each in plan if each != "off")))
        made = resolve_world(file, resolved, Start(engine.start_ts, marks, indexed))
        return made._replace(liquidation="off" not in plan)

    engine.attach([world(plan) for plan in plans])
    engine.resume()
    engine.run(chunks)
    return engine


def slice_of(engine: Engine, world: int) -> dict[str, Any]:
    """Everything of one world, with its numbers counted from the world's own first."""
    state = engine.worlds
    paths_of_pools = state.pools["path"][state.pools["world"] == world]
    rows = {
        "worlds": state.worlds[world : world + 1],
        "parties": state.parties[world],
        "inventory": state.inventory[world],
        "path": state.path[state.accounts["path"][state.accounts["world"] == world]],
        "pool path": state.path[paths_of_pools[paths_of_pools >= 0]],
        "fills": engine.fills[engine.fills["world"] == world],
        "ledger": engine.ledger[engine.ledger["world"] == world],
        "liquidations": engine.liquidations[engine.liquidations["world"] == world],
    }
    for name in ("accounts", "pools", "positions", "orders"):
        table = getattr(state, name)
        rows[name] = table[table["world"] == world]
    first = {name: int(np.flatnonzero(getattr(state, f"{name}s")["world"] == world)[0]) for name in NUMBERED}
    return {name: _counted_from(table, first) for name, table in rows.items()}


#: Columns that hold numbers of other things, and what they number.
NUMBERED = ("account", "pool", "position", "order")
LINKS = {"pool_first": "pool", "order_first": "order", "position_first": "position"}
#: The same, where 0 is none and 1 the first.
LISTS = ("resting", "account_prev", "account_next")  # of orders


def _counted_from(table: Any, first: dict[str, int]) -> Any:
    table = table.copy()
    names = table.dtype.names or ()
    for name in {*NUMBERED, *LINKS} & set(names):
        known = table[name] >= 0
        table[name][known] -= first[LINKS.get(name, name)]
    for name in {*LISTS} & set(names):
        table[name][table[name] > 0] -= first["order"]
    for name in {"world", "path", "prev", "next", "used_step"} & set(names):  # lists of a level run through all worlds
        table[name] = 0
    return table


def test_worlds_do_not_see_each_other(request_short: Request) -> None:
    """Each of several worlds, equal ones and different ones, is what it is alone."""
    scenario = str(request_short.scenario)
    plans = [(), ("positions[BTC].size=12",), ("off",), ("orders[stop-at-client].held=venue",), ()]
    together = engine_of(scenario, *plans)
    for world, plan in enumerate(plans):
        alone, among = slice_of(engine_of(scenario, plan), 0), slice_of(together, world)
        assert [name for name in alone if not same_bytes(alone[name], among[name])] == []
    assert not same_bytes(slice_of(together, 0)["fills"], slice_of(together, 1)["fills"])


def test_many_equal_worlds(request_short: Request) -> None:
    scenario = str(request_short.scenario)
    one = slice_of(engine_of(scenario, ()), 0)
    many = engine_of(scenario, *[()] * 20)
    assert len(one["fills"]) > 20
    for world in range(20):
        among = slice_of(many, world)
        assert [name for name in one if not same_bytes(one[name], among[name])] == []


def test_the_engine_by_hand_is_the_run(request_short: Request, short: RunResult) -> None:
    engine = engine_of(str(request_short.scenario), (), ("off",))
    assert same_bytes(engine.fills, short.fills) and same_bytes(engine.ledger, short.ledger)
    assert same_bytes(engine.worlds.path, short.state.path)
