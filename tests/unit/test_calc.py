"""Answers of `calc`: a portfolio's pools against plain arithmetic, single figures, and what options may say."""

from __future__ import annotations

import math
from datetime import date
from pathlib import Path

import pytest

from backtester.calc.answer import number, percent, share, terms
from backtester.calc.flags import Flags, leverage_inputs, liquidation_inputs, read_shock
from backtester.calc.funding import AveragePremium, FixedRate, Given, ImpactPrices, funding
from backtester.calc.funding import Inputs as FundingInputs
from backtester.calc.holdings import Holding, holdings
from backtester.calc.leverage import Inputs as LeverageInputs
from backtester.calc.leverage import Shock, leverage
from backtester.calc.liquidation import Inputs, liquidation
from backtester.calc.quotes import Quote, Quotes, parse_quotes, read_fraction, read_price
from backtester.config.portfolio import load_portfolio
from backtester.enums import PriceReference, Side
from backtester.errors import BacktesterError
from backtester.venue.loader import SHIPPED, load_profile
from backtester.venue.margin import maintenance_margin
from backtester.venue.profile import VenueProfile

HYPERLIQUID = load_profile("hyperliquid")
BINANCE = load_profile("binance-usdm")

PORTFOLIO = """
name = "spread"
[[accounts]]
name = "main"
venue = "hyperliquid"
collateral = { USDC = 500_000 }
positions = [
  { symbol = "BTC", side = "long", size = 20, entry_price = 98_000, margin_mode = "cross", leverage = 20 },
  { symbol = "SOL", side = "long", size = 1_000, entry_price = "mark", margin_mode = "isolated", leverage = 5 },
  { symbol = "ETH", side = "short", size = 300, entry_price = "mark-1%", margin_mode = "cross", leverage = 10 },
  { symbol = "DOGE", side = "long", size = 0, margin_mode = "cross", leverage = 3 },
]
[[accounts]]
name = "other"
venue = "binance-usdm"
collateral = { USDT = 10_000 }
positions = [
  { symbol = "BTC", side = "short", size = 0.5, entry_price = 101_000, margin_mode = "isolated", margin = 9_000 },
]
"""
MARKS = Quotes("--mark", (Quote("BTC", 100_000.0), Quote("ETH", 4_000.0), Quote("SOL", 200.0)))


@pytest.fixture
def held(tmp_path: Path) -> dict[tuple[str, str], Holding]:
    path = tmp_path / "portfolio.toml"
    path.write_text(PORTFOLIO)
    found = holdings(load_portfolio(path), None, MARKS)
    return {(each.position.account or "", each.position.symbol): each for each in found}


def problems_of(error: BacktesterError) -> list[str]:
    return [f"{each.where}: {each.message}" for each in error.diagnostics]


# Portfolios


def test_positions_stand_in_the_order_of_the_file_and_empty_ones_are_left_out(
    held: dict[tuple[str, str], Holding],
) -> None:
    assert list(held) == [("main", "BTC"), ("main", "SOL"), ("main", "ETH"), ("other", "BTC")]
    assert {each.profile.id for each in held.values()} == {"hyperliquid", "binance-usdm"}


def test_marks_resolve_entries_and_isolated_margins(held: dict[tuple[str, str], Holding]) -> None:
    assert held["main", "SOL"].position.entry_price == 200.0
    assert held["main", "ETH"].position.entry_price == 4_000.0 * 0.99
    assert (held["main", "SOL"].position.margin, held["main", "SOL"].position.leverage) == (40_000.0, 5.0)
    # 0.5 BTC at 101,000 on 9,000.
    assert held["other", "BTC"].position.leverage == pytest.approx(50_500 / 9_000)


