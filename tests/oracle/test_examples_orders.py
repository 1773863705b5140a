"""Worked examples, by hand, for oracle and engine: time, liquidity and orders (RULES 1–4)."""

from __future__ import annotations

import pytest

from backtester.engine import spec
from backtester.enums import (
    EventKind,
    Fault,
    FillReason,
    Held,
    OrderReason,
    OrderStatus,
    PriceReference,
    PriceSeries,
    RefillModel,
    TimeInForce,
    TradingStatus,
)
from tests.oracle.compare import agreed
from tests.oracle.exact import Judge
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
    record,
    stop_order,
    trade,
    walked,
)
from tests.oracle.ladder import Event, steps
from tests.oracle.world import World

# -- RULES 1 -----------------------------------------------------------------------------------------------------------


def test_1_1_a_message_is_a_run_of_rows_of_one_instrument_and_ts_and_a_marker_starts_a_new_one() -> None:
    first = [*ladder(1, {9: 1}, {11: 1}), *delta(1, BUY, 8, 1)]
    rows = [*first, *ladder(1, {7: 1}, {}), *delta(2, BUY, 6, 1), *trade(2, BUY, 11, 1)]
    assert [len(step) for step in steps(rows)] == [4, 2, 1, 1]
    step = record(1, EventKind.PATH_STEP)
    assert [len(each) for each in steps([*first, *step, *ladder(1, {9: 1}, {}), *step, *delta(1, BUY, 8, 1)])] == [
        4,
        3,
        2,
    ]


def test_1_1_a_ladder_may_cross_inside_a_message_but_not_at_its_end() -> None:
    inside = [ladder(1, {9: 1}, {11: 1}), delta(2, BUY, 11, 4), delta(2, SELL, 11, 0), delta(2, SELL, 13, 1)]
    assert agreed(case(market_data(), (), inside)).fault == Fault.NONE
    locked = [ladder(1, {9: 1}, {11: 1}), delta(2, BUY, 11, 4)]
    assert agreed(case(market_data(), (), locked)).fault == Fault.CROSSED


def test_1_1_time_does_not_go_backwards() -> None:
    assert agreed(case(market_data(), (), [mark(2, 10.0), mark(1.5, 10.0)])).fault == Fault.TIME_BACKWARDS


def test_1_4_start_is_the_first_grid_time_with_all_marks_and_both_sides_seen() -> None:
    tape = [mark(1.5, 10.0), delta(2.5, BUY, 9, 1), delta(3.5, SELL, 11, 1), mark(5.0, 10.0)]
    assert agreed(case(market_data(), one_account(100.0), tape)).started == 4 * SECOND


def test_1_4_what_was_to_be_decided_before_the_start_is_decided_at_the_start() -> None:
    rules = PLAIN._replace(order_latency_ns=SECOND)
    early, at_start = market_order(BUY, 1, at_s=1), market_order(BUY, 1)
    tape = [ladder(1, BIDS, ASKS), mark(2.5, 100.0), mark(9, 100.0)]
    world = only_world(agreed(case(market_data(rules), one_account(1e6, [early, at_start]), tape)))
    assert [order.arrival_ns for order in world.orders] == [4 * SECOND, 3 * SECOND]


def test_1_5_messages_of_one_account_do_not_overtake_and_arrive_on_blocks() -> None:
    rules = PLAIN._replace(feed_latency_ns=SECOND, order_latency_ns=2 * SECOND, block_ns=2 * SECOND)
    slow = market_order(BUY, 1, at_s=2, reaction_ns=4 * SECOND)  # 2 + 1 + 4 + 2 = 9 → block 10
    fast = market_order(BUY, 1, at_s=3)  # 3 + 1 + 2 = 6, but not before 10
    tape = [ladder(0, BIDS, ASKS), mark(0, 100.0), mark(20, 100.0)]
    world = only_world(agreed(case(market_data(rules), one_account(1e6, [slow, fast]), tape)))
    assert [order.arrival_ns for order in world.orders] == [10 * SECOND, 10 * SECOND]
    assert walked(world) == [(1, 100.0), (1, 100.0)]


