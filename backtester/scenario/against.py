"""Candles that a path was not made from, beside it: what it is measured against."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from backtester.errors import data_error
from backtester.scenario.bridge import NS
from backtester.scenario.cover import finest_rows
from backtester.scenario.facts import Candle, Candles, Price
from backtester.scenario.path import Scenario
from backtester.scenario.recorded import PRICES, Wanted, read_candles


def candles_beside(scenario: Scenario, file: Path, symbol: str = "", price: str = Price.PERP) -> list[Candles]:
    """The candles of a file inside the window of a path, of its symbols: the finest, in order of symbol and price.

    `symbol`, `price`: of a file that does not say them. Raises BacktesterError with one line for what is wrong.
    """
    only = [symbol] if symbol else scenario.symbols if len(scenario.symbols) == 1 else ()
    rows = read_candles([file], Wanted(symbols=only, price=price, volume=False))
    t_ns = pl.col("t") * NS - (scenario.start_ns or 0)
    inside = rows.with_columns(t_ns=t_ns).filter(pl.col("t_ns").is_between(0, scenario.span_ns, closed="left"))
    if inside.is_empty():
        raise data_error(str(file), f"has no candle inside the window of {scenario.id}")
    beside = inside.filter(pl.col("symbol").is_in(scenario.symbols))
    if beside.is_empty():
        found, priced = ", ".join(inside["symbol"].unique().sort().to_list()[:5]), ", ".join(scenario.symbols)
        raise data_error(str(file), f"has candles of {found}, the path prices of {priced or 'none'}")
    return [part for rows in beside.partition_by("symbol", "price") for part in _parts(finest_rows(rows), file.name)]


def _parts(rows: pl.DataFrame, source: str) -> Iterator[Candles]:
    """The candles of one symbol and price, by their length. Volumes are not compared."""
    for part in rows.partition_by("seconds"):
        symbol, price, seconds = part.select("symbol", "price", "seconds").row(0)
        listed = (Candle(*row) for row in part.select("t_ns", *PRICES, pl.lit(math.nan)).iter_rows())
        yield Candles(symbol, Price(price), "", seconds * NS, source, tuple(listed), (), ())