@pytest.mark.parametrize("symbol", ["BTC", "ETH"])
def test_a_cross_price_is_where_the_whole_account_meets_its_maintenance(
    held: dict[tuple[str, str], Holding], symbol: str
) -> None:
    each = held["main", symbol]
    answer = liquidation(each.profile, each.position)
    price = answer.figures.liquidation_price
    assert price is not None
    mark = {"BTC": 100_000.0, "ETH": 4_000.0} | {symbol: price}
    equity = 460_000.0 + 20 * (mark["BTC"] - 98_000.0) - 300 * (mark["ETH"] - 3_960.0)
    maintenance = 20 * mark["BTC"] * 0.0125 + 300 * mark["ETH"] * 0.02
    assert equity == pytest.approx(maintenance, rel=1e-9)
    now = answer.figures
    assert now.equity == pytest.approx(460_000.0 + 40_000.0 - 12_000.0)
    assert now.buffer == pytest.approx(now.equity - 25_000.0 - 24_000.0)
    assert now.margin_ratio == pytest.approx(49_000.0 / now.equity)
    # Taken over where equity is two thirds of all maintenance.
    assert now.takeover_price is not None
    mark[symbol] = now.takeover_price
    equity = 460_000.0 + 20 * (mark["BTC"] - 98_000.0) - 300 * (mark["ETH"] - 3_960.0)
    assert equity == pytest.approx((20 * mark["BTC"] * 0.0125 + 300 * mark["ETH"] * 0.02) * 2 / 3, rel=1e-9)


def test_an_isolated_position_stands_alone(held: dict[tuple[str, str], Holding]) -> None:
    each = held["main", "SOL"]
    price = liquidation(each.profile, each.position).figures.liquidation_price
    assert price == pytest.approx((200.0 - 40.0) / (1 - 0.025))


def test_effective_leverage_is_that_of_the_pool(held: dict[tuple[str, str], Holding]) -> None:
    pool = {symbol: LeverageInputs.of(held["main", symbol], Shock(None, 0.0)) for symbol in ("BTC", "SOL", "ETH")}
    found = {symbol: leverage(HYPERLIQUID, asked).figures.effective_leverage for symbol, asked in pool.items()}
    assert found["BTC"] == found["ETH"] == pytest.approx((2_000_000 + 1_200_000) / 488_000)
    assert found["SOL"] == pytest.approx(5.0)


def test_isolated_margins_beyond_the_collateral_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "portfolio.toml"
    path.write_text(PORTFOLIO.replace("USDC = 500_000", "USDC = 39_999"))
    with pytest.raises(BacktesterError) as caught:
        holdings(load_portfolio(path), None, MARKS)
    [problem] = problems_of(caught.value)
    assert problem.endswith("accounts.0.collateral: isolated margins of 40,000.00 exceed the collateral")


# Single figures


LONG_BTC = Inputs(None, "BTC", Side.BUY, 1.0, 100_000.0, 100_000.0, "isolated", 2_500.0, 40.0)


def test_without_a_price_above_0_there_is_none() -> None:
    figures = liquidation(HYPERLIQUID, LONG_BTC._replace(margin=150_000.0, leverage=1.0)).figures
    assert (figures.liquidation_price, figures.bankruptcy_price, figures.takeover_price) == (None, None, None)
    assert (figures.liquidation_distance, figures.tier) == (None, None)
    assert figures.tier_at_mark.number == 1


def test_without_equity_there_is_no_ratio_and_a_warning() -> None:
    answer = liquidation(HYPERLIQUID, LONG_BTC._replace(mark_price=97_000.0))
    assert answer.figures.margin_ratio is None
    assert answer.figures.liquidation_distance is not None and answer.figures.liquidation_distance < 0.0
    assert answer.warnings == ("equity is below maintenance at this mark",)


def test_the_backstop_gets_it_at_its_threshold_or_at_the_bankruptcy_price_or_not_at_all(tmp_path: Path) -> None:
    assert liquidation(HYPERLIQUID, LONG_BTC).figures.takeover_price == pytest.approx(98_319.3277, rel=1e-9)
    of_binance = liquidation(BINANCE, LONG_BTC).figures
    assert of_binance.takeover_price == of_binance.bankruptcy_price == 97_500.0
    text = (SHIPPED / "hyperliquid.toml").read_text(encoding="utf-8")
    path = tmp_path / "mine.toml"
    path.write_text(
        text.replace("takeover_threshold = { value = 0.666_666_666_666_666_6", "takeover_threshold = { value = 0")
    )
    without = liquidation(load_profile(str(path)), LONG_BTC)
    assert without.figures.takeover_price is None
    assert "takeover price" not in [line.name for line in without.lines]


