"""Worked examples, by hand, for oracle and engine: liquidation (RULES 8)."""

from __future__ import annotations

import pytest

from backtester.engine import spec
from backtester.enums import (
    CloseOrder,
    Disposal,
    ForcedAction,
    ForcedPrice,
    LedgerKind,
    LiquidationStage,
    OrderReason,
    Party,
    PoolState,
)
from tests.oracle.compare import agreed
from tests.oracle.examples import (
    BUY,
    FLAT_TIER,
    HYPERLIQUID_BTC,
    PLAIN,
    SECOND,
    SELL,
    case,
    floats,
    ladder,
    limit_order,
    mark,
    market_data,
    market_order,
    one_account,
    only_world,
    stop_order,
    walked,
)
from tests.oracle.forced import rows
from tests.oracle.world import World

# -- RULES 8 -----------------------------------------------------------------------------------------------------------


def hyperliquid(last_mark: float, bids: dict[int, int], *insurance: float) -> World:
    """Long 1 BTC at 100,000 with 2,500 of isolated margin, maintenance 1.25 %, backstop at two thirds of it.

    insurance: the fund of its venue, and of others.
    """
    rules = PLAIN._replace(liquidation=rows(below=2 / 3))
    data = market_data(rules, tiers=HYPERLIQUID_BTC)
    worlds = one_account(2500.0, lots=1, entry_price=100_000.0, leverage=40.0, margin=2500.0)
    worlds = tuple(world._replace(insurance_start=insurance or (0.0,)) for world in worlds)
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
    assert float(world.fund) == pytest.approx(819.32)
    assert [pool.balance for pool in world.pools] == [0, 0]


def test_8_4_a_threshold_of_zero_is_none() -> None:
    begin = [ladder(0, {99: 1}, {101: 1}), mark(0, 100.0), ladder(0.5, {}, {101: 1}), mark(0.5, 80.0), mark(1, 80.0)]
    world = only_world(agreed(case(market_data(), one_account(5.0, lots=1, entry_price=100.0), begin)))
    assert (world.accounts[0].cross.state, float(world.accounts[0].cross.equity)) == (PoolState.STUCK, -15)


def test_8_4_below_the_bankruptcy_price_the_reserve_refills_the_fund() -> None:
    world = hyperliquid(97_400.0, {}, 30.0)  # bankruptcy at 97,500: 100 are missing
    assert world.fund == 0
    assert world.parties[Party.RESERVE] == -70


def test_9_1_the_fund_of_another_venue_pays_nothing() -> None:
    for bids in ({}, {97_400: 1}):  # taken over, and sold in the market
        world = hyperliquid(97_400.0, bids, 30.0, 1000.0)
        assert floats(world.fund, world.fund_of(1), world.parties[Party.RESERVE]) == [0, 1000, -70]


def test_8_3_a_flat_pool_below_zero_is_paid_by_the_fund_and_then_by_the_reserve() -> None:
    world = hyperliquid(98_000.0, {97_400: 1}, 30.0)
    deficit = [(row.party, float(row.amount)) for row in world.ledger if row.kind == LedgerKind.DEFICIT]
    assert deficit == [(Party.INSURANCE_FUND, 30), (Party.RESERVE, 70)]
    assert floats(world.pools[1].balance, world.fund) == [0, 0]


def test_8_2_g12_hyperliquid_a_large_position_goes_in_a_fifth_first_and_in_full_10_s_later() -> None:
    """Hyperliquid's documentation of liquidations: 500,000 of notional, first order 100,000."""
    rules = PLAIN._replace(liquidation=rows(above_quote=100_000.0), mark_interval_ns=10 * SECOND)
    data = market_data(rules, lot_size=0.001, tiers=(spec.Tier(0.0, 0.0125, 40.0),))
    begin = [ladder(5, {99_999: 10_000}, {100_001: 10_000}), mark(5, 100_000.0)]
    # 5 BTC, notional 500,000, maintenance 6,250; equity 6,000
    worlds = one_account(6000.0, lots=5000, entry_price=100_000.0, leverage=40.0)
    world = only_world(agreed(case(data, worlds, [*begin, mark(19, 99_000.0), mark(25, 100_000.0)])))
    first, second = world.liquidations
    assert (first.stage, first.lots, first.ts) == (LiquidationStage.PARTIAL, 1000, 10 * SECOND)  # notional 100,000
    assert (second.stage, second.lots, second.ts) == (LiquidationStage.FULL, 4000, 20 * SECOND)