@pytest.mark.parametrize(
    ("status", "tif", "refused"),
    [
        (TradingStatus.HALTED, TimeInForce.POST_ONLY, True),
        (TradingStatus.CANCEL_ONLY, TimeInForce.POST_ONLY, True),
        (TradingStatus.POST_ONLY, TimeInForce.POST_ONLY, False),
        (TradingStatus.POST_ONLY, TimeInForce.GTC, True),
        (TradingStatus.TRADING, TimeInForce.GTC, False),
    ],
)
def test_1_6_status_refuses_orders(status: TradingStatus, tif: TimeInForce, refused: bool) -> None:
    tape = [ladder(0, BIDS, ASKS), mark(0, 100.0), record(0, EventKind.STATUS, lots=int(status)), mark(1, 100.0)]
    world = only_world(agreed(case(market_data(), one_account(1e6, [limit_order(BUY, 1, 98, tif)]), tape)))
    assert (world.orders[0].reason == OrderReason.VENUE_REFUSED) == refused


# -- RULES 2 -----------------------------------------------------------------------------------------------------------


def test_2_2_what_a_world_took_stays_taken() -> None:
    orders = [market_order(BUY, 4) for _ in range(3)]
    data = market_data(tick_size=0.1)
    tape = [ladder(1, BIDS, ASKS), mark(1, 10.0), mark(2, 10.0)]
    world = only_world(agreed(case(data, one_account(1e6, orders), tape)))
    assert walked(world) == [(3, 10.0), (1, 101 * 0.1), (4, 101 * 0.1), (4, 102 * 0.1)]
    first = world.fills[:2]
    assert sum(fill.lots * fill.price for fill in first) / 4 == pytest.approx(10.025)


def test_2_2_consumption_decays_by_half_lives_rounded_up() -> None:
    judge = Judge()
    assert [judge.decayed(5, seconds, 1) for seconds in range(4)] == [5, 3, 2, 1]
    assert judge.decayed(8, 3, 2) == 3  # 8 · 2^−1.5 = 2.83
    assert [judge.decayed(5, seconds, 1) for seconds in (1000, 1001)] == [1, 0]
    rules = PLAIN._replace(refill_model=RefillModel.HALF_LIFE, refill_half_life_ns=2 * SECOND)
    orders = [market_order(BUY, 3, at_s=1), market_order(BUY, 3, at_s=3)]
    tape = [ladder(0, BIDS, ASKS), mark(0, 100.0), mark(4, 100.0)]
    world = only_world(agreed(case(market_data(rules), one_account(1e6, orders), tape)))
    assert walked(world) == [(3, 100.0), (1, 100.0), (2, 101.0)]  # of 3 taken, ceil(1.5) = 2 are still gone


def test_2_2_under_next_update_a_level_is_back_when_a_message_names_it() -> None:
    rules = PLAIN._replace(refill_model=RefillModel.NEXT_UPDATE)
    orders = [market_order(BUY, 3, at_s=1), market_order(BUY, 1, at_s=3), market_order(BUY, 3, at_s=5)]
    tape = [ladder(0, BIDS, ASKS), mark(0, 100.0), delta(2, SELL, 101, 6), delta(4, SELL, 100, 3), mark(6, 100.0)]
    world = only_world(agreed(case(market_data(rules), one_account(1e6, orders), tape)))
    assert walked(world) == [(3, 100.0), (1, 101.0), (3, 100.0)]


def test_2_2_consumption_moves_with_the_ladder_at_a_path_step() -> None:
    orders = [market_order(BUY, 3, at_s=1), market_order(BUY, 4, at_s=3)]
    moved = [event._replace(tick=-10) for event in record(2, EventKind.PATH_STEP, lots=-10)]
    bids, asks = ({tick - 10: lots for tick, lots in side.items()} for side in (BIDS, ASKS))
    for shown in (moved, moved + ladder(2, bids, asks)):
        tape = [ladder(0, BIDS, ASKS), mark(0, 100.0), shown, mark(4, 100.0)]
        world = only_world(agreed(case(market_data(), one_account(1e6, orders), tape)))
        assert walked(world) == [(3, 100.0), (4, 91.0)]


