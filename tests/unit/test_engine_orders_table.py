"""Orders as a table are the orders they were made of, wherever they are handed over."""

from __future__ import annotations

import numpy as np

from backtester.engine import spec
from backtester.engine.allocate import allocate_market, allocate_worlds
from backtester.engine.state import DEFAULT_CAPACITIES
from backtester.enums import Held, OrderType, PriceSeries, TimeInForce
from tests.oracle.examples import market_data

SOLD = spec.Order("a", 0, OrderType.MARKET, TimeInForce.IOC, -1, 20)
BID = spec.Order("b", 1, OrderType.LIMIT, TimeInForce.POST_ONLY, 1, 7, limit_tick=990, at_ns=5, cancel_at_ns=9)
STOP = spec.Order(
    "c", 0, OrderType.STOP_MARKET, TimeInForce.IOC, -1, 3, 0, 950, PriceSeries.LAST, True, Held.CLIENT, 200, 6, True
)


def table(*orders: spec.Order) -> spec.Orders:
    return spec.Orders([order.id for order in orders], spec.order_table(orders))


def test_a_row_says_what_the_order_says() -> None:
    rows = spec.order_table([SOLD, BID])
    assert len(rows) == 2
    assert (rows[0]["side"], rows[0]["lots"], rows[0]["at_ns"]) == (-1, 20, spec.START_NS)
    assert (rows[1]["position"], rows[1]["limit_tick"], rows[1]["cancel_at_ns"]) == (1, 990, 9)
    assert len(spec.order_table([])) == 0


def test_a_table_is_read_as_a_sequence_of_orders() -> None:
    orders = table(SOLD, BID, STOP)
    assert tuple(orders) == (SOLD, BID, STOP)
    assert (len(orders), orders[-1]) == (3, STOP)
    assert tuple(orders[1:]) == (BID, STOP)
    read = orders[2]
    assert isinstance(read.type, OrderType) and isinstance(read.held, Held) and read.reduce_only is True


def test_accounts_may_hand_over_tables_and_tuples() -> None:
    data = market_data()
    market = allocate_market(data, DEFAULT_CAPACITIES)
    places = (spec.Position(0, 0, 0.0, 2.0), spec.Position(0, 0, 0.0, 2.0, isolated=True))
    lists = [(SOLD, BID), (), (STOP,), (BID, STOP), (SOLD,)]

    def laid_out(*tabled: bool) -> tuple[np.ndarray, list[range]]:
        given = [table(*orders) if each else orders for orders, each in zip(lists, tabled, strict=True)]
        accounts = tuple(spec.Account(str(n), 0, 1e6, places, orders) for n, orders in enumerate(given))
        worlds, index = allocate_worlds(market, [spec.World(accounts)], 0, DEFAULT_CAPACITIES)
        return worlds.orders, index.orders

    plain, numbers = laid_out(*[False] * 5)
    assert numbers == [range(2), range(2, 2), range(2, 3), range(3, 5), range(5, 6)]
    assert plain["account"].tolist() == [0, 0, 2, 3, 3, 4]
    for tabled in ([True] * 5, [False, True, True, False, True], [True, False, False, False, True]):
        assert laid_out(*tabled)[0].tobytes() == plain.tobytes()
