"""The one solver behind liquidation prices: what holds for any position, then single cases."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtester.config.venue import TierRow
from backtester.venue.margin import (
    bankruptcy_price,
    break_price,
    largest_leverage,
    liquidation_price,
    maintenance_margin,
    margin_for_move,
    tier_at,
    tier_table,
)


def table(*rows: tuple[float, float, float]) -> tuple[TierRow, ...]:
    return tuple(TierRow(floor_quote=f, maintenance_rate=r, max_leverage=x) for f, r, x in rows)


def flat(rate: float) -> tuple[TierRow, ...]:
    return table((0.0, rate, 50.0))


BTC = table((0.0, 0.0125, 40.0), (150e6, 0.025, 20.0))
#: Many tiers close together, so that a position crosses several on its way to the liquidation price.
STEEP = table((0.0, 0.004, 125.0), (50e3, 0.005, 100.0), (250e3, 0.01, 50.0), (1e6, 0.025, 20.0), (5e6, 0.1, 5.0))

tiers_of = st.sampled_from((flat(0.02), BTC, STEEP))
sides = st.sampled_from((1, -1))
sizes = st.integers(1, 4000).map(float)
marks = st.integers(1_000, 200_000).map(float)
shares = st.floats(0.11, 0.9)  # equity over notional: above maintenance in every tier
others = st.floats(0.0, 0.02)


@given(sizes, sides, marks, shares, others, tiers_of)
def test_equity_meets_maintenance_at_the_price(
    size: float, side: int, mark: float, share: float, other: float, tiers: tuple[TierRow, ...]
) -> None:
    notional = size * mark
    equity, tied = share * notional, other * notional
    price = liquidation_price(side * size, mark, equity, tiers, tied)

    def buffer(at: float) -> float:
        return equity + side * size * (at - mark) - tied - maintenance_margin(tiers, size * at)

    if price is None:
        assert side > 0
        assert buffer(1e-9) > 0.0
        return
    tick = 1e-4 * mark
    assert buffer(price) == pytest.approx(0.0, abs=1e-9 * notional)
    assert buffer(price + side * tick) > 0.0
    assert price < tick or buffer(price - side * tick) < 0.0


@given(sizes, sides, marks, shares, tiers_of)
def test_the_tier_in_force_is_the_one_at_the_price(
    size: float, side: int, mark: float, share: float, tiers: tuple[TierRow, ...]
) -> None:
    found = break_price(side * size, mark, share * size * mark, tiers)
    if found is not None:
        expected = tier_at(tiers, size * found.price)
        on_a_border = any(size * found.price == pytest.approx(row.floor_quote, rel=1e-9) for row in tiers)
        assert found.tier == expected or on_a_border


@given(sizes, sides, marks, st.floats(0.11, 0.5), st.floats(0.01, 0.4), tiers_of)
def test_more_margin_moves_the_price_away(
    size: float, side: int, mark: float, share: float, more: float, tiers: tuple[TierRow, ...]
) -> None:
    notional = size * mark
    near = liquidation_price(side * size, mark, share * notional, tiers)
    far = liquidation_price(side * size, mark, (share + more) * notional, tiers)
    assert near is not None
    assert far is None or (far - near) * side < 0.0
    assert far is not None or side > 0


@given(sizes, sides, marks, shares, tiers_of)
def test_liquidation_comes_before_takeover_and_bankruptcy(
    size: float, side: int, mark: float, share: float, tiers: tuple[TierRow, ...]
) -> None:
    pool = (side * size, mark, share * size * mark)
    liquidated, taken = break_price(*pool, tiers), break_price(*pool, tiers, share=2 / 3)
    bankrupt = bankruptcy_price(*pool)
    assert liquidated is not None and taken is not None and bankrupt is not None
    assert side * mark > side * liquidated.price > side * taken.price > side * bankrupt


@given(st.floats(0.0, 1e9), st.floats(0.0, 1e6), tiers_of)
def test_maintenance_is_continuous_and_rises_slower_than_notional(
    notional: float, more: float, tiers: tuple[TierRow, ...]
) -> None:
    step = maintenance_margin(tiers, notional + more) - maintenance_margin(tiers, notional)
    assert -1e-6 <= step <= more * tiers[-1].maintenance_rate + 1e-6


@given(sizes, sides, marks, st.floats(0.001, 0.9), st.floats(0.0, 0.05), tiers_of)
def test_the_margin_for_a_move_breaks_exactly_there(
    size: float, side: int, mark: float, move: float, cost: float, tiers: tuple[TierRow, ...]
) -> None:
    notional = size * mark
    margin = margin_for_move(side, notional, tiers, move, cost)
    found = liquidation_price(side * size, mark, margin - cost * notional, tiers)
    assert found == pytest.approx(mark * (1.0 - side * move), rel=1e-9)


@pytest.mark.parametrize(
    ("side", "move", "rate", "cost", "leverage"),
    [
        (1, 0.10, 0.0125, 0.0, 1 / (0.10 + 0.0125 * 0.90)),
        (1, 0.10, 0.0125, 0.002, 1 / (0.10 + 0.0125 * 0.90 + 0.002)),
        (-1, 0.10, 0.0125, 0.002, 1 / (0.10 + 0.0125 * 1.10 + 0.002)),
    ],
)
def test_safe_leverage_of_one_flat_rate_is_the_known_form(
    side: int, move: float, rate: float, cost: float, leverage: float
) -> None:
    assert 1e6 / margin_for_move(side, 1e6, flat(rate), move, cost) == pytest.approx(leverage, rel=1e-12)


def test_the_table_numbers_tiers_from_1_and_deducts() -> None:
    assert [(tier.number, tier.deduction) for tier in tier_table(BTC)] == [(1, 0.0), (2, 1_875_000.0)]
    assert [tier_at(BTC, notional).number for notional in (0.0, 149e6, 150e6, 1e9)] == [1, 1, 2, 2]


def test_the_price_may_lie_in_another_tier_than_the_mark() -> None:
    # Long 2,000 BTC at 100,000 is 200 M: second tier now. With 60 M of equity it breaks at 140 M / 0.9875 = 141.77 M,
    # which lies in the first: (200 M - 60 M) / (2,000 · 0.9875).
    found = break_price(2000.0, 100_000.0, 60e6, BTC)
    assert found is not None
    assert found.price == pytest.approx(140e6 / (2000 * 0.9875))
    assert found.tier.number == 1
    # With 20 M it breaks in the second: (200 M - 20 M - 1.875 M) / (2,000 · 0.975).
    found = break_price(2000.0, 100_000.0, 20e6, BTC)
    assert found is not None
    assert found.price == pytest.approx(178.125e6 / (2000 * 0.975))
    assert found.tier.number == 2


def test_other_positions_of_the_pool_take_their_maintenance_first() -> None:
    # 2,500 of equity, 500 of it tied up: (100,000 - 2,500 + 500) / 0.9875.
    found = liquidation_price(1.0, 100_000.0, 2_500.0, flat(0.0125), other_maintenance=500.0)
    assert found == pytest.approx(98_000.0 / 0.9875)
    # Only two thirds of all maintenance, theirs too, count for a takeover: (97,500 + 333.33) / (1 - 0.0125 · 2 / 3).
    taken = break_price(1.0, 100_000.0, 2_500.0, flat(0.0125), 500.0, share=2 / 3)
    assert taken is not None
    assert taken.price == pytest.approx((97_500.0 + 1000 / 3) / (1 - 0.025 / 3))


def test_bankruptcy_is_where_equity_is_gone() -> None:
    assert bankruptcy_price(1.0, 100_000.0, 2_500.0) == 97_500.0
    assert bankruptcy_price(-1.0, 100_000.0, 2_500.0) == 102_500.0
    assert bankruptcy_price(1.0, 100.0, 150.0) is None


def test_a_long_with_more_equity_than_notional_has_none() -> None:
    assert liquidation_price(1.0, 100.0, 150.0, flat(0.01)) is None


def test_a_short_without_equity_has_none() -> None:
    assert liquidation_price(-1.0, 100.0, -150.0, flat(0.01)) is None


def test_a_rate_of_1_has_no_price_of_its_own() -> None:
    # Above 500 the whole rise is maintenance: the root is the one below.
    assert liquidation_price(10.0, 100.0, 300.0, table((0.0, 0.2, 2.0), (900.0, 1.0, 1.0))) == pytest.approx(700 / 8)


def test_both_legs_of_a_hedge_break_together() -> None:
    """20,000 + (2 - 1)(P - 100,000) = 0.004 · 2P + 0.004 · 1P → 80,000 / 0.988."""
    long = break_price(2.0, 100_000.0, 20_000.0, flat(0.004), opposite=-1.0)
    short = break_price(-1.0, 100_000.0, 20_000.0, flat(0.004), opposite=2.0)
    assert long is not None and short is not None
    assert long.price == short.price == pytest.approx(80_000 / 0.988, rel=1e-12)
    assert bankruptcy_price(2.0 - 1.0, 100_000.0, 20_000.0) == 80_000.0


def test_a_cap_belongs_to_its_tier() -> None:
    rows = table((0.0, 0.004, 150.0), (300e3, 0.005, 100.0))
    assert [largest_leverage(rows, notional) for notional in (0.0, 300e3, 300e3 + 0.1)] == [150.0, 150.0, 100.0]


def test_a_flat_hedge_breaks_only_where_maintenance_eats_its_equity() -> None:
    found = break_price(1.0, 86_500.0, 12_353.0, flat(0.004), opposite=-1.0)
    assert found is not None and found.price == pytest.approx(12_353 / 0.008)
    assert bankruptcy_price(0.0, 86_500.0, 12_353.0) is None


def test_a_hedge_that_breaks_on_both_sides_shows_the_nearer_price() -> None:
    """Long 11 and short 10 at 100 with 60, 2 % up to 1,200 and 5 % above (deduction 36): 68.9655 below, 640 above."""
    rows = table((0.0, 0.02, 20.0), (1_200.0, 0.05, 10.0))
    below = break_price(11.0, 100.0, 60.0, rows, opposite=-10.0)
    assert below is not None and below.price == pytest.approx(40 / 0.58, rel=1e-12)
    above = break_price(11.0, 500.0, 460.0, rows, opposite=-10.0)
    assert above is not None and above.price == pytest.approx(640.0, rel=1e-12)