def test_8_2_after_the_full_size_window_orders_are_partial_again() -> None:
    rules = PLAIN._replace(liquidation=rows(above_quote=1.0, full_window_ns=2 * SECOND))
    data = market_data(rules, lot_size=1.0)
    begin = [ladder(0.5, {}, {101: 1}), ladder(0.5, {99: 1}, {101: 1}), mark(0.5, 100.0)]
    tape = [*begin, ladder(0.75, {}, {101: 1}), mark(4.5, 100.0)]
    world = only_world(agreed(case(data, one_account(1.0, lots=9, entry_price=100.0), tape)))
    # checks at 1, 2, 3, 4 s; [1, 3) is the window of the first partial order
    assert [row.stage.name for row in world.liquidations] == ["PARTIAL", "FULL", "PARTIAL", "FULL"]
    assert [row.lots for row in world.liquidations] == [2, 9, 2, 9]


def two_places(close_order: CloseOrder) -> World:
    """Long 2 and long 4 of two instruments in one breached cross pool; closing the larger one heals it."""
    rules = PLAIN._replace(liquidation=rows(scope=close_order))
    instruments = (spec.Instrument("X", 1.0, 1.0), spec.Instrument("Y", 1.0, 1.0))
    tiers = (spec.Tier(0.0, 1 / 8, 100.0),)
    data = spec.MarketData(instruments, (rules,), tuple(spec.Market(n, 0, tiers, 1.0, 0.04, 0.0) for n in range(2)))
    places = (spec.Position(0, 2, 100.0, 10.0), spec.Position(1, 4, 100.0, 10.0))
    worlds = (spec.World((spec.Account("a", 0, 70.0, places, ()),)),)
    both = [*ladder(0, {100: 9}, {101: 9}), *mark(0, 100.0)]
    tape = [[event._replace(instrument=instrument) for event in both] for instrument in range(2)]
    return only_world(agreed(case(data, worlds, [*tape, mark(1, 100.0)])))


def two_isolated(first_margin: float, second_margin: float) -> list[int]:
    """Numbers of the pools as they are liquidated: long 1 of two instruments at 100, marked down to 90."""
    instruments = (spec.Instrument("X", 1.0, 1.0), spec.Instrument("Y", 1.0, 1.0))
    data = spec.MarketData(instruments, (PLAIN,), tuple(spec.Market(n, 0, FLAT_TIER, 1.0, 0.04, 0.0) for n in range(2)))
    margins = (first_margin, second_margin)
    places = tuple(spec.Position(n, 1, 100.0, 10.0, True, margin) for n, margin in enumerate(margins))
    worlds = (spec.World((spec.Account("a", 0, sum(margins), places, ()),)),)
    begin, end = [*ladder(0, {80: 9}, {101: 9}), *mark(0, 100.0)], mark(0.5, 90.0)
    tape = [[event._replace(instrument=n) for event in part] for part in (begin, end) for n in range(2)]
    world = only_world(agreed(case(data, worlds, [*tape, mark(1, 90.0)])))
    return [row.pool for row in world.liquidations]


def test_8_1_the_most_urgent_pool_first_and_without_equity_by_number() -> None:
    assert two_isolated(12.0, 11.0) == [2, 1]  # equity 2 and 1, maintenance 2.8 each
    assert two_isolated(11.0, 10.0) == [2, 1]
    assert two_isolated(9.0, 8.0) == [1, 2]  # both below zero


def test_8_2_largest_maintenance_first_and_only_until_healthy() -> None:
    assert [row.position for row in two_places(CloseOrder.ALL).liquidations] == [0, 1]
    largest = two_places(CloseOrder.LARGEST_MAINTENANCE)
    assert [row.position for row in largest.liquidations] == [1]
    assert largest.pools[0].state == PoolState.HEALTHY


def long_ten(balance: float, *liquidation: spec.Step) -> World:
    """Long 10 at 100, where 2 are bid at 99 and more at 98; checks at 0, 1 and 2 s, maintenance 1/32."""
    data = market_data(PLAIN._replace(liquidation=liquidation))
    tape = [ladder(0, {99: 2, 98: 9}, {101: 1}), mark(0, 100.0), mark(2.5, 100.0)]
    return only_world(agreed(case(data, one_account(balance, lots=10, entry_price=100.0), tape)))


FIFTH = spec.Step(ForcedAction.ORDER, share=0.2, bound=0.5)
HALF = spec.Step(ForcedAction.ORDER, share=0.5, bound=0.5, equity_below=1.0)
TAKEOVER = spec.Step(ForcedAction.TAKEOVER, equity_below=1.0, price=ForcedPrice.MARK)


def test_8_2_rows_are_tried_in_order_and_each_measures_the_pool_anew() -> None:
    # 20 − 2 = 18 < 25: 4 of 8; 18 − 8 = 10 < 12.5: on at 1 s, with 1 of 4, 8 < 9.375, and 2 of 3, 4 ≥ 3.125
    assert [row.lots for row in long_ten(20.0, FIFTH, HALF).liquidations] == [2, 4, 1, 2]
    assert [row.lots for row in long_ten(28.0, FIFTH, HALF).liquidations] == [2]  # 26 ≥ 25