def test_the_rules_behind_an_answer_are_named() -> None:
    answer = liquidation(HYPERLIQUID, LONG_BTC)
    assert (answer.grounds.venue, answer.grounds.rules_date) == ("hyperliquid@2026-08-22", date(2026, 8, 22))
    assert "tiers: docs: trading/margin-tiers.md" in answer.grounds.source
    assert "takeover_threshold: docs: trading/liquidations.md" in answer.grounds.source
    assert liquidation(load_profile("hyperliquid", date(2025, 4, 1)), LONG_BTC).grounds.assumed


def test_an_unknown_symbol_and_a_leverage_too_high_are_warned_of() -> None:
    answer = liquidation(HYPERLIQUID, LONG_BTC._replace(symbol="NEWCOIN"))
    assert answer.warnings == (
        "NEWCOIN is not in the profile hyperliquid@2026-08-22: its default market stands in",
        "40x exceeds the 5x that hyperliquid@2026-08-22 allows at this size",
        "equity is below maintenance at this mark",
    )
    assert answer.grounds.assumed


def funding_inputs(given: Given, side: Side = Side.BUY, intervals: int = 1, cost: float | None = None) -> FundingInputs:
    return FundingInputs(None, "BTC", side, 2.0, 50_000.0, PriceReference.INDEX, given, intervals, cost)


def test_funding_by_interval_day_and_year() -> None:
    paid = funding(HYPERLIQUID, funding_inputs(FixedRate(0.0001), intervals=3)).figures
    assert (paid.payment, paid.payment_total, paid.per_day, paid.per_year) == pytest.approx((-10, -30, -240, -87_600))
    assert (paid.per_bp, paid.at_cap, paid.interval_s) == pytest.approx((-10, -4_000, 3600))
    got = funding(HYPERLIQUID, funding_inputs(FixedRate(0.0001), Side.SELL)).figures
    assert (got.payment, got.per_bp, got.at_cap) == pytest.approx((10, 10, -4_000))


@pytest.mark.parametrize("profile", [HYPERLIQUID, BINANCE], ids=lambda profile: profile.id)
@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_the_breakeven_rate_earns_the_cost(profile: VenueProfile, side: Side) -> None:
    rate = funding(profile, funding_inputs(FixedRate(0.0), side, intervals=12)).figures.breakeven_rate
    earned = funding(profile, funding_inputs(FixedRate(rate), side, intervals=12)).figures.payment_total
    assert earned == pytest.approx(100_000 * 2 * profile.rules.taker_fee)


def test_the_breakeven_names_its_cost() -> None:
    by_fees = funding(HYPERLIQUID, funding_inputs(FixedRate(0.0)))
    assert (by_fees.figures.breakeven_cost, by_fees.figures.breakeven_rate) == (0.0009, -0.0009)
    assert "taker_fee: docs: trading/fees.md" in by_fees.grounds.source
    given = funding(HYPERLIQUID, funding_inputs(FixedRate(0.0), cost=0.002, intervals=4))
    assert given.figures.breakeven_rate == -0.0005
    assert "taker_fee" not in given.grounds.source


@pytest.mark.parametrize(
    ("given", "premium", "rate"),
    [
        (AveragePremium(0.0002), 0.0002, 0.0001 / 8),  # inside the clamp: the interest alone
        (AveragePremium(-0.01), -0.01, -0.0095 / 8),
        (AveragePremium(0.9), 0.9, 0.04),  # the cap
        (ImpactPrices(9_990.0, 10_010.0, 10_000.0), 0.0, 0.0001 / 8),  # the index lies between
        (ImpactPrices(9_700.0, 9_800.0, 10_000.0), -0.02, -0.0195 / 8),
    ],
)
def test_the_rate_follows_the_premium(given: Given, premium: float, rate: float) -> None:
    figures = funding(HYPERLIQUID, funding_inputs(given)).figures
    assert (figures.premium, figures.funding_rate) == pytest.approx((premium, rate), rel=1e-12)


