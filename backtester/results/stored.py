"""A stored result: the directory that `--out` wrote, as the report model that it was written from.

Every report of it is that of the run, byte for byte: the document has all figures, `path.parquet` and `depth.parquet`
have the series of the charts. Nothing here loads the engine.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from backtester.errors import data_error
from backtester.report.records import Cell, FailedCell, MarginPath, MarketPath, ReportModel
from backtester.results.columns import ASK_COLUMNS, BID_COLUMNS, DEPTH_COLUMNS, TIME, WORD
from backtester.results.document import read_document
from backtester.results.places import remedy

_PATH = {
    "cell": pa.int32(),
    "account": WORD,
    "world": WORD,
    "pool": WORD,
    "ts": TIME,
    "equity_min": pa.float64(),
    "equity_max": pa.float64(),
    "maintenance_max": pa.float64(),
    "buffer_min": pa.float64(),
}
#: Of which no value says something: all of an account, and without a position.
_MAY_LACK = frozenset({"pool", "buffer_min"})
_DEPTH = {
    "cell": pa.int32(),
    "symbol": WORD,
    "own_venue": WORD,
    "ts": TIME,
    "width_ns": pa.int64(),
    "mark_min": pa.float64(),
    "mark_max": pa.float64(),
    **dict.fromkeys(DEPTH_COLUMNS, pa.float64()),
}


def read_result(directory: Path) -> ReportModel:
    """The model that was written there. Raises a data error for what is missing, damaged or no result."""
    model = read_document(directory)
    margins = _margin_paths(_table(directory / "path.parquet", _PATH))
    marks = _market_paths(_table(directory / "depth.parquet", _DEPTH))
    cells = tuple(_with_paths(cell, number, margins, marks) for number, cell in enumerate(model.cells))
    return model._replace(cells=cells)


def _table(path: Path, columns: dict[str, pa.DataType]) -> pa.Table:
    """These columns of a stored table, known in every row; those of depth together in some."""
    try:
        with path.open("rb") as stream:
            file = pq.ParquetFile(stream)
            _check_columns(path, file.schema_arrow, columns)
            table = file.read([*columns], use_threads=False)  # see results.parts
    except FileNotFoundError:
        raise data_error(str(path), "is not there", remedy(path.parent)) from None
    except (OSError, pa.ArrowException) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise data_error(
            str(path), f"cannot be read: {reason or 'it is damaged, or no Parquet file'}", remedy(path.parent)
        ) from None
    walked = _walked(table) if DEPTH_COLUMNS[0] in columns else table
    for name, kind in columns.items():
        rows = walked if name in DEPTH_COLUMNS else table
        rows = rows.filter(rows[name].is_valid()) if name in _MAY_LACK else rows
        if rows[name].null_count or (kind == pa.float64() and not np.isfinite(rows[name].to_numpy()).all()):
            raise data_error(str(path), f"a value of {name} is missing or no number", remedy(path.parent))
    return table


def _walked(table: pa.Table) -> pa.Table:
    """The buckets of markets in which the order book was walked."""
    return table.filter(table[DEPTH_COLUMNS[0]].is_valid())


def _check_columns(path: Path, found: pa.Schema, wanted: dict[str, pa.DataType]) -> None:
    for name, kind in wanted.items():
        if found.names.count(name) != 1 or found.field(name).type != kind:
            raise data_error(str(path), f"has no column {name} of type {kind}", remedy(path.parent))


Margins = dict[tuple[int, str], list[MarginPath]]
Marks = dict[int, list[MarketPath]]


def _with_paths(cell: Cell | FailedCell, number: int, margins: Margins, marks: Marks) -> Cell | FailedCell:
    """A cell with its series; an account whose margin was never checked has an empty one."""
    if isinstance(cell, FailedCell):
        return cell
    never = tuple(array("d") for _ in range(4))
    names = (each.name for each in cell.accounts)
    paths = (margins.get((number, name), [MarginPath(name, None, array("q"), *never)]) for name in names)
    return cell._replace(margin_paths=tuple(chain.from_iterable(paths)), market_paths=tuple(marks.get(number, ())))


def _margin_paths(table: pa.Table) -> Margins:
    """By cell and account, those of the world as it was: of all of it, then of its pools."""
    found: Margins = {}
    for (cell, account, world, pool), rows in _series(table, "cell", "account", "world", "pool"):
        if world == "actual":
            values = (_doubles(rows, name) for name in ("equity_min", "equity_max", "maintenance_max", "buffer_min"))
            found.setdefault((cell, account), []).append(MarginPath(account, pool, _times(rows), *values))
    return found


def _market_paths(table: pa.Table) -> Marks:
    """By cell, in the order of its markets."""
    found: Marks = {}
    for (cell, symbol, venue, width_ns), rows in _series(table, "cell", "symbol", "own_venue", "width_ns"):
        lowest, highest = (_doubles(rows, name) for name in ("mark_min", "mark_max"))
        walked = _walked(rows)
        bids, asks = (tuple(_doubles(walked, name) for name in names) for names in (BID_COLUMNS, ASK_COLUMNS))
        path = MarketPath(symbol, venue, width_ns, _times(rows), lowest, highest, _times(walked), bids, asks)
        found.setdefault(cell, []).append(path)
    return found


def _series(table: pa.Table, *keys: str) -> Iterator[tuple[tuple[Any, ...], pa.Table]]:
    """The series that lie below each other in a table: where its keys change or time does not go on, another begins."""
    rows: Sequence[tuple[Any, ...]] = list(zip(*(table[key].to_pylist() for key in keys), strict=True))
    times = _times(table)
    begin = 0
    for end in range(1, len(rows) + 1):
        if end == len(rows) or rows[end] != rows[end - 1] or times[end] <= times[end - 1]:
            yield rows[begin], table.slice(begin, end - begin)
            begin = end


def _times(table: pa.Table) -> array[int]:
    return array("q", table["ts"].cast(pa.int64()).to_numpy().tobytes())


def _doubles(table: pa.Table, column: str) -> array[float]:
    """A column; infinite where there is no value."""
    return array("d", table[column].fill_null(math.inf).to_numpy().tobytes())
