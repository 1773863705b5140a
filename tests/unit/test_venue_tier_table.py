"""Tables of tiers beside a profile: what they say, what is wrong with them, and how they are made."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from backtester.config.venue import TierRow
from backtester.errors import BacktesterError, ExitCode
from backtester.venue.loader import SHIPPED, load_profile
from backtester.venue.tier_table import TierBlock, read_tier_table
from scripts.make_tier_table import blocks_of, table_of

SHIPPED_TEXT = (SHIPPED / "hyperliquid.toml").read_text(encoding="utf-8")
HEADER = "symbols;floor_quote;maintenance_rate;max_leverage\n"
EXAMPLE = (
    "# comments stand before the header\n"
    + HEADER
    + "BTCUSDT ETHUSDT;0;0.004;125\n;50000;0.005;100\n\nADAUSDT;0;0.01;75\n"
)


def row(floor_quote: float, maintenance_rate: float, max_leverage: float) -> TierRow:
    return TierRow(floor_quote=floor_quote, maintenance_rate=maintenance_rate, max_leverage=max_leverage)


def test_a_row_with_symbols_begins_a_block(tmp_path: Path) -> None:
    path = tmp_path / "tiers.csv"
    path.write_text(EXAMPLE)
    assert read_tier_table(path).blocks == (
        TierBlock(symbols=("BTCUSDT", "ETHUSDT"), tiers=(row(0.0, 0.004, 125.0), row(50e3, 0.005, 100.0))),
        TierBlock(symbols=("ADAUSDT",), tiers=(row(0.0, 0.01, 75.0),)),
    )


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", ["tiers.csv:1: expected the header symbols;floor_quote;maintenance_rate;max_leverage"]),
        ("BTC;0;0.1;5\n", ["tiers.csv:1: expected the header symbols;floor_quote;maintenance_rate;max_leverage"]),
        (HEADER + ";0;0.1;5\n", ["tiers.csv:2: the first row names its symbols"]),
        (HEADER + "BTC;0;0.1;5\n;10;0.2\n;20;0.3;2;x\n",
         ["tiers.csv:3: expected 4 columns, found 3", "tiers.csv:4: expected 4 columns, found 5"]),
        (HEADER + "BTC;0;x;0.5\n# between\nETH;0;0.1;5\n;-1;1.5;2\n",
         ['tiers.csv:2 maintenance_rate: expected a number, was "x"',
          "tiers.csv:2 max_leverage: expected at least 1, was 0.5",
          "tiers.csv:5 floor_quote: expected at least 0, was -1.0",
          "tiers.csv:5 maintenance_rate: expected at most 1, was 1.5"]),
        (HEADER + "BTC;nan;0.1;5\n", ["tiers.csv:2 floor_quote: expected a finite number, was NaN"]),
        (HEADER + "BTC;5;0.1;5\nETH BTC;0;0.2;5\n;10;0.1;4\n",
         ["tiers.csv:2 floor_quote: the first tier starts at 0",
          "tiers.csv:2 symbols: BTC is named more than once",
          "tiers.csv:3 floor_quote: tiers rise in floor_quote and maintenance_rate",
          "tiers.csv:3 symbols: BTC is named more than once"]),
    ],
)  # fmt: skip
def test_every_fault_of_a_table_names_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, lines: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiers.csv").write_text(text)
    with pytest.raises(BacktesterError) as caught:
        read_tier_table(Path("tiers.csv"))
    assert caught.value.exit_code is ExitCode.CONFIG
    assert str(caught.value).splitlines() == [f"error[config] {line}" for line in lines]


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BacktesterError, match="cannot be read: No such file"):
        read_tier_table(tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes(b"symbols;\xff")
    with pytest.raises(BacktesterError, match="not UTF-8 at byte 8"):
        read_tier_table(tmp_path / "latin.csv")


def with_table(text: str) -> str:
    """The Hyperliquid profile with a table of its own in its newest period."""
    table = '[periods.tier_table]\nfile = "tiers.csv"\nimpact_margin_quote = 200\nsource = "docs: a table"\n\n'
    return text.replace("[periods.rules]", table + "[periods.rules]", 1)


def test_a_file_of_the_user_may_have_a_table(tmp_path: Path) -> None:
    profile_path = tmp_path / "mine.toml"
    profile_path.write_text(with_table(SHIPPED_TEXT))
    (tmp_path / "tiers.csv").write_text(EXAMPLE.replace("ADAUSDT", "ADA SOL"))
    mine = load_profile(str(profile_path))
    ada = mine.market("ADAUSDT", "ADA")  # written out in the profile as well: that comes first
    assert (ada.table, ada.tiers[0].max_leverage) == ("", 10.0)
    btc = mine.market("BTCUSDT")
    assert (btc.table, btc.source, btc.assumed, btc.listed) == ("tiers.csv", "docs: a table", False, True)
    assert btc.impact_notional_quote == 200 * 125  # 200 of margin at the largest leverage
    older = load_profile(str(profile_path), date(2025, 10, 10)).market("BTCUSDT")
    assert older._replace(own=()) == btc._replace(own=())

    (tmp_path / "tiers.csv").write_text(EXAMPLE)
    assert load_profile(str(profile_path)).sha256 != mine.sha256
    (tmp_path / "tiers.csv").unlink()
    with pytest.raises(BacktesterError, match=r"tiers\.csv: cannot be read"):
        load_profile(str(profile_path))


def test_a_table_is_made_from_the_published_form() -> None:
    def bracket(floor: float, cap: float, rate: float, leverage: float) -> dict[str, float]:
        return {"minNotional": floor, "maxNotional": cap, "maintenanceMarginRate": rate, "maxLeverage": leverage}

    low = [bracket(0.0, 5e3, 0.015, 50.0), bracket(5e3, 5e3, 0.1667, 3.0), bracket(5e3, 1e4, 0.25, 2.0)]
    high = [bracket(0.0, 5e4, 0.004, 125.0)]
    markets = {"ZIL/USDT:USDT": low, "BTC/USDT:USDT-260327": high, "BTC/USDT:USDT": high, "4/USDT:USDT": low}
    assert table_of(blocks_of(markets), "2026-02", "where it is from") == (
        "# Leverage brackets of 4 markets, 2026-02\n# where it is from\n"
        + HEADER
        + "BTCUSDT BTCUSDT_260327;0;0.004;125\n"
        "4USDT ZILUSDT;0;0.015;50\n;5000;0.25;2\n"  # nothing can lie in the bracket from 5,000 to 5,000
    )
