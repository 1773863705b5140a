"""The worked examples of RULES, by hand, against the oracle: what it is compared to is right by itself."""

from __future__ import annotations

from fractions import Fraction

import pytest

from backtester.engine import spec
from backtester.enums import (
    CloseOrder,
    Disposal,
    EventKind,
    Fault,
    FillReason,
    Held,
    LedgerKind,
    LiquidationStage,
    MarkFormula,
    OrderReason,
    OrderStatus,
    Party,
    PoolState,
    PriceSeries,
    RefillModel,
    Side,
    TimeInForce,
    TradingStatus,
)
from tests.oracle.account import World
from tests.oracle.exact import Judge
from tests.oracle.compare import agreed
from tests.oracle.examples import (
    BUY,
    PLAIN,
    SECOND,
    SELL,
    case,
    delta,
    floats,
    ladder,
    limit_order,
    mark,
    market_data,
    market_order,
    one_account,
    record,
    stop_order,
    trade,
)
from tests.oracle.ladder import Event, Tape, steps
from tests.oracle.market import Average, Market
from tests.oracle.oracle import Oracle

ASKS = {100: 3, 101: 5, 102: 9}
BIDS = {99: 4, 98: 6}


def only_world(oracle: Oracle) -> World:
    """The world of a one-world run."""
    assert not oracle.fault
    (world,) = oracle.worlds
    return world


def walked(world: World) -> list[tuple[int, float]]:
    """(lots, price) of all fills."""
    return [(fill.lots, fill.price) for fill in world.fills]


# -- RULES 1 -----------------------------------------------------------------------------------------------------------


def test_1_1_a_message_is_a_run_of_rows_of_one_instrument_and_ts_and_a_marker_starts_a_new_one() -> None:
    first = [*ladder(1, {9: 1}, {11: 1}), *delta(1, BUY, 8, 1)]
    rows = [*first, *ladder(1, {7: 1}, {}), *delta(2, BUY, 6, 1), *trade(2, BUY, 11, 1)]
    assert [len(step) for step in steps(rows)] == [4, 2, 1, 1]


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
    shifted = ladder(2, bids, asks)
    tape = [ladder(0, BIDS, ASKS), mark(0, 100.0), moved, shifted, mark(4, 100.0)]
    world = only_world(agreed(case(market_data(), one_account(1e6, orders), tape)))
    assert walked(world) == [(3, 100.0), (4, 91.0)]


def test_2_3_a_walk_ends_at_its_bound_or_at_the_last_level() -> None:
    rules = PLAIN._replace(market_bound=0.015)  # mid 99.5: floor(100.9925) = 100
    tape = [ladder(0, BIDS, ASKS), mark(0, 100.0), mark(1, 100.0)]
    near = only_world(agreed(case(market_data(rules), one_account(1e6, [market_order(BUY, 20)]), tape))).orders[0]
    assert (near.filled, near.status, near.reason) == (3, OrderStatus.CANCELLED, OrderReason.PRICE_BOUND)
    far = only_world(agreed(case(market_data(), one_account(1e6, [market_order(BUY, 20)]), tape))).orders[0]
    assert (far.filled, far.status, far.reason) == (17, OrderStatus.CANCELLED, OrderReason.BEYOND_VISIBLE_DEPTH)


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


def test_3_3_the_queue_is_never_longer_than_what_is_displayed() -> None:
    world = resting(limit_order(BUY, 20, 99), [delta(2, BUY, 99, 30), delta(3, BUY, 99, 90), trade(4, SELL, 99, 33)])
    assert walked(world) == [(3, 99.0)]


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
    void = only_world(agreed(case(market_data(), taken_away, [*begin, trade(2, SELL, 98, 3), mark(3, 100.0)]))).orders[0]
    assert (void.status, void.reason) == (OrderStatus.CANCELLED, OrderReason.REDUCE_ONLY_VOID)


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


# -- RULES 5 -----------------------------------------------------------------------------------------------------------