def test_2_3_a_walk_ends_at_its_bound_or_at_the_last_level() -> None:
    rules = PLAIN._replace(market_bound=0.015)  # mid 99.5: floor(100.9925) = 100
    tape = [ladder(0, BIDS, ASKS), mark(0, 100.0), mark(1, 100.0)]
    near = only_world(agreed(case(market_data(rules), one_account(1e6, [market_order(BUY, 20)]), tape))).orders[0]
    assert (near.filled, near.status, near.reason) == (3, OrderStatus.CANCELLED, OrderReason.PRICE_BOUND)
    far = only_world(agreed(case(market_data(), one_account(1e6, [market_order(BUY, 20)]), tape))).orders[0]
    assert (far.filled, far.status, far.reason) == (17, OrderStatus.CANCELLED, OrderReason.BEYOND_VISIBLE_DEPTH)


@pytest.mark.parametrize(
    ("tape", "fills"),
    [
        ([trade(1, SELL, 99, 8)], [(2, 99.0), (3, 98.0)]),
        ([trade(1, SELL, 99, 4), trade(1, SELL, 99, 9)], [(5, 98.0)]),
        ([trade(1, BUY, 99, 8)], [(5, 99.0)]),  # it hit no bid
        ([trade(1, SELL, 99, 8), delta(1, BUY, 98, 5)], [(2, 99.0), (3, 98.0)]),  # another level
        ([trade(1, SELL, 99, 8), delta(1, BUY, 99, 10)], [(5, 99.0)]),  # shown again, so there
    ],
)
def test_2_2_what_trades_took_since_the_last_message_is_not_there(
    tape: list[list[Event]], fills: list[tuple[int, float]]
) -> None:
    worlds = one_account(1e6, [market_order(SELL, 5, at_s=1.5)])
    whole = [ladder(0, {99: 10, 98: 6}, ASKS), mark(0, 100.0), *tape, mark(9, 100.0)]
    assert [(-lots, price) for lots, price in walked(only_world(agreed(case(market_data(), worlds, whole))))] == fills


@pytest.mark.parametrize(("bound_from", "filled"), [(PriceReference.MID, 3), (PriceReference.MARK, 8)])
def test_2_1_a_bound_is_measured_from_mid_or_from_mark(bound_from: PriceReference, filled: int) -> None:
    rules = PLAIN._replace(market_bound=0.015, bound_from=bound_from)
    tape = [ladder(0, BIDS, ASKS), mark(0, 99.75), mark(1, 99.75)]  # floor(100.9925) = 100, floor(101.24625) = 101
    order = only_world(agreed(case(market_data(rules), one_account(1e6, [market_order(BUY, 20)]), tape))).orders[0]
    assert (order.filled, order.reason) == (filled, OrderReason.PRICE_BOUND)


# -- RULES 3 -----------------------------------------------------------------------------------------------------------


def resting(order: spec.Order, tape: list[list[Event]], lots: int = 0) -> World:
    """One resting order before bids 80@99 and asks 7@101, then a tape."""
    begin = [ladder(0, {99: 80}, {101: 7}), mark(0, 100.0)]
    worlds = one_account(1e6, [order], lots=lots, entry_price=100.0)
    return only_world(agreed(case(market_data(), worlds, [*begin, *tape, mark(9, 100.0)])))


def test_3_1_post_only_does_not_cross() -> None:
    order = resting(limit_order(BUY, 5, 101, TimeInForce.POST_ONLY), []).orders[0]
    assert (order.status, order.reason) == (OrderStatus.REJECTED, OrderReason.POST_ONLY_WOULD_CROSS)


