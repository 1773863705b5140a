"""The schedule: what is on the agenda from the start, in the order of RULES 1.3.7."""

from __future__ import annotations

import numpy as np

from backtester.engine import spec
from backtester.engine.allocate import allocate_market, allocate_worlds
from backtester.engine.state import (
    ARRIVAL,
    CANCEL_DECISION,
    DECISION,
    DEFAULT_CAPACITIES,
    NEVER_NS,
    POST_ONLY_ARRIVAL,
)
from backtester.enums import OrderStatus, OrderType, PriceSeries, TimeInForce
from tests.oracle.examples import market_data

START = 100
NOW = spec.Order("now", 0, OrderType.MARKET, TimeInForce.IOC, 1, 1)
QUOTE = spec.Order("quote", 0, OrderType.LIMIT, TimeInForce.POST_ONLY, 1, 1, limit_tick=9)


def test_by_time_then_phase_then_order() -> None:
    orders = (
        NOW._replace(at_ns=300),
        NOW,
        QUOTE._replace(cancel_at_ns=300),
        NOW._replace(at_ns=50),  # before the start: decided at it
        QUOTE._replace(at_ns=200, cancel_at_ns=250),
        NOW._replace(at_ns=300),
    )
    market = allocate_market(market_data(), DEFAULT_CAPACITIES)
    account = spec.Account("a", 0, 1e6, (spec.Position(0, 0, 0.0, 2.0),), orders)
    worlds, _ = allocate_worlds(market, [spec.World((account,))], START, DEFAULT_CAPACITIES)
    assert worlds.schedule.tolist() == [
        (START, DECISION, 3),
        (START, POST_ONLY_ARRIVAL, 2),
        (START, ARRIVAL, 1),
        (200, DECISION, 4),
        (250, CANCEL_DECISION, 4),
        (300, DECISION, 0),
        (300, DECISION, 5),
        (300, CANCEL_DECISION, 2),
        (NEVER_NS, 0, 0),
    ]
    pending, sent = OrderStatus.PENDING, OrderStatus.IN_FLIGHT
    assert worlds.orders["status"].tolist() == [pending, sent, sent, pending, pending, pending]
    assert worlds.orders["decision_ts"].tolist() == [-1, START, START, -1, -1, -1]


def test_every_armed_trigger_finds_room_in_the_heap_of_its_series() -> None:
    data = market_data()
    data = data._replace(
        instruments=data.instruments * 2, markets=(*data.markets, data.markets[0]._replace(instrument=1))
    )
    stop = spec.Order("stop", 1, OrderType.STOP_MARKET, TimeInForce.IOC, 1, 1, trigger_tick=9)
    orders = [
        *[stop._replace(trigger_by=PriceSeries.LAST)] * 2,
        *[stop._replace(trigger_by=PriceSeries.INDEX, side=-1)] * 3,
        *[stop._replace(trigger_by=PriceSeries.MARK, position=0)] * 4,
        NOW,
    ]
    account = spec.Account("a", 0, 1e6, (spec.Position(0, 0, 0.0, 2.0), spec.Position(1, 0, 0.0, 2.0)), orders)
    market = allocate_market(data, DEFAULT_CAPACITIES)
    worlds, _ = allocate_worlds(market, [spec.World((account,))], START, DEFAULT_CAPACITIES)
    room = np.diff([*worlds.heaps["first"].tolist(), len(worlds.waiting)])
    last, index, mark = 1 + 2 * np.array([1, 2 + 1, 4 + 0])  # of instrument 1, market 1, market 0
    assert (room[last + 1], room[index], room[mark + 1]) == (2, 3, 4)
    assert room[0] >= len(orders)
    assert room[1:].sum() == 2 + 3 + 4 + 1  # one to spare at the end
