"""Worked examples, by hand, for oracle and engine: margin (RULES 6)."""

from __future__ import annotations

from fractions import Fraction

import pytest

from backtester.engine import spec
from backtester.enums import (
    LedgerKind,
    OrderMargin,
    OrderMarginPrice,
    OrderReason,
    TimeInForce,
)
from tests.oracle.compare import agreed
from tests.oracle.examples import (
    ASKS,
    BIDS,
    BUY,
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
    trade,
)

# -- RULES 6 -----------------------------------------------------------------------------------------------------------


def test_6_3_hyperliquid_maintenance_of_200_million_btc() -> None:
    market = agreed(case(market_data(tiers=HYPERLIQUID_BTC), (), [mark(0, 1.0)])).markets[0]
    assert float(market.maintenance(Fraction(200_000_000))) == pytest.approx(3_125_000)
    assert market.maintenance(Fraction(10**6)) == Fraction(0.0125) * 10**6
    notionals = (149_999_999, 150_000_000, 150_000_001)
    assert floats(*(market.largest_leverage(Fraction(notional)) for notional in notionals)) == [40, 40, 20]


@pytest.mark.parametrize(
    ("legs", "balance", "distance"),
    [
        ([2, -1], 20_000.0, 18_800 / 98_800),
        ([2, -1], 100_000.0, None),  # 98,800 / 98,800: only at a mark of 0
        ([1], 57_000.0, 56_600 / 99_600),
        ([1], 100_000.0, None),  # 99,600 / 99,600
        ([1], 132_000.0, None),
        ([-1], 150_000.0, 149_600 / 100_400),  # a rise may be longer than the price
        ([-1], -150_000.0, None),  # in breach at any price
    ],
)
def test_6_4_the_distance_to_a_price_that_is_not_above_0_does_not_exist(
    legs: list[int], balance: float, distance: float | None
) -> None:
    places = tuple(spec.Position(0, lots, 100_000.0, 10.0) for lots in legs)
    world = spec.World((spec.Account("a", 0, balance, places, ()),), liquidation=False)
    tape = [ladder(0, {99_990: 9}, {100_010: 9}), mark(0, 100_000.0), mark(1, 100_000.0)]
    positions = only_world(agreed(case(market_data(tiers=(spec.Tier(0.0, 0.004, 50.0),)), (world,), tape))).positions
    found = [None if place.distance_min is None else float(place.distance_min) for place in positions]
    assert found == [distance if distance is None else pytest.approx(distance)] * len(legs)


def test_6_4_an_account_does_not_lose_what_an_isolated_pool_lies_below_0() -> None:
    world = spec.World((spec.Account("a", 0, 150.0, (spec.Position(0, 10, 100.0, 10.0, True, 50.0),), ()),), False)
    tape = [ladder(0, BIDS, ASKS), mark(0, 100.0), mark(1, 99.0), mark(2, 94.0), mark(3, 100.0)]
    [account] = only_world(agreed(case(market_data(), (world,), tape))).accounts
    assert account.equity_min == 100
    [account] = only_world(agreed(case(market_data(), (world,), tape[:3]))).accounts
    assert account.equity_min == 140


def test_6_1_initial_margin_counts_positions_and_resting_orders() -> None:
    # equity 100, long 4 at mark 100 with 10x needs 40; a bid for 5 at 98 needs 50; 10 are left
    tape = [ladder(0, BIDS, ASKS), mark(0, 100.0), mark(1, 100.0)]
    orders = [limit_order(BUY, 5, 98), market_order(BUY, 2), market_order(BUY, 1)]
    world = only_world(agreed(case(market_data(), one_account(100.0, orders, lots=4, entry_price=100.0), tape)))
    assert [order.status.name for order in world.orders] == ["RESTING", "REJECTED", "FILLED"]
    assert world.orders[1].reason == OrderReason.INSUFFICIENT_MARGIN
    tiers = (spec.Tier(0.0, 1 / 32, 16.0), spec.Tier(500.0, 1 / 16, 8.0))
    small = case(market_data(tiers=tiers), one_account(1e6, [market_order(BUY, lots) for lots in (4, 1, 1)]), tape)
    assert [order.reason.name for order in only_world(agreed(small)).orders] == ["NONE", "NONE", "LEVERAGE_TIER"]