def test_5_1_a_partial_close_realises_its_share_of_the_cost() -> None:
    rules = PLAIN._replace(taker_fee=1 / 256)
    orders = [market_order(BUY, 3), market_order(SELL, 2)]
    tape = [ladder(0, BIDS, ASKS), mark(0, 100.0), mark(1, 100.0)]
    world = only_world(agreed(case(market_data(rules), one_account(1e6, orders, lots=1, entry_price=96.0), tape)))
    position = world.accounts[0].positions[0]
    # 1 lot at 96 and 3 at 100: average 99; 2 sold at 99 realise nothing
    assert position.lots == 2
    assert position.cost == 198
    assert [(row.kind, row.amount) for row in world.ledger] == [
        (LedgerKind.FEE, Fraction(-300, 256)),
        (LedgerKind.FEE, Fraction(-198, 256)),
    ]


def test_5_3_the_mark_is_the_median_of_basis_touch_and_average() -> None:
    rules = PLAIN._replace(mark_formula=MarkFormula.MEDIAN_BASIS_EMA)
    data = market_data(rules)
    judge = Judge()
    tape = Tape(data.instruments[0])
    market = Market(0, data, [tape], judge)
    tape.apply(ladder(0, {99: 1}, {103: 1}))
    market.update_mark()
    assert market.mark_float is None  # no index yet
    tape.index = 98.0
    tape.last_tick = 102
    market.update_mark()
    # p1 = 98 + (101 − 98) = 101; p2 = median(99, 103, 102) = 102; p3 = 102
    assert market.mark_float == 102.0
    tape.last_tick = 105
    market.update_mark()
    keep = 2.718281828459045 ** (-1 / 30)
    p3 = (102 * keep + 103) / (keep + 1)
    assert market.mark_float == pytest.approx(p3)  # between p1 = 101 and p2 = 103
    assert Average(150.0, 1.0).update(7.0) == 7.0


# -- RULES 6 -----------------------------------------------------------------------------------------------------------


HYPERLIQUID_BTC = (spec.Tier(0.0, 0.0125, 40.0), spec.Tier(150e6, 0.025, 20.0))


def test_6_3_hyperliquid_maintenance_of_200_million_btc() -> None:
    market = agreed(case(market_data(tiers=HYPERLIQUID_BTC), (), [mark(0, 1.0)])).markets[0]
    assert float(market.maintenance(Fraction(200_000_000))) == pytest.approx(3_125_000)
    assert market.maintenance(Fraction(10**6)) == Fraction(0.0125) * 10**6
    assert floats(*(market.max_leverage(Fraction(notional)) for notional in (149_999_999, 150_000_000))) == [40, 20]


def test_6_1_initial_margin_counts_positions_and_resting_orders() -> None:
    # equity 100, long 4 at mark 100 with 10x needs 40; a bid for 5 at 98 needs 50; 10 are left
    tape = [ladder(0, BIDS, ASKS), mark(0, 100.0), mark(1, 100.0)]
    orders = [limit_order(BUY, 5, 98), market_order(BUY, 2), market_order(BUY, 1)]
    world = only_world(agreed(case(market_data(), one_account(100.0, orders, lots=4, entry_price=100.0), tape)))
    assert [order.status.name for order in world.orders] == ["RESTING", "REJECTED", "FILLED"]
    assert world.orders[1].reason == OrderReason.INSUFFICIENT_MARGIN
    tiers = (spec.Tier(0.0, 1 / 32, 16.0), spec.Tier(500.0, 1 / 16, 8.0))
    small = case(market_data(tiers=tiers), one_account(1e6, [market_order(BUY, 4), market_order(BUY, 1)]), tape)
    assert [order.reason.name for order in only_world(agreed(small)).orders] == ["NONE", "LEVERAGE_TIER"]


def test_6_5_an_isolated_fill_moves_its_margin_and_releases_its_share() -> None:
    orders = [market_order(BUY, 3), market_order(SELL, 1), market_order(SELL, 2)]
    tape = [ladder(0, BIDS, ASKS), mark(0, 100.0), mark(1, 100.0)]
    world = only_world(agreed(case(market_data(), one_account(1000.0, orders, margin=0.0), tape)))
    cross, isolated = world.pools
    moves = [row.amount for row in world.ledger if row.kind == LedgerKind.MARGIN_TRANSFER and row.pool == 0]
    # 3 · 100 / 10 go in; then 30/3 − 1 of realised loss come out; then all that is left
    assert moves == [-30, 9, 18]
    assert floats(cross.balance, isolated.balance) == [997, 0]


