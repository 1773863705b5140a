"""Candles become facts, facts a path, and the path meets every candle."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from backtester.errors import BacktesterError
from backtester.scenario.build import build_file
from backtester.scenario.draft import Draft, assumed_candle, draft
from backtester.scenario.facts import Facts
from backtester.scenario.facts_text import facts_text, source_key, title_of
from backtester.scenario.path import Scenario
from backtester.scenario.reader import read_facts
from backtester.scenario.recorded import read_candles
from backtester.scenario.stored import load
from tests.unit.candle_cases import START, fall, flat, minutes, write

MINUTE = 60_000_000_000
CRASH = [*flat(30), *fall(100, 99, 96, 92, 88, 90, 93), *flat(24, 93)]


def drafted(path: Path, *paths: Path, span: int = 3600, symbols: tuple[str, ...] = ()) -> Draft:
    return draft(read_candles([path, *paths]), START, START + span, symbols)


def compiled(made: Draft, tmp_path: Path) -> tuple[Facts, Scenario]:
    toml = write(tmp_path / "mine.toml", facts_text(made, "mine", "", "a.csv"), head="")
    return read_facts(toml), load(build_file(toml))


def prices(scenario: Scenario, symbol: str) -> dict[int, float]:
    """The perp against the index's first price."""
    ratio, basis = (scenario.find(column, "*", symbol) for column in ("price_ratio", "basis_bps"))
    assert ratio is not None and basis is not None
    times = ratio.t_ns
    return dict(zip(times.tolist(), (ratio.at(times) * (1.0 + basis.at(times) / 1e4)).tolist(), strict=True))