@pytest.mark.parametrize(("lots", "status"), [(3, "REJECTED"), (2, "RESTING")])
def test_6_1_resting_orders_count_at_the_mark_of_now(lots: int, status: str) -> None:
    # at 110: equity 140, the position needs 44, bids for 5 and 1 need 66; 30 are left for 33 or 22
    tape = [ladder(0, BIDS, ASKS), mark(0, 100.0), mark(1, 100.0), mark(3, 110.0), mark(5, 110.0)]
    orders = [
        limit_order(BUY, 5, 98),
        limit_order(BUY, 1, 98, at_ns=2 * SECOND),
        limit_order(BUY, lots, 98, at_ns=4 * SECOND),
    ]
    world = only_world(agreed(case(market_data(), one_account(100.0, orders, lots=4, entry_price=100.0), tape)))
    assert [order.status.name for order in world.orders] == ["RESTING", "RESTING", status]


def test_6_1_an_order_that_ended_counts_no_more() -> None:
    # 40 for the position, 10 for the bid that stays: 60 are left for 50, once the first bid is cancelled
    tape = [ladder(0, BIDS, ASKS), mark(0, 100.0), mark(1, 100.0), mark(5, 100.0)]
    orders = [
        limit_order(BUY, 5, 98, cancel_at_ns=3 * SECOND),
        limit_order(BUY, 1, 98, at_ns=2 * SECOND),
        limit_order(BUY, 5, 98, at_ns=4 * SECOND),
    ]
    world = only_world(agreed(case(market_data(), one_account(100.0, orders, lots=4, entry_price=100.0), tape)))
    assert [order.status.name for order in world.orders] == ["CANCELLED", "RESTING", "RESTING"]


def test_6_1_an_order_counts_with_what_is_left_of_it() -> None:
    # bid and offer for 5 fill by 2 each, so the position is what it was: 40, 30 and nothing instead of 40, 50 and 10
    trades = [trade(3, SELL, 97, 2), trade(3.5, BUY, 103, 2)]
    tape = [ladder(0, BIDS, ASKS), mark(0, 100.0), mark(1, 100.0), *trades, mark(5, 100.0)]
    orders = [
        limit_order(BUY, 5, 98),
        limit_order(SELL, 5, 101),
        market_order(BUY, 1, at_s=2.0),
        limit_order(BUY, 3, 98, at_ns=4 * SECOND),
    ]
    world = only_world(agreed(case(market_data(), one_account(100.0, orders, lots=4, entry_price=100.0), tape)))
    assert [order.status.name for order in world.orders] == ["RESTING", "RESTING", "REJECTED", "RESTING"]
    assert [int(order.filled) for order in world.orders] == [2, 2, 0, 0]


NETTED = PLAIN._replace(
    order_margin=OrderMargin.LARGER_SIDE, order_margin_price=OrderMarginPrice.ORDER, market_bound=0.9
)


def asked(balance: float, lots: int, orders: list[spec.Order], rules: spec.Rules = NETTED) -> list[str]:
    """What becomes of orders at a mark of 117,000, 20x, in a market that shows 20 on each side."""
    tape = [ladder(0, {116_990: 20}, {117_010: 20}), mark(0, 117_000.0), mark(1, 117_000.0)]
    worlds = one_account(balance, orders, lots=lots, entry_price=117_000.0, leverage=20.0)
    return [order.status.name for order in only_world(agreed(case(market_data(rules), worlds, tape))).orders]


def test_6_1_the_larger_side_of_a_position_with_its_orders() -> None:
    quotes = [limit_order(BUY, 8, 114_660), limit_order(SELL, 24, 118_170)]
    assert asked(95_004.0, 8, quotes) == ["RESTING", "RESTING"]  # |936,000 − 2,836,080| / 20
    assert asked(95_003.0, 8, quotes) == ["RESTING", "REJECTED"]


