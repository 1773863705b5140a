"""Worlds as they stand at the start, row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from backtester.engine import spec
from backtester.engine.allocate import WorldIndex, allocate_market, allocate_worlds
from backtester.engine.state import DEFAULT_CAPACITIES, NEVER_NS, Worlds
from backtester.enums import OrderType, Party, TimeInForce
from tests.oracle.examples import market_data

INF = float("inf")
SOLD = spec.Order("a", 0, OrderType.MARKET, TimeInForce.IOC, -1, 20)
PLAN = spec.Plan("p", 0, 1, 8)

#: Position 1 is isolated; 0 and 2 are the two legs of a contract, and so are 3 and 4, in pools of their own.
MANY = spec.Account(
    "many",
    1,
    1000.0,
    (
        spec.Position(0, 3, 90.0, 10.0),
        spec.Position(1, -4, 50.0, 5.0, isolated=True, margin=70.0),
        spec.Position(0, -2, 110.0, 4.0),
        spec.Position(0, 1, 80.0, 2.0, isolated=True, margin=30.5),
        spec.Position(0, -1, 80.0, 2.0, isolated=True, margin=0.25),
        spec.Position(1, 0, 0.0, 3.0),
    ),
    (SOLD, SOLD),
    (PLAN,),
    venue=1,
)
IDLE = spec.Account("idle", 0, 5.0, ())
ONE = spec.Account("one", 0, 500.0, (spec.Position(1, 6, 60.0, 20.0),), (SOLD,), (PLAN, PLAN))

WORLDS = (
    spec.World((MANY, IDLE), insurance_start=(9.0, 7.0)),
    spec.World((ONE,), liquidation=False, record=False),
    spec.World((ONE,), watched=False),
    spec.World((IDLE, ONE)),
)


def allocated(worlds: Sequence[spec.World]) -> tuple[Worlds, WorldIndex]:
    """Two markets: 2 a lot at 100, half a lot at 60.5."""
    data = market_data()
    data = data._replace(rules=data.rules * 2, markets=data.markets * 2)
    market = allocate_market(data, DEFAULT_CAPACITIES)
    market.markets["unit"], market.markets["mark"] = (2.0, 0.5), (100.0, 60.5)
    return allocate_worlds(market, worlds, 0, DEFAULT_CAPACITIES)


def assert_rows(rows: np.ndarray, length: int, expected: Mapping[str, Sequence[float]]) -> None:
    """Each column is as it is written down, or 0 where it is not."""
    assert len(rows) == length
    for name in rows.dtype.names or ():
        assert rows[name].tolist() == list(expected.get(name, np.zeros_like(rows[name]).tolist())), name


def test_the_accounts() -> None:
    """Equity of the first: 1,000 · the positions 600 - 540, -121 + 100, -400 + 440, 200 - 160, -200 + 160."""
    worlds, _ = allocated(WORLDS)
    expected = {
        "world": (0, 0, 1, 2, 3, 3),
        "rules": (1, 0, 0, 0, 0, 0),
        "venue": (1, 0, 0, 0, 0, 0),
        "pool_first": (0, 4, 5, 6, 7, 8),
        "pool_count": (4, 1, 1, 1, 1, 1),
        "order_first": (0, 2, 2, 3, 4, 4),
        "order_count": (2, 0, 1, 1, 0, 1),
        "path": (0, 5, -1, -1, 6, 7),
        "equity_start": (1079.0, 5.0, 501.5, 501.5, 5.0, 501.5),
        "equity_min": (INF,) * 6,
        "equity_min_ts": (-1,) * 6,
        "passed_ts": (-NEVER_NS,) * 6,
    }
    assert_rows(worlds.accounts, 6, expected)
    assert len(worlds.path) == 8  # with the four pools of the first


def test_the_pools() -> None:
    """One of what is cross, then one of each isolated position, which takes its margin out of the balance."""
    worlds, _ = allocated(WORLDS)
    balance = (899.25, 70.0, 30.5, 0.25, 5.0, 500.0, 500.0, 5.0, 500.0)
    expected = {
        "world": (0, 0, 0, 0, 0, 1, 2, 3, 3),
        "account": (0, 0, 0, 0, 1, 2, 3, 4, 5),
        "position_first": (0, 3, 4, 5, 6, 6, 7, 8, 8),
        "position_count": (3, 1, 1, 1, 0, 1, 1, 0, 1),
        "isolated": (0, 1, 1, 1, 0, 0, 0, 0, 0),
        "path": (1, 2, 3, 4, -1, -1, -1, -1, -1),
        "balance": balance,
        "balance_start": balance,
        "buffer_min": (INF,) * 9,
        "buffer_min_ts": (-1,) * 9,
        "breach_ts": (-1,) * 9,
        "round_ts": (-1,) * 9,
    }
    assert_rows(worlds.pools, 9, expected)


def test_the_positions() -> None:
    """In the order of their pools; cost is lots · unit · entry price."""
    worlds, _ = allocated(WORLDS)
    lots = (3, -2, 0, -4, 1, -1, 6, 6, 6)
    cost = (540.0, -440.0, 0.0, -100.0, 160.0, -160.0, 180.0, 180.0, 180.0)
    expected = {
        "world": (0, 0, 0, 0, 0, 0, 1, 2, 3),
        "account": (0, 0, 0, 0, 0, 0, 2, 3, 5),
        "pool": (0, 0, 0, 1, 2, 3, 5, 6, 8),
        "market": (0, 0, 1, 1, 0, 0, 1, 1, 1),
        "isolated": (0, 0, 0, 1, 1, 1, 0, 0, 0),
        "twin": (1, -1, 0, 0, 0, 0, 0, 0, 0),
        "leverage": (10.0, 4.0, 3.0, 5.0, 2.0, 2.0, 20.0, 20.0, 20.0),
        "lots": lots,
        "lots_start": lots,
        "cost": cost,
        "cost_start": cost,
        "mark_start": (100.0, 100.0, 60.5, 60.5, 100.0, 100.0, 60.5, 60.5, 60.5),
        "distance_min": (INF,) * 9,
    }
    assert_rows(worlds.positions, 9, expected)


def test_the_worlds() -> None:
    worlds, _ = allocated(WORLDS)
    expected = {"liquidation": (1, 0, 1, 1), "record": (1, 0, 1, 1), "limits": (1, 1, 1, 1)}
    assert_rows(worlds.worlds, 4, expected)
    assert (worlds.parties.shape, worlds.inventory.shape) == ((4, 2, len(Party)), (4, 2))
    assert worlds.insurance.tolist() == [[9.0, 7.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]


def test_where_things_lie() -> None:
    _, index = allocated(WORLDS)
    assert index.accounts == [0, 2, 3, 4]
    assert index.positions == [[0, 3, 1, 4, 5, 2], [], [6], [7], [], [8]]
    assert index.orders == [range(0, 2), range(2, 2), range(2, 3), range(3, 4), range(4, 4), range(4, 5)]
    assert index.plans == [range(0, 1), range(1, 1), range(1, 3), range(3, 5), range(5, 5), range(5, 7)]


def test_equity_is_added_up_from_pool_to_pool_then_from_position_to_position() -> None:
    """1e16 - 1 - 1 is 1e16 when each 1 is rounded away by itself."""
    places = (spec.Position(0, 1, 100.5, 2.0), spec.Position(0, -1, 99.5, 2.0))
    account = spec.Account("large", 0, 1e16, places)
    worlds, _ = allocated([spec.World((account,))])
    assert worlds.accounts["equity_start"].tolist() == [1e16]


def test_no_worlds() -> None:
    worlds, index = allocated([])
    assert [len(rows) for rows in (worlds.worlds, worlds.accounts, worlds.pools, worlds.positions)] == [0, 0, 0, 0]
    assert index == WorldIndex([], [], [], [], [])
