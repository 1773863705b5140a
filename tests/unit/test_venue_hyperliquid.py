"""The shipped Hyperliquid profile: complete, sourced, and true to the documented figures."""

from __future__ import annotations

from datetime import date

import pytest

from backtester.config.venue import VenueRules
from backtester.engine.spec import Rules, Tier
from backtester.enums import CloseOrder, Disposal, MarkFormula, PriceReference, RefillModel
from backtester.venue.loader import load_profile, load_profiles
from backtester.venue.profile import MarketRules, Provenance, VenueProfile

SECOND_NS = 10**9
PERIODS = load_profiles("hyperliquid")
RUN_CHOICES = {"assume_funding_zero"}  # rules of the engine that a run decides, not a venue


def statements(profile: VenueProfile) -> list[Provenance | MarketRules]:
    return [*profile.provenance, *profile.markets, profile.default_market]


@pytest.mark.parametrize("profile", PERIODS, ids=lambda profile: profile.name)
def test_every_rule_of_the_engine_has_a_value_and_a_source(profile: VenueProfile) -> None:
    made_of_rows = {"liquidation"}  # of several rules (run.resolve_liquidation)
    assert set(Rules._fields) - RUN_CHOICES - made_of_rows <= set(type(profile.rules).model_fields)
    assert Tier._fields == tuple(type(profile.market("BTC").tiers[0]).model_fields)
    assert [stated.rule for stated in profile.provenance] == VenueRules.key_names()
    assert all(stated.source for stated in statements(profile))


def test_every_document_is_used_and_every_guess_says_so() -> None:
    stated = [item for profile in PERIODS for item in statements(profile)]
    sources = [item.source for item in stated]
    for document in PERIODS[0].documents:
        assert any(document.key in source for source in sources), document.key
    keys = tuple(document.key for document in PERIODS[0].documents)
    unsourced = [item for item in stated if not any(key in item.source for key in keys)]
    assert unsourced and all(item.assumed for item in unsourced)


def test_the_documented_figures() -> None:
    rules = load_profile("hyperliquid").rules
    assert (rules.taker_fee, rules.maker_fee) == (0.00045, 0.00015)
    assert (rules.mark_formula, rules.mark_interval_ns) == (MarkFormula.MEDIAN_BASIS_EMA, 3 * SECOND_NS)
    assert (rules.funding_interval_ns, rules.funding_price, rules.funding_cap, rules.funding_premium) == (
        3600 * SECOND_NS, PriceReference.INDEX, 0.04, True,
    )  # fmt: skip
    assert (rules.funding_interest, rules.funding_clamp, rules.funding_sample_ns) == (0.0001, 0.0005, 5 * SECOND_NS)
    assert (rules.market_bound, rules.stop_bound, rules.block_ns) == (0.05, 0.10, 70_000_000)
    assert (rules.liquidation_close_order, rules.liquidation_partial_above_quote) == (CloseOrder.ALL, 100_000.0)
    assert (rules.liquidation_partial_share, rules.liquidation_full_window_ns) == (0.2, 30 * SECOND_NS)
    assert (rules.liquidation_fee, rules.takeover_threshold) == (0.0, 2 / 3)
    assert rules.feed_latency_ns + rules.order_latency_ns == 380_000_000
    assert (rules.takeover_disposal, rules.refill_model) == (Disposal.WALK, RefillModel.HALF_LIFE)
    assert rules.reject_breached_trigger and rules.liquidation_cancels_orders
    assert rules.isolated_funding_from_margin and not rules.isolated_fee_from_margin


@pytest.mark.parametrize(
    ("on", "fees", "btc", "eth"),
    [
        (date(2023, 8, 17), (0.00025, -0.00002), (50, 0.01), (50, 0.01)),
        (date(2025, 3, 14), (0.00035, 0.0001), (50, 0.01), (50, 0.01)),
        (date(2025, 3, 15), (0.00035, 0.0001), (40, 0.0125), (25, 0.02)),
        (date(2025, 5, 5), (0.00045, 0.00015), (40, 0.0125), (25, 0.02)),
        (date(2025, 10, 10), (0.00045, 0.00015), (40, 0.0125), (25, 0.02)),
    ],
)
def test_what_changed_over_the_years(
    on: date, fees: tuple[float, float], btc: tuple[int, float], eth: tuple[int, float]
) -> None:
    profile = load_profile("hyperliquid", on)
    assert (profile.rules.taker_fee, profile.rules.maker_fee) == fees
    for symbol, expected in (("BTC", btc), ("ETH", eth)):
        tier = profile.market(symbol).tiers[0]
        assert (tier.max_leverage, tier.maintenance_rate) == expected


@pytest.mark.parametrize("profile", PERIODS, ids=lambda profile: profile.name)
def test_maintenance_is_half_of_the_initial_margin_at_the_largest_leverage(profile: VenueProfile) -> None:
    for market in (*profile.markets, profile.default_market):
        for tier in market.tiers:
            assert tier.maintenance_rate == pytest.approx(1 / (2 * tier.max_leverage), rel=1e-12), market.symbol


def test_markets() -> None:
    profile = load_profile("hyperliquid")
    assert [profile.market(symbol).size_decimals for symbol in ("BTC", "ETH", "SOL")] == [5, 4, 2]
    assert [profile.market(symbol).impact_notional_quote for symbol in ("BTC", "ETH", "SOL")] == [20e3, 20e3, 6e3]
    assert [(tier.floor_quote, tier.max_leverage) for tier in profile.market("ETH").tiers] == [(0, 25), (100e6, 15)]
    october = load_profile("hyperliquid", date(2025, 10, 10))
    assert october.market("WIF").listed and not profile.market("WIF").listed


def test_doge_allowed_20x_in_2024() -> None:
    assert load_profile("hyperliquid", date(2024, 10, 1)).market("DOGE").tiers[0].max_leverage == 20
    assert load_profile("hyperliquid", date(2026, 9, 1)).market("DOGE").tiers[0].max_leverage == 10