def test_6_1_two_quotes_need_the_larger_one_and_not_both() -> None:
    quotes = [limit_order(BUY, 8, 114_660), limit_order(SELL, 8, 119_340)]
    assert asked(47_736.0, 0, quotes) == ["RESTING", "RESTING"]
    assert asked(47_735.0, 0, quotes) == ["RESTING", "REJECTED"]
    each = NETTED._replace(order_margin=OrderMargin.EACH)
    assert asked(60_000.0, 0, quotes, each) == ["RESTING", "REJECTED"]  # 45,864 + 47,736


def test_6_1_what_only_closes_is_asked_nothing_until_the_sells_together_open() -> None:
    sells = [limit_order(SELL, 8, 118_170)] * 3
    assert asked(47_736.0, 8, sells) == ["RESTING", "RESTING", "REJECTED"]  # 8 close, 8 open, the third 8 as well
    each = NETTED._replace(order_margin=OrderMargin.EACH)
    assert asked(47_736.0, 8, sells, each) == ["RESTING"] * 3


def test_6_1_an_order_beyond_the_mark_is_asked_for_what_it_loses_at_once() -> None:
    order = [limit_order(BUY, 10, 122_733, TimeInForce.IOC)]
    assert asked(118_696.5, 0, order) == ["FILLED"]  # 61,366.50 and 57,330
    assert asked(118_696.0, 0, order) == ["REJECTED"]
    at_mark = NETTED._replace(order_margin_price=OrderMarginPrice.MARK)
    assert asked(58_500.0, 0, order, at_mark) == ["FILLED"]


@pytest.mark.parametrize(("balance", "status"), [(106.7, "REJECTED"), (106.9, "RESTING")])
def test_6_1_a_bid_that_the_mark_has_left_behind_loses_at_once(balance: float, status: str) -> None:
    # at 90: bids for 5 and 1 at 98 need (490 + 98) / 10 and would lose 40 and 8
    tape = [ladder(0, BIDS, ASKS), mark(0, 100.0), mark(1, 100.0), mark(3, 90.0), mark(5, 90.0)]
    orders = [limit_order(BUY, 5, 98), limit_order(BUY, 1, 98, at_ns=4 * SECOND)]
    world = only_world(agreed(case(market_data(NETTED), one_account(balance, orders), tape)))
    assert [order.status.name for order in world.orders] == ["RESTING", status]


def test_6_5_an_isolated_fill_moves_its_margin_and_releases_its_share() -> None:
    orders = [market_order(BUY, 3), market_order(SELL, 1), market_order(SELL, 2)]
    tape = [ladder(0, BIDS, ASKS), mark(0, 100.0), mark(1, 100.0)]
    world = only_world(agreed(case(market_data(), one_account(1000.0, orders, margin=0.0), tape)))
    cross, isolated = world.pools
    moves = [row.amount for row in world.ledger if row.kind == LedgerKind.MARGIN_TRANSFER and row.pool == 0]
    # 3 · 100 / 10 go in; then 30/3 − 1 of realised loss come out; then all that is left
    assert moves == [-30, 9, 18]
    assert floats(cross.balance, isolated.balance) == [997, 0]


def test_6_5_a_flip_releases_the_old_margin_and_moves_the_new_one_in() -> None:
    tape = [ladder(0, {99: 9}, {101: 9}), mark(0, 100.0), mark(1, 100.0)]
    worlds = one_account(1000.0, [market_order(SELL, 5)], lots=2, entry_price=100.0, margin=20.0)
    world = only_world(agreed(case(market_data(), worlds, tape)))
    moves = [float(row.amount) for row in world.ledger if row.kind == LedgerKind.MARGIN_TRANSFER and row.pool == 0]
    assert moves == pytest.approx([18, -29.7])  # 20 − 2 of realised loss; 3 · 99 / 10
