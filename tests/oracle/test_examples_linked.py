"""Worked examples, by hand, for oracle and engine: linked orders, plans and pegs (RULES 4.6, 4.7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from backtester.engine import spec
from backtester.enums import After, Held, OrderReason, OrderStatus, OrderType, Peg, SelfTrade, TimeInForce
from tests.oracle.compare import agreed
from tests.oracle.examples import (
    BUY,
    PLAIN,
    SECOND,
    SELL,
    case,
    ladder,
    limit_order,
    mark,
    market_data,
    market_order,
    one_account,
    only_world,
    stop_order,
    trade,
)
from tests.oracle.ladder import Event
from tests.oracle.world import World

DEEP = [ladder(0, {99: 400, 98: 6}, {100: 400, 101: 5}), mark(0, 100.0), trade(0, BUY, 100, 1)]


def played(
    orders: Sequence[spec.Order],
    tape: Sequence[list[Event]] = (),
    rules: spec.Rules = PLAIN,
    plans: tuple[spec.Plan, ...] = (),
) -> World:
    """Orders of one account before a deep ladder, then a tape, up to 20 s."""
    (world,) = one_account(1e6, orders)
    account = world.accounts[0]._replace(plans=plans)
    return only_world(
        agreed(case(market_data(rules), (world._replace(accounts=(account,)),), [*DEEP, *tape, mark(20, 100.0)]))
    )


# -- RULES 4.6 ---------------------------------------------------------------------------------------------------------


def bracket() -> tuple[spec.Order, ...]:
    """Buy 4, and then a stop at 90 and a take-profit at 110, of which one cancels the other."""
    stop = stop_order(SELL, 4, 90, parent=0, oco=1)
    take = stop_order(SELL, 4, 110, type=OrderType.TAKE_PROFIT_MARKET, parent=0, oco=1)
    return market_order(BUY, 4), stop, take


def test_4_6_a_bracket_is_an_entry_with_two_children_in_one_group() -> None:
    entry, stop, take = played(bracket(), [mark(5, 111.0)]).orders
    assert (entry.status, stop.status, take.status) == (
        OrderStatus.FILLED,
        OrderStatus.CANCELLED,
        OrderStatus.FILLED,
    )
    assert (stop.reason, take.trigger_ns) == (OrderReason.OCO, 5 * SECOND)


@pytest.mark.parametrize(
    ("after", "sent"),
    [
        (After.ALL, [True, False, False]),
        (After.ANY, [True, True, False]),
        (After.END, [True] * 3),
        (After.FIRST, [True, True, False]),
    ],
)
def test_4_6_what_must_have_become_of_the_parent(after: After, sent: list[bool]) -> None:
    filled = limit_order(BUY, 2, 100, TimeInForce.IOC)
    in_part = limit_order(BUY, 500, 100, TimeInForce.IOC)
    not_at_all = limit_order(BUY, 2, 99, TimeInForce.IOC)
    for parent, lets_go in zip((filled, in_part, not_at_all), sent, strict=True):
        child = played([parent, limit_order(BUY, 1, 97, parent=0, after=after)]).orders[1]
        assert child.status == (OrderStatus.RESTING if lets_go else OrderStatus.CANCELLED)
        assert child.reason == (OrderReason.NONE if lets_go else OrderReason.PARENT_ENDED)


def test_4_6_a_child_may_be_as_large_as_what_its_parent_filled() -> None:
    exits = [each._replace(after=After.ANY, size_of_parent=True) for each in bracket()[1:]]
    in_part = limit_order(BUY, 500, 100, TimeInForce.IOC)
    entry, stop, take = played([in_part, *exits], [mark(5, 90.0)]).orders
    assert (entry.filled, stop.filled, take.filled) == (399, 399, 0)
    assert (entry.status, stop.status, take.reason) == (OrderStatus.CANCELLED, OrderStatus.FILLED, OrderReason.OCO)
    nothing = limit_order(BUY, 4, 99, TimeInForce.IOC)
    child = played([nothing, limit_order(BUY, 4, 97, parent=0, after=After.END, size_of_parent=True)]).orders[1]
    assert (child.status, child.reason) == (OrderStatus.CANCELLED, OrderReason.NOTHING_DUE)


RESTING_BRACKET = [
    limit_order(BUY, 4, 99),
    *(each._replace(after=After.FIRST, size_of_parent=True) for each in bracket()[1:]),
]


def test_4_6_the_first_fill_of_an_entry_that_goes_on_resting_places_its_exits() -> None:
    entry, stop, take = played(RESTING_BRACKET, [trade(2, SELL, 99, 401)]).orders
    assert (entry.status, entry.filled) == (OrderStatus.RESTING, 1)
    assert [(each.status, each.remaining, each.arrival_ns) for each in (stop, take)] == [
        (OrderStatus.UNTRIGGERED, 1, 2 * SECOND)
    ] * 2


def test_4_6_an_exit_closes_what_its_entry_has_filled_when_it_arrives_and_nothing_later() -> None:
    trades = [trade(2, SELL, 99, 401), trade(3, SELL, 99, 2)]
    tape = [*trades, mark(5, 90.0), trade(6, SELL, 98, 1)]
    entry, stop, take = played(RESTING_BRACKET, tape).orders
    assert (entry.filled, entry.reason, stop.filled) == (3, OrderReason.SELF_TRADE, 3)
    assert (stop.status, take.reason) == (OrderStatus.FILLED, OrderReason.OCO)
    entry, stop, _ = played(RESTING_BRACKET, tape, PLAIN._replace(self_trade=SelfTrade.NONE)).orders
    assert (entry.filled, stop.filled) == (4, 3)


def test_4_6_while_a_fired_exit_is_on_its_way_it_grows_with_its_entry() -> None:
    rules = PLAIN._replace(engine_latency_ns=SECOND, self_trade=SelfTrade.NONE)
    tape = [trade(2, SELL, 99, 401), mark(5, 90.0), trade(5.5, SELL, 99, 1), trade(6.5, SELL, 99, 1)]
    entry, stop, _ = played(RESTING_BRACKET, tape, rules).orders
    assert (entry.filled, stop.filled, stop.arrival_ns) == (3, 2, 6 * SECOND)


def test_4_6_exits_of_an_entry_that_never_fills_end_with_it() -> None:
    entry = RESTING_BRACKET[0]._replace(cancel_at_ns=3 * SECOND)
    orders = played([entry, *RESTING_BRACKET[1:]], [mark(5, 90.0)]).orders
    assert [each.reason for each in orders] == [OrderReason.CANCEL_REQUEST] + [OrderReason.PARENT_ENDED] * 2


def test_4_6_the_first_of_two_fills_in_one_moment_sends_a_child_once() -> None:
    orders = [limit_order(BUY, 4, 99), limit_order(BUY, 1, 97, parent=0, after=After.FIRST)]
    entry, child = played(orders, [trade(2, SELL, 99, 401), trade(2, SELL, 99, 1)]).orders
    assert (entry.filled, child.status, child.remaining) == (2, OrderStatus.RESTING, 1)


def test_4_6_a_venue_held_child_waits_for_the_engine_only_a_client_held_one_travels() -> None:
    rules = PLAIN._replace(feed_latency_ns=SECOND, order_latency_ns=2 * SECOND, engine_latency_ns=SECOND // 2)
    child = limit_order(BUY, 1, 97, parent=0)
    orders = [market_order(BUY, 1), child, child._replace(held=Held.CLIENT, reaction_ns=SECOND)]
    world = played(orders, rules=rules)
    assert [order.arrival_ns for order in world.orders] == [0, SECOND // 2, 4 * SECOND]


def test_4_6_the_first_fill_in_part_cancels_the_group() -> None:
    orders = [limit_order(BUY, 3, 99, oco=0), limit_order(BUY, 3, 98, oco=0), limit_order(BUY, 3, 98, oco=1)]
    world = played(orders, [trade(2, SELL, 99, 401), trade(3, SELL, 97, 2)])
    assert [order.filled for order in world.orders] == [3, 0, 0]
    assert [order.reason for order in world.orders] == [OrderReason.NONE, OrderReason.OCO, OrderReason.NONE]


def test_4_6_in_one_trade_the_group_is_cancelled_before_its_turn() -> None:
    orders = [limit_order(BUY, 3, 99, oco=0), limit_order(BUY, 3, 98, oco=0)]
    world = played(orders, [trade(2, SELL, 97, 10)])
    assert [order.filled for order in world.orders] == [3, 0]


# -- RULES 1.5 ---------------------------------------------------------------------------------------------------------


def test_1_5_a_cancel_may_be_counted_from_the_decision() -> None:
    resting = limit_order(BUY, 1, 98, cancel_after_ns=3 * SECOND)
    orders = [resting, resting._replace(at_ns=2 * SECOND), resting._replace(cancel_at_ns=SECOND)]
    world = played(orders, [trade(2.5, SELL, 97, 1), trade(4.5, SELL, 97, 1)])
    assert [order.filled for order in world.orders] == [1, 1, 0]
    early = played([resting], [trade(3.5, SELL, 97, 1)]).orders[0]
    assert (early.filled, early.reason) == (0, OrderReason.CANCEL_REQUEST)


# -- RULES 4.7 ---------------------------------------------------------------------------------------------------------


def slices(*targets: float, **more: Any) -> list[spec.Order]:
    """Children of plan 0 at 1, 2, 3 … s: IOC orders at 100 or better."""
    return [
        limit_order(BUY, 0, 100, TimeInForce.IOC, plan=0, target=target, at_ns=second * SECOND)._replace(**more)
        for second, target in enumerate(targets, 1)
    ]


def test_4_7_a_slice_makes_up_for_what_the_one_before_did_not_find() -> None:
    plan = spec.Plan("p", 0, BUY, 100, max_child_lots=75)
    quarters = slices(0.25, 0.5, 0.75, 1.0)
    assert [order.filled for order in played(quarters, plans=(plan,)).orders] == [25, 25, 25, 25]
    quarters[1] = quarters[1]._replace(limit_tick=99)  # finds nothing
    assert [order.filled for order in played(quarters, plans=(plan,)).orders] == [25, 0, 50, 25]
    late = slices(0.0, 1.0, 1.0)
    world = played(late, plans=(plan,))
    assert [order.filled for order in world.orders] == [0, 75, 25]
    assert (world.orders[0].status, world.orders[0].reason) == (OrderStatus.CANCELLED, OrderReason.NOTHING_DUE)


def test_4_7_what_rests_is_committed() -> None:
    orders = slices(0.5, 0.5, 1.0)
    orders[0] = orders[0]._replace(tif=TimeInForce.GTC, limit_tick=98)
    world = played(orders, plans=(spec.Plan("p", 0, BUY, 100),))
    assert [order.remaining + order.filled for order in world.orders] == [50, 0, 50]


def test_4_7_a_rate_follows_what_the_tape_trades_since_the_first_decision() -> None:
    orders = slices(1.0, 1.0, 1.0)
    tape = [trade(0.5, SELL, 99, 100), trade(1.5, SELL, 99, 9), trade(2.5, BUY, 100, 8)]
    world = played(orders, tape, plans=(spec.Plan("p", 0, BUY, 100, rate=0.5),))
    assert [order.filled for order in world.orders] == [0, 4, 4]


def test_4_7_an_iceberg_is_a_chain_of_children() -> None:
    tip = limit_order(BUY, 0, 100, plan=0)
    orders = [tip._replace(at_ns=SECOND), tip._replace(parent=0), tip._replace(parent=1)]
    world = played(orders, plans=(spec.Plan("p", 0, BUY, 5, max_child_lots=2),))
    assert [order.filled for order in world.orders] == [2, 2, 1]


@pytest.mark.parametrize(("peg", "tick"), [(Peg.PRIMARY, 99), (Peg.MARKET, 100)])
def test_4_7_a_peg_takes_the_limit_of_the_decision(peg: Peg, tick: int) -> None:
    rules = PLAIN._replace(order_latency_ns=SECOND)
    later = ladder(2.5, {90: 1}, {91: 1})
    order = played([limit_order(BUY, 1, 5, peg=peg, at_ns=2 * SECOND)], [later], rules).orders[0]
    assert (order.limit_tick, order.status) == (tick, OrderStatus.FILLED)
    unseen = played([limit_order(BUY, 1, 5, peg=peg, at_ns=2 * SECOND)], [ladder(1, {}, {})]).orders[0]
    assert (unseen.status, unseen.reason) == (OrderStatus.CANCELLED, OrderReason.NOTHING_DUE)