def test_a_given_rate_beyond_the_cap_is_taken_and_warned_of() -> None:
    answer = funding(BINANCE, funding_inputs(FixedRate(0.01)))
    assert answer.figures.funding_rate == 0.01
    assert answer.warnings == ("a rate of 1 % is beyond the venue's cap of ±0.3 %",)


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
@pytest.mark.parametrize("size", [1.0, 1_600.0, 3_000.0])
def test_safe_leverage_is_proved_by_the_solver_across_tiers(side: Side, size: float) -> None:
    asked = LeverageInputs(None, "BTC", side, size, 100_000.0, None, size * 100_000.0, Shock(0.15, 0.003))
    safe = leverage(HYPERLIQUID, asked).figures.safe
    assert safe is not None
    assert safe.liquidation_price == pytest.approx(safe.moved_price, rel=1e-12)
    left = safe.margin - 0.15 * asked.pool_notional - 0.003 * asked.pool_notional
    assert left == pytest.approx(maintenance_margin(HYPERLIQUID.market("BTC").tiers, size * safe.moved_price))


def test_usable_leverage_is_no_more_than_the_venue_allows() -> None:
    asked = LeverageInputs(None, "BTC", Side.BUY, 2_000.0, 100_000.0, None, 2e8, Shock(0.001, 0.0))
    figures = leverage(HYPERLIQUID, asked).figures
    assert figures.safe is not None
    assert figures.safe.leverage > figures.max_leverage == figures.safe.usable_leverage == 20.0


def test_a_long_cannot_survive_the_loss_of_its_price() -> None:
    asked = LeverageInputs(None, "BTC", Side.BUY, 1.0, 100_000.0, None, 1e5, Shock(1.0, 0.0))
    with pytest.raises(BacktesterError, match="cannot fall by 100 %"):
        leverage(HYPERLIQUID, asked)
    assert leverage(HYPERLIQUID, asked._replace(side=Side.SELL)).figures.safe is not None


# Options


@pytest.mark.parametrize(
    ("text", "value"),
    [("10%", 0.1), ("0.01%", 0.0001), ("-0.3 %", -0.003), ("1bps", 0.0001), ("0.0001", 0.0001), ("1e-4", 0.0001)],
)
def test_rates_are_read_as_written(text: str, value: float) -> None:
    assert read_fraction("--rate", text) == value


@pytest.mark.parametrize("text", ["", "%", "ten", "nan", "inf%", "1%%"])
def test_what_is_no_rate_is_an_error(text: str) -> None:
    with pytest.raises(BacktesterError, match="expected a rate such as"):
        read_fraction("--rate", text)


@pytest.mark.parametrize("text", ["", "0", "-1", "nan", "inf", "1,000", "BTC"])
def test_what_is_no_price_is_an_error(text: str) -> None:
    with pytest.raises(BacktesterError, match="expected a number above 0"):
        read_price("--mark", text)


def test_quotes_by_symbol_and_alone() -> None:
    named = parse_quotes("--mark", ["BTC=100_000,ETH=4e3", "SOL=200"], read_price)
    assert [named.of(symbol) for symbol in ("SOL", "BTC", "ETH")] == [200.0, 100_000.0, 4_000.0]
    assert named.problems(["BTC", "ETH", "SOL", "BTC"]) == []
    alone = parse_quotes("--mark", ["100"], read_price)
    assert alone.of("BTC") == 100.0
    assert alone.problems(["BTC"]) == alone.problems(["BTC", "ETH"], one_for_all=True) == []
    assert [str(each) for each in alone.problems(["BTC", "ETH"])] == [
        "error[usage] --mark: missing for BTC, ETH\n  hint: --mark BTC=…,ETH=…"
    ]
    assert [str(each) for each in named.problems(["BTC", "ETH", "SOLX"])] == [
        "error[usage] --mark: missing for SOLX\n  hint: --mark SOLX=…",
        'error[usage] --mark: there is no position in SOL\n  hint: did you mean "SOLX"?',
    ]
    with pytest.raises(BacktesterError, match="given twice for BTC"):
        parse_quotes("--mark", ["BTC=1", "BTC=2"], read_price)


