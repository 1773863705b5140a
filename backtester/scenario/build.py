"""Compile facts into a path: the same TOML gives the same table, on every machine.

    perp(t)   the candles' open, extremes and close, linear in between
    index(t)  perp(t) / (1 + basis(t)), basis = the symbol's table for venue `*`
    ratio(t)  index(t) / index(0), rounded to 1e-9
    trade intensity = volume per second of the candle / volume per second of the calm baseline

Example: perp 101,516.5 and basis −47.4 bps give an index of 102,000; from 117,066 at the start that is the ratio
0.871303.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from backtester.errors import BacktesterError, Diagnostic
from backtester.scenario.facts import Candle, Candles, Facts
from backtester.scenario.path import ANY, COLUMNS, LINEAR, PREFIX, SCHEMA_VERSION, Series, series_faults
from backtester.scenario.reader import read_facts

#: Decimal places that are kept: ratios and factors 1e-9, bps, ms and money are coarse enough with fewer.
PLACES = 9

Knots = dict[int, float]


def build(facts: Facts) -> pa.Table:
    """The path table of a facts file. Raises BacktesterError when figures contradict each other."""
    problems: list[Diagnostic] = []
    series: list[Series] = []
    for table in facts.tables:
        for position, column in enumerate(table.columns):
            knots = {figure.t_ns: figure.values[position] * table.scale for figure in table.figures}
            series.append(_series(table.venue, table.symbol, column, knots))
    for symbol in sorted({candles.symbol for candles in facts.candles}):
        of_symbol = [candles for candles in facts.candles if candles.symbol == symbol]
        problems += _coverage_faults(facts, symbol, of_symbol)
        if not problems:
            basis = next((s for s in series if s[:3] == (ANY, symbol, "basis_bps")), None)
            series.append(_series(ANY, symbol, "price_ratio", _ratio(facts, of_symbol, basis)))
            series.append(_series(ANY, symbol, "trade_intensity", _intensity(facts, of_symbol)))
    keys = [s[:3] for s in series]
    problems += [
        _problem(facts, f"{'/'.join(key)} is given twice") for key in sorted({k for k in keys if keys.count(k) > 1})
    ]
    problems += [_problem(facts, message, hint) for s in series for message, hint in series_faults(s)]
    if problems:
        raise BacktesterError(problems)
    return _table(series).replace_schema_metadata(_metadata(facts))


def build_file(toml: Path) -> Path:
    """Compile `<id>.toml` to `<id>.parquet` beside it, in one step; return the new file's path."""
    facts = read_facts(toml)
    if facts.id != toml.stem:
        raise BacktesterError(_problem(facts, f"the id must be the file's name, {toml.stem!r}"))
    target = toml.with_suffix(".parquet")
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    os.close(handle)
    try:
        pq.write_table(build(facts), name, compression="zstd", version="2.6")
        os.chmod(name, 0o644)
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise
    return target


def check_file(toml: Path) -> None:
    """Prove that the Parquet beside a facts file is what the facts compile to. Raises BacktesterError otherwise."""
    facts = read_facts(toml)
    target = toml.with_suffix(".parquet")
    fresh = build(facts)
    if not target.exists():
        problem = _problem(facts, f"{target.name} is missing", f"backtester scenarios build {toml}")
        raise BacktesterError(problem)
    if not fresh.equals(pq.read_table(target), check_metadata=True):
        raise BacktesterError(
            _problem(facts, f"{target.name} is not what it compiles to", f"backtester scenarios build {toml}")
        )


def _problem(facts: Facts, message: str, hint: str = "") -> Diagnostic:
    return Diagnostic("config", f"{facts.id}.toml", message, hint)


def _series(venue: str, symbol: str, column: str, knots: Knots) -> Series:
    """Sorted, rounded, and for held columns without the knots that repeat the value before."""
    times: list[int] = []
    values: list[float] = []
    for t, value in sorted(knots.items()):
        rounded = round(value, PLACES)
        if column in LINEAR or column == "forced_flow_quote" or not values or rounded != values[-1]:
            times.append(t)
            values.append(rounded)
    return Series(venue, symbol, column, np.array(times, np.int64), np.array(values))