def test_3_2_a_trade_eats_the_queue_and_then_fills_us() -> None:
    world = resting(limit_order(BUY, 20, 99), [trade(2, SELL, 99, 50), trade(3, SELL, 99, 40)])
    assert walked(world) == [(10, 99.0)]
    assert world.fills[0].reason == FillReason.TRADE_AT_LEVEL
    assert (world.orders[0].queue, world.orders[0].remaining) == (0, 10)


def test_3_2_one_budget_per_trade_first_come_first_served() -> None:
    orders = [limit_order(BUY, 3, 100), limit_order(BUY, 3, 100), limit_order(BUY, 3, 99)]
    begin = [ladder(0, {98: 1}, {101: 7}), mark(0, 100.0)]
    tape = [*begin, trade(2, SELL, 99, 7), mark(3, 100.0)]
    world = only_world(agreed(case(market_data(), one_account(1e6, orders), tape)))
    assert [order.filled for order in world.orders] == [3, 3, 1]
    assert [fill.reason.name for fill in world.fills] == ["TRADE_THROUGH", "TRADE_THROUGH", "TRADE_AT_LEVEL"]


def test_3_2_the_budget_ends_among_those_that_are_traded_through() -> None:
    orders = [limit_order(BUY, 3, 100), limit_order(BUY, 3, 100), limit_order(BUY, 3, 100)]
    begin = [ladder(0, {98: 1}, {101: 7}), mark(0, 100.0)]
    world = only_world(agreed(case(market_data(), one_account(1e6, orders), [*begin, trade(2, SELL, 99, 7)])))
    assert [order.filled for order in world.orders] == [3, 3, 1]


def test_3_3_the_queue_is_never_longer_than_what_is_displayed() -> None:
    world = resting(limit_order(BUY, 20, 99), [delta(2, BUY, 99, 30), delta(3, BUY, 99, 90), trade(4, SELL, 99, 33)])
    assert walked(world) == [(3, 99.0)]


@pytest.mark.parametrize(
    ("tape", "ahead"),
    [
        ([ladder(2, {100: 3, 99: 4}, {101: 3})], 6),  # 98 is out of view
        ([ladder(2, {100: 3, 99: 4}, {101: 3}), ladder(3, BIDS, ASKS)], 6),
        ([ladder(2, {99: 4, 97: 1}, ASKS)], 0),  # 98 is in view and empty
        ([ladder(2, {97: 1}, ASKS)], 0),
        ([ladder(2, {}, ASKS)], 0),  # a side that is left empty is shown to its end
        ([ladder(2, {100: 3, 99: 4}, {101: 3}), delta(3, BUY, 98, 5)], 5),
        ([ladder(2, {100: 3, 99: 4}, {101: 3}), trade(3, SELL, 98, 2)], 4),
    ],
)
def test_3_3_a_level_out_of_view_keeps_its_queue(tape: list[list[Event]], ahead: int) -> None:
    begin = [ladder(0, BIDS, ASKS), mark(0, 100.0)]
    worlds = one_account(1e6, [limit_order(BUY, 20, 98)])
    assert only_world(agreed(case(market_data(), worlds, [*begin, *tape, mark(9, 100.0)]))).orders[0].queue == ahead


