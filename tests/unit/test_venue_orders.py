"""What venues say of orders: how large, how far, who pays what, and what they do by themselves."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from backtester.enums import PostOnly, QueueModel, SelfTrade
from backtester.errors import BacktesterError
from backtester.venue.loader import SHIPPED, load_profile

SHIPPED_TEXT = (SHIPPED / "hyperliquid.toml").read_text(encoding="utf-8")
MILLION = 1_000_000


@pytest.mark.parametrize(
    ("symbol", "on", "market"),
    [
        ("BTC", None, 30 * MILLION),  # 40x
        ("ETH", None, 30 * MILLION),  # 25x
        ("SOL", None, 5 * MILLION),  # 20x
        ("AAVE", None, 2 * MILLION),  # 10x
        ("ATOM", None, MILLION // 2),  # 5x
        ("UNKNOWN", None, MILLION // 2),  # 5x by default
        ("BTC", date(2025, 10, 10), 15 * MILLION),
        ("SOL", date(2025, 10, 10), 5 * MILLION),
    ],
)
def test_hyperliquid_bounds_orders_by_the_leverage_of_the_market(symbol: str, on: date | None, market: int) -> None:
    profile = load_profile("hyperliquid", on)
    rules = profile.market(symbol)
    assert profile.market_rule("max_market_quote", rules) == market
    assert profile.market_rule("max_limit_quote", rules) == 10 * market
    assert profile.market_rule("max_market_size", rules) == 0.0


def test_a_name_comes_before_a_leverage(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(SHIPPED_TEXT.replace("25 = 30_000_000 }", "25 = 30_000_000 }, by_market = { ETH = 7 }", 1))
    profile = load_profile(str(mine))
    found = [profile.market_rule("max_market_quote", profile.market(symbol)) for symbol in ("BTC", "ETH")]
    assert found == [30 * MILLION, 7]


def test_a_step_that_is_no_leverage_is_a_fault(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(SHIPPED_TEXT.replace("25 = 30_000_000 }", '"25x" = 30_000_000 }', 1))
    with pytest.raises(BacktesterError, match=r"max_market_quote\.by_leverage\.25x: expected a leverage such as 25"):
        load_profile(str(mine))


def test_the_rules_of_orders() -> None:
    here, there = load_profile("hyperliquid").rules, load_profile("binance-usdm").rules
    assert (here.limit_band, there.limit_band) == (0.8, 0.05)
    assert (here.post_only, there.post_only) == (PostOnly.REJECT, PostOnly.REJECT)
    assert (here.self_trade, there.self_trade) == (SelfTrade.CANCEL_MAKER, SelfTrade.NONE)
    assert (here.queue_model, here.queue_power, here.latency_sigma) == (QueueModel.PESSIMISTIC, 1.0, 0.0)
    assert here.services == ("twap",)
    assert there.services == ("hedge_mode", "trailing_stop", "twap")
    assert (here.times_in_force, here.trigger_series) == (("gtc", "ioc", "post_only"), ("mark",))
    assert (there.callback_min, there.callback_max, there.trigger_series) == (0.001, 0.1, ("mark", "last"))
    assert (here.twap_interval_ns, here.twap_bound, here.twap_catch_up) == (30 * 10**9, 0.03, 3.0)
    btc = load_profile("binance-usdm").market("BTC")
    assert load_profile("binance-usdm").market_rule("max_market_size", btc) == 120.0


@pytest.mark.parametrize(
    ("venue", "tier", "taker", "maker"),
    [
        ("hyperliquid", "volume-1", 0.0004, 0.00012),
        ("hyperliquid", "volume-6", 0.00024, 0.0),
        ("hyperliquid", "maker-3", 0.00045, -0.00003),  # the taker rate stays
        ("hyperliquid", "volume-4+maker-2", 0.00028, -0.00002),
        ("binance-usdm", "vip-9", 0.00017, 0.0),
    ],
)
def test_fee_tiers(venue: str, tier: str, taker: float, maker: float) -> None:
    base = load_profile(venue)
    profile = base.with_fee_tier(tier)
    assert (profile.rules.taker_fee, profile.rules.maker_fee) == (taker, maker)
    stated = {rule.rule: rule for rule in profile.provenance}
    assert stated["maker_fee"].value == maker and stated["maker_fee"].source in {"docs: trading/fees.md", "vip"}
    changed = {rule.rule for rule, other in zip(profile.provenance, base.provenance, strict=True) if rule != other}
    assert changed <= {"taker_fee", "maker_fee"}


@pytest.mark.parametrize(
    ("on", "tier", "hint"),
    [
        (None, "volume-7", 'did you mean "volume-6"?'),
        (None, "gold", "known: volume-1, volume-2"),
        (date(2025, 6, 1), "volume-1", "none are known on this date"),  # it has fees of its own
    ],
)
def test_an_unknown_fee_tier(on: date | None, tier: str, hint: str) -> None:
    with pytest.raises(BacktesterError) as caught:
        load_profile("hyperliquid", on).with_fee_tier(tier)
    assert f'has no fee tier "{tier}"' in str(caught.value)
    assert hint in str(caught.value)