def test_a_position_without_a_mark_was_opened_just_now() -> None:
    flags = Flags("hyperliquid", "BTC", "short", 2.0, 50_000.0, leverage=10.0)
    asked = liquidation_inputs(flags, Quotes("--mark", ()))
    assert (asked.mark_price, asked.margin, asked.leverage, asked.margin_mode) == (50_000.0, 10_000.0, 10.0, "isolated")
    asked = liquidation_inputs(flags, Quotes("--mark", (Quote("", 51_000.0),)))
    assert (asked.mark_price, asked.margin, asked.equity) == (51_000.0, 10_000.0, 8_000.0)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (Flags(), ["--venue: is missing", "--symbol: is missing", "--side: is missing", "--size: is missing",
                   "--entry: is missing", "--margin: is missing"]),
        (Flags("v", "BTC", "long", 0.0, -1.0, margin=1.0),
         ["--size: expected more than 0, was 0", "--entry: expected at least 0, was -1"]),
        (Flags("v", "BTC", "long", math.inf, math.nan, margin=0.0),
         ["--size: expected at least 0, was inf", "--entry: expected at least 0, was nan",
          "--margin: expected more than 0, was 0"]),
        (Flags("v", "BTC", "long", 1.0, 1.0, margin=1.0, leverage=2.0),
         ["--margin: an isolated position has leverage or margin, not both"]),
        (Flags("v", "BTC", "long", 1.0, 1.0, leverage=0.5, other_pnl=1.0),
         ["--leverage: expected at least 1, was 0.5", "--other-pnl: an isolated position stands alone"]),
        (Flags("v", "BTC", "long", 1.0, 1.0, "cross", leverage=2.0), ["--margin: is missing"]),
    ],
)  # fmt: skip
def test_all_faults_of_the_options_come_at_once(flags: Flags, expected: list[str]) -> None:
    with pytest.raises(BacktesterError) as caught:
        liquidation_inputs(flags, Quotes("--mark", ()))
    assert problems_of(caught.value) == expected


def test_faults_of_the_other_calculations() -> None:
    with pytest.raises(BacktesterError) as caught:
        leverage_inputs(Flags("v", side="long"), Quotes("--mark", ()), Shock(None, 0.0))
    assert problems_of(caught.value) == ["--symbol: is missing", "--size: is missing", "--mark: is missing"]
    for move, cost, message in (
        ("0", "0", "--move: expected more than 0"),
        ("1%", "-1%", "--cost: expected at least 0"),
    ):
        with pytest.raises(BacktesterError, match=message):
            read_shock(move, cost)
    assert read_shock("10%", "5bps") == (0.1, 0.0005)


def test_a_portfolio_leaves_nothing_to_say_but_the_venue() -> None:
    Flags("hyperliquid").leave_to_portfolio()
    with pytest.raises(BacktesterError) as caught:
        Flags("hyperliquid", side="long", other_maintenance=1.0).leave_to_portfolio()
    assert problems_of(caught.value) == ["--side: the portfolio says it", "--other-maintenance: the portfolio says it"]


# Text


def test_numbers_are_short_and_whole() -> None:
    values = (98_734.17721518986, 3_125_000.0, 1_234_567.891, 0.05945697, -10.0, -0.0, 150e6, None)
    assert [number(value) for value in values] == [
        "98,734.177", "3,125,000", "1,234,567.89", "0.05945697", "−10", "0", "150,000,000", "–",
    ]  # fmt: skip
    assert [percent(value) for value in (0.0125, 0.0000125, -0.003, None)] == ["1.25 %", "0.00125 %", "−0.3 %", "–"]
    assert [share(value) for value in (0.0126582, -0.5, None)] == ["1.27 %", "−50.00 %", "–"]
    assert terms(-2_500.0, 0.0, 3.0) == " − 2,500 + 3"