@pytest.mark.parametrize(
    ("begin", "tick", "tape", "fills"),
    [
        ([ladder(0, BIDS, ASKS)], 97, [trade(2, SELL, 97, 9)], []),
        ([ladder(0, BIDS, ASKS)], 97, [trade(2, SELL, 96, 9)], [(9, 97.0)]),
        ([ladder(0, BIDS, ASKS)], 97, [ladder(2, {98: 2, 97: 8}, ASKS), trade(3, SELL, 97, 9)], [(1, 97.0)]),
        ([ladder(0, BIDS, ASKS)], 97, [ladder(2, {98: 2, 97: 8}, ASKS), trade(2.5, SELL, 97, 9)], [(1, 97.0)]),
        ([ladder(0, BIDS, ASKS)], 97, [ladder(2, {98: 2, 96: 8}, ASKS), trade(3, SELL, 97, 9)], [(9, 97.0)]),
        ([ladder(0, {99: 4, 96: 6}, ASKS)], 97, [trade(2, SELL, 97, 9)], [(9, 97.0)]),
        ([ladder(0, BIDS, ASKS), delta(0.5, BUY, 97, 2)], 97, [trade(2, SELL, 97, 9)], [(7, 97.0)]),
        ([delta(0, BUY, 98, 6), delta(0, SELL, 100, 3)], 97, [trade(2, SELL, 97, 9)], []),
        ([delta(0, BUY, 98, 6), delta(0, SELL, 100, 3)], 99, [trade(2, SELL, 99, 9)], [(9, 99.0)]),
    ],
)
def test_3_1_an_order_out_of_view_is_behind_what_comes_into_view(
    begin: list[list[Event]], tick: int, tape: list[list[Event]], fills: list[tuple[int, float]]
) -> None:
    worlds = one_account(1e6, [limit_order(BUY, 20, tick)])
    whole = [*begin, mark(0.5, 100.0), *tape, mark(9, 100.0)]
    assert walked(only_world(agreed(case(market_data(), worlds, whole)))) == fills


@pytest.mark.parametrize(
    ("tape", "ahead", "fills"),
    [
        ([delta(2, BUY, 99, 5), trade(2, SELL, 99, 75)], 5, []),
        ([delta(2, BUY, 99, 5), trade(2, SELL, 99, 75), trade(2.5, SELL, 99, 6)], 0, [(1, 99.0)]),
        ([delta(2, BUY, 99, 40), delta(2, BUY, 99, 5), trade(2, SELL, 99, 40), trade(2, SELL, 99, 35)], 5, []),
        ([delta(2, BUY, 99, 40), trade(2.5, SELL, 99, 40), delta(2.9, BUY, 99, 5), trade(3, SELL, 99, 35)], 5, []),
        ([trade(2, SELL, 99, 75), delta(2, BUY, 99, 5), trade(2.5, SELL, 99, 8)], 0, [(3, 99.0)]),  # in order
        ([delta(2, BUY, 99, 5), trade(3, SELL, 99, 8)], 0, [(3, 99.0)]),  # a cancel, a while ago
        ([delta(2, BUY, 99, 5), trade(2, SELL, 99, 100)], 0, [(20, 99.0)]),  # 80, then us, by trades alone
    ],
)
def test_3_3_what_a_message_showed_before_it_prints_leaves_the_queue_once(
    tape: list[list[Event]], ahead: int, fills: list[tuple[int, float]]
) -> None:
    world = resting(limit_order(BUY, 20, 99), tape)
    assert (world.orders[0].queue, walked(world)) == (ahead, fills)


def test_3_4_a_cross_fills_at_our_limit_what_is_displayed_through_it() -> None:
    through = [delta(2, BUY, 99, 0), delta(2, SELL, 98, 2), delta(2, SELL, 99, 1)]
    world = resting(limit_order(BUY, 20, 99), through)
    assert [(fill.lots, fill.price, fill.reason) for fill in world.fills] == [(3, 99.0, FillReason.BBO_CROSS)]
    again = resting(limit_order(BUY, 20, 99), [*through, delta(3, SELL, 102, 5)])
    assert walked(again) == [(3, 99.0)]  # what was taken is not there twice


def test_3_5_a_resting_reduce_only_order_never_opens() -> None:
    order = limit_order(BUY, 20, 99, reduce_only=True)
    tape = [trade(2, SELL, 98, 3), trade(3, SELL, 98, 3), trade(4, SELL, 98, 3)]
    world = resting(order, tape, lots=-4)
    assert walked(world) == [(3, 99.0), (1, 99.0)]
    filled = world.orders[0]
    assert (filled.status, filled.filled, filled.remaining) == (OrderStatus.FILLED, 4, 0)  # it shrank to 4 on arrival
    taken_away = one_account(1e6, [order, market_order(BUY, 4, at_s=1)], lots=-4, entry_price=100.0)
    begin = [ladder(0, {99: 1}, {101: 7}), mark(0, 100.0)]
    void = only_world(agreed(case(market_data(), taken_away, [*begin, trade(2, SELL, 98, 3), mark(3, 100.0)]))).orders[
        0
    ]
    assert (void.status, void.reason) == (OrderStatus.CANCELLED, OrderReason.REDUCE_ONLY_VOID)


