"""Candles of a second source, Parquet or CSV, to measure a path against that was not made from them.

Columns `ts` or `open_time` (a time, ISO text or a count of s, ms, µs or ns since 1970), open, high, low, close, and
perhaps symbol and price; others are left alone. A symbol may carry its quote: BTCUSDT and BTCUSD_PERP are BTC.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from backtester.errors import BacktesterError, Diagnostic, data_error
from backtester.filekinds import CSV, PARQUET, foreign
from backtester.scenario.facts import Candle, Candles, Price
from backtester.scenario.path import Scenario

TIMES = ("ts", "open_time")
PRICES = ("open", "high", "low", "close")
#: How a file may call the price of a perp.
CALLED = {"": Price.PERP, "trade": Price.PERP, "last": Price.PERP} | {price.value: price for price in Price}
_QUOTED = re.compile(r"(.+?)[-_/]?(USDT|USDC|USD)?([-_:](PERP|SWAP|USDT|USDC))?")
#: A count since 1970 below this many is of seconds, then ms, µs, ns.
_COUNTS = ((10**11, 10**9), (10**14, 10**6), (10**17, 10**3))


def read_candles(path: Path, scenario: Scenario, symbol: str = "", price: str = "perp") -> list[Candles]:
    """The candles of a file inside the window of a path.

    `symbol`, `price`: of a file that does not say them. Raises BacktesterError with one line for what is wrong.
    """
    frame = _in_window(_read(path), path, scenario)
    for name, given in (("symbol", symbol or _only(scenario)), ("price", price)):
        if name not in frame.columns:
            frame = frame.with_columns(pl.lit(given).alias(name))
    if frame["symbol"].null_count() or (frame["symbol"] == "").any():
        hint = f"add a column symbol, or --symbol: {', '.join(scenario.symbols)}"
        raise data_error(str(path), "does not say whose candles these are", hint)
    unknown = sorted(set(frame["price"].fill_null("").to_list()) - CALLED.keys())
    if unknown:
        raise data_error(str(path), f"column price says {unknown[0]!r}", f"one of {', '.join(filter(None, CALLED))}")
    parts = [
        _candles(path, _base(name, scenario.symbols), CALLED[kind or ""], rows)
        for (name, kind), rows in sorted(frame.group_by("symbol", "price"), key=lambda group: str(group[0]))
        if _base(name, scenario.symbols) in scenario.symbols
    ]
    if not parts:
        found = ", ".join(sorted(set(frame["symbol"].to_list()))[:5])
        message = f"has candles of {found}, the path prices of {', '.join(scenario.symbols) or 'none'}"
        raise data_error(str(path), message)
    return parts


def _read(path: Path) -> pl.DataFrame:
    if problems := foreign(path, "data", PARQUET, CSV):
        raise BacktesterError(problems)
    try:
        parquet = path.suffix == ".parquet"
        frame = pl.read_parquet(path) if parquet else pl.read_csv(path, try_parse_dates=True, infer_schema_length=None)
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise data_error(str(path), f"cannot be read as candles: {reason}") from error
    missing = [name for name in PRICES if name not in frame.columns]
    missing += [] if any(name in frame.columns for name in TIMES) else [" or ".join(TIMES)]
    if missing:
        raise BacktesterError(Diagnostic("data", str(path), f"column {name} is missing") for name in missing)
    wrong = [name for name in PRICES if not frame[name].dtype.is_numeric()]
    if wrong:
        raise BacktesterError(Diagnostic("data", str(path), f"column {name} must be a number") for name in wrong)
    return frame


def _in_window(frame: pl.DataFrame, path: Path, scenario: Scenario) -> pl.DataFrame:
    """The rows inside of the window, with `t_ns` from its start, in order. Raises a data error without any."""
    name = next(name for name in TIMES if name in frame.columns)
    kept = [each for each in ("symbol", "price") if each in frame.columns]
    t_ns = _since_1970(frame[name], path) - (scenario.start_ns or 0)
    frame = frame.select(*kept, *(pl.col(each).cast(pl.Float64) for each in PRICES)).with_columns(t_ns.alias("t_ns"))
    inside = frame.filter(pl.col("t_ns").is_between(0, scenario.span_ns, closed="left")).sort("t_ns")
    if inside.is_empty():
        raise data_error(str(path), f"has no candle inside the window of {scenario.id}")
    bounds = pl.all_horizontal(
        pl.col("low") > 0.0,
        pl.col("low") <= pl.min_horizontal("open", "close"),
        pl.col("high") >= pl.max_horizontal("open", "close"),
        pl.col("high").is_finite(),
    )
    if not inside.select(bounds.fill_null(False).all()).item():
        raise data_error(str(path), "a candle inside the window has not 0 < low ≤ open, close ≤ high")
    return inside


def _since_1970(times: pl.Series, path: Path) -> pl.Series:
    """Times as ns since 1970. Raises a data error for what is none."""
    if times.null_count():
        raise data_error(str(path), f"column {times.name} has empty times")
    if times.dtype.is_temporal() and times.dtype != pl.Date:
        return times.cast(pl.Datetime("ns", times.dtype.time_zone)).cast(pl.Int64)  # type: ignore[attr-defined]
    if times.dtype.is_integer():
        largest = int(times.abs().max() or 0)  # type: ignore[arg-type]
        return times.cast(pl.Int64) * next((factor for below, factor in _COUNTS if largest < below), 1)
    raise data_error(str(path), f"column {times.name} has no times", "ISO times, or whole s, ms, µs or ns since 1970")


def _candles(path: Path, symbol: str, price: Price, rows: pl.DataFrame) -> Candles:
    """Candles of one symbol and price. Their interval is the shortest time from one to the next."""
    steps = rows["t_ns"].diff().drop_nulls()
    if steps.is_empty() or steps.min() == 0:
        what = "has a single candle" if steps.is_empty() else "has two candles at one time"
        raise data_error(str(path), f"{what} of {symbol} ({price}) in the window", "keep those of one venue")
    interval: int = steps.min()  # type: ignore[assignment]
    listed = (Candle(*row) for row in rows.select("t_ns", *PRICES, pl.lit(0.0).alias("volume")).iter_rows())
    return Candles(symbol, price, "", interval, path.name, tuple(listed), (), ())


def _only(scenario: Scenario) -> str:
    return scenario.symbols[0] if len(scenario.symbols) == 1 else ""


def _base(name: str, symbols: Sequence[str]) -> str:
    """The base asset of a symbol. Examples: BTC, BTCUSDT, BTC-USDT-SWAP, BTC/USDT:USDT."""
    quoted = _QUOTED.fullmatch(name)
    return name if name in symbols or quoted is None else quoted[1]
