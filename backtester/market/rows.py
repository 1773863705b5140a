"""Arrow batches of a tape to event records, and a fault of a row said in words."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from backtester.bounds import LARGEST_PRICE, MOST_LOTS, MOST_TICKS
from backtester.errors import Diagnostic
from backtester.market.encode import NO_TIME, RowFault, encode
from backtester.market.schema import FLAG, KIND_CODES, TapeInstrument

#: The columns that make an event; `seq` is read beside them.
COLUMNS = ("ts", "symbol", "kind", "side", "price", "size")


class Ranking(NamedTuple):
    """Where the symbols of one file stand among all instruments of a tape."""

    rank_of: dict[str, int]
    tick_size: NDArray[np.float64]  # f8[instruments]
    lot_size: NDArray[np.float64]  # f8[instruments]


def rank(instruments: tuple[TapeInstrument, ...], venue_of: dict[str, str]) -> Ranking:
    """The ranking of a file whose symbols trade at `venue_of[symbol]`; `instruments` is in rank order."""
    places = {(each.venue, each.symbol): index for index, each in enumerate(instruments)}
    return Ranking(
        {symbol: places[venue, symbol] for symbol, venue in venue_of.items()},
        np.array([each.tick_size for each in instruments]),
        np.array([each.lot_size for each in instruments]),
    )


def encode_batch(
    batch: pa.RecordBatch, ranking: Ranking, previous_ts: int, events: NDArray[Any], faults: NDArray[np.uint8]
) -> int:
    """Encode a batch of n rows into `events` (EVENT[n]) and `faults` (u1[n]); return the number of rows with a fault.

    Raises pyarrow.ArrowInvalid where a value does not fit its column (a side of 300, a time beyond the year 2262).
    """
    kind_index, kind_words = _words(batch.column("kind"))
    symbol_index, symbols = _words(batch.column("symbol"))
    return int(
        encode(
            times(batch.column("ts")),
            kind_index,
            np.array([KIND_CODES.get(word, -1) for word in kind_words], np.int8),
            symbol_index,
            np.array([ranking.rank_of.get(symbol, -1) for symbol in symbols], np.int32),
            _values(batch.column("side"), pa.int8(), 0),
            _values(batch.column("price"), pa.float64(), np.nan),
            _values(batch.column("size"), pa.float64(), np.nan),
            ranking.tick_size,
            ranking.lot_size,
            previous_ts,
            events,
            faults,
        )
    )


def times(column: pa.Array) -> NDArray[np.int64]:
    """A timestamp column in ns since the epoch, NO_TIME for a null."""
    in_ns = column.cast(pa.timestamp("ns", tz="UTC")).view(pa.int64())
    return _values(in_ns, pa.int64(), NO_TIME)


def sequence(batch: pa.RecordBatch, first_row: int) -> NDArray[np.int64]:
    """The `seq` of each row: the column, or the row's number where there is none."""
    if "seq" in batch.schema.names:
        return _values(batch.column("seq"), pa.int64(), 0)
    return np.arange(first_row, first_row + batch.num_rows)


def row_fault(path: str, row: int, code: int, batch: pa.RecordBatch, index: int, ranking: Ranking) -> Diagnostic:
    """The fault of row `row` of a file (counted from 0), which is row `index` of `batch`."""
    values = {name: batch.column(name)[index] for name in COLUMNS}
    said = {name: value.as_py() for name, value in values.items() if name != "ts"}
    symbol, kind, price, size = said["symbol"], said["kind"], said["price"], said["size"]
    place = ranking.rank_of.get(symbol, 0)
    tick, lot = ranking.tick_size[place], ranking.lot_size[place]
    message, hint = {
        RowFault.NO_TIME: ("ts is null", ""),
        RowFault.TIME_OUT_OF_BOUNDS: (
            f"ts {values['ts'].cast(pa.int64()).as_py()} ns is no time from 1970 to 2099",
            "is its unit (s, ms, us, ns) the right one?",
        ),
        RowFault.TIME_BACKWARDS: (
            f"ts {values['ts'].cast(pa.string())} is before the row above",
            "sort the tape by ts, seq",
        ),
        RowFault.UNKNOWN_KIND: (f"unknown kind {kind!r}", f"one of {', '.join(KIND_CODES)}"),
        RowFault.UNKNOWN_SYMBOL: (f"symbol {symbol!r} is not described", f"{FLAG} {symbol}:tick=…,lot=…"),
        RowFault.BAD_SIDE: (f"side {said['side']} is not valid for {kind}", "+1 bid or buy, -1 ask or sell, 0 none"),
        RowFault.NOT_FINITE: (f"price {price}, size {size}: {kind} needs finite numbers", ""),
        RowFault.NOT_POSITIVE: (f"price {price}, size {size}: {kind} needs positive numbers", ""),
        RowFault.NEGATIVE_SIZE: (f"size {size} is negative", "0 deletes a level"),
        RowFault.OFF_TICK: (f"price {price} of {symbol} is off the tick {tick}", f"check the tick size of {symbol}"),
        RowFault.OFF_LOT: (f"size {size} of {symbol} is off the lot {lot}", f"check the lot size of {symbol}"),
        RowFault.TOO_MANY_TICKS: (
            f"price {price} of {symbol} is {(price or 0.0) / tick:.4g} ticks: a ladder holds {MOST_TICKS:,}",
            f"drop the stray level, or check the tick size of {symbol}",
        ),
        RowFault.TOO_MANY_LOTS: (
            f"size {size} of {symbol} is {(size or 0.0) / lot:.4g} lots: a row holds {MOST_LOTS:,}",
            f"check the lot size of {symbol}",
        ),
        RowFault.BAD_MARKER: (f"a snapshot row of side 0 has size {size}", "the marker row has size 0"),
        RowFault.BAD_INTERVAL: (f"funding interval {size} is no positive whole number of seconds", "at most 31 days"),
        RowFault.BAD_STATUS: (f"unknown status {size}", "1 trading, 2 halted, 3 cancel-only, 4 post-only"),
        RowFault.TOO_LARGE: (
            f"{kind} {price} is too large to be meant",
            f"a price is at most {LARGEST_PRICE:g}, a rate at most 1",
        ),
    }[RowFault(code)]
    return Diagnostic("data", f"{path}:row {row}", message, hint)


def _words(column: pa.Array) -> tuple[NDArray[np.int32], list[str]]:
    """Dictionary positions i4[n] (-1 null) and the words, of a string or dictionary column."""
    if not pa.types.is_dictionary(column.type):
        column = pc.dictionary_encode(column)
    return _values(column.indices, pa.int32(), -1), column.dictionary.to_pylist()


def _values(column: pa.Array, type_: pa.DataType, null: float) -> NDArray[Any]:
    """A read-only view of a column as `type_`, with `null` where it is null."""
    column = column.cast(type_)
    if column.null_count:
        column = column.fill_null(pa.scalar(null, type_))
    values: NDArray[Any] = column.to_numpy()
    return values