def test_the_path_meets_every_candle(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", minutes(*CRASH), minutes(*CRASH, symbol="ETH"))
    facts, scenario = compiled(drafted(path), tmp_path)
    assert scenario.symbols == ("BTC", "ETH") and len(facts.candles) == 2
    for symbol in ("BTC", "ETH"):
        line = prices(scenario, symbol)
        for k, (open_, high, low, _) in enumerate(CRASH):
            inside = [price for t, price in line.items() if k * MINUTE <= t < (k + 1) * MINUTE]
            assert line[k * MINUTE] * CRASH[0][0] == pytest.approx(open_, rel=1e-6)
            assert max(inside) * 100.0 <= high * (1 + 1e-6) and min(inside) * 100.0 >= low * (1 - 1e-6)
    assert min(prices(scenario, "BTC").values()) == pytest.approx(0.88, rel=1e-6)


def test_what_is_ours_is_marked(tmp_path: Path) -> None:
    made = drafted(write(tmp_path / "a.csv", minutes(*CRASH)))
    facts, _ = compiled(made, tmp_path)
    assert made.baseline == (0, 1200) and made.step_s == 20
    assert all("assumed" in figure.source for table in facts.tables for figure in table.figures)
    assert {part.source for part in facts.candles} == {"CANDLES-PERP-60S"}
    assert dict(facts.sources)["CANDLES-PERP-60S"] == "a.csv: perp, candles of 60 s"
    assert facts.title == "2024-01-01: BTC -12.0 % within 60 minutes"


def test_order_books_thin_with_the_price(tmp_path: Path) -> None:
    _, scenario = compiled(drafted(write(tmp_path / "a.csv", minutes(*CRASH))), tmp_path)
    bids = scenario.find("bid_depth_mid", "*", "*")
    assert bids is not None
    at = dict(zip((bids.t_ns // MINUTE).tolist(), bids.values.tolist(), strict=True))
    assert (at[0], at[30], at[31], at[32], at[33]) == (1.0, 0.6, 0.3, 0.1, 0.02)


def test_a_symbol_without_candles_for_a_while_takes_the_first_ones_move(tmp_path: Path) -> None:
    """ETH stands at 10 until the crash, which nobody recorded; afterwards it has lost half of what BTC lost."""
    eth = minutes(*flat(30, 10.0), symbol="ETH") + minutes(*flat(24, 9.65), symbol="ETH", at=36 * 60)
    made = drafted(write(tmp_path / "a.csv", minutes(*CRASH), eth))
    facts, scenario = compiled(made, tmp_path)
    (gap,) = [part for part in facts.candles if part.source == "assumed"]
    (candle,) = gap.rows
    assert (gap.symbol, gap.like, gap.interval_ns, candle.t_ns) == ("ETH", "BTC", 6 * MINUTE, 30 * MINUTE)
    assert (candle.open, candle.close) == pytest.approx((10.0, 9.65))
    assert candle.low == pytest.approx(88 * (10 / 100 + 9.65 / 93) / 2)
    assert candle.volume == pytest.approx(60.0)
    assert min(prices(scenario, "ETH").values()) * 10 == pytest.approx(candle.low, rel=1e-6)


@pytest.mark.parametrize("begin", [0, 40])
def test_a_stretch_at_an_end_is_scaled_by_beta_one(tmp_path: Path, begin: int) -> None:
    eth = [(a / 10, b / 10, c / 10, d / 10) for a, b, c, d in CRASH][begin : begin + 20]
    made = drafted(write(tmp_path / "a.csv", minutes(*CRASH), minutes(*eth, symbol="ETH", at=begin * 60)))
    _, scenario = compiled(made, tmp_path)
    line = prices(scenario, "ETH")
    assert line[60 * MINUTE] / line[0] == pytest.approx(0.93, rel=1e-3)
    assert min(line.values()) / line[0] == pytest.approx(0.88, rel=1e-3)


def test_longer_candles_look_like_the_first_symbol(tmp_path: Path) -> None:
    hour = write(tmp_path / "b.csv", minutes((10.0, 10.1, 8.0, 9.0), (9.0, 9.0, 9.0, 9.0), symbol="ETH", seconds=3600))
    facts, scenario = compiled(drafted(write(tmp_path / "a.csv", minutes(*CRASH)), hour), tmp_path)
    (eth,) = [part for part in facts.candles if part.symbol == "ETH"]
    assert eth.like == "BTC" and eth.source == "CANDLES-PERP-3600S"
    line = prices(scenario, "ETH")
    assert min(line, key=line.__getitem__) // MINUTE in (33, 34)


def test_calm_minutes_of_spot_become_fives_beside_a_coarse_perp(tmp_path: Path) -> None:
    def lines(venue: str, interval: str, text: str) -> str:
        return "".join(f"{venue},{interval},{line}\n" for line in text.splitlines())

    head = "venue,interval,ts,symbol,open,high,low,close,volume\n"
    perp = minutes(*[(100, 101, 87, 93)], seconds=3600)
    path = write(tmp_path / "a.csv", lines("x_spot", "1m", minutes(*CRASH)), lines("x", "1h", perp), head=head)
    facts, _ = compiled(drafted(path), tmp_path)
    counts = {(part.price.value, part.interval_ns // MINUTE): len(part.rows) for part in facts.candles}
    assert counts == {("index", 1): 10, ("index", 5): 10, ("perp", 60): 1}


def test_where_the_first_symbol_lacks_candles_it_says_from_when_to_when(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", minutes(*flat(10)), minutes(*flat(40), at=1200))
    with pytest.raises(BacktesterError, match="BTC: no candles from 2024-01-01T10:10:00Z to 2024-01-01T10:20:00Z"):
        drafted(path)
    with pytest.raises(BacktesterError, match="DOGE: no candles of the perp or its index"):
        drafted(path, symbols=("DOGE",))


def test_a_first_symbol_that_stays_where_it_is_is_calm(tmp_path: Path) -> None:
    made = drafted(write(tmp_path / "a.csv", minutes(*fall(100, *[100] * 60)), minutes(*CRASH, symbol="ETH")))
    facts, _ = compiled(made, tmp_path)
    assert made.largest is None
    assert facts.title == "2024-01-01: BTC calm"
    assert 'why = "BTC is calm: it has one price throughout; say here' in (tmp_path / "mine.toml").read_text("utf-8")


def test_the_largest_move_of_a_first_symbol_that_never_falls(tmp_path: Path) -> None:
    made = drafted(
        write(tmp_path / "a.csv", minutes(*fall(100, *[100] * 30), *fall(100, *[100.5 + k for k in range(30)])))
    )
    assert made.largest is not None and made.largest.size == pytest.approx(0.295)


def test_candles_longer_than_an_hour_tell_of_no_largest_move_and_are_not_called_calm(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", minutes((100, 101, 80, 90), (90, 95, 85, 90), seconds=7200))
    made = drafted(path, span=14_400)
    assert made.largest is None and not made.is_calm and title_of(made) == "2024-01-01: BTC"


def test_an_assumed_candle_has_no_volume_where_the_model_has_none_to_measure_against() -> None:
    """Ten units of the model in the gap, none while the line has candles: no share of them follows."""

    def line(symbol: str, *volumes: float) -> pl.DataFrame:
        rows = [
            {"symbol": symbol, "price": "perp", "venue": "x", "seconds": 60, "t": 60 * k}
            | {"open": 1.0, "high": 1.0, "low": 1.0, "close": 1.0, "volume": volume}
            for k, volume in enumerate(volumes)
        ]
        return pl.DataFrame(rows)

    assert assumed_candle(line("ETH", 500.0), line("BTC", 0.0, 10.0), "BTC", (60, 120))["volume"].to_list() == [0.0]
    assert assumed_candle(line("ETH", 500.0), line("BTC", 5.0, 10.0), "BTC", (60, 120))["volume"].to_list() == [1000.0]


def test_source_keys_are_bare_keys() -> None:
    assert source_key("binance_usdm", "perp", 60) == "BINANCE_USDM-PERP-60S"
    assert source_key("my venue (é)", "index", 300) == "MY_VENUE-INDEX-300S"
