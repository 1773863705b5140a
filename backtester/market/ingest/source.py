"""A source file of a recording: CSV read as a stream, times to ns, and rows put in order of time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
from numpy.typing import NDArray

from backtester.bounds import FIRST_MARKET_NS, LAST_NS
from backtester.errors import BacktesterError, Diagnostic, data_error
from backtester.filekinds import CSV, foreign
from backtester.market.encode import NO_TIME
from backtester.market.ingest.stamps import UNITS, wrong_stamp
from backtester.market.merge import Columns
from backtester.texts import iso_time

#: How far behind the newest row a row is put back in its place.
REORDER_NS = 60_000_000_000
#: What others write, by columns that only it has.
_LAYOUTS = {
    "Tardis incremental_book_L2, changes of levels and not whole order books": {"is_snapshot", "side", "amount"},
    "Tardis trades, for --trades": {"local_timestamp", "id", "side", "amount"},
    "Tardis quotes, best prices only": {"local_timestamp", "ask_amount", "bid_amount"},
    "Tardis book_snapshot, for --bid-price 'bids[{i}].price' --bid-size 'bids[{i}].amount' and so on": {
        "asks[0].price",
        "bids[0].amount",
    },
    "Binance T_DEPTH, changes of levels and not whole order books": {"first_update_id", "last_update_id", "pu"},
    "Binance candles": {"open_time", "open", "close"},
    "Binance aggTrades, for --trades": {"agg_trade_id", "is_buyer_maker"},
}
#: Of a stamp that is no int64 of ns.
OUT_OF_RANGE = NO_TIME + 1
_BLOCK_BYTES = 1 << 22


class Clock(NamedTuple):
    """A column of times. `unit` is a key of UNITS, or `iso` for text such as 2025-09-04T19:46:56.253Z.

    `flag` is the option that says the unit.
    """

    column: str
    unit: str
    flag: str = "--ts-unit"


class SourceCount(NamedTuple):
    """Rows of one source file by what became of them, with the name of the count."""

    source: str
    what: str
    rows: int


class Block(NamedTuple):
    """Some lines of a CSV file. `first_line` is the line number of the first (the header is line 1)."""

    first_line: int
    rows: pa.RecordBatch


def header(path: Path) -> list[str]:
    """The column names of a CSV file (compressed ones are known by their ending)."""
    if problems := foreign(path, "data", CSV, unpacks=path.suffix == ".gz"):
        raise BacktesterError(problems)
    try:
        with csv.open_csv(path, read_options=csv.ReadOptions(block_size=_BLOCK_BYTES)) as reader:
            return list(reader.schema.names)
    except (OSError, pa.ArrowException) as error:
        raise data_error(str(path), f"is no readable CSV file: {error}") from error


def require(path: Path, present: Sequence[str], wanted: Sequence[str]) -> None:
    """Raise a data error that names every column of `wanted` that the file lacks."""
    missing = [name for name in dict.fromkeys(wanted) if name not in present]
    if missing:
        hint = say_columns(present)
        raise BacktesterError([Diagnostic("data", str(path), f'no column "{name}"', hint) for name in missing])


def say_columns(present: Sequence[str]) -> str:
    """What a CSV file has, and whose layout that is if it is a known one."""
    layout = next((name for name, columns in _LAYOUTS.items() if columns <= set(present)), "")
    listed = ", ".join(present[:8]) + (", …" if len(present) > 8 else "")
    return f"it has {listed}" + (f": {layout}" if layout else "")


def read_blocks(path: Path, types: dict[str, pa.DataType]) -> Iterator[Block]:
    """The named columns of a CSV file, block by block; an empty cell is null."""
    convert = csv.ConvertOptions(column_types=types, include_columns=list(types), strings_can_be_null=True)
    read = csv.ReadOptions(block_size=_BLOCK_BYTES)
    line = 2
    try:
        with csv.open_csv(path, read_options=read, convert_options=convert) as reader:
            for batch in reader:
                if batch.num_rows:
                    yield Block(line, batch)
                line += batch.num_rows
    except (OSError, pa.ArrowException) as error:
        raise data_error(f"{path}:{line} or below", str(error)) from error


def clock_type(clock: Clock) -> pa.DataType:
    """How a column of times is read from text."""
    return pa.timestamp("ns", tz="UTC") if clock.unit == "iso" else pa.decimal128(38, UNITS[clock.unit])


def to_ns(column: pa.Array) -> NDArray[np.int64]:
    """Times of a column read as `clock_type`, in ns; NO_TIME for an empty cell, OUT_OF_RANGE beyond an int64."""
    if pa.types.is_timestamp(column.type):
        values = column.view(pa.int64()).fill_null(NO_TIME).to_numpy()
    else:
        # A decimal is a 128-bit integer of its last digit, here ns: its lower half is the number.
        halves = np.frombuffer(column.buffers()[1], np.int64)
        lower, upper = (halves[half::2][column.offset : column.offset + len(column)] for half in (0, 1))
        values = np.where(upper == 0, lower, OUT_OF_RANGE)
        values = np.where(column.is_null().to_numpy(zero_copy_only=False), NO_TIME, values)
    ns: NDArray[np.int64] = values
    return ns


def times(
    path: Path, block: Block, clock: Clock, recv_clock: Clock | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Exchange and receive times of some lines, in ns; NO_TIME where there is none.

    Raises a data error for a time outside of the years 2009 to 2099, with its line and the unit that would fit.
    """
    ts = _stamps(path, block, clock)
    return ts, _stamps(path, block, recv_clock) if recv_clock else np.full(len(ts), NO_TIME)