def test_8_2_a_row_that_leaves_nothing_is_the_last() -> None:
    assert [row.stage.name for row in long_ten(20.0, TAKEOVER, FIFTH).liquidations] == ["TAKEOVER"]
    sold = long_ten(2.0, FIFTH._replace(share=1.0), TAKEOVER)  # 2 − 18 is below 0, and the reserve pays
    assert [row.stage.name for row in sold.liquidations] == ["FULL"]
    assert floats(sold.pools[0].balance, sold.parties[Party.RESERVE]) == [0, -16]


def test_8_2_once_and_after_count_from_the_first_round_of_the_breach() -> None:
    waiting = long_ten(20.0, FIFTH._replace(once=True), TAKEOVER._replace(after_ns=2 * SECOND))
    assert [(row.ts, row.lots) for row in waiting.liquidations] == [(0, 2), (2 * SECOND, 8)]


def test_8_2_a_venue_without_rows_liquidates_nobody() -> None:
    assert long_ten(20.0).liquidations == []


def test_8_2_the_liquidation_fee_is_capped_by_what_the_pool_has_left() -> None:
    data = market_data(liquidation_fee=0.25)
    begin = [ladder(0, {99: 1}, {101: 1}), mark(0, 100.0), mark(1, 100.0)]
    world = only_world(agreed(case(data, one_account(2.0, lots=1, entry_price=100.0), begin)))
    assert [float(row.fee) for row in world.liquidations] == [1.0]  # 0.25 · 99, but only 2 − 1 are left
    assert world.fund == 1


def test_8_2_a_breach_cancels_live_orders_but_not_decisions_to_come() -> None:
    orders = [limit_order(BUY, 1, 90), stop_order(SELL, 1, 80), market_order(BUY, 1, at_s=9)]
    begin = [ladder(0, {99: 1}, {101: 1}), mark(0, 100.0), mark(0.5, 97.0), mark(2, 97.0)]
    world = only_world(agreed(case(market_data(), one_account(5.0, orders, lots=1, entry_price=100.0), begin)))
    assert [order.status.name for order in world.orders] == ["REJECTED", "CANCELLED", "PENDING"]
    assert world.orders[1].reason == OrderReason.LIQUIDATION


def test_8_5_the_backstop_sells_what_it_took_through_the_ladder_of_the_world() -> None:
    rules = PLAIN._replace(liquidation=rows(below=1.0, disposal=Disposal.WALK, above_quote=1.0))
    data = market_data(rules)
    begin = [ladder(0, {99: 1, 98: 1, 97: 3}, {101: 1}), mark(0, 100.0), mark(1, 100.0)]
    world = only_world(agreed(case(data, one_account(2.0, lots=5, entry_price=100.0), begin)))
    # 1 of 5 is sold at 99, 4 pass at mark 100 with what is left of the margin (1); the fund sells at 98 and thrice at
    # 97, and is 10 short, which the reserve pays
    assert [row.stage.name for row in world.liquidations] == ["PARTIAL", "TAKEOVER"]
    assert floats(world.fund, world.parties[Party.RESERVE]) == [0, 1 - 2 - 3 * 3]
    assert [fill.reason.name for fill in world.fills] == ["LIQUIDATION", "TAKEOVER"]


def test_8_6_with_liquidation_off_nothing_acts() -> None:
    begin = [ladder(0, {99: 1}, {101: 1}), mark(0, 100.0), mark(1, 90.0), mark(3, 90.0)]
    (world,) = one_account(2.0, lots=1, entry_price=100.0)
    untouched = only_world(agreed(case(market_data(), (world._replace(liquidation=False),), begin)))
    assert (untouched.liquidations, untouched.ledger, untouched.fills) == ([], [], [])
    assert untouched.accounts[0].cross.equity == -8


def test_8_6_with_liquidation_off_a_flat_pool_is_settled_all_the_same() -> None:
    begin = [ladder(0, {99: 1}, {101: 1}), mark(0, 100.0), ladder(0.5, {90: 1}, {101: 1}), mark(3, 90.0)]
    order = market_order(SELL, 1, at_s=2)
    (world,) = one_account(4.0, [order], lots=1, entry_price=100.0, margin=4.0, insurance=5.0)
    done = only_world(agreed(case(market_data(), (world._replace(liquidation=False),), begin)))
    deficit = [(row.party, float(row.amount)) for row in done.ledger if row.kind == LedgerKind.DEFICIT]
    assert deficit == [(Party.INSURANCE_FUND, 5), (Party.RESERVE, 1)]
    assert floats(*(pool.balance for pool in done.pools)) == [0, 0]