def _coverage_faults(facts: Facts, symbol: str, parts: list[Candles]) -> list[Diagnostic]:
    """Candles must follow each other without gap or overlap through the whole window."""
    spans = sorted((row.t_ns, row.t_ns + part.interval_ns) for part in parts for row in part.rows)
    faults = []
    reached = 0
    for start, end in spans:
        if start != reached:
            word = "overlap" if start < reached else "leave a gap"
            faults.append(_problem(facts, f"{symbol} candles {word} at {start / 1e9:g} s from the start"))
        reached = end
    if reached < facts.span_ns:
        faults.append(
            _problem(facts, f"{symbol} candles end at {reached / 1e9:g} s, the window at {facts.span_ns / 1e9:g}")
        )
    return faults


def _perp(facts: Facts, parts: list[Candles]) -> Knots:
    """Prices at each candle's start, its two extremes, and at the end of the last one."""
    knots: Knots = {}
    last: tuple[int, float] = (0, math.nan)
    for part in parts:
        for row in part.rows:
            knots[row.t_ns] = row.open
            knots.update(_extremes(facts, part, row))
            last = max(last, (row.t_ns + part.interval_ns, row.close))
    knots[last[0]] = last[1]
    return knots


def _extremes(facts: Facts, part: Candles, row: Candle) -> Knots:
    """High and low at their published or assumed moments: a falling candle has its high first, a rising its low."""
    early, late = (row.t_ns + round(part.interval_ns * share) for share in facts.extremes)
    falling = row.close < row.open
    low_at = dict(part.low_at).get(row.t_ns, late if falling else early)
    high_at = dict(part.high_at).get(row.t_ns, early if falling else late)
    return {low_at: row.low, high_at: row.high}


def _ratio(facts: Facts, parts: list[Candles], basis: Series | None) -> Knots:
    perp = _perp(facts, parts)
    times = sorted(set(perp) | (set(basis.t_ns.tolist()) if basis else set()))
    at = np.array(times, np.int64)
    line = Series(ANY, "", "price_ratio", np.array(sorted(perp), np.int64), np.array([perp[t] for t in sorted(perp)]))
    index = line.at(at) / (1.0 + (basis.at(at) if basis else 0.0) / 1e4)
    return {t: float(price / index[0]) for t, price in zip(times, index, strict=True) if t <= facts.span_ns}


def _intensity(facts: Facts, parts: list[Candles]) -> Knots:
    rates = {row.t_ns: row.volume / part.interval_ns for part in parts for row in part.rows}
    start, end = facts.baseline
    calm = [rate for t, rate in rates.items() if start <= t < end]
    mean = math.fsum(calm) / max(1, len(calm))
    return {t: rate / mean if mean > 0.0 else math.nan for t, rate in rates.items()}


def _table(series: list[Series]) -> pa.Table:
    rows = sorted({(s.venue, s.symbol, int(t)) for s in series for t in s.t_ns})
    place = {row: number for number, row in enumerate(rows)}
    columns: dict[str, NDArray[np.float64]] = {name: np.full(len(rows), np.nan) for name in COLUMNS}
    for s in series:
        for t, value in zip(s.t_ns.tolist(), s.values.tolist(), strict=True):
            columns[s.column][place[s.venue, s.symbol, t]] = value
    keys = {
        "t_ns": pa.array([t for _, _, t in rows], pa.int64()),
        "venue": pa.array([venue for venue, _, _ in rows], pa.string()),
        "symbol": pa.array([symbol for _, symbol, _ in rows], pa.string()),
    }
    return pa.table(keys | {name: pa.array(column, from_pandas=True) for name, column in columns.items()})


def _metadata(facts: Facts) -> dict[str, str]:
    values = {
        "schema_version": SCHEMA_VERSION,
        "id": facts.id,
        "title": facts.title,
        "type": facts.type,
        "window": json.dumps([facts.start_ns, facts.end_ns]),
        "cadence": json.dumps(facts.cadence),
        "sources": json.dumps([list(source) for source in facts.sources], ensure_ascii=False),
        "calibration": facts.calibration,
        "assumed_share": f"{facts.assumed_share():.4f}",
        "sha256": facts.sha256,
    }
    return {PREFIX + key: value for key, value in values.items()}
