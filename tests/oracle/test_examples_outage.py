"""Worked examples, by hand, for oracle and engine: cancels, outages and held triggers (RULES 1.5, 1.7, 4.4)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from backtester.engine import spec
from backtester.enums import (
    EventKind,
    FillReason,
    Held,
    OrderReason,
    OrderStatus,
    Outage,
    PoolState,
    PriceSeries,
    TimeInForce,
    TriggerRounding,
)
from tests.oracle.account import Order
from tests.oracle.compare import agreed
from tests.oracle.examples import (
    ASKS,
    BIDS,
    BUY,
    PLAIN,
    SECOND,
    SELL,
    case,
    delta,
    ladder,
    limit_order,
    mark,
    market_data,
    market_order,
    one_account,
    only_world,
    outage,
    record,
    stop_order,
    trade,
)
from tests.oracle.ladder import Event
from tests.oracle.world import World

BEGIN = [ladder(0, BIDS, ASKS), mark(0, 100.0), trade(0, BUY, 100, 1)]


def played(
    orders: Sequence[spec.Order], tape: Sequence[list[Event]], rules: spec.Rules = PLAIN, lots: int = 0
) -> World:
    """Orders of one account before BIDS and ASKS, then a tape, up to 20 s."""
    worlds = one_account(1e6, orders, lots=lots, entry_price=100.0)
    return only_world(agreed(case(market_data(rules), worlds, [*BEGIN, *tape, record(20, EventKind.OPEN_INTEREST)])))


def outcome(order: Order) -> tuple[OrderStatus, OrderReason, int]:
    """How an order ended, and what was filled of it."""
    return order.status, order.reason, order.filled


# -- RULES 1.5: cancels ------------------------------------------------------------------------------------------------

CANCELLED = (OrderStatus.CANCELLED, OrderReason.CANCEL_REQUEST)
TWO_SECONDS = PLAIN._replace(order_latency_ns=2 * SECOND)


@pytest.mark.parametrize(
    ("cancel_s", "expected"),
    [
        pytest.param(0.5, (*CANCELLED, 0), id="before it is decided at 1 s: unsent"),
        pytest.param(1, (*CANCELLED, 0), id="with it: both arrive at 3 s, the cancel first"),
        pytest.param(2.5, (*CANCELLED, 0), id="in flight when it is decided, resting when it arrives"),
        pytest.param(4, (*CANCELLED, 1), id="arrives at 6 s, after the fill of 1 at 5 s"),
        pytest.param(7, (OrderStatus.FILLED, OrderReason.NONE, 3), id="arrives at 9 s, after it was filled"),
    ],
)
def test_1_5_a_cancel_is_a_message(cancel_s: float, expected: tuple[OrderStatus, OrderReason, int]) -> None:
    order = limit_order(BUY, 3, 99, at_ns=SECOND, reaction_ns=0, cancel_at_ns=round(cancel_s * SECOND))
    world = played([order], [trade(5, SELL, 99, 5), trade(8, SELL, 98, 9)], TWO_SECONDS)
    assert outcome(world.orders[0]) == expected
    assert (world.orders[0].decision_mid_half_ticks is None) == (cancel_s < 1)


def test_1_5_a_cancel_needs_no_reaction_time_and_is_not_overtaken() -> None:
    first = limit_order(BUY, 3, 98, reaction_ns=9 * SECOND, cancel_at_ns=2 * SECOND)  # arrives at 2 + 2 + 3 = 7 s
    then = market_order(BUY, 1, at_s=4)  # 4 + 2 = 6, but not before 7
    slow = [record(1, EventKind.LATENCY, 3.0 * SECOND), record(3, EventKind.LATENCY, 0.0)]
    world = played([first, then], [*slow, trade(6.5, SELL, 97, 1)], TWO_SECONDS)
    assert outcome(world.orders[0]) == (*CANCELLED, 1)  # it still rested at 6.5 s
    assert world.orders[1].arrival_ns == 7 * SECOND


def test_1_5_the_venue_takes_a_waiting_stop_off_when_the_cancel_arrives_the_client_at_once() -> None:
    stop = stop_order(SELL, 5, 96, cancel_at_ns=2 * SECOND)
    reached = [mark(3, 95.0)]
    venue = played([stop], reached, TWO_SECONDS, lots=5).orders[0]
    assert outcome(venue) == (OrderStatus.FILLED, OrderReason.NONE, 5)  # the cancel would have arrived at 4 s
    client = played([stop._replace(held=Held.CLIENT)], reached, TWO_SECONDS, lots=5).orders[0]
    assert outcome(client) == (*CANCELLED, 0)
    late = stop._replace(held=Held.CLIENT, reaction_ns=2 * SECOND, cancel_at_ns=4 * SECOND)
    fired = played([late], reached, TWO_SECONDS, lots=5).orders[0]  # fired at 3 s, due at 7 s; the cancel too
    assert (fired.trigger_ns, outcome(fired)) == (3 * SECOND, (*CANCELLED, 0))


def test_1_3_7_a_cancel_is_worked_before_an_arrival_and_after_a_decision_of_the_same_time() -> None:
    order = market_order(BUY, 1, at_s=2, cancel_at_ns=2 * SECOND)
    (decided,) = played([order], []).orders
    assert outcome(decided) == (*CANCELLED, 0)
    assert decided.decision_mid_half_ticks == 199


# -- RULES 1.7: outages ------------------------------------------------------------------------------------------------


def test_1_7_orders_refused_is_about_what_comes_from_a_client() -> None:
    gone = [outage(1, Outage.ORDERS_REFUSED), mark(2.5, 95.0)]
    orders = [
        stop_order(SELL, 1, 96),  # placed before, fired by the venue
        stop_order(SELL, 1, 96, held=Held.CLIENT),  # fires, and is refused
        stop_order(SELL, 1, 94, at_ns=2 * SECOND),  # placed too late
        limit_order(BUY, 1, 98, TimeInForce.POST_ONLY, at_ns=2 * SECOND),
        market_order(BUY, 1, at_s=9),
    ]
    world = played(orders, [*gone, outage(8, Outage.NONE)], lots=9)
    assert [order.status.name for order in world.orders] == ["FILLED", "REJECTED", "REJECTED", "REJECTED", "FILLED"]
    assert [order.reason for order in world.orders[1:4]] == [OrderReason.VENUE_REFUSED] * 3


def test_1_7_a_refused_cancel_leaves_its_reason_until_something_else_happens() -> None:
    order = limit_order(BUY, 1, 99, cancel_at_ns=2 * SECOND)
    gone = [outage(1, Outage.CANCELS_REFUSED), outage(3, Outage.NONE)]
    assert outcome(played([order], gone).orders[0]) == (OrderStatus.RESTING, OrderReason.OUTAGE, 0)
    filled = played([order], [*gone, trade(5, SELL, 98, 1)]).orders[0]
    assert outcome(filled) == (OrderStatus.FILLED, OrderReason.NONE, 1)


@pytest.mark.parametrize(
    ("held", "bit", "holds"),
    [
        (Held.CLIENT, Outage.FEED_FROZEN, True),
        (Held.VENUE, Outage.FEED_FROZEN, False),
        (Held.VENUE, Outage.MATCHING_HALTED, True),
    ],
)
def test_1_7_who_watches_a_trigger_may_be_blind(held: Held, bit: Outage, holds: bool) -> None:
    tape = [outage(1, bit), mark(2.5, 95.0), outage(6.5, Outage.NONE)]  # reached at the grid time 3 s
    (order,) = played([stop_order(SELL, 5, 96, held=held)], tape, lots=5).orders
    assert outcome(order) == (OrderStatus.FILLED, OrderReason.NONE, 5)
    assert (order.hold_ns, order.trigger_ns) == ((3 * SECOND, 7 * SECOND) if holds else (None, 3 * SECOND))


def test_1_7_while_matching_is_halted_nothing_trades() -> None:
    orders = [limit_order(BUY, 3, 99), limit_order(BUY, 3, 98), market_order(BUY, 1, at_s=2)]
    halt = [outage(1, Outage.MATCHING_HALTED), trade(3, SELL, 98, 9), delta(4, BUY, 99, 0), delta(4, SELL, 99, 9)]
    world = played(orders, [*halt, outage(5, Outage.NONE), trade(6, SELL, 98, 12)])  # 3 through, 6 queue before us
    refused = (OrderStatus.REJECTED, OrderReason.VENUE_REFUSED, 0)
    assert outcome(world.orders[2]) == refused
    assert [(fill.ts, fill.reason) for fill in world.fills] == [
        (6 * SECOND, FillReason.TRADE_THROUGH),
        (6 * SECOND, FillReason.TRADE_AT_LEVEL),
    ]


def breach(bit: Outage) -> World:
    """Long 1 at 100 with 5 of margin, marked down to 97 at 2 s, in an outage from 1 to 4 s."""
    down = [outage(1, bit), mark(1.5, 97.0), outage(3.5, Outage.NONE), mark(4, 97.0)]
    worlds = one_account(5.0, lots=1, entry_price=100.0)
    return only_world(agreed(case(market_data(), worlds, [*BEGIN, *down])))


def test_1_7_a_suspended_liquidation_is_measured_a_halted_one_is_stuck() -> None:
    suspended = breach(Outage.LIQUIDATION_SUSPENDED)
    assert [(row.ts, row.filled) for row in suspended.liquidations] == [(4 * SECOND, 1)]
    assert suspended.pools[0].breach_ns == 2 * SECOND
    assert suspended.pools[0].buffer_min == 2 - 97 / 32
    halted = breach(Outage.MATCHING_HALTED)
    assert [(row.ts, row.filled) for row in halted.liquidations] == [
        (2 * SECOND, 0),
        (3 * SECOND, 0),
        (4 * SECOND, 1),
    ]
    assert halted.pools[0].state == PoolState.LIQUIDATING


def test_6_4_an_account_that_sleeps_wakes_for_a_breach_that_is_not_its_deepest() -> None:
    """Marked down to 90 while nobody is liquidated, back at 100, then at 97, where equity 2 is below 97 / 32."""
    deep = [outage(1, Outage.LIQUIDATION_SUSPENDED), mark(1.5, 90.0), mark(2.5, 100.0), outage(3.5, Outage.NONE)]
    (world,) = one_account(5.0, lots=1, entry_price=100.0)
    tape = [*BEGIN, *deep, mark(6.5, 97.0), mark(9, 97.0)]
    sleeper = only_world(agreed(case(market_data(), (world._replace(watched=False),), tape)))
    assert [(row.ts, row.filled) for row in sleeper.liquidations] == [(7 * SECOND, 1)]


def test_1_7_a_frozen_mark_stays_and_no_index_is_taken() -> None:
    tape = [record(1, EventKind.INDEX, 100.0), outage(1, Outage.MARK_FROZEN), mark(1.5, 90.0)]
    tape += [record(2, EventKind.INDEX, 90.0)]
    index_stop = stop_order(SELL, 1, 95, trigger_by=PriceSeries.INDEX)
    worlds = one_account(1e6, [index_stop, stop_order(SELL, 1, 95)], lots=2, entry_price=100.0)
    frozen = agreed(case(market_data(), worlds, [*BEGIN, *tape, mark(4, 90.0)]))
    assert (frozen.markets[0].mark_float, frozen.tapes[0].index) == (100.0, 100.0)
    assert [order.status.name for order in frozen.orders] == ["UNTRIGGERED", "UNTRIGGERED"]
    after = [outage(5, Outage.NONE), record(6, EventKind.INDEX, 90.0)]
    over = agreed(case(market_data(), worlds, [*BEGIN, *tape, *after]))
    assert [order.trigger_ns for order in over.orders] == [6 * SECOND, 5 * SECOND]


# -- RULES 4 -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rounding", "fires"), [(TriggerRounding.NEAREST, True), (TriggerRounding.DOWN, False)])
def test_4_1_a_mark_of_2000_0489_is_2000_04_rounded_down_to_cents(rounding: TriggerRounding, fires: bool) -> None:
    data = market_data(PLAIN._replace(trigger_rounding=rounding), tick_size=0.01)
    begin = [ladder(0, {199_999: 9}, {200_001: 9}), mark(0, 2000.0)]
    worlds = one_account(1e6, [stop_order(BUY, 1, 200_005), stop_order(BUY, 1, 200_004)])
    world = only_world(agreed(case(data, worlds, [*begin, mark(1, 2000.0489), mark(3, 2000.04)])))
    assert [order.trigger_ns for order in world.orders] == [SECOND if fires else None, SECOND]


PROTECTED = stop_order(SELL, 5, 96, trigger_by=PriceSeries.LAST, price_protect=True)
FIVE_PERCENT = PLAIN._replace(trigger_protect=0.05)


def test_4_4_a_wick_of_last_alone_does_not_fire_a_protected_stop() -> None:
    wick = [trade(2.5, SELL, 90, 1), trade(3.5, BUY, 99, 1)]
    (order,) = played([PROTECTED], wick, FIVE_PERCENT, lots=5).orders
    assert outcome(order) == (OrderStatus.UNTRIGGERED, OrderReason.NONE, 0)  # looked at again at 3 s and at 4 s
    assert (order.hold_ns, order.trigger_ns) == (round(2.5 * SECOND), None)
    again = [*wick, mark(5.5, 95.0), trade(6, SELL, 95, 1)]  # armed again, and |95 − 95| is no wick
    (order,) = played([PROTECTED], again, FIVE_PERCENT, lots=5).orders
    assert (order.hold_ns, order.trigger_ns) == (round(2.5 * SECOND), 6 * SECOND)
    (other,) = played([PROTECTED._replace(price_protect=False)], wick, FIVE_PERCENT, lots=5).orders
    assert (other.hold_ns, other.trigger_ns) == (None, round(2.5 * SECOND))
    (unbound,) = played([PROTECTED], wick, lots=5).orders  # a bound of 0 protects nobody
    assert (unbound.hold_ns, unbound.trigger_ns) == (None, round(2.5 * SECOND))


def test_4_4_a_protected_stop_is_late_when_the_mark_follows() -> None:
    tape = [trade(2.5, SELL, 95, 1), trade(3.5, SELL, 90, 1), mark(5.5, 93.0)]
    (order,) = played([PROTECTED._replace(trigger_tick=94)], tape, FIVE_PERCENT, lots=5).orders
    assert (order.hold_ns, order.trigger_ns, order.trigger_price) == (round(3.5 * SECOND), 6 * SECOND, 90.0)
    (at_95,) = played([PROTECTED], tape, FIVE_PERCENT, lots=5).orders  # 100 − 95 is not more than 5 % of 100
    assert (at_95.hold_ns, at_95.trigger_ns) == (None, round(2.5 * SECOND))


def test_4_4_held_orders_have_reasons() -> None:
    (wick,) = played([PROTECTED], [trade(2.5, SELL, 90, 1)], FIVE_PERCENT, lots=5).orders
    assert outcome(wick) == (OrderStatus.UNTRIGGERED, OrderReason.PRICE_PROTECTED, 0)
    halt = [outage(1, Outage.MATCHING_HALTED), trade(2.5, SELL, 95, 1)]
    (halted,) = played([PROTECTED], halt, FIVE_PERCENT, lots=5).orders
    assert outcome(halted) == (OrderStatus.UNTRIGGERED, OrderReason.OUTAGE, 0)
    both = [outage(1, Outage.MATCHING_HALTED), trade(2.5, SELL, 90, 1)]
    (order,) = played([PROTECTED], both, FIVE_PERCENT, lots=5).orders
    assert order.reason == OrderReason.PRICE_PROTECTED
