"""Which rules are in force on a date, what an older period takes over, and what a faulty profile says."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from backtester.errors import BacktesterError, ExitCode
from backtester.venue.loader import SHIPPED, VenueRef, load_profile, load_profiles, venue_ids

SHIPPED_TEXT = (SHIPPED / "hyperliquid.toml").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lines_of(text: str) -> list[str]:
    Path("mine.toml").write_text(text, encoding="utf-8")
    with pytest.raises(BacktesterError) as caught:
        load_profile("mine.toml")
    assert caught.value.exit_code is ExitCode.CONFIG
    return str(caught.value).splitlines()


def line_number(text: str, key: str) -> int:
    return text[: text.index(key)].count("\n") + 1


@pytest.mark.parametrize(
    ("on", "rules_date", "until"),
    [
        (None, date(2026, 8, 22), None),
        (date(2030, 1, 1), date(2026, 8, 22), None),
        (date(2026, 8, 22), date(2026, 8, 22), None),
        (date(2026, 8, 21), date(2025, 10, 10), date(2026, 8, 22)),
        (date(2025, 10, 10), date(2025, 10, 10), date(2026, 8, 22)),
        (date(2025, 10, 9), date(2025, 5, 5), date(2025, 10, 10)),
        (date(2025, 5, 4), date(2025, 3, 15), date(2025, 5, 5)),
        (date(2025, 3, 15), date(2025, 3, 15), date(2025, 5, 5)),
        (date(2025, 3, 14), date(2024, 3, 11), date(2025, 3, 15)),
        (date(2024, 3, 10), date(2023, 7, 1), date(2024, 3, 11)),
        (date(2023, 7, 1), date(2023, 7, 1), date(2024, 3, 11)),
    ],
)
def test_the_period_in_force(on: date | None, rules_date: date, until: date | None) -> None:
    profile = load_profile("hyperliquid", on)
    assert (profile.rules_date, profile.until) == (rules_date, until)
    assert profile.name == f"hyperliquid@{rules_date}"


def test_a_date_before_all_rules_is_an_error() -> None:
    with pytest.raises(BacktesterError) as caught:
        load_profile("hyperliquid", date(2023, 6, 30))
    assert str(caught.value) == (
        "error[config] venue hyperliquid@2023-06-30: no rules are known for this date\n"
        "  hint: rules start at: 2023-07-01, 2024-03-11, 2025-03-15, 2025-05-05, 2025-10-10, 2026-08-22"
    )


def test_an_unknown_venue_is_an_error() -> None:
    with pytest.raises(BacktesterError) as caught:
        load_profile("hyperliquidd")
    assert str(caught.value) == ('error[config] venue hyperliquidd: unknown venue\n  hint: did you mean "hyperliquid"?')
    assert venue_ids() == ("binance-usdm", "hyperliquid")


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("hyperliquid", VenueRef("hyperliquid")),
        ("hyperliquid@2025-10-10", VenueRef("hyperliquid", date(2025, 10, 10))),
        ("hyperliquid@scenario", VenueRef("hyperliquid", at_scenario=True)),
        ("mine.toml@2025-10-10", VenueRef("mine.toml", date(2025, 10, 10))),
    ],
)
def test_how_a_venue_is_named(text: str, ref: VenueRef) -> None:
    assert VenueRef.parse(text) == ref


@pytest.mark.parametrize("text", ["hyperliquid@", "hyperliquid@oct", "hyperliquid@2025-02-30"])
def test_a_date_that_is_none_is_a_usage_error(text: str) -> None:
    with pytest.raises(BacktesterError, match="is no date") as caught:
        VenueRef.parse(text)
    assert caught.value.exit_code is ExitCode.USAGE


def test_what_an_older_period_takes_over_is_assumed_unless_its_own_documents_say_the_same() -> None:
    newest, october, may = load_profiles("hyperliquid")[:3]
    documented = {stated.rule for stated in newest.provenance if not stated.assumed}
    assert {stated.rule for stated in october.provenance if not stated.assumed} == documented
    assert {stated.rule for stated in may.provenance if not stated.assumed} == {"taker_fee", "maker_fee"}
    assert not october.market("BTC").assumed
    assert may.market("BTC").assumed
    assert may.rules.model_copy(update={"insurance_start": 3e8}) == october.rules


def test_the_assumed_share_counts_rules() -> None:
    profile = load_profile("hyperliquid", date(2025, 5, 5))
    assert profile.assumed_share == pytest.approx(1 - 2 / len(profile.provenance))


def test_a_symbol_that_is_not_listed_gets_the_default_market() -> None:
    profile = load_profile("hyperliquid")
    market = profile.market("NEWCOIN")
    assert (market.symbol, market.listed, market.assumed, market.tiers[0].max_leverage) == ("NEWCOIN", False, True, 5.0)
    assert profile.market("BTC").listed


def test_the_digest_is_that_of_the_rules_of_the_date(folder: Path) -> None:
    periods = load_profiles("hyperliquid")
    assert len({each.sha256 for each in periods}) == len(periods)
    assert load_profile("hyperliquid", date(2025, 10, 12)).sha256 == periods[1].sha256

    said_otherwise = SHIPPED_TEXT.replace("# ", "#  ").replace("60s", "1m")
    Path("mine.toml").write_text(said_otherwise.replace("0.000_45", "0.001", 1))
    mine = load_profiles("mine.toml")
    assert mine[0].sha256 != periods[0].sha256
    assert [each.sha256 for each in mine[-2:]] == [each.sha256 for each in periods[-2:]]


def test_a_file_of_the_user_is_a_venue(folder: Path) -> None:
    Path("mine.toml").write_text(
        SHIPPED_TEXT.replace("taker_fee = { value = 0.000_45", "taker_fee = { value = 0.001", 1)
    )
    mine, shipped = load_profile("mine.toml"), load_profile("hyperliquid")
    assert (mine.rules.taker_fee, shipped.rules.taker_fee) == (0.001, 0.00045)
    assert mine.sha256 != shipped.sha256


@pytest.mark.parametrize(
    ("old", "new", "message", "hint"),
    [
        ('mark_interval = { value = "3s"', 'mark_interval = { value = "3"',
         'rules.mark_interval: expected a duration such as "200ms", "90s" or "10m", was "3"', ""),
        ('mark_interval = { value = "3s"', 'mark_intervl = { value = "3s"', "rules.mark_interval: missing key",
         "the newest period states every rule"),
        ('funding_price = { value = "index"', 'funding_price = { value = "mid"',
         'rules.funding_price: expected "mark" or "index", was "mid"', ""),
        ("liquidation_partial_share = { value = 0.20", "liquidation_partial_share = { value = 1.2",
         "rules.liquidation_partial_share: expected at most 1, was 1.2", ""),
        ('block = { value = "70ms", source = "docs: hypercore/order-book.md" }', 'block = { value = "70ms" }',
         "rules.block.source: missing key", ""),
        ('block = { value = "70ms", source', 'block = { value = "70ms", sorce = "x", source',
         "rules.block.sorce: unknown key", 'did you mean "source"?'),
    ],
)  # fmt: skip
def test_a_faulty_rule_gives_one_line(folder: Path, old: str, new: str, message: str, hint: str) -> None:
    text = SHIPPED_TEXT.replace(old, new, 1)
    assert text != SHIPPED_TEXT
    where = line_number(text, new) if "missing key" not in message or "source" in message else None
    found = lines_of(text)
    first = next(line for line in found if message in line)
    if where is not None:
        assert first == f"error[config] mine.toml:{where} periods.0.{message}"
    assert not hint or f"  hint: {hint}" in found


def stating(rule: str) -> str:
    """The shipped text with another statement of a rule in its newest period."""
    name = rule.partition(" ")[0]
    return "\n".join(rule if line.startswith(f"{name} = ") else line for line in SHIPPED_TEXT.splitlines())


def test_a_rule_may_differ_in_single_markets(folder: Path) -> None:
    Path("mine.toml").write_text(
        stating('funding_cap = { value = 0.04, by_market = { BTC = 0.01, WIF = 0.02 }, source = "docs: x" }').replace(
            'symbols = ["ATOM"]', 'symbols = ["ATOM", "WIF"]'
        )
    )
    profile = load_profile("mine.toml")
    assert profile.rules.funding_cap == 0.04
    own = [dict(profile.market(symbol).own).get("funding_cap") for symbol in ("BTC", "WIF", "ETH", "NEW")]
    assert own == [0.01, 0.02, None, None]
    assert dict(load_profile("mine.toml", date(2024, 3, 11)).market("BTC").own)["funding_cap"] == 0.01  # taken over


@pytest.mark.parametrize(
    ("rule", "message", "hint"),
    [
        ('funding_cap = { value = 0.04, by_market = { BTC = 2, ETH = "x" }, source = "docs: x" }',
         "funding_cap.by_market.BTC: expected less than 1, was 2", ""),
        ('funding_cap = { value = 0.04, by_market = { BTC = 2, ETH = "x" }, source = "docs: x" }',
         'funding_cap.by_market.ETH: expected a number, was "x"', ""),
        ('funding_cap = { value = 0.04, by_market = { AAVEE = 0.01 }, source = "docs: x" }',
         "funding_cap.by_market.AAVEE: no such market", 'did you mean "AAVE"?'),
        ('market_bound = { value = 0.04, by_market = { BTC = 0.01 }, source = "docs: x" }',
         "market_bound.by_market: this rule is one for all markets",
         "single markets: funding_cap, liquidation_fee, max_market_size, max_market_quote, max_limit_size, "
         "max_limit_quote, min_order_quote and min_close_quote"),
    ],
)  # fmt: skip
def test_a_faulty_rule_of_a_market_gives_one_line(folder: Path, rule: str, message: str, hint: str) -> None:
    text = stating(rule)
    found = lines_of(text)
    assert f"error[config] mine.toml:{line_number(text, rule)} periods.0.rules.{message}" in found
    assert not hint or f"  hint: {hint}" in found


def test_faults_of_periods_and_tiers_come_at_once(folder: Path) -> None:
    text = (
        SHIPPED_TEXT.replace("valid_from = 2025-05-05", "valid_from = 2025-10-10")
        .replace("floor_quote = 150_000_000", "floor_quote = 0", 1)
        .replace(
            "tiers = [{ floor_quote = 0, maintenance_rate = 0.1",
            "tiers = [{ floor_quote = 5, maintenance_rate = 0.1",
            1,
        )
        .replace("taker_fee = { value = 0.000_35", 'taker_fee = { value = "low"')
        .replace("[periods.rules]", '[periods.rules]\ntaker_fe = { value = 1, source = "x" }', 1)
    )
    assert [line.partition(" ")[2].partition(" ")[2] for line in lines_of(text) if "hint" not in line] == [
        "periods.0.rules.taker_fe: unknown key",
        "periods.0.markets.0.tiers: tiers rise in floor_quote and maintenance_rate",
        "periods.0.markets.6.tiers: the first tier starts at 0",
        "periods.2.valid_from: periods are written newest first",
        'periods.3.rules.taker_fee: expected a number, was "low"',
    ]
