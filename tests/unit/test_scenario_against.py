"""Candles of a second source: what is read, and the one line for each file that cannot be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from backtester.errors import BacktesterError, ExitCode
from backtester.scenario.against import candles_beside
from backtester.scenario.facts import Price
from backtester.scenario.path import Scenario, constant

S = 1_000_000_000
START = datetime(2025, 1, 1, 10, tzinfo=UTC)
START_S = int(START.timestamp())
PATH = Scenario(
    "x",
    "x",
    "HIST",
    START_S * S,
    (START_S + 180) * S,
    ((0, S),),
    (constant("BTC", "price_ratio", 1.0), constant("ETH", "price_ratio", 1.0)),
)
TIMES = [START + timedelta(minutes=k) for k in range(-1, 4)]  # the first and the last lie outside


def frame(**columns: object) -> pl.DataFrame:
    prices = {"open": [100.0] * 5, "high": [102.0] * 5, "low": [99.0] * 5, "close": [101.0] * 5}
    return pl.DataFrame({"ts": TIMES, "symbol": ["BTC"] * 5} | prices | columns)


def stored(tmp_path: Path, data: pl.DataFrame, name: str = "c.parquet") -> Path:
    path = tmp_path / name
    data.write_parquet(path) if name.endswith("parquet") else data.write_csv(path)
    return path


def fault(path: Path, scenario: Scenario = PATH) -> str:
    with pytest.raises(BacktesterError) as caught:
        candles_beside(scenario, path)
    assert caught.value.exit_code == ExitCode.DATA
    return str(caught.value)


@pytest.mark.parametrize("name", ["c.parquet", "c.csv"])
def test_candles_inside_the_window(tmp_path: Path, name: str) -> None:
    (part,) = candles_beside(PATH, stored(tmp_path, frame(), name))
    assert (part.symbol, part.price, part.interval_ns) == ("BTC", Price.PERP, 60 * S)
    assert [tuple(row[:5]) for row in part.rows] == [(k * 60 * S, 100.0, 102.0, 99.0, 101.0) for k in range(3)]


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9])
def test_counts_of_any_unit(tmp_path: Path, unit: int) -> None:
    data = frame().drop("ts").with_columns(open_time=pl.Series([int(t.timestamp()) * unit for t in TIMES]))
    (part,) = candles_beside(PATH, stored(tmp_path, data))
    assert [row.t_ns for row in part.rows] == [0, 60 * S, 120 * S]


@pytest.mark.parametrize("name", ["BTC", "BTCUSDT", "BTC-USDT-SWAP", "BTC/USDT:USDT", "BTCUSD_PERP", "BTC_USDC"])
def test_a_symbol_may_carry_its_quote(tmp_path: Path, name: str) -> None:
    (part,) = candles_beside(PATH, stored(tmp_path, frame(symbol=[name] * 5)))
    assert part.symbol == "BTC"


def test_prices_and_symbols_stand_apart(tmp_path: Path) -> None:
    data = pl.concat(
        [
            frame(price=["mark"] * 5),
            frame(price=["trade"] * 5),
            frame(price=["trade"] * 5, symbol=["ETH"] * 5),
            frame(price=["trade"] * 5, symbol=["DOGE"] * 5),  # of which the path says nothing
        ]
    )
    parts = candles_beside(PATH, stored(tmp_path, data))
    assert [(part.symbol, part.price) for part in parts] == [
        ("BTC", Price.MARK),
        ("BTC", Price.PERP),
        ("ETH", Price.PERP),
    ]


def test_what_the_file_does_not_say_is_given(tmp_path: Path) -> None:
    path = stored(tmp_path, frame().drop("symbol"))
    assert 'no column "symbol"' in fault(path)
    (part,) = candles_beside(PATH, path, "ETH", "index")
    assert (part.symbol, part.price) == ("ETH", Price.INDEX)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (frame().drop("low", "ts"), 'no column "low"'),
        (frame().drop("low", "ts"), 'no column "ts"'),
        (frame(open=["a"] * 5), "BTC 2025-01-01T09:59:00Z (and 4 more): needs 0 < low ≤ open, close ≤ high"),
        (frame(ts=["soon"] * 5), "row 1: has no time that can be read"),
        (frame(ts=[None, *TIMES[1:]]), "row 1: has no time that can be read"),
        (frame(ts=[t - timedelta(days=9) for t in TIMES]), "has no candle inside the window of x"),
        (frame(low=[103.0] * 5), "needs 0 < low ≤ open, close ≤ high"),
        (frame(low=[99.0, None, 99.0, 99.0, 99.0]), "needs 0 < low ≤ open, close ≤ high"),
        (frame(symbol=["BTC", None, "BTC", "BTC", "BTC"]), "row 2: has no symbol"),
        (frame(symbol=["DOGE"] * 5), "has candles of DOGE, the path prices of BTC, ETH"),
        (frame(price=["fair"] * 5), "'fair' is no price"),
        (pl.concat([frame(), frame(close=[100.0] * 5)]), "BTC perp of 2025-01-01T09:59:00Z has two different candles"),
        (frame().head(1), "a single candle does not say how long it is"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_in_a_line(tmp_path: Path, data: pl.DataFrame, said: str) -> None:
    assert said in fault(stored(tmp_path, data))


def test_a_file_that_is_none(tmp_path: Path) -> None:
    assert "No such file" in fault(tmp_path / "absent.parquet")
    assert "cannot be read" in fault(tmp_path / "absent.csv")
    path = tmp_path / "x.parquet"
    path.write_text('{"a": 1}')
    assert "is JSON, not a CSV file or a Parquet file" in fault(path)
    path.write_bytes(b"PAR1 and no more")
    assert "cannot be read" in fault(path)
