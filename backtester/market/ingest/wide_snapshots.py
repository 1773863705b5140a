"""Recordings with one order book per CSV row (`bid_price_0, bid_size_0, ask_price_0, …`) and a CSV of trades.

What the source does wrong is found, counted and named in the summary:

====================  ==========================================================================================
fault                 what is done
====================  ==========================================================================================
out of order          up to 60 s behind the newest row: put back in place; later than that: left out
exact duplicate       an order book equal to the one before it, same ts; a trade with the id of another one at
                      the same ts: left out
two order books at    both kept: the marker row of the second tells them apart
one ts
crossed or locked     best bid ≥ best ask after the whole row: left out
invalid               a level with a price and no size (or the other way round), a price named twice on a side, a
                      number that is negative or not finite, no levels on either side, no ts: left out
early trade           before the first order book, against a ladder nobody saw: left out
gap                   more than 5 s between two order books: kept, counted, the longest is named
====================  ==========================================================================================

A price off the tick or a size off the lot is an error with its line: the instrument is wrong, not the source. Levels
without price and size (a short ladder) are normal. At equal exchange time a trade stands before the order book,
because the order book shows what the trade left.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from backtester.enums import EventKind, Side
from backtester.errors import data_error, usage_error
from backtester.market.encode import NO_TIME, off_grid
from backtester.market.ingest.source import (
    Clock,
    Sorted,
    SourceCount,
    clock_type,
    header,
    off_grid_error,
    read_blocks,
    require,
    say_columns,
    times,
)
from backtester.market.ingest.trades import CsvTrades, TradeColumns
from backtester.market.merge import Columns, merge_by_time
from backtester.market.schema import TapeInstrument
from backtester.market.write import Rows, TapeWriter

GAP_NS = 5_000_000_000
PLACE = "{i}"


class BookColumns(NamedTuple):
    """How the CSV of order books names its columns; `{i}` is the number of a level, from 0 or 1."""

    bid_price: str
    bid_size: str
    ask_price: str
    ask_size: str
    clock: Clock
    recv_clock: Clock | None = None


class IngestSummary(NamedTuple):
    """What was read, left out and written. `longest_gap_ns` is 0 with fewer than two order books."""

    path: Path
    rows: int
    counts: tuple[SourceCount, ...]
    longest_gap_ns: int
    longest_gap_from_ns: int | None


def ingest_wide_snapshots(
    order_books: Path,
    columns: BookColumns,
    trades: Path | None,
    trade_columns: TradeColumns | None,
    instrument: TapeInstrument,
    out: Path,
    source: str = "",
    licence: str = "",
) -> IngestSummary:
    """Write a tape from a CSV of order books and, optionally, one of trades; memory does not grow with the files.

    Raises a data error for columns that are missing, cells that are no numbers, prices off the tick and sizes off the
    lot, with file and line.
    """
    ladders = _OrderBooks(order_books, columns, instrument)
    streams: list[Iterator[Columns]] = [ladders.rows()]
    first_ts_ns = ladders.first_ts_ns()
    prints = None
    if trades is not None and trade_columns is not None:
        prints = CsvTrades(trades, trade_columns, instrument, first_ts_ns)
        streams.insert(0, prints.rows())  # first: at equal ts a trade stands before the order book
    with TapeWriter(out, [instrument], source, licence) as writer:
        for merged in merge_by_time(streams):
            writer.write(Rows._make(merged))
    counts = (*ladders.counts(), *(prints.counts() if prints else ()))
    return IngestSummary(out, writer.rows, counts, ladders.longest_gap_ns, ladders.longest_gap_from_ns)


class _OrderBooks:
    """The CSV of order books as rows of a tape."""

    def __init__(self, path: Path, columns: BookColumns, instrument: TapeInstrument) -> None:
        self._path, self._columns, self._instrument = path, columns, instrument
        names = header(path)
        patterns = (columns.bid_price, columns.bid_size, columns.ask_price, columns.ask_size)
        numbers = _level_numbers(path, names, patterns)
        #: Column names by quantity: [bid price, bid size, ask price, ask size][level].
        self._levels = [[pattern.replace(PLACE, str(number)) for number in numbers] for pattern in patterns]
        clocks = [clock for clock in (columns.clock, columns.recv_clock) if clock]
        require(path, names, [clock.column for clock in clocks])
        self._types = {clock.column: clock_type(clock) for clock in clocks}
        self._types |= dict.fromkeys((name for level in self._levels for name in level), pa.float64())
        self._read = self._invalid = self._crossed = self._same_ts = self._duplicate = self._kept = self._gaps = 0
        self._sorted: Sorted | None = None
        self.longest_gap_ns = 0
        self.longest_gap_from_ns: int | None = None

    def first_ts_ns(self) -> int:
        """The ts of the first order book of the tape; reads as much of the file as that takes."""
        first = next(iter(_OrderBooks(self._path, self._columns, self._instrument).rows()), None)
        if first is None:
            raise data_error(str(self._path), "holds no order book that can be used")
        return int(first[0][0])

    def rows(self) -> Iterator[Columns]:
        """Columns of Rows, in order of time."""
        previous: Columns | None = None
        self._sorted = Sorted(self._valid())
        for block in self._sorted:
            kept = self._without_duplicates(block, previous)
            previous = tuple(column[-1:] for column in block)
            if len(kept[0]):
                yield self._to_rows(kept)

    def counts(self) -> list[SourceCount]:
        """What became of the rows."""
        assert self._sorted is not None
        said = {
            "order books read": self._read,
            "invalid, left out": self._invalid,
            "crossed or locked, left out": self._crossed,
            "out of order, put in place": self._sorted.moved,
            "out of order by more than 60 s, left out": self._sorted.late,
            "exact duplicates, left out": self._duplicate,
            "at the ts of another order book, kept": self._same_ts,
            "order books written": self._kept,
            "gaps of more than 5 s": self._gaps,
        }
        return [SourceCount(str(self._path), what, count) for what, count in said.items()]

    def _valid(self) -> Iterator[Columns]:
        """Blocks (ts, recv_ts, quotes f8[n, 4, levels]) of the rows that are order books."""
        for block in read_blocks(self._path, self._types):
            ts, recv = times(self._path, block, self._columns.clock, self._columns.recv_clock)
            quotes = np.stack(
                [[block.rows.column(name).to_numpy(zero_copy_only=False) for name in level] for level in self._levels]
            )
            quotes = np.ascontiguousarray(np.moveaxis(quotes, 2, 0))
            valid = (ts != NO_TIME) & _are_valid(quotes)
            self._check_grid(quotes, valid, block.first_line)
            crossed = valid & _are_crossed(quotes)
            self._read += len(ts)
            self._invalid += int((~valid).sum())
            self._crossed += int(crossed.sum())
            keep = valid & ~crossed
            yield ts[keep], recv[keep], quotes[keep]

    def _check_grid(self, quotes: NDArray[np.float64], valid: NDArray[np.bool_], first_line: int) -> None:
        steps = (self._instrument.tick_size, self._instrument.lot_size) * 2
        for quantity, step in enumerate(steps):
            off = off_grid(quotes[:, quantity, :], step) & valid[:, None]
            if off.any():
                row, level = np.argwhere(off)[0]
                where = f"{self._path}:{first_line + row} {self._levels[quantity][level]}"
                raise off_grid_error(where, quotes[row, quantity, level], step, quantity % 2 == 0)

    def _without_duplicates(self, block: Columns, previous: Columns | None) -> Columns:
        """Drop rows equal to the one before; count equal ts and gaps."""
        ts, _, quotes = (np.concatenate(pair) for pair in zip(previous, block, strict=True)) if previous else block
        skip = len(ts) - len(block[0])
        same_ts = np.zeros(len(ts), bool)
        same_ts[1:] = ts[1:] == ts[:-1]
        equal = np.zeros(len(ts), bool)
        equal[1:] = ((quotes[1:] == quotes[:-1]) | (np.isnan(quotes[1:]) & np.isnan(quotes[:-1]))).all(axis=(1, 2))
        duplicate = (same_ts & equal)[skip:]
        self._duplicate += int(duplicate.sum())
        self._same_ts += int((same_ts & ~equal).sum())
        self._kept += int((~duplicate).sum())
        gaps = np.diff(ts)
        self._gaps += int((gaps > GAP_NS).sum())
        if len(gaps) and gaps.max() > self.longest_gap_ns:
            self.longest_gap_ns = int(gaps.max())
            self.longest_gap_from_ns = int(ts[np.argmax(gaps)])
        return tuple(column[~duplicate] for column in block)

    def _to_rows(self, block: Columns) -> Columns:
        """One marker row and the levels of each order book, bids first, in the order of the source."""
        ts, recv, quotes = block
        count, levels = len(ts), quotes.shape[2]
        price, size = np.zeros((count, 1 + 2 * levels)), np.zeros((count, 1 + 2 * levels))
        price[:, 1 : 1 + levels], size[:, 1 : 1 + levels] = quotes[:, 0], quotes[:, 1]
        price[:, 1 + levels :], size[:, 1 + levels :] = quotes[:, 2], quotes[:, 3]
        side = np.repeat(np.array([Side.NONE, Side.BUY, Side.SELL], np.int8), [1, levels, levels])
        is_level = np.nan_to_num(size) > 0
        is_level[:, 0] = True
        rows = Rows(
            np.repeat(ts, 1 + 2 * levels),
            np.repeat(recv, 1 + 2 * levels),
            np.zeros(price.size, np.int32),
            np.full(price.size, EventKind.SNAPSHOT, np.int8),
            np.tile(side, count),
            price.ravel(),
            size.ravel(),
        )
        return tuple(column[is_level.ravel()] for column in rows)


def _level_numbers(path: Path, names: list[str], patterns: tuple[str, ...]) -> range:
    """The numbers of the levels, from 0 or 1 as far as all four quantities go; they must go equally far."""
    for pattern in patterns:
        if PLACE not in pattern:
            raise usage_error("wide-snapshots", f'the pattern "{pattern}" lacks {PLACE}', "such as bid_price_{i}")
    present = set(names)
    start = 0 if patterns[0].replace(PLACE, "0") in present else 1
    counts = {}
    for pattern in patterns:
        end = start
        while pattern.replace(PLACE, str(end)) in present:
            end += 1
        counts[pattern] = end - start
    if min(counts.values()) == 0 or len(set(counts.values())) > 1:
        found = ", ".join(f"{pattern} {count}" for pattern, count in counts.items())
        message = f"order books need as many levels of each quantity, found {found}"
        raise data_error(str(path), message, say_columns(names))
    return range(start, start + counts[patterns[0]])


def _are_valid(quotes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether f8[n, 4, levels] are order books: see the table of faults above."""
    price, size = quotes[:, 0::2], quotes[:, 1::2]
    empty = (np.isnan(price) | (price == 0)) & (np.isnan(size) | (size == 0))
    sound = np.isfinite(price) & np.isfinite(size) & (price > 0) & (size >= 0)
    levels = np.where(np.isfinite(price) & (size > 0), price, np.nan)
    levels = np.sort(levels, axis=2)  # NaN last, and never equal to its neighbour
    twice = (levels[..., 1:] == levels[..., :-1]).any(axis=(1, 2))
    some = (size > 0).any(axis=(1, 2))
    valid: NDArray[np.bool_] = (empty | sound).all(axis=(1, 2)) & ~twice & some
    return valid


def _are_crossed(quotes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether the best bid of f8[n, 4, levels] reaches the best ask."""
    bid = np.where(quotes[:, 1] > 0, quotes[:, 0], -np.inf).max(axis=1)
    ask = np.where(quotes[:, 3] > 0, quotes[:, 2], np.inf).min(axis=1)
    crossed: NDArray[np.bool_] = bid >= ask
    return crossed
