"""Liquidation and bankruptcy prices: the venues' own examples, then what holds for any."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtester.config.venue import TierRow
from backtester.report.liquidation_price import bankruptcy_price, liquidation_price
from backtester.venue.profile import maintenance_margin


def flat(rate: float) -> tuple[TierRow, ...]:
    return (TierRow(floor_quote=0.0, maintenance_rate=rate, max_leverage=50.0),)


BTC = (
    TierRow(floor_quote=0.0, maintenance_rate=0.0125, max_leverage=40.0),
    TierRow(floor_quote=150e6, maintenance_rate=0.025, max_leverage=20.0),
)


@pytest.mark.parametrize(
    ("size", "mark", "equity", "rate", "expected"),
    [
        # Hyperliquid info endpoint, clearinghouseState: ETH long, raw USD -95.059824.
        (0.0335, 2985.9, 0.0335 * 2985.9 - 95.059824, 0.01, 2866.26936529),
        # Live positions: entry price and isolated margin.
        (0.0015, 66930.0, 20.043862, 0.01, 54108.51043771),
        (-0.019, 2642.8, 25.091876, 0.01, 3924.18322043),
        (437.0, 0.11586, 25.29769, 0.025, 0.05945697),
        # 40x: long 1 BTC at 100,000 with 2,500.
        (1.0, 100_000.0, 2_500.0, 0.0125, 98_734.1772),
    ],
)
def test_venues_examples(size: float, mark: float, equity: float, rate: float, expected: float) -> None:
    assert liquidation_price(size, mark, equity, flat(rate)) == pytest.approx(expected, rel=1e-6)


def test_bankruptcy_is_where_equity_is_gone() -> None:
    assert bankruptcy_price(1.0, 100_000.0, 2_500.0) == 97_500.0
    assert bankruptcy_price(-1.0, 100_000.0, 2_500.0) == 102_500.0
    assert bankruptcy_price(1.0, 100.0, 150.0) is None


def test_the_tier_is_the_one_at_the_liquidation_price() -> None:
    # Long 2,000 BTC at 100,000 is 200 M: second tier now. With 60 M of equity it breaks at 140 M / 0.9875 → 141.77 M,
    # which lies in the first: (200 M - 60 M) / (2,000 · 0.9875).
    assert liquidation_price(2000.0, 100_000.0, 60e6, BTC) == pytest.approx(140e6 / (2000 * 0.9875))
    # With 20 M it breaks in the second: (200 M - 20 M - 1.875 M) / (2,000 · 0.975).
    assert liquidation_price(2000.0, 100_000.0, 20e6, BTC) == pytest.approx(178.125e6 / (2000 * 0.975))


def test_other_positions_of_the_pool_take_their_maintenance_first() -> None:
    # 2,500 of equity, 500 of it tied up: (100,000 - 2,500 + 500) / 0.9875.
    found = liquidation_price(1.0, 100_000.0, 2_500.0, flat(0.0125), other_maintenance=500.0)
    assert found == pytest.approx(98_000.0 / 0.9875)


def test_a_long_with_more_equity_than_notional_has_none() -> None:
    assert liquidation_price(1.0, 100.0, 150.0, flat(0.01)) is None


def test_a_short_without_equity_has_none() -> None:
    assert liquidation_price(-1.0, 100.0, -150.0, flat(0.01)) is None


@given(
    size=st.integers(1, 4000),
    side=st.sampled_from((1, -1)),
    mark=st.integers(10_000, 200_000),
    share=st.floats(0.03, 0.9),
    other=st.floats(0.0, 0.02),
)
def test_equity_meets_maintenance_there_and_nowhere_near(
    size: int, side: int, mark: int, share: float, other: float
) -> None:
    notional = float(size * mark)
    equity, tied = share * notional, other * notional
    price = liquidation_price(side * float(size), float(mark), equity, BTC, tied)

    def buffer(at: float) -> float:
        return equity + side * size * (at - mark) - tied - maintenance_margin(BTC, size * at)

    if price is None:
        assert side > 0
        assert buffer(1e-9) > 0.0
        return
    assert buffer(price) == pytest.approx(0.0, abs=1e-9 * notional)
    assert (
        buffer(price + side * 0.01 * mark) > 0.0 > buffer(max(price - side * 0.01 * mark, 1e-9)) or price < 0.01 * mark
    )