def _stamps(path: Path, block: Block, clock: Clock) -> NDArray[np.int64]:
    column = block.rows.column(clock.column)
    ns = to_ns(column)
    wrong = np.flatnonzero((ns != NO_TIME) & ((ns < FIRST_MARKET_NS) | (ns >= LAST_NS)))
    if len(wrong):
        value = column[int(wrong[0])].as_py()
        if clock.unit == "iso":
            said = f"{iso_time(int(ns[wrong[0]]))} is not in the years 2009 to 2099"
        else:
            said = wrong_stamp(value.normalize(), clock.unit, clock.flag)
        raise data_error(f"{path}:{block.first_line + wrong[0]} {clock.column}", said)
    return ns


def off_grid_error(where: str, value: float, step: float, is_price: bool) -> BacktesterError:
    """The instrument does not fit its prices or sizes."""
    what, name = ("price", "tick") if is_price else ("size", "lot")
    return data_error(where, f"{what} {value} is off the {name} {step}", f"check --instrument …:{name}=")


class Sorted:
    """Rows that come nearly in order of time, put in order with flat memory.

    A row that stands up to `window_ns` behind the newest row before it is put back in its place and counted as moved;
    one that comes still later is left out and counted as late. Both are judged row by row, so the outcome does not
    depend on how the file was cut into blocks.
    """

    def __init__(self, blocks: Iterator[Columns], window_ns: int = REORDER_NS) -> None:
        self.moved = 0
        self.late = 0
        self._blocks = blocks
        self._window_ns = window_ns

    def __iter__(self) -> Iterator[Columns]:
        """Blocks in order of time, each ending where ts changes."""
        newest = NO_TIME
        waiting: list[Columns] = []
        for columns in self._blocks:
            if not len(columns[0]):
                continue
            tops = np.maximum.accumulate(np.maximum(columns[0], newest))
            newest = int(tops[-1])
            late = columns[0] < tops - self._window_ns
            self.late += int(late.sum())
            self.moved += int(((columns[0] < tops) & ~late).sum())
            waiting.append(tuple(column[~late] for column in columns))
            joined = _in_order(waiting)
            cut = int(np.searchsorted(joined[0], newest - self._window_ns))
            waiting = [tuple(column[cut:] for column in joined)]
            if cut:
                yield tuple(column[:cut] for column in joined)
        if waiting and len(waiting[0][0]):
            yield waiting[0]


def _in_order(parts: list[tuple[NDArray[Any], ...]]) -> Columns:
    joined = tuple(np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(joined[0], kind="stable")
    return tuple(column[order] for column in joined)
