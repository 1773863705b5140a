"""Scenarios in Parquet: one row per (t_ns, venue, symbol); a row says something about the columns that it fills.

Ratios and basis are decimals of so many places as a path has (`PLACES`), stored as the differences of whole numbers:
a third of what floats take, and the same figures for whoever reads them. A file of one's own may have floats. All else
that a scenario knows of itself stands in the metadata, under `backtester.`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from backtester.bounds import LAST_NS, LONGEST_NS
from backtester.errors import BacktesterError, Diagnostic, config_error
from backtester.filekinds import PARQUET, foreign
from backtester.scenario.fidelity import Fidelity
from backtester.scenario.path import COLUMNS, FUNDING, OVERLAY, Others, Scenario, Series, Source, series_faults

T = TypeVar("T")

PREFIX = "backtester."
SCHEMA_VERSION = "1"
#: Decimal places of the columns that fill a file. A millionth of a per cent of the start, a thousandth of a bp.
PLACES = {"price_ratio": 8, "basis_bps": 3}
#: Digits of such a decimal: it fits a whole number of 64 bits.
DIGITS = 18
LEVEL = 19  # of zstd: what is slow to write is small to ship


def write(scenario: Scenario, path: Path) -> None:
    """Write a scenario; the same one gives the same bytes."""
    table = to_table(scenario)
    encodings = {"t_ns": "DELTA_BINARY_PACKED", **dict.fromkeys(PLACES, "DELTA_BINARY_PACKED")}
    encodings |= {name: "BYTE_STREAM_SPLIT" for name in COLUMNS if name not in PLACES}
    pq.write_table(
        table,
        path,
        version="2.6",
        compression="zstd",
        compression_level=LEVEL,
        use_dictionary=["venue", "symbol"],
        column_encoding=encodings,
        store_decimal_as_integer=True,
    )


def to_table(scenario: Scenario) -> pa.Table:
    """The rows of a scenario, sorted by (venue, symbol, t_ns), with all else as metadata."""
    rows = sorted({(s.venue, s.symbol, int(t)) for s in scenario.series for t in s.t_ns})
    place = {row: number for number, row in enumerate(rows)}
    columns: dict[str, NDArray[np.float64]] = {name: np.full(len(rows), np.nan) for name in COLUMNS}
    for s in scenario.series:
        for t, value in zip(s.t_ns.tolist(), s.values.tolist(), strict=True):
            columns[s.column][place[s.venue, s.symbol, t]] = value
    keys = {
        "t_ns": pa.array([t for _, _, t in rows], pa.int64()),
        "venue": pa.array([venue for venue, _, _ in rows], pa.string()),
        "symbol": pa.array([symbol for _, symbol, _ in rows], pa.string()),
    }
    table = pa.table(keys | {name: _stored(name, column) for name, column in columns.items()})
    return table.replace_schema_metadata({PREFIX + key: value for key, value in _metadata(scenario).items()})


def _stored(name: str, column: NDArray[np.float64]) -> pa.Array:
    values = pa.array(column, from_pandas=True)
    return pc.cast(values, pa.decimal128(DIGITS, PLACES[name])) if name in PLACES else values


def _metadata(scenario: Scenario) -> dict[str, str]:
    return {
        "schema_version": SCHEMA_VERSION,
        "id": scenario.id,
        "title": scenario.title,
        "type": scenario.type,
        "tags": json.dumps(scenario.tags),
        "window": json.dumps([scenario.start_ns, scenario.end_ns]),
        "cadence": json.dumps(scenario.cadence),
        "sources": json.dumps([list(source) for source in scenario.sources], ensure_ascii=False),
        "calibration": scenario.calibration,
        "assumed": json.dumps(dict(scenario.assumed)),
        "start_prices": json.dumps(dict(scenario.start_prices)),
        "others": json.dumps(scenario.others and scenario.others._asdict(), ensure_ascii=False),
        "fidelity": json.dumps([each._asdict() for each in scenario.fidelity]),
        "sha256": scenario.facts_sha256,
    }


def load(path: Path) -> Scenario:
    """Read a path table. Raises BacktesterError with every problem of the file."""
    if problems := foreign(path, "config", PARQUET):
        raise BacktesterError(problems)
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise config_error(str(path), f"cannot be read as a scenario: {error}") from error
    try:
        metadata = {
            key.decode().removeprefix(PREFIX): value.decode()
            for key, value in (table.schema.metadata or {}).items()
            if key.startswith(PREFIX.encode())
        }
    except UnicodeDecodeError as error:
        raise config_error(str(path), f"metadata is not UTF-8: {error.reason}") from error
    missing = [f"column {name}" for name in ("t_ns", "venue", "symbol") if name not in table.column_names]
    missing += [f"metadata {PREFIX}{name}" for name in ("id", "type", "window", "cadence") if name not in metadata]
    if missing:
        raise BacktesterError(Diagnostic("config", str(path), f"{what} is missing") for what in missing)
    if "assumed_share" in metadata:
        raise config_error(str(path), "was built by an earlier version", "backtester scenarios build FACTS.toml")
    if metadata.get("schema_version") != SCHEMA_VERSION:
        found = metadata.get("schema_version", "none")
        raise config_error(str(path), f"schema_version is {found}, this version reads {SCHEMA_VERSION}")
    misfits = _misfits(table)
    if misfits:
        raise BacktesterError(Diagnostic("config", str(path), misfit) for misfit in misfits)
    return _checked(_scenario(_series_of(table), metadata, str(path)), path)


def _misfits(table: pa.Table) -> list[str]:
    """Columns that are no numbers or words, or are said twice."""
    wanted = {
        "t_ns": (pa.types.is_integer, "an integer"),
        **dict.fromkeys(("venue", "symbol"), (_is_word, "a word in each row")),
        **dict.fromkeys(COLUMNS, (_is_number, "a number")),
    }
    faults = []
    for name in dict.fromkeys(name for name in table.column_names if name in wanted):
        accepts, what = wanted[name]
        if table.column_names.count(name) > 1:
            faults.append(f"column {name} is there twice")
        elif not accepts(table[name].type) or (name in ("t_ns", "venue", "symbol") and table[name].null_count):
            faults.append(f"column {name} must be {what}")
    return faults


def _is_number(type_: pa.DataType) -> bool:
    kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_null)
    return any(is_kind(type_) for is_kind in kinds)


def _is_word(type_: pa.DataType) -> bool:
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_dictionary(type_))


def _scenario(series: tuple[Series, ...], metadata: dict[str, str], where: str) -> Scenario:
    def said(key: str, default: str, read: Callable[[Any], T]) -> T:
        try:
            return read(json.loads(metadata.get(key, default)))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            raise config_error(where, f"metadata {PREFIX}{key} is not what it should be", "build it again") from error

    start_ns, end_ns = said("window", "", _whole_pair)
    return Scenario(
        id=metadata["id"],
        title=metadata.get("title", metadata["id"]),
        type=metadata["type"],
        start_ns=start_ns,
        end_ns=end_ns,
        cadence=said("cadence", "", lambda pairs: tuple(map(_whole_pair, pairs))),
        series=series,
        sources=said("sources", "[]", lambda pairs: tuple(Source(str(key), str(text)) for key, text in pairs)),
        calibration=metadata.get("calibration", ""),
        assumed=said("assumed", "{}", lambda shares: {str(name): _share(share) for name, share in shares.items()}),
        start_prices=said("start_prices", "{}", lambda prices: {str(name): _price(p) for name, p in prices.items()}),
        others=said("others", "null", lambda row: row and _others(row, series)),
        fidelity=said("fidelity", "[]", lambda rows: tuple(map(Fidelity.of, rows))),
        facts_sha256=metadata.get("sha256", ""),
        tags=said("tags", "[]", lambda names: tuple(map(str, names))),
    )


def _whole_pair(pair: Any) -> tuple[int, int]:
    """Two whole numbers that are times. Raises ValueError or TypeError."""
    first, second = pair
    if not all(isinstance(each, int) and not isinstance(each, bool) and abs(each) < LAST_NS for each in pair):
        raise ValueError("expected two times in ns")
    return first, second


def _share(value: Any) -> float:
    """A number from 0 to 1. Raises ValueError or TypeError."""
    if isinstance(value, bool) or not 0 <= value <= 1:
        raise ValueError("expected a share")
    return float(value)


def _others(row: Any, series: tuple[Series, ...]) -> Others:
    """Like a symbol that has prices, times more than 0. Raises ValueError, TypeError or KeyError."""
    others = Others(str(row["of"]), _price(row["beta"]), str(row["why"]))
    if all((each.symbol, each.column) != (others.of, "price_ratio") for each in series):
        raise ValueError("expected a symbol with prices")
    return others


def _price(value: Any) -> float:
    """A number above 0. Raises ValueError or TypeError."""
    if isinstance(value, bool) or not 0 < value < math.inf:
        raise ValueError("expected a price")
    return float(value)


def _series_of(table: pa.Table) -> tuple[Series, ...]:
    """Split the rows of an Arrow table into one series per (venue, symbol, column), sorted by that key."""
    t_ns = table["t_ns"].to_numpy()
    keys = list(zip(table["venue"].to_pylist(), table["symbol"].to_pylist(), strict=True))
    columns = {column: _floats(table[column]) for column in COLUMNS if column in table.column_names}
    series = []
    for key in sorted(set(keys)):
        rows = np.array([k == key for k in keys])
        for column in columns:
            values = columns[column]
            said = rows & ~np.isnan(values)
            if said.any():
                series.append(Series(*key, column, t_ns[said].astype(np.int64), values[said]))
    return tuple(series)


def _floats(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """A column as floats, NaN where it is empty; of a decimal the nearest one, which Arrow's cast may miss."""
    values: NDArray[np.float64] = column.cast(pa.float64()).to_numpy()
    return np.round(values, column.type.scale) if pa.types.is_decimal(column.type) else values


