"""Crashes and squeezes in recorded candles: how far a price went within some minutes, and how often it does.

    fall(i) = low(i) / highest price before it − 1          rise(i) = high(i) / lowest price before it − 1

over the candles that begin within the minutes that end with candle i: of candle i itself its open, of those before it
their extremes, so that what is called earlier was earlier. Moves of one list do not overlap; so the n-th is at the same
time the count of moves of at least its size.
Example: minutes open/low 100/99, 98/90 with highs of 101, 98: a fall of 90 / 101 − 1 = −10.9 % within two minutes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import polars as pl

from backtester.scenario.recorded import INDEX, MARK, PERP, covered, finest_rows

YEAR_S = 31_557_600
MINUTES = (1, 5, 15, 60)
_RISE = ("rise", "before_low", "low", "high")


class Move(NamedTuple):
    """One fall or rise: from when and which price, to the candle that begins at `at`, in s since 1970.

    `back_10m`, `back_30m`: the largest share of the move that came back by then; None where no candle tells.
    `rank`: moves at least as large in the `scanned_s` seconds that candles cover, each second counted once.
    """

    symbol: str
    price: str
    within_m: int
    start: int
    start_price: float
    at: int
    end: int
    price_there: float
    back_10m: float | None
    back_30m: float | None
    rank: int
    scanned_s: int

    @property
    def size(self) -> float:
        """The move as a fraction of the price that it started from: below 0 for a fall."""
        return self.price_there / self.start_price - 1.0

    @property
    def minutes(self) -> float:
        """From its start to the end of the candle that has the extreme."""
        return (self.end - self.start) / 60.0

    @property
    def a_year(self) -> float | None:
        """How many a year there are of at least this size; None for what was scanned for less than a year."""
        return self.rank * YEAR_S / self.scanned_s if self.scanned_s >= YEAR_S else None

    @property
    def frequency(self) -> str:
        """Examples: `3 in 2.1 years: 1.4 a year`; `1 in 3.0 days`; `2 in 8 minutes`."""
        if self.scanned_s < 7_200:
            return f"{self.rank} in {self.scanned_s // 60} minutes"
        if self.a_year is None:
            return f"{self.rank} in {self.scanned_s / 86_400:.1f} days"
        return f"{self.rank} in {self.scanned_s / YEAR_S:.1f} years: {self.a_year:.1f} a year"


def scan(
    candles: pl.DataFrame, within: Sequence[int] = MINUTES, limit: int = 3, at_least: float = 0.01
) -> Iterator[Move]:
    """Per symbol and span of minutes the `limit` largest falls, then rises; only of `at_least` that size.

    A price that stays where it is makes no move, however small `at_least` is. Of each symbol the perp's candles are
    scanned, else the index's, else the mark's.
    """
    for (symbol,), rows in candles.partition_by("symbol", as_dict=True).items():
        price = next(kind for kind in (PERP, INDEX, MARK) if kind in rows["price"])
        told = finest_rows(rows.filter(pl.col("price") == price))
        for minutes in within:
            moves = with_moves(told, minutes * 60)
            scanned = covered(moves).seconds
            for falls in (True, False):
                found = _largest(moves, falls, at_least, minutes * 60)
                for rank, span in enumerate(islice(found, limit), 1):
                    back = _back(moves, span, 600), _back(moves, span, 1800)
                    yield Move(str(symbol), price, minutes, *span, *back, rank, scanned)


def with_moves(told: pl.DataFrame, within_s: int) -> pl.DataFrame:
    """The candles that are no longer than `within_s`, with `fall` and `rise` to each and the prices they are from."""
    told = told.filter(pl.col("seconds") <= within_s)
    parts = []
    for seconds in told["seconds"].unique().sort().to_list():
        if seconds == within_s:
            rows = told.with_columns(before_high=pl.col("open"), before_low=pl.col("open"))
        else:
            window = f"{within_s - seconds}i"
            rows = told.with_columns(
                before_high=pl.max_horizontal("open", pl.col("high").rolling_max_by("t", window, closed="left")),
                before_low=pl.min_horizontal("open", pl.col("low").rolling_min_by("t", window, closed="left")),
            )
        parts.append(rows.filter(pl.col("seconds") == seconds))
    moved = pl.concat(parts) if parts else told.with_columns(before_high=pl.col("open"), before_low=pl.col("open"))
    return moved.sort("t").with_columns(
        fall=pl.col("low") / pl.col("before_high") - 1.0, rise=pl.col("high") / pl.col("before_low") - 1.0
    )


class _Span(NamedTuple):
    """From where to where a move goes: as the fields of `Move`."""

    start: int
    start_price: float
    at: int
    end: int
    price_there: float


def _largest(moves: pl.DataFrame, falls: bool, at_least: float, within_s: int) -> Iterator[_Span]:
    """The largest moves one after the other that do not overlap."""
    column, before, farthest, extreme = ("fall", "before_high", "high", "low") if falls else _RISE
    times, opens, extremes = (moves[name].to_list() for name in ("t", "open", farthest))
    size = pl.col(column).abs()
    large = moves.filter(size >= at_least, size > 0.0).sort(size, -pl.col("t"), descending=True)
    taken: list[tuple[int, int]] = []
    for row in large.iter_rows(named=True):
        at, end = row["t"], row["t"] + row["seconds"]
        here = bisect_left(times, at)
        earlier = range(bisect_left(times, end - within_s), here)
        begins = [times[k] for k in earlier if extremes[k] == row[before]]
        start = at if opens[here] == row[before] or not begins else begins[-1]
        if all(end <= a or b <= start for a, b in taken):
            taken.append((start, end))
            yield _Span(start, row[before], at, end, row[extreme])


def _back(moves: pl.DataFrame, span: _Span, after_s: int) -> float | None:
    """The largest share of a move that came back within some seconds after its candle."""
    later = moves.filter(pl.col("t") >= span.end, pl.col("t") + pl.col("seconds") <= span.end + after_s)
    best = later["high"].max() if span.price_there < span.start_price else later["low"].min()
    if not isinstance(best, float):
        return None
    return max(0.0, (best - span.price_there) / (span.start_price - span.price_there))