# -- RULES 7 -----------------------------------------------------------------------------------------------------------


def test_7_2_a_long_pays_a_positive_rate() -> None:
    rules = PLAIN._replace(funding_interval_ns=4 * SECOND, assume_funding_zero=False)
    tape = [ladder(1, BIDS, ASKS), mark(1, 50_000.0), record(4, EventKind.FUNDING, 0.0001, 3600), mark(5, 50_000.0)]
    world = only_world(agreed(case(market_data(rules), one_account(1e6, lots=2, entry_price=50_000.0), tape)))
    (row,) = world.ledger
    assert (row.ts, row.party) == (4 * SECOND, Party.FUNDING_POOL)
    assert float(row.amount) == pytest.approx(-10.0)
    assert world.parties[Party.FUNDING_POOL] == -row.amount


def test_7_2_a_stamp_without_a_rate_is_a_fault_only_when_somebody_is_there() -> None:
    rules = PLAIN._replace(funding_interval_ns=4 * SECOND, assume_funding_zero=False)
    tape = [ladder(1, BIDS, ASKS), mark(1, 100.0), mark(5, 100.0)]
    open_ = case(market_data(rules), one_account(1e6, lots=2, entry_price=100.0), tape)
    assert agreed(open_).fault == Fault.MISSING_FUNDING
    assert agreed(case(market_data(rules), one_account(1e6), tape)).fault == Fault.NONE


@pytest.mark.parametrize(
    ("bid", "index", "hourly"),
    [(10_100, 10_000.0, 0.0011875), (1_000_317_740, 1e9, 0.0000125)],  # Hyperliquid's published examples
)
def test_7_3_hourly_rate_from_the_premium(bid: int, index: float, hourly: float) -> None:
    data = market_data(PLAIN._replace(assume_funding_zero=False, funding_premium=True))
    tape = Tape(data.instruments[0])
    market = Market(0, data, [tape], Judge())
    tape.apply(ladder(0, {bid: 5}, {bid + 1: 5}))
    tape.index = index
    market.sample_premium()
    rate = market.funding_rate(3600 * SECOND)
    assert rate is not None
    assert float(rate) == pytest.approx(hourly)


def test_7_3_the_impact_price_takes_the_last_level_in_part() -> None:
    data = market_data(impact_notional_quote=150.0)
    tape = Tape(data.instruments[0])
    market = Market(0, data, [tape], Judge())
    tape.apply(ladder(0, {100: 1, 50: 9}, {101: 1}))
    assert market.impact_price(Side.BUY) == Fraction(150, 2)  # 1 at 100, 1 at 50
    assert market.impact_price(Side.SELL) == 101  # the whole side is less than the impact notional


# -- RULES 8 -----------------------------------------------------------------------------------------------------------


def hyperliquid(last_mark: float, bids: dict[int, int], insurance: float = 0.0) -> World:
    """Long 1 BTC at 100,000 with 2,500 of isolated margin, maintenance 1.25 %, backstop at two thirds of it."""
    rules = PLAIN._replace(takeover_threshold=2 / 3)
    data = market_data(rules, tiers=HYPERLIQUID_BTC)
    worlds = one_account(2500.0, lots=1, entry_price=100_000.0, leverage=40.0, margin=2500.0, insurance=insurance)
    begin = [ladder(0, {99_990: 1}, {100_010: 1}), mark(0, 100_000.0)]
    tape = [*begin, ladder(1.5, bids, {100_010: 1}), mark(1.5, last_mark), mark(2, last_mark)]
    return only_world(agreed(case(data, worlds, tape)))


def test_8_hyperliquid_isolated_long_is_liquidated_below_98734_18() -> None:
    assert hyperliquid(98_734.18, {98_000: 1}).liquidations == []
    world = hyperliquid(98_734.17, {98_000: 1})
    assert [row.stage for row in world.liquidations] == [LiquidationStage.FULL]
    assert walked(world) == [(-1, 98_000.0)]
    cross, isolated = world.pools
    assert isolated.state == PoolState.LIQUIDATING
    assert floats(isolated.balance, cross.balance) == [0, 500]  # 2,500 − 2,000