def test_3_5_nothing_left_to_reduce_matters_only_where_there_would_be_a_fill() -> None:
    orders = [limit_order(BUY, 2, 99, reduce_only=True), market_order(BUY, 4, at_s=1)]
    begin = [ladder(0, {99: 5}, {101: 7}), mark(0, 100.0)]
    in_the_queue = trade(2, SELL, 99, 3)
    for tape, status in (
        ([in_the_queue], OrderStatus.RESTING),
        ([in_the_queue, trade(3, SELL, 99, 3)], OrderStatus.CANCELLED),
    ):
        worlds = one_account(1e6, orders, lots=-4, entry_price=100.0)
        world = only_world(agreed(case(market_data(), worlds, [*begin, *tape, mark(9, 100.0)])))
        assert world.orders[0].status == status


# -- RULES 4 -----------------------------------------------------------------------------------------------------------


def stopped(order: spec.Order, rules: spec.Rules = PLAIN) -> World:
    """A long of 5 with one stop; the mark falls to 96.4 at 3 s, a trade prints 95 at 4 s."""
    begin = [ladder(0, BIDS, ASKS), mark(0, 100.0), trade(0, BUY, 100, 1)]
    tape = [*begin, mark(2.5, 96.4), trade(4, SELL, 95, 1), mark(9, 96.4)]
    return only_world(agreed(case(market_data(rules), one_account(1e6, [order], lots=5, entry_price=100.0), tape)))


def test_4_1_a_stop_fires_when_its_rounded_series_reaches_the_trigger() -> None:
    at_mark = stopped(stop_order(SELL, 5, 96)).orders[0]
    assert (at_mark.trigger_ns, at_mark.trigger_price, at_mark.filled) == (3 * SECOND, 96.4, 5)
    assert at_mark.decision_mid_half_ticks == 99 + 100
    below = stopped(stop_order(SELL, 5, 95)).orders[0]
    assert (below.status, below.trigger_ns) == (OrderStatus.UNTRIGGERED, None)
    at_last = stopped(stop_order(SELL, 5, 95, trigger_by=PriceSeries.LAST)).orders[0]
    assert (at_last.trigger_ns, at_last.trigger_price) == (4 * SECOND, 95.0)


def test_4_2_a_breached_trigger_is_refused_or_fires_at_once() -> None:
    order = stop_order(SELL, 5, 100)
    refused = stopped(order, PLAIN._replace(reject_breached_trigger=True)).orders[0]
    assert (refused.status, refused.reason) == (OrderStatus.REJECTED, OrderReason.TRIGGER_BREACHED)
    fired = stopped(order).orders[0]
    assert (fired.trigger_ns, fired.status) == (0, OrderStatus.FILLED)
    waiting = stopped(order._replace(trigger_by=PriceSeries.INDEX)).orders[0]
    assert waiting.status == OrderStatus.UNTRIGGERED  # no index yet: not beyond


def test_4_3_a_client_held_stop_pays_all_latencies_a_venue_held_one_only_the_engine() -> None:
    rules = PLAIN._replace(feed_latency_ns=SECOND, order_latency_ns=2 * SECOND, engine_latency_ns=SECOND // 2)
    venue = stopped(stop_order(SELL, 5, 96), rules).orders[0]
    client = stopped(stop_order(SELL, 5, 96, held=Held.CLIENT, reaction_ns=SECOND), rules).orders[0]
    assert (venue.arrival_ns, client.arrival_ns) == (3.5 * SECOND, 7 * SECOND)
