"""Tiers, deductions and order prices of a venue profile."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtester.config.venue import TierRow
from backtester.enums import Side
from backtester.venue.loader import load_profile
from backtester.venue.margin import deductions, maintenance_margin
from backtester.venue.profile import Provenance, SourceDocument

NEWEST = load_profile("hyperliquid")
BTC = (
    TierRow(floor_quote=0.0, maintenance_rate=0.0125, max_leverage=40.0),
    TierRow(floor_quote=150e6, maintenance_rate=0.025, max_leverage=20.0),
)


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [
        ("BTC", (0.0, 1_875_000.0)),
        ("ETH", (0.0, 1_333_333.333333333)),
        ("SOL", (0.0, 1_750_000.0)),
        ("XRP", (0.0, 1_000_000.0)),
        ("DOGE", (0.0, 1_000_000.0)),
        ("ARB", (0.0, 150_000.0)),
    ],
)
def test_deductions_of_the_venues_table(symbol: str, expected: tuple[float, ...]) -> None:
    assert deductions(NEWEST.market(symbol).tiers) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("notional_quote", "margin_quote"),
    [(0.0, 0.0), (1e6, 12_500.0), (150e6, 1_875_000.0), (200e6, 3_125_000.0)],
)
def test_maintenance_margin_of_btc(notional_quote: float, margin_quote: float) -> None:
    assert maintenance_margin(BTC, notional_quote) == pytest.approx(margin_quote, rel=1e-12)


def test_deductions_add_up_over_many_tiers() -> None:
    # Binance, FAQ of 2020: at 5 million the rate rises from 2.5 % to 5 %, the deduction from 16,300 to 141,300.
    floors_and_rates = [(0, 0.004), (50e3, 0.005), (250e3, 0.01), (1e6, 0.025), (5e6, 0.05)]
    tiers = [TierRow(floor_quote=float(f), maintenance_rate=r, max_leverage=1.0) for f, r in floors_and_rates]
    assert deductions(tiers) == pytest.approx((0, 50, 1_300, 16_300, 141_300), rel=1e-12)


@pytest.mark.parametrize("symbol", ["BTC", "ETH", "SOL", "ARB"])
def test_maintenance_is_continuous_where_tiers_meet(symbol: str) -> None:
    tiers = NEWEST.market(symbol).tiers
    edge = tiers[1].floor_quote
    assert maintenance_margin(tiers, edge) == pytest.approx(edge * tiers[0].maintenance_rate, rel=1e-12)


@pytest.mark.parametrize(
    ("price", "size_decimals", "to_a_buyer", "to_a_seller"),
    [
        (117_066.4, 5, 117_067.0, 117_066.0),  # whole numbers are allowed beyond five figures
        (117_066.0, 5, 117_066.0, 117_066.0),
        (9_876.54, 5, 9_876.6, 9_876.5),  # five figures, and at most 6 - 5 decimals
        (3_435.21, 4, 3_435.3, 3_435.2),
        (99.123_45, 4, 99.13, 99.12),  # ETH: two decimals
        (168.812_3, 2, 168.82, 168.81),
        (0.123_456_7, 0, 0.123_46, 0.123_45),
        (0.001_234_567, 0, 0.001_235, 0.001_234),  # six decimals at most
        (168.812_3, None, 168.82, 168.81),  # size_decimals not known: figures alone
    ],
)
def test_order_prices(price: float, size_decimals: int | None, to_a_buyer: float, to_a_seller: float) -> None:
    assert NEWEST.order_price(price, Side.BUY, size_decimals) == to_a_buyer
    assert NEWEST.order_price(price, Side.SELL, size_decimals) == to_a_seller


def test_the_last_digit_of_a_float_does_not_cost_a_step() -> None:
    for price in (math.nextafter(109_980.0, 0.0), math.nextafter(109_980.0, math.inf)):
        assert NEWEST.order_price(price, Side.BUY, 5) == NEWEST.order_price(price, Side.SELL, 5) == 109_980.0


@given(price=st.floats(1e-4, 1e7), size_decimals=st.integers(0, 5), toward=st.sampled_from([Side.BUY, Side.SELL]))
def test_rounding_goes_one_way_and_not_far(price: float, size_decimals: int, toward: Side) -> None:
    step = float(NEWEST.price_step(price, size_decimals))
    rounded = NEWEST.order_price(price, toward, size_decimals)
    assert -1e-6 * step * 1.001 <= (rounded - price) * toward < step * 1.001
    if rounded > 0:
        assert NEWEST.order_price(rounded, toward, size_decimals) == rounded


def test_the_documents_that_the_rules_of_a_date_name() -> None:
    documents = tuple(SourceDocument(key, "a document") for key in ("docs", "docs-2024", "api"))
    cited = replace(
        NEWEST,
        documents=documents,
        provenance=(Provenance("taker_fee", 0.0, "docs-2024: fees; apis", False),),
        markets=(),
        default_market=NEWEST.default_market._replace(source="a guess (docs)"),
        notes=(),
    ).cited
    assert cited == documents[:2]