def test_8_2_a_liquidation_that_finds_nothing_is_stuck_and_tried_again() -> None:
    world = hyperliquid(98_320.0, {})
    assert world.pools[1].state == PoolState.STUCK
    assert [(row.filled, row.ts) for row in world.liquidations] == [(0, 2 * SECOND)]


def test_8_4_hyperliquid_backstop_takes_over_below_98319_33() -> None:
    assert hyperliquid(98_319.33, {}).pools[1].state == PoolState.STUCK
    world = hyperliquid(98_319.32, {})
    assert world.pools[1].state == PoolState.CLOSED
    assert [row.stage.name for row in world.liquidations] == ["FULL", "TAKEOVER"]
    # equity passes to the backstop: 2,500 − 1,680.68
    assert float(world.parties[Party.INSURANCE_FUND]) == pytest.approx(819.32)
    assert [pool.balance for pool in world.pools] == [0, 0]


def test_8_4_below_the_bankruptcy_price_the_reserve_refills_the_fund() -> None:
    world = hyperliquid(97_400.0, {}, insurance=30.0)  # bankruptcy at 97,500: 100 are missing
    assert world.parties[Party.INSURANCE_FUND] == 0
    assert world.parties[Party.RESERVE] == -70


def test_8_3_a_flat_pool_below_zero_is_paid_by_the_fund_and_then_by_the_reserve() -> None:
    world = hyperliquid(98_000.0, {97_400: 1}, insurance=30.0)
    deficit = [(row.party, float(row.amount)) for row in world.ledger if row.kind == LedgerKind.DEFICIT]
    assert deficit == [(Party.INSURANCE_FUND, 30), (Party.RESERVE, 70)]
    assert floats(world.pools[1].balance, world.parties[Party.INSURANCE_FUND]) == [0, 0]


def test_8_2_hyperliquid_a_large_position_goes_in_a_fifth_first_and_in_full_10_s_later() -> None:
    rules = PLAIN._replace(liquidation_partial_above_quote=100_000.0, mark_interval_ns=10 * SECOND)
    data = market_data(rules, lot_size=0.001, tiers=(spec.Tier(0.0, 0.0125, 40.0),))
    begin = [ladder(5, {99_999: 10_000}, {100_001: 10_000}), mark(5, 100_000.0)]
    # 5 BTC, notional 500,000, maintenance 6,250; equity 6,000
    worlds = one_account(6000.0, lots=5000, entry_price=100_000.0, leverage=40.0)
    world = only_world(agreed(case(data, worlds, [*begin, mark(19, 99_000.0), mark(25, 100_000.0)])))
    first, second = world.liquidations
    assert (first.stage, first.lots, first.ts) == (LiquidationStage.PARTIAL, 1000, 10 * SECOND)  # notional 100,000
    assert (second.stage, second.lots, second.ts) == (LiquidationStage.FULL, 4000, 20 * SECOND)


def test_8_2_after_the_full_size_window_orders_are_partial_again() -> None:
    rules = PLAIN._replace(liquidation_partial_above_quote=1.0, liquidation_full_window_ns=2 * SECOND)
    data = market_data(rules, lot_size=1.0)
    begin = [ladder(0.5, {}, {101: 1}), ladder(0.5, {99: 1}, {101: 1}), mark(0.5, 100.0)]
    tape = [*begin, ladder(0.75, {}, {101: 1}), mark(4.5, 100.0)]
    world = only_world(agreed(case(data, one_account(1.0, lots=9, entry_price=100.0), tape)))
    # checks at 1, 2, 3, 4 s; [1, 3) is the window of the first partial order
    assert [row.stage.name for row in world.liquidations] == ["PARTIAL", "FULL", "PARTIAL", "FULL"]
    assert [row.lots for row in world.liquidations] == [2, 9, 2, 9]


