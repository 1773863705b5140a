"""Trades as rows of a tape: put in order and counted, and read from CSV. Faults of a source: see `wide_snapshots`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from backtester.enums import EventKind, Side
from backtester.errors import data_error
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
    times,
)
from backtester.market.merge import Columns
from backtester.market.schema import TapeInstrument
from backtester.market.write import Rows

_SIDES = {
    **dict.fromkeys(("buy", "b", "bid", "1", "+1"), Side.BUY),
    **dict.fromkeys(("sell", "s", "a", "ask", "-1"), Side.SELL),
    **dict.fromkeys(("", "none", "unknown", "0"), Side.NONE),
}


class TradeColumns(NamedTuple):
    """How the CSV of trades names its columns. Without `id` no trade is a duplicate."""

    price: str
    size: str
    side: str
    clock: Clock
    recv_clock: Clock | None = None
    id: str | None = None


class Trades:
    """Trades of any source in order of time, without those recorded twice and those outside a span.

    `blocks` are (ts, recv_ts, side, price, size, id) of sound trades; an empty id is nobody's.
    """

    def __init__(self, source: str, blocks: Iterator[Columns], first_ts_ns: int, last_ts_ns: int | None = None) -> None:
        self._source, self._first_ts_ns, self._last_ts_ns = source, first_ts_ns, last_ts_ns
        self._sorted = Sorted(blocks)
        self._early = self._after = self._duplicate = self._kept = 0

    def rows(self) -> Iterator[Columns]:
        """Columns of Rows, in order of time."""
        for ts, recv, side, price, size, ids in self._sorted:
            early = ts < self._first_ts_ns
            after = np.zeros(len(ts), bool) if self._last_ts_ns is None else ts > self._last_ts_ns
            repeated = _repeated(ts, ids) & ~early & ~after
            keep = ~(early | after | repeated)
            self._early += int(early.sum())
            self._after += int(after.sum())
            self._duplicate += int(repeated.sum())
            self._kept += int(keep.sum())
            count = len(ts)
            kind = np.full(count, EventKind.TRADE, np.int8)
            if keep.any():
                rows = Rows(ts, recv, np.zeros(count, np.int32), kind, side, price, size)
                yield tuple(column[keep] for column in rows)

    def counts(self) -> list[SourceCount]:
        """What became of the trades."""
        said = {
            "out of order, put in place": self._sorted.moved,
            "out of order by more than 60 s, left out": self._sorted.late,
            "before the first order book, left out": self._early,
        }
        if self._last_ts_ns is not None:
            said["after the last order book, left out"] = self._after
        said |= {"exact duplicates, left out": self._duplicate, "trades written": self._kept}
        return [SourceCount(self._source, what, count) for what, count in said.items()]


class CsvTrades:
    """The trades of a CSV file; those before `first_ts_ns` are left out."""

    def __init__(self, path: Path, columns: TradeColumns, instrument: TapeInstrument, first_ts_ns: int) -> None:
        self._path, self._columns, self._instrument = path, columns, instrument
        clocks = [clock for clock in (columns.clock, columns.recv_clock) if clock]
        words = [columns.side, *([columns.id] if columns.id else [])]
        require(path, header(path), [columns.price, columns.size, *words, *(clock.column for clock in clocks)])
        self._types: dict[str, pa.DataType] = {clock.column: clock_type(clock) for clock in clocks}
        self._types |= dict.fromkeys((columns.price, columns.size), pa.float64()) | dict.fromkeys(words, pa.string())
        self._read = self._invalid = 0
        self._trades = Trades(str(path), self._valid(), first_ts_ns)

    def rows(self) -> Iterator[Columns]:
        """Columns of Rows, in order of time."""
        return self._trades.rows()

    def counts(self) -> list[SourceCount]:
        """What became of the rows."""
        said = {"trades read": self._read, "invalid, left out": self._invalid}
        own = [SourceCount(str(self._path), what, count) for what, count in said.items()]
        return own + self._trades.counts()

    def _valid(self) -> Iterator[Columns]:
        """Blocks (ts, recv_ts, side, price, size, id) of the rows that are trades."""
        names = self._columns
        for block in read_blocks(self._path, self._types):
            ts, recv = times(self._path, block, names.clock, names.recv_clock)
            price = block.rows.column(names.price).to_numpy(zero_copy_only=False)
            size = block.rows.column(names.size).to_numpy(zero_copy_only=False)
            side = self._side(block.rows.column(names.side), block.first_line)
            ids = (
                block.rows.column(names.id).fill_null("").to_numpy(zero_copy_only=False)
                if names.id
                else np.full(len(ts), "")
            )
            valid = (ts != NO_TIME) & np.isfinite(price) & np.isfinite(size) & (price > 0) & (size > 0)
            for values, step, is_price in (
                (price, self._instrument.tick_size, True),
                (size, self._instrument.lot_size, False),
            ):
                off = np.flatnonzero(off_grid(values, step) & valid)
                if len(off):
                    where = f"{self._path}:{block.first_line + off[0]}"
                    raise off_grid_error(where, values[off[0]], step, is_price)
            self._read += len(ts)
            self._invalid += int((~valid).sum())
            yield tuple(column[valid] for column in (ts, recv, side, price, size, ids))

    def _side(self, column: pa.Array, first_line: int) -> NDArray[np.int8]:
        words = column.fill_null("").dictionary_encode()
        known = [_SIDES.get(word.strip().lower()) for word in words.dictionary.to_pylist()]
        place = words.indices.to_numpy()
        for position, side in enumerate(known):
            if side is None:
                line = first_line + int(np.argmax(place == position))
                word = words.dictionary[position].as_py()
                raise data_error(f"{self._path}:{line}", f'"{word}" is no side of a trade', "buy or sell")
        sides: NDArray[np.int8] = np.array(known, np.int8)[place]
        return sides


def _repeated(ts: NDArray[np.int64], ids: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether a trade has the id of an earlier one of its ts; ts is in order, an empty id is nobody's."""
    seen: set[str] = set()
    repeated = np.zeros(len(ts), bool)
    for index, id_ in enumerate(ids):
        if index and ts[index] != ts[index - 1]:
            seen.clear()
        repeated[index] = bool(id_) and id_ in seen
        seen.add(id_)
    return repeated
