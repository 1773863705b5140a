"""Worked examples, by hand, for oracle and engine: jitter, types, refusals, queues, self-trade (RULES 1 to 4)."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import pytest

from backtester.engine import spec
from backtester.enums import (
    Held,
    OrderReason,
    OrderStatus,
    OrderType,
    PostOnly,
    PriceSeries,
    QueueModel,
    SelfTrade,
    Side,
    TimeInForce,
    TriggerRounding,
)
from tests.oracle import latency
from tests.oracle.account import Order
from tests.oracle.compare import agreed
from tests.oracle.exact import Judge
from tests.oracle.examples import (
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
    stop_order,
    trade,
    walked,
)
from tests.oracle.ladder import Event
from tests.oracle.world import World

ASKS = {10: 3, 11: 5, 12: 9}
BIDS = {9: 4, 8: 6}


def played(
    orders: Sequence[spec.Order],
    rules: spec.Rules = PLAIN,
    tape: Sequence[list[Event]] = (),
    lots: int = 0,
    **market: Any,
) -> World:
    """Orders of one account before BIDS and ASKS, the mark at 10, then a tape, up to 20 s."""
    data = market_data(rules)
    data = data._replace(markets=(data.markets[0]._replace(**market),))
    worlds = one_account(1e6, orders, lots=lots, entry_price=10.0)
    begin = [ladder(0, BIDS, ASKS), mark(0, 10.0)]
    return only_world(agreed(case(data, worlds, [*begin, *tape, mark(20, 10.0)])))


# -- RULES 1.8 ---------------------------------------------------------------------------------------------------------


def test_1_8_the_generator_and_the_quantile_are_the_published_ones() -> None:
    assert latency.mix(0) == 0xE220A8397B1DCDAF  # first output of splitmix64 from seed 0
    for p in (1e-9, 0.01, 0.02425, 0.3, 0.5, 0.8, 0.99, 1 - 1e-9):
        assert latency.normal_quantile(p) == pytest.approx(NormalDist().inv_cdf(p), rel=2e-9, abs=1e-12)


def test_1_8_jitter_stretches_feed_and_order_latency_by_the_order_s_own_number() -> None:
    rules = PLAIN._replace(feed_latency_ns=SECOND, order_latency_ns=SECOND, latency_sigma=0.5)
    orders = [market_order(BUY, 1, at_s=1, key=key, reaction_ns=SECOND) for key in (5, 6)]
    first, second = (played([order], rules).orders[0].arrival_ns for order in orders)
    assert first != second
    travel = latency.jittered(2 * SECOND, 0.5, 0, 5, latency.ORDER_DRAW, Judge())
    assert first == 2 * SECOND + travel
    cancelled = played([limit_order(BUY, 1, 8, key=5, cancel_at_ns=SECOND)], rules)
    back = latency.jittered(2 * SECOND, 0.5, 0, 5, latency.CANCEL_DRAW, Judge())
    assert back != travel
    assert cancelled.accounts[0].last_arrival_ns == SECOND + back


# -- RULES 2.1, 3.1 ----------------------------------------------------------------------------------------------------


def test_2_1_an_order_s_own_bound_replaces_the_venue_s() -> None:
    order = played([market_order(BUY, 20, bound=0.16)]).orders[0]  # mid 9.5: floor(11.02) = 11
    assert (order.filled, order.reason) == (8, OrderReason.PRICE_BOUND)


@pytest.mark.parametrize(
    ("order", "market", "refused"),
    [
        (market_order(BUY, 4), {"max_market_lots": 3}, True),
        (market_order(BUY, 3), {"max_market_lots": 3}, False),
        (market_order(BUY, 4), {"max_limit_lots": 3}, False),
        (limit_order(BUY, 4, 8), {"max_limit_lots": 3}, True),
        (limit_order(BUY, 4, 8), {"max_limit_quote": 39.0}, True),
        (limit_order(BUY, 4, 8), {"max_limit_quote": 40.0}, False),
        (market_order(BUY, 4), {"max_market_quote": 39.0}, True),
    ],
)
def test_3_1_an_order_may_be_larger_than_the_venue_takes(
    order: spec.Order, market: dict[str, Any], refused: bool
) -> None:
    assert (played([order], **market).orders[0].reason == OrderReason.MAX_SIZE) == refused


@pytest.mark.parametrize(
    ("order", "refused"),
    [
        (market_order(BUY, 3), True),
        (market_order(BUY, 4), False),
        (limit_order(BUY, 4, 9), True),
        (limit_order(BUY, 5, 8), False),
        (limit_order(BUY, 3, 14), False),
        (market_order(SELL, 1, reduce_only=True), True),
        (market_order(SELL, 4, reduce_only=True), False),  # it closes 1
    ],
)
def test_3_1_an_order_may_be_smaller_than_the_venue_takes(order: spec.Order, refused: bool) -> None:
    made = played([order], lots=1, min_order_quote=40.0, min_close_quote=20.0).orders[0]
    assert (made.reason == OrderReason.MIN_SIZE) == refused


@pytest.mark.parametrize(("held", "refused"), [(Held.VENUE, False), (Held.CLIENT, True)])
def test_3_1_what_the_venue_sends_itself_it_has_taken_before(held: Held, refused: bool) -> None:
    orders = [market_order(BUY, 4), market_order(BUY, 3, at_s=-1e-9, parent=0, held=held)]
    made = played(orders, min_order_quote=40.0).orders[1]
    assert (made.reason == OrderReason.MIN_SIZE) == refused


@pytest.mark.parametrize(
    ("side", "tick", "refused"), [(BUY, 11, False), (BUY, 12, True), (SELL, 8, False), (SELL, 7, True)]
)
def test_3_1_a_limit_lies_inside_the_band(side: Side, tick: int, refused: bool) -> None:
    rules = PLAIN._replace(limit_band=0.2)  # mid 9.5: floor(11.4) = 11, ceil(7.6) = 8
    order = played([limit_order(side, 1, tick)], rules).orders[0]
    assert (order.reason == OrderReason.PRICE_BAND) == refused


@pytest.mark.parametrize(("side", "tick"), [(BUY, 9), (SELL, 10)])
def test_3_1_a_post_only_order_may_be_repriced(side: Side, tick: int) -> None:
    rules = PLAIN._replace(post_only=PostOnly.REPRICE)
    beyond = 12 if side == BUY else 7
    order = played([limit_order(side, 1, beyond, TimeInForce.POST_ONLY)], rules).orders[0]
    assert (order.status, order.limit_tick) == (OrderStatus.RESTING, tick)


@pytest.mark.parametrize(("lots", "filled"), [(8, 8), (9, 0)])
def test_3_1_fill_or_kill_is_all_or_nothing(lots: int, filled: int) -> None:
    order = played([limit_order(BUY, lots, 11, TimeInForce.FOK)]).orders[0]
    assert order.filled == filled
    assert (order.reason == OrderReason.FOK_KILLED) == (filled == 0)


def test_3_1_a_killed_order_cancels_no_own_order() -> None:
    orders = [limit_order(SELL, 5, 11), market_order(BUY, 90, at_s=2, tif=TimeInForce.FOK)]
    world = played(orders)
    assert [order.status for order in world.orders] == [OrderStatus.RESTING, OrderStatus.CANCELLED]


# -- RULES 3.3 ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "queue"), [(QueueModel.PESSIMISTIC, 60), (QueueModel.PROB_POWER, 48), (QueueModel.PROB_LOG, 50)]
)
def test_3_3_the_model_says_how_many_cancels_were_ahead(model: QueueModel, queue: int) -> None:
    rules = PLAIN._replace(queue_model=model, queue_power=1.0)
    tape = [delta(1, BUY, 8, 60), delta(3, BUY, 8, 100), delta(4, BUY, 8, 80)]
    world = played([limit_order(BUY, 1, 8, at_ns=2 * SECOND)], rules, tape)
    assert world.orders[0].queue == queue


def test_3_3_what_traded_was_not_cancelled() -> None:
    rules = PLAIN._replace(queue_model=QueueModel.PROB_POWER)
    tape = [
        delta(1, BUY, 8, 60),
        delta(3, BUY, 8, 100),
        trade(4, SELL, 8, 12),
        trade(4, SELL, 8, 8),
        delta(5, BUY, 8, 80),
        delta(6, BUY, 8, 60),
    ]
    order = played([limit_order(BUY, 1, 8, at_ns=2 * SECOND)], rules, tape).orders[0]
    assert order.queue == 30  # 60 − 20 traded = 40; no cancels; then floor(20 · 40/80) = 10


# -- RULES 3.7 ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "fills", "own"),
    [
        (SelfTrade.CANCEL_TAKER, [(3, 10.0)], OrderStatus.RESTING),
        (SelfTrade.CANCEL_BOTH, [(3, 10.0)], OrderStatus.CANCELLED),
        (SelfTrade.CANCEL_MAKER, [(3, 10.0), (1, 11.0)], OrderStatus.CANCELLED),
        (SelfTrade.NONE, [(3, 10.0), (1, 11.0)], OrderStatus.RESTING),
    ],
)
def test_3_7_an_order_meets_one_of_its_own_account(
    mode: SelfTrade, fills: list[tuple[int, float]], own: OrderStatus
) -> None:
    rules = PLAIN._replace(self_trade=mode)
    world = played([limit_order(SELL, 2, 11), market_order(BUY, 4, at_s=2)], rules)
    resting, arriving = world.orders
    assert walked(world) == fills
    assert resting.status == own
    assert (arriving.reason == OrderReason.SELF_TRADE) == (len(fills) == 1)
    unmet = played([limit_order(SELL, 2, 11), market_order(BUY, 3, at_s=2)], rules)
    assert [order.status for order in unmet.orders] == [OrderStatus.RESTING, OrderStatus.FILLED]


# -- RULES 4 -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("side", "price"), [(SELL, 12.0), (BUY, 8.0)])
def test_4_1_a_take_profit_triggers_the_other_way_round(side: Side, price: float) -> None:
    order = stop_order(side, 1, round(price), type=OrderType.TAKE_PROFIT_MARKET)
    taken = played([order], tape=[mark(3, price)]).orders[0]
    assert (taken.trigger_ns, taken.status) == (3 * SECOND, OrderStatus.FILLED)
    stop = played([order._replace(type=OrderType.STOP_MARKET)], PLAIN._replace(reject_breached_trigger=True)).orders[0]
    assert stop.reason == OrderReason.TRIGGER_BREACHED  # the same trigger is behind a stop


@pytest.mark.parametrize("type_", [OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT])
def test_4_3_what_a_stop_limit_sends_rests_at_its_own_limit(type_: OrderType) -> None:
    price = 8.0 if type_ == OrderType.STOP_LIMIT else 12.0
    order = stop_order(SELL, 3, round(price), type=type_, limit_tick=11, tif=TimeInForce.GTC)
    gone = played([order], tape=[mark(3, price)]).orders[0]
    assert (gone.trigger_ns, gone.status, gone.limit_tick) == (3 * SECOND, OrderStatus.RESTING, 11)


def trailing(**more: Any) -> spec.Order:
    """A trailing stop to sell 1."""
    return stop_order(SELL, 1, 0, type=OrderType.TRAILING_STOP)._replace(**more)


@pytest.mark.parametrize(
    ("order", "fired_s"),
    [
        (trailing(callback_rate=0.01, activation_tick=100), 5),
        (trailing(callback_ticks=2, activation_tick=100), 5),
        (trailing(callback_ticks=3, activation_tick=100), None),
        (trailing(callback_ticks=2, activation_tick=104), None),
    ],
)
def test_4_5_a_trailing_stop_follows_the_peak_once_it_is_active(order: spec.Order, fired_s: int | None) -> None:
    prices = [99.0, 101.0, 103.0, 102.0, 101.0]
    rules = PLAIN._replace(trigger_rounding=TriggerRounding.NEAREST)
    begin = [ladder(0, {90: 9}, {110: 9}), mark(0, 99.0)]
    marks = [mark(second, price) for second, price in enumerate(prices, 1)]
    worlds = one_account(1e6, [order], lots=5, entry_price=99.0)
    found = only_world(agreed(case(market_data(rules), worlds, [*begin, *marks, mark(9, 101.0)]))).orders[0]
    assert found.trigger_ns == (None if fired_s is None else fired_s * SECOND)
    if fired_s is not None:
        assert (found.peak, found.trigger_tick) == (103, 101)


LAST = PriceSeries.LAST


@pytest.mark.parametrize(
    ("side", "activation", "more", "refused"),
    [
        (SELL, 101, {"trigger_by": LAST}, False),
        (SELL, 100, {"trigger_by": LAST}, True),
        (BUY, 99, {"trigger_by": LAST}, False),
        (BUY, 100, {"trigger_by": LAST}, True),
        (SELL, 99, {}, False),
        (SELL, 98, {}, True),
        (SELL, 0, {"trigger_by": LAST}, False),  # waits for nothing
        (SELL, 98, {"trigger_by": PriceSeries.INDEX}, False),  # no index yet
        (SELL, 98, {"held": Held.CLIENT}, False),  # the venue never sees it
    ],
)
def test_4_2_the_venue_refuses_a_trailing_stop_whose_activation_is_passed(
    side: Side, activation: int, more: dict[str, Any], refused: bool
) -> None:
    order = trailing(callback_ticks=50, activation_tick=activation, **more)._replace(side=side)
    found = placed_at_98_and_100(order, refuses=True)
    expected = (OrderStatus.REJECTED, OrderReason.TRIGGER_BREACHED) if refused else (OrderStatus.UNTRIGGERED, 0)
    assert (found.status, found.reason) == expected
    assert placed_at_98_and_100(order, refuses=False).status == OrderStatus.UNTRIGGERED


def test_4_2_the_venue_refuses_no_stop_that_the_client_watches() -> None:
    stop = stop_order(SELL, 1, 100, trigger_by=LAST)
    assert placed_at_98_and_100(stop, refuses=True).reason == OrderReason.TRIGGER_BREACHED
    fired = placed_at_98_and_100(stop._replace(held=Held.CLIENT), refuses=True)
    assert (fired.trigger_ns, fired.trigger_price, fired.status) == (0, 100.0, OrderStatus.FILLED)


def placed_at_98_and_100(order: spec.Order, refuses: bool) -> Order:
    """What becomes of an order that is placed with the mark at 98 and the last trade at 100."""
    data = market_data(PLAIN._replace(reject_breached_trigger=refuses))
    tape = [ladder(0, {97: 9}, {103: 9}), trade(0, BUY, 100, 1), mark(0, 98.0), mark(9, 98.0)]
    return only_world(agreed(case(data, one_account(1e6, [order]), tape))).orders[0]
