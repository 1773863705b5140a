"""Crashes and squeezes in recorded candles: how far a price went within some minutes, and how often it does.

    fall(i) = low(i) / highest price before it − 1          rise(i) = high(i) / lowest price before it − 1

over the candles that begin within the minutes that end with candle i: of those that ended before it their extremes, of
candle i and of longer ones around it their open, so that what is called earlier was earlier. Moves of one list do not
overlap; so the n-th is at the same time the count of moves of at least its size. Those of several spans of minutes are
`events` where they do not overlap either: one crash is told once, by its largest move.

How often moves happen is told of the time that candles cover, and nobody knows it of the rest: candles that were
chosen for their crashes say how often these come among them, not how often they come.

Example: minutes open/low 100/99, 98/90 with highs of 101, 98: a fall of 90 / 101 − 1 = −10.9 % within two minutes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice
from typing import NamedTuple

import polars as pl

from backtester.scenario.cover import covered, finest_rows
from backtester.scenario.facts import Price

YEAR_S = 31_557_600
MINUTES = (1, 5, 15, 60)
#: Candles that cover less than this share of their span say nothing of the rest.
SPARSE = 0.5
_NOTHING = pl.DataFrame(schema={"before_high": pl.Float64, "before_low": pl.Float64})
_RISE = ("rise", "before_low", "low", "high")


class Move(NamedTuple):
    """One fall or rise: from when and which price, to the candle that begins at `at`, in s since 1970.

    `back_10m`, `back_30m`: the largest share of the move that came back by then; None where no candle tells.
    `rank`: moves at least as large in the `scanned_s` seconds that candles cover, each second counted once, out of
    `span_s` from the first of them to the last.
    """

    symbol: str
    price: str
    within_m: int
    start: int
    start_price: float
    at: int
    end: int
    price_there: float
    venue: str  # of the candle at `at`; empty where nothing says it
    back_10m: float | None
    back_30m: float | None
    rank: int
    scanned_s: int
    span_s: int

    @property
    def size(self) -> float:
        """The move as a fraction of the price that it started from: below 0 for a fall."""
        return self.price_there / self.start_price - 1.0

    @property
    def minutes(self) -> float:
        """From its start to the end of the candle that has the extreme."""
        return (self.end - self.start) / 60.0

    def overlaps(self, other: Move) -> bool:
        """Whether both are of one symbol and direction, and share some time."""
        is_alike = self.symbol == other.symbol and (self.size > 0.0) is (other.size > 0.0)
        return is_alike and self.start < other.end and other.start < self.end

    @property
    def is_sparse(self) -> bool:
        """Whether candles cover less than half of their span: how often says nothing of the rest."""
        return self.scanned_s < SPARSE * self.span_s

    @property
    def a_year(self) -> float | None:
        """How many a year there are of at least this size; None for what is sparse or scanned for less."""
        told = self.scanned_s >= YEAR_S and not self.is_sparse
        return self.rank * YEAR_S / self.scanned_s if told else None

    @property
    def frequency(self) -> str:
        """Examples: `3 in 2.1 years: 1.4 a year`; `1 in 3.0 days`; `2 in 8 minutes`; `5 in 12.4 days of 5.8 years`."""
        told = f"{self.rank} in {lasting(self.scanned_s)}"
        if self.is_sparse:
            return f"{told} of {lasting(self.span_s)}"
        return told if self.a_year is None else f"{told}: {self.a_year:.1f} a year"


def lasting(seconds: int) -> str:
    """Examples: 8 minutes, 6.0 hours, 3.0 days, 2.1 years."""
    if seconds < 7_200:
        return f"{seconds // 60} minutes"
    if seconds < 2 * 86_400:
        return f"{seconds / 3_600:.1f} hours"
    return f"{seconds / 86_400:.1f} days" if seconds < YEAR_S else f"{seconds / YEAR_S:.1f} years"


def scan(
    candles: pl.DataFrame, within: Sequence[int] = MINUTES, limit: int = 3, at_least: float = 0.01
) -> Iterator[Move]:
    """Per symbol and span of minutes the `limit` largest falls, then rises; only of `at_least` that size.

    A price that stays where it is makes no move, however small `at_least` is. Of each symbol the perp's candles are
    scanned, else the index's, else the mark's.
    """
    for (symbol,), rows in candles.partition_by("symbol", as_dict=True).items():
        price = next(kind for kind in (Price.PERP, Price.INDEX, Price.MARK) if kind in rows["price"])
        told = finest_rows(rows.filter(pl.col("price") == price))
        for minutes in within:
            moves = with_moves(told, minutes * 60)
            cover = covered(moves)
            seen = cover.length, cover.span
            for falls in (True, False):
                found = _largest(moves, falls, at_least, minutes * 60)
                for rank, span in enumerate(islice(found, limit), 1):
                    back = _back(moves, span, 600), _back(moves, span, 1800)
                    yield Move(str(symbol), price, minutes, *span, *back, rank, *seen)


def events(moves: Iterable[Move]) -> list[Move]:
    """Of moves of a symbol and direction that overlap the largest, of equal ones that of the fewest minutes.

    By symbol as they come, falls before rises, the largest first.
    Example: -4.3 % within 15 minutes of the same crash is not told beside its -5.1 % within 60.
    """
    found: list[Move] = []
    for _, each in groupby(moves, lambda move: move.symbol):
        for move in sorted(each, key=lambda move: (move.size > 0.0, -abs(move.size), move.within_m)):
            if not any(move.overlaps(other) for other in found):
                found.append(move)
    return found


def with_moves(told: pl.DataFrame, within_s: int) -> pl.DataFrame:
    """The candles that are no longer than `within_s`, with `fall` and `rise` to each and the prices they are from."""
    told = told.filter(pl.col("seconds") <= within_s)
    parts = told.partition_by("seconds")
    before = [_before(told, part["t"], within_s - part["seconds"][0]) for part in parts]
    moved = pl.concat(parts or [told]).with_columns(pl.concat(before or [_NOTHING]))
    return moved.sort("t", "seconds").with_columns(
        fall=pl.col("low") / pl.col("before_high") - 1.0, rise=pl.col("high") / pl.col("before_low") - 1.0
    )


def _before(told: pl.DataFrame, times: pl.Series, window_s: int) -> pl.DataFrame:
    """The extreme prices that were known at each time of the candles that began within the window before it.

    Of one that has not ended by then, that is its open alone.
    """
    known = [_within(told.select("t", high="open", low="open"), times, window_s)]
    for length in told["seconds"].unique().sort().to_list():
        if length <= window_s:
            ended = told.filter(seconds=length).select(pl.col("t") + length, "high", "low")
            known.append(_within(ended, times, window_s - length))
    return pl.DataFrame(
        {
            "before_high": pl.select(pl.max_horizontal(each["high"] for each in known)).to_series(),
            "before_low": pl.select(pl.min_horizontal(each["low"] for each in known)).to_series(),
        }
    )


def _within(prices: pl.DataFrame, times: pl.Series, window_s: int) -> pl.DataFrame:
    """The highest `high` and lowest `low` from `window_s` before each time up to it; null where there are none."""
    asked = pl.concat([prices, times.alias("t").to_frame()], how="diagonal")
    window = f"{window_s + 1}i"
    found = asked.select(pl.col("high").rolling_max_by("t", window), pl.col("low").rolling_min_by("t", window))
    return found.tail(len(times))


class _Span(NamedTuple):
    """From where to where a move goes: as the fields of `Move`."""

    start: int
    start_price: float
    at: int
    end: int
    price_there: float
    venue: str


def _largest(moves: pl.DataFrame, falls: bool, at_least: float, within_s: int) -> Iterator[_Span]:
    """The largest moves one after the other that do not overlap."""
    column, before, farthest, extreme = ("fall", "before_high", "high", "low") if falls else _RISE
    times, lengths, opens, extremes = (moves[name].to_list() for name in ("t", "seconds", "open", farthest))
    size = pl.col(column).abs()
    large = moves.filter(size >= at_least, size > 0.0).sort(size, -pl.col("t"), descending=True)
    taken: list[tuple[int, int]] = []
    for row in large.iter_rows(named=True):
        at, end = row["t"], row["t"] + row["seconds"]
        here = bisect_left(times, at)
        earlier = range(bisect_left(times, end - within_s), here)
        begins = [
            times[k]
            for k in earlier
            if opens[k] == row[before] or (extremes[k] == row[before] and times[k] + lengths[k] <= at)
        ]
        start = at if opens[here] == row[before] or not begins else begins[-1]
        if all(end <= a or b <= start for a, b in taken):
            taken.append((start, end))
            yield _Span(start, row[before], at, end, row[extreme], row["venue"])


def _back(moves: pl.DataFrame, span: _Span, after_s: int) -> float | None:
    """The largest share of a move that came back within some seconds after its candle."""
    later = moves.filter(pl.col("t") >= span.end, pl.col("t") + pl.col("seconds") <= span.end + after_s)
    best = later["high"].max() if span.price_there < span.start_price else later["low"].min()
    if not isinstance(best, float):
        return None
    return max(0.0, (best - span.price_there) / (span.start_price - span.price_there))
