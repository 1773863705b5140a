"""The shipped Binance profile: complete, sourced, and true to the documented and published figures."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date
from pathlib import Path
from typing import NamedTuple

import pytest

from backtester.config.venue import FeeTier, TierRow, VenueRules
from backtester.enums import (
    CloseOrder,
    Disposal,
    ForcedPrice,
    FundingWeights,
    MarkFormula,
    PriceReference,
    Side,
    TriggerRounding,
)
from backtester.formulas.funding import eight_hour_rate, interval_rate
from backtester.venue.loader import SHIPPED, load_profile, load_profiles
from backtester.venue.margin import deductions, maintenance_margin
from backtester.venue.profile import MarketRules, Provenance, VenueProfile
from scripts.make_tier_table import blocks_of, table_of, venue_symbol

SECOND_NS = 10**9
PERIODS = load_profiles("binance-usdm")
PUBLISHED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "tiers"
with_published = pytest.mark.skipif(not PUBLISHED.is_dir(), reason=f"no published brackets at {PUBLISHED}")


def statements(profile: VenueProfile) -> list[Provenance | MarketRules | FeeTier]:
    return [*profile.provenance, *profile.markets, profile.default_market, *profile.fee_tiers]


@pytest.mark.parametrize("profile", PERIODS, ids=lambda profile: profile.name)
def test_every_rule_has_a_value_and_a_source(profile: VenueProfile) -> None:
    assert [stated.rule for stated in profile.provenance] == VenueRules.key_names()
    assert all(stated.source for stated in statements(profile))
    assert len(profile.markets) >= 907


def test_every_document_is_used_and_every_guess_says_so() -> None:
    stated = [item for profile in PERIODS for item in statements(profile)]
    sources = {*(item.source for item in stated), *(note for profile in PERIODS for note in profile.notes)}
    for document in PERIODS[0].documents:
        assert any(document.key in source for source in sources), document.key
    keys = tuple(document.key for document in PERIODS[0].documents)
    unsourced = [item for item in stated if not any(key in item.source for key in keys)]
    assert unsourced and all(item.assumed for item in unsourced)


def test_the_documented_figures() -> None:
    rules = load_profile("binance-usdm").rules
    assert (rules.taker_fee, rules.maker_fee) == (0.0005, 0.0002)
    assert (rules.mark_formula, rules.mark_interval_ns) == (MarkFormula.MEDIAN_BASIS_MA, SECOND_NS)
    assert rules.mark_basis_window_ns == 30 * SECOND_NS
    assert (rules.funding_interval_ns, rules.funding_price, rules.funding_cap, rules.funding_premium) == (
        8 * 3600 * SECOND_NS, PriceReference.MARK, 0.02, True,
    )  # fmt: skip
    assert (rules.funding_interest, rules.funding_clamp, rules.funding_sample_ns) == (0.0001, 0.0005, 5 * SECOND_NS)
    assert rules.funding_weights is FundingWeights.LINEAR
    assert (rules.bound_from, rules.market_bound, rules.stop_bound) == (PriceReference.MARK, 0.05, 0.05)
    assert (rules.trigger_rounding, rules.trigger_protect) == (TriggerRounding.DOWN, 0.05)
    assert rules.reject_breached_trigger and rules.liquidation_cancels_orders and not rules.margin_at_match
    assert (rules.liquidation_price, rules.takeover_price) == (ForcedPrice.BANKRUPTCY, ForcedPrice.BANKRUPTCY)
    assert (rules.takeover_threshold, rules.takeover_disposal) == (1.0, Disposal.HOLD)
    assert (rules.liquidation_close_order, rules.liquidation_partial_share) == (CloseOrder.ALL, 1.0)
    assert (rules.liquidation_taker_fee, rules.takeover_delay_ns) == (False, 60 * SECOND_NS)
    assert rules.block_ns == 0


@pytest.mark.parametrize(
    ("on", "rules_date", "window_s", "leverage", "fund"),
    [
        (date(2026, 10, 1), date(2026, 9, 29), 30, 150, 1_040e6),
        (date(2026, 3, 1), date(2026, 2, 1), 30, 150, 1_040e6),
        (date(2025, 10, 10), date(2025, 9, 18), 30, 150, 1_230e6),
        (date(2025, 9, 17), date(2025, 5, 2), 60, 150, 793.9e6),
        (date(2024, 11, 1), date(2024, 10, 24), 60, 125, 793.9e6),
        (date(2022, 11, 8), date(2021, 6, 22), 60, 125, 793.9e6),
        (date(2021, 5, 19), date(2021, 3, 18), 60, 125, 793.9e6),
        (date(2020, 3, 12), date(2020, 1, 13), 60, 125, 11.5e6),
    ],
)
def test_what_changed_over_the_years(on: date, rules_date: date, window_s: int, leverage: int, fund: float) -> None:
    profile = load_profile("binance-usdm", on)
    btc = profile.market("BTC")
    assert profile.rules_date == rules_date
    assert profile.rules.mark_basis_window_ns == window_s * SECOND_NS
    assert (btc.tiers[0].max_leverage, btc.impact_notional_quote) == (leverage, 200 * leverage)
    assert profile.rules.insurance_start == fund


def test_the_rules_of_march_2020() -> None:
    profile = load_profile("binance-usdm", date(2020, 3, 12))
    assert profile.rules.mark_formula is MarkFormula.FUNDING_BASIS
    assert (profile.rules.taker_fee, profile.rules.trigger_protect) == (0.0004, 0.0)
    btc, eth, xrp, band = (profile.market(symbol) for symbol in ("BTC", "ETH", "XRPUSDT", "BAND"))
    assert [profile.market_rule("liquidation_fee", market) for market in (btc, eth, xrp, band)] == [
        0.003,
        0.005,
        0.005,
        0.0075,
    ]
    assert [profile.market_rule("funding_cap", market) for market in (btc, band)] == [0.003, 0.004875]
    assert [market.tiers[0].max_leverage for market in (btc, eth, xrp, band)] == [125, 75, 75, 50]
    assert eth.tiers[0].maintenance_rate == 0.0065


@pytest.mark.parametrize(
    ("on", "most"),
    [(date(2020, 3, 12), 75), (date(2021, 5, 19), 100), (date(2022, 6, 13), 100), (date(2024, 10, 24), 125)],
)
def test_the_largest_leverage_of_eth(on: date, most: float) -> None:
    assert load_profile("binance-usdm", on).market("ETHUSDT").tiers[0].max_leverage == most


def test_no_contract_of_2020_has_more_leverage_than_there_was() -> None:
    for market in load_profile("binance-usdm", date(2020, 3, 12)).markets:
        most = market.tiers[0].max_leverage
        assert most <= 75 or market.symbol == "BTCUSDT", market.symbol
        assert market.tiers[0].floor_quote == 0.0


@pytest.mark.parametrize(
    ("on", "deduction_of_last", "floors_in_millions"),
    [
        (date(2020, 3, 12), 7_016_300, (0, 0.05, 0.25, 1, 5, 10, 20, 35, 50)),
        (date(2021, 5, 19), 100_016_300, (0, 0.05, 0.25, 1, 10, 20, 50, 100, 200, 300)),
        (date(2021, 6, 22), 99_891_300, (0, 0.05, 0.25, 1, 5, 20, 50, 100, 200, 300)),
        (date(2024, 10, 24), 421_481_450, (0, 0.05, 0.6, 3, 12, 70, 100, 230, 480, 600, 800, 1200)),
        (date(2026, 9, 29), 421_482_000, (0, 0.3, 0.8, 3, 12, 70, 100, 230, 480, 600, 800, 1200)),
    ],
)
def test_the_brackets_of_btc(on: date, deduction_of_last: float, floors_in_millions: tuple[float, ...]) -> None:
    tiers = load_profile("binance-usdm", on).market("BTCUSDT").tiers
    assert tuple(tier.floor_quote / 1e6 for tier in tiers) == floors_in_millions
    assert deductions(tiers)[-1] == pytest.approx(deduction_of_last, abs=0.01)


def test_the_deduction_of_the_faq_of_2020() -> None:
    # Its example: above 5 million the maintenance amount is 16,300 + 5,000,000 x (5 % - 2.5 %) = 141,300.
    tiers = load_profile("binance-usdm", date(2020, 3, 12)).market("BTC").tiers
    assert deductions(tiers)[3:5] == pytest.approx((16_300, 141_300), rel=1e-12)


class Documented(NamedTuple):
    """A long isolated position of the FAQ with the liquidation price that it prints."""

    symbol: str
    wallet_quote: float
    size: float
    entry_price: float
    liquidation_price: float


@pytest.mark.parametrize(
    "example",
    [
        Documented("ETH", 1_535_443.01, 3_683.979, 1_456.84, 1_114.78),
        Documented("BTC", 1_535_443.01, 109.488, 32_481.98, 18_778.73),
    ],
    ids=lambda example: example.symbol,
)
def test_the_brackets_of_their_time_give_the_documented_liquidation_prices(example: Documented) -> None:
    tiers = load_profile("binance-usdm", date(2021, 3, 18)).market(example.symbol).tiers
    equity = example.wallet_quote + example.size * (example.liquidation_price - example.entry_price)
    needed = maintenance_margin(tiers, example.size * example.liquidation_price)
    assert equity == pytest.approx(needed, abs=0.01 * example.size)  # a price is printed to 0.01


def test_the_maintenance_of_the_documented_position() -> None:
    # The sample of positionRisk: ADAUSDT, notional 12.314277, maintenance 0.65 %.
    tiers = (TierRow(floor_quote=0.0, maintenance_rate=0.0065, max_leverage=75.0),)
    assert maintenance_margin(tiers, 12.314277) == pytest.approx(0.0800428, rel=1e-6)


def test_the_funding_rate_of_the_faq() -> None:
    # Its example of 2020-08-28: an average premium of 0.0429 % gives the interest of 0.0100 %, in both directions
    # the clamp of 0.05 % ends that.
    rules = load_profile("binance-usdm").rules
    for average, expected in ((0.000_429, 0.0001), (0.000_7, 0.0002), (-0.000_7, -0.0002), (-0.5, -0.02)):
        eight_hours = eight_hour_rate(average, rules.funding_interest, rules.funding_clamp)
        rate = interval_rate(eight_hours, rules.funding_interval_ns, rules.funding_cap)
        assert rate == pytest.approx(expected, rel=1e-9)


def test_the_caps_of_large_contracts_follow_their_maintenance_rate() -> None:
    profile = load_profile("binance-usdm")
    own = [market for market in profile.markets if "funding_cap" in dict(market.own)]
    assert [market.symbol for market in own] == ["BNBUSDT", "BTCUSDT", "DOGEUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT"]
    for market in own:
        assert profile.market_rule("funding_cap", market) == pytest.approx(
            0.75 * market.tiers[0].maintenance_rate, rel=1e-9
        )


@pytest.mark.parametrize(
    ("names", "symbol", "listed"),
    [
        (("BTC",), "BTCUSDT", True),
        (("BTCUSDT",), "BTCUSDT", True),
        (("BTCUSDT", "BTC"), "BTCUSDT", True),
        (("BTCUSDC", "BTC"), "BTCUSDC", True),
        (("BTCUSDT_261225", "BTC"), "BTCUSDT_261225", True),
        (("BTC-PERP", "BTC"), "BTCUSDT", True),
        (("币安人生",), "币安人生USDT", True),
        (("NEWCOINUSDT", "NEWCOIN"), "NEWCOINUSDT", False),
    ],
)
def test_how_a_market_is_found(names: tuple[str, ...], symbol: str, listed: bool) -> None:
    market = load_profile("binance-usdm").market(*names)
    assert (market.symbol, market.listed) == (symbol, listed)


def test_a_market_that_is_not_listed_gets_the_most_cautious_common_brackets() -> None:
    profile = load_profile("binance-usdm")
    market = profile.market("NEWCOIN")
    assert market.assumed
    shared = Counter(other.tiers for other in profile.markets)
    assert shared[market.tiers] == 43
    common = [tiers for tiers, count in shared.items() if count >= 43]
    assert len(common) == 7
    for notional in (1e3, 2e4, 65e3, 1e5, 1e6, 1e7):
        most = max(maintenance_margin(tiers, notional) for tiers in common)
        # One of them asks 125 more between 60,000 and 70,000, and less everywhere else.
        assert most - maintenance_margin(market.tiers, notional) == pytest.approx(125.0 * (notional == 65e3), abs=1e-6)


def test_order_prices_stand_on_the_tick_of_the_tape() -> None:
    profile = load_profile("binance-usdm")
    assert profile.order_price(117_066.44, Side.BUY, None, tick_size=0.1) == 117_066.5
    assert profile.order_price(117_066.44, Side.SELL, None, tick_size=0.1) == 117_066.4
    assert profile.order_price(117_066.5, Side.SELL, None, tick_size=0.1) == 117_066.5
    assert profile.order_price(0.012_345_6, Side.SELL, None, tick_size=1e-5) == 0.012_34


@with_published
@pytest.mark.parametrize(
    ("month", "on", "symbols", "brackets"),
    [("2024-10", date(2024, 10, 24), 349, 2_805), ("2026-02", date(2026, 2, 1), 667, 5_716)],
)
def test_the_deduction_of_every_published_bracket(month: str, on: date, symbols: int, brackets: int) -> None:
    """To 1 cent of up to 421 million. BEAMXUSDT has a bracket of no width in 2026-02: it has no place in a table."""
    published = json.loads((PUBLISHED / f"binance_leverage_tiers_{month}.json").read_text(encoding="utf-8"))
    profile = load_profile("binance-usdm", on)
    compared = 0
    for name, rows in published.items():
        market = profile.market(venue_symbol(name))
        assert market.listed and market.table == f"binance-usdm-{month}.csv"
        expected = [row for row in rows if row["minNotional"] < row["maxNotional"]]
        for tier, deduction, row in zip(market.tiers, deductions(market.tiers), expected, strict=True):
            info = row["info"]
            assert tier.floor_quote == float(info["notionalFloor"])
            assert tier.maintenance_rate == float(info["maintMarginRatio"])
            assert tier.max_leverage == float(info["initialLeverage"])
            assert deduction == pytest.approx(float(info["cum"]), rel=0, abs=0.01), (name, row)
            compared += 1
    assert (len(published), compared) == (symbols, brackets)


@with_published
@pytest.mark.parametrize("month", ["2024-10", "2026-02"])
def test_the_shipped_table_is_the_published_one(month: str) -> None:
    text = (SHIPPED / f"binance-usdm-{month}.csv").read_text(encoding="utf-8")
    heading, source = (line.removeprefix("# ") for line in text.splitlines()[:2])
    markets = json.loads((PUBLISHED / f"binance_leverage_tiers_{month}.json").read_text(encoding="utf-8"))
    assert table_of(blocks_of(markets), heading.rpartition(", ")[2], source) == text