def two_places(close_order: CloseOrder) -> World:
    """Long 2 and long 4 of two instruments in one breached cross pool; closing the larger one heals it."""
    rules = PLAIN._replace(liquidation_close_order=close_order)
    instruments = (spec.Instrument("X", 1.0, 1.0), spec.Instrument("Y", 1.0, 1.0))
    tiers = (spec.Tier(0.0, 1 / 8, 100.0),)
    data = spec.MarketData(instruments, (rules,), tuple(spec.Market(n, 0, tiers, 1.0) for n in range(2)))
    places = (spec.Position(0, 2, 100.0, 10.0), spec.Position(1, 4, 100.0, 10.0))
    worlds = (spec.World((spec.Account("a", 0, 70.0, places, ()),)),)
    both = [*ladder(0, {100: 9}, {101: 9}), *mark(0, 100.0)]
    tape = [[event._replace(instrument=instrument) for event in both] for instrument in range(2)]
    return only_world(agreed(case(data, worlds, [*tape, mark(1, 100.0)])))


def test_8_2_largest_maintenance_first_and_only_until_healthy() -> None:
    assert [row.position for row in two_places(CloseOrder.ALL).liquidations] == [0, 1]
    largest = two_places(CloseOrder.LARGEST_MAINTENANCE)
    assert [row.position for row in largest.liquidations] == [1]
    assert largest.pools[0].state == PoolState.HEALTHY


def test_8_2_the_liquidation_fee_is_capped_by_what_the_pool_has_left() -> None:
    rules = PLAIN._replace(liquidation_fee=0.25)
    data = market_data(rules)
    begin = [ladder(0, {99: 1}, {101: 1}), mark(0, 100.0), mark(1, 100.0)]
    world = only_world(agreed(case(data, one_account(2.0, lots=1, entry_price=100.0), begin)))
    assert [float(row.fee) for row in world.liquidations] == [1.0]  # 0.25 · 99, but only 2 − 1 are left
    assert world.parties[Party.INSURANCE_FUND] == 1


def test_8_2_a_breach_cancels_live_orders_but_not_decisions_to_come() -> None:
    orders = [limit_order(BUY, 1, 90), stop_order(SELL, 1, 80), market_order(BUY, 1, at_s=9)]
    begin = [ladder(0, {99: 1}, {101: 1}), mark(0, 100.0), mark(0.5, 97.0), mark(2, 97.0)]
    world = only_world(agreed(case(market_data(), one_account(5.0, orders, lots=1, entry_price=100.0), begin)))
    assert [order.status.name for order in world.orders] == ["REJECTED", "CANCELLED", "PENDING"]
    assert world.orders[1].reason == OrderReason.LIQUIDATION


def test_8_5_the_backstop_sells_what_it_took_through_the_ladder_of_the_world() -> None:
    rules = PLAIN._replace(takeover_threshold=1.0, takeover_disposal=Disposal.WALK, liquidation_partial_above_quote=1.0)
    data = market_data(rules)
    begin = [ladder(0, {99: 1, 98: 1, 97: 3}, {101: 1}), mark(0, 100.0), mark(1, 100.0)]
    world = only_world(agreed(case(data, one_account(2.0, lots=5, entry_price=100.0), begin)))
    # 1 of 5 is sold at 99, 4 pass at mark 100 with what is left of the margin (1); the fund sells at 98 and thrice at
    # 97, and is 10 short, which the reserve pays
    assert [row.stage.name for row in world.liquidations] == ["PARTIAL", "TAKEOVER"]
    assert floats(world.parties[Party.INSURANCE_FUND], world.parties[Party.RESERVE]) == [0, 1 - 2 - 3 * 3]
    assert [fill.reason.name for fill in world.fills] == ["LIQUIDATION", "TAKEOVER"]


def test_8_6_with_liquidation_off_nothing_acts() -> None:
    begin = [ladder(0, {99: 1}, {101: 1}), mark(0, 100.0), mark(1, 90.0), mark(3, 90.0)]
    (world,) = one_account(2.0, lots=1, entry_price=100.0)
    untouched = only_world(agreed(case(market_data(), (world._replace(liquidation=False),), begin)))
    assert (untouched.liquidations, untouched.ledger, untouched.fills) == ([], [], [])
    assert untouched.accounts[0].cross.equity == -8
