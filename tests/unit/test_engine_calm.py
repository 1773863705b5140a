"""How far marks may move until an account has to be looked at."""

from __future__ import annotations

import numpy as np
import pytest

from backtester.engine import spec
from backtester.engine.allocate import allocate_market, allocate_worlds
from backtester.engine.jit import kernel
from backtester.engine.money.calm import pool_room
from backtester.engine.money.margin import tier_room
from backtester.engine.reference import by_reference
from backtester.engine.state import DEFAULT_CAPACITIES, MARKET, TIER, Market, Worlds
from tests.oracle.examples import market_data


def _room(market: Market, worlds: Worlds, equity: float, needed: float) -> tuple[float, float]:
    m, w = by_reference(market), by_reference(worlds)
    found: tuple[float, float] = pool_room(m, w, w.pools[0], equity, needed)
    return found


def _room_of_tier(tiers: np.ndarray, markets: np.ndarray, notional: float) -> float:
    found: float = tier_room(tiers, markets[0], notional)
    return found


room_of, room_of_tier = kernel(_room), kernel(_room_of_tier)


def test_a_notional_may_move_as_far_as_its_tier_goes() -> None:
    """120 in the tier from 100 to 200: a sixth; 190: it may rise by 10; 50, below: it may double."""
    tiers = np.zeros(3, TIER)
    tiers["floor"] = [0.0, 100.0, 200.0]
    market = np.zeros(1, MARKET)
    market["tier_count"] = 3
    rooms = [room_of_tier(tiers, market, notional) for notional in (120.0, 190.0, 50.0, 400.0)]
    assert rooms == [pytest.approx(each) for each in (20 / 120, 10 / 190, 1.0, 0.5)]


def long_of_one(mark: float) -> tuple[Market, Worlds]:
    data = market_data()
    market = allocate_market(data, DEFAULT_CAPACITIES)
    market.markets["mark"] = mark
    account = spec.Account("main", 0, 10.0, (spec.Position(0, 1, mark, 10.0),))
    return market, allocate_worlds(market, [spec.World((account,), watched=False)], 0, DEFAULT_CAPACITIES)[0]


@pytest.mark.parametrize(
    ("ratio", "buffer", "room"),
    [
        (0.2, 5.0, 1.0 / 120.0),  # the ratio is what may change first
        (np.inf, 5.0, 4.0 / 200.0),
        (np.inf, 9.0, 0.0),  # as low as it ever was
        (np.inf, -50.0, 9.0 / 200.0),  # it was in breach before, and may come to be again
        (0.1, 5.0, 0.0),
    ],
)
def test_the_room_of_a_pool(ratio: float, buffer: float, room: float) -> None:
    """Long 1 at 100, equity 10, needed 1."""
    m, w = long_of_one(100.0)
    w.pools["margin_ratio_max"], w.pools["buffer_min"] = ratio, buffer
    w.positions["distance_min"] = 0.0
    found, gross = room_of(m, w, 10.0, 1.0)
    assert (found, gross) == (pytest.approx(room, abs=1e-12), pytest.approx(100.0))


def test_a_pool_in_breach_has_none() -> None:
    m, w = long_of_one(100.0)
    assert room_of(m, w, 1.0, 1.5) == (0.0, pytest.approx(100.0))