def _checked(scenario: Scenario, path: Path) -> Scenario:
    problems = [Diagnostic("config", str(path), *fault) for s in scenario.series for fault in series_faults(s)]
    if scenario.span_ns <= 0:
        problems.append(Diagnostic("config", str(path), "the window is empty"))
    elif scenario.span_ns > LONGEST_NS or (scenario.symbols and (scenario.start_ns or 0) < 0):
        problems.append(Diagnostic("config", str(path), "the window is no time that a path could tell of"))
    if scenario.is_overlay:
        problems += [Diagnostic("config", str(path), *fault) for fault in _overlay_faults(scenario)]
    elif not scenario.cadence or scenario.cadence[0][0] != 0 or any(step <= 0 for _, step in scenario.cadence):
        problems.append(Diagnostic("config", str(path), "the cadence must begin at 0 with steps above 0"))
    elif any(later <= earlier for (earlier, _), (later, _) in pairwise(scenario.cadence)):
        problems.append(Diagnostic("config", str(path), "the times of the cadence must ascend"))
    pairs = {(s.venue, s.symbol, s.column) for s in scenario.series if s.column in FUNDING}
    for venue, symbol, column in sorted(pairs):
        other = FUNDING[1 - FUNDING.index(column)]
        if (venue, symbol, other) not in pairs:
            problems.append(Diagnostic("config", str(path), f"{venue}/{symbol} has {column} but no {other}"))
    if problems:
        raise BacktesterError(problems)
    return scenario


def _overlay_faults(scenario: Scenario) -> list[tuple[str, str]]:
    """Why a path without prices cannot be laid over another: (message, hint) pairs."""
    faults = []
    if (scenario.start_ns or 0) > 0:
        hint = "without prices a path is laid over another, and its window counts from the low of that one"
        faults.append(("has no price path", hint))
    for column in sorted({s.column for s in scenario.series} - {*OVERLAY}):
        faults.append((f"{column} needs a price path beside it", f"without one a path may say {', '.join(OVERLAY)}"))
    return faults
