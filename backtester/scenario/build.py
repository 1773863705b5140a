"""Compile facts into a path: the same TOML gives the same table, on every machine.

    steps     when the path moves: every 1 to 60 s, the faster the candles are (`bridge`)
    perp(t)   through the candles' open, extremes and close (`bridge`, `candles`)
    index(t)  through candles of its own, or perp(t) without its wicks and the basis of the symbol's table (`candles`)
    ratio(t)  index(t) / index(0), rounded to 1e-8
    trade intensity = volume per second of the candle / volume per second of the calm baseline

Example: perp 101,516.5 and basis −47.4 bps give an index of 102,000; from 117,066 at the start that is the ratio
0.871303.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from backtester.config.toml import parse_document
from backtester.errors import BacktesterError, Diagnostic
from backtester.files import replacing
from backtester.scenario.bridge import Cadence, Knots, Piece, cadence
from backtester.scenario.candles import Lines, finest, price_lines
from backtester.scenario.facts import Candles, Facts, Price
from backtester.scenario.grid import moments
from backtester.scenario.measure import measure
from backtester.scenario.others import beta_of
from backtester.scenario.path import ANY, COLUMNS, LINEAR, Others, Scenario, Series, series_faults
from backtester.scenario.reader import facts_of, read_facts
from backtester.scenario.stored import PLACES, load, to_table, write

#: Decimal places that are kept of a column that has none of its own (`stored`).
FEWEST = 9
#: Significant digits of the price that a path starts from.
DIGITS = 10


def build(facts: Facts) -> Scenario:
    """The path of a facts file, and how near it is to them. Raises BacktesterError when figures contradict."""
    parts_of = {each.symbol: [part for part in facts.drawn if part.symbol == each.symbol] for each in facts.drawn}
    problems = [fault for symbol, parts in parts_of.items() for fault in _coverage_faults(facts, symbol, parts)]
    pieces = [_prices(parts) for parts in parts_of.values()]
    steps = cadence(pieces, facts.span_ns, facts.calm_ns) if pieces else ()
    given = _given(facts)
    drawn = {} if problems else _drawn(facts, parts_of, given, steps)
    trades = {symbol: _intensity(facts, parts_of[symbol]) for symbol in drawn}
    used = [_basis(given, symbol) for symbol in drawn]
    series = [each for each in given if all(each is not other for other in used)]
    series += [each for symbol, lines in drawn.items() for each in _path(facts, symbol, lines, trades[symbol])]
    problems += [_untraded(facts, symbol) for symbol, knots in trades.items() if not knots]
    problems += _series_faults(facts, series)
    if problems:
        raise BacktesterError(problems)
    others = facts.others
    scenario = Scenario(
        id=facts.id,
        title=facts.title,
        type=facts.type,
        start_ns=facts.start_ns,
        end_ns=facts.end_ns,
        cadence=steps,
        series=tuple(sorted(series, key=lambda s: (s.venue, s.symbol, COLUMNS.index(s.column)))),
        sources=facts.sources,
        calibration=facts.calibration,
        assumed=facts.assumed(),
        start_prices={symbol: float(f"{lines.spot[0]:.{DIGITS}g}") for symbol, lines in sorted(drawn.items())},
        others=others and Others(others.of, others.beta or beta_of(series, others.of), others.why),
        facts_sha256=facts.sha256,
        tags=facts.tags,
    )
    return replace(scenario, fidelity=measure(scenario, facts.candles))


def build_file(toml: Path) -> Path:
    """Compile `<id>.toml` to `<id>.parquet` beside it, in one step; return the new file's path."""
    facts = read_facts(toml)
    if facts.id != toml.stem:
        raise BacktesterError(_problem(facts, f"the id must be the file's name, {toml.stem!r}"))
    target = toml.with_suffix(".parquet")
    with replacing(target) as written:
        write(build(facts), written)
    return target


def build_text(text: str, toml: Path) -> Scenario:
    """Write facts as `<id>.toml` and what they compile to beside it: both, or nothing where they do not compile."""
    raw = text.encode("utf-8")
    scenario = build(facts_of(parse_document(raw, str(toml))))
    with replacing(toml) as facts, replacing(toml.with_suffix(".parquet")) as table:
        facts.write_bytes(raw)
        write(scenario, table)
    return scenario


def is_compiled(toml: Path) -> bool:
    """Whether the file beside these facts is a path table of their id: a compiler may replace its own work."""
    try:
        return load(toml.with_suffix(".parquet")).id == toml.stem
    except BacktesterError:
        return False


def check_file(toml: Path) -> None:
    """Prove that the Parquet beside a facts file is what the facts compile to. Raises BacktesterError otherwise."""
    facts = read_facts(toml)
    target = toml.with_suffix(".parquet")
    fresh = to_table(build(facts))
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
        rounded = round(value, PLACES.get(column, FEWEST))
        if column in LINEAR or column == "forced_flow_quote" or not values or rounded != values[-1]:
            times.append(t)
            values.append(rounded)
    return Series(venue, symbol, column, np.array(times, np.int64), np.array(values))


def _given(facts: Facts) -> list[Series]:
    """What the tables say outright."""
    return [
        _series(
            table.venue,
            table.symbol,
            column,
            {figure.t_ns: figure.values[position] * table.scale for figure in table.figures},
        )
        for table in facts.tables
        for position, column in enumerate(table.columns)
    ]


def _basis(given: Sequence[Series], symbol: str) -> Series | None:
    return next((each for each in given if each[:3] == (ANY, symbol, "basis_bps")), None)


def _drawn(
    facts: Facts, parts_of: Mapping[str, Sequence[Candles]], given: Sequence[Series], steps: Cadence
) -> dict[str, Lines]:
    """The price lines of each symbol, onto the basis that is given; those that look like another one after it."""
    times = moments(steps, facts.span_ns).tolist() if steps else []
    lines: dict[str, Lines] = {}
    for symbol, parts in sorted(parts_of.items(), key=lambda item: (any(part.like for part in item[1]), item[0])):
        lines[symbol] = price_lines(parts, _fractions(_basis(given, symbol)), lines, times, facts.start_ns)
    return lines


def _untraded(facts: Facts, symbol: str) -> Diagnostic:
    message = f"{symbol} has no volume in the baseline, by which trades are counted"
    hint = "[prices] baseline: name times at which it was traded; a draft needs candles with volumes"
    return _problem(facts, message, hint)


def _series_faults(facts: Facts, series: Sequence[Series]) -> Iterator[Diagnostic]:
    keys = [each[:3] for each in series]
    for key in sorted({key for key in keys if keys.count(key) > 1}):
        yield _problem(facts, f"{'/'.join(key)} is given twice")
    for each in series:
        yield from (_problem(facts, message, hint) for message, hint in series_faults(each))


def _coverage_faults(facts: Facts, symbol: str, parts: Sequence[Candles]) -> Iterator[Diagnostic]:
    """Candles of one price and interval must not overlap; those of both prices must cover the whole window."""
    spans = defaultdict[tuple[Price, int], list[tuple[int, int]]](list)
    for part in parts:
        spans[part.price, part.interval_ns] += [(row.t_ns, row.t_ns + part.interval_ns) for row in part.rows]
    for listed in spans.values():
        for (_, end), (start, _) in pairwise(sorted(listed)):
            if start < end:
                yield _problem(facts, f"{symbol} candles overlap at {start / 1e9:g} s from the start")
    yield from _gap_faults(facts, symbol, sorted(chain.from_iterable(spans.values())))


def _gap_faults(facts: Facts, symbol: str, spans: Iterable[tuple[int, int]]) -> Iterator[Diagnostic]:
    reached = 0
    for start, end in spans:
        if start > reached:
            yield _problem(facts, f"{symbol} candles leave a gap at {reached / 1e9:g} s from the start")
        reached = max(reached, end)
    if reached < facts.span_ns:
        message = f"{symbol} candles end at {reached / 1e9:g} s, the window at {facts.span_ns / 1e9:g}"
        yield _problem(facts, message)


def _fractions(basis: Series | None) -> Knots:
    """Knots of a basis in bps as fractions."""
    return dict(zip(basis.t_ns.tolist(), (basis.values / 1e4).tolist(), strict=True)) if basis else {}


def _path(facts: Facts, symbol: str, lines: Lines, trades: Knots) -> Iterator[Series]:
    """price_ratio and, if anything is known of them, basis_bps and trade_intensity of one symbol."""
    ratio = {t: price / lines.spot[0] for t, price in lines.spot.items() if t <= facts.span_ns}
    yield _series(ANY, symbol, "price_ratio", ratio)
    if lines.basis:
        bps = {t: gap * 1e4 for t, gap in lines.basis.items() if t <= facts.span_ns}
        yield _series(ANY, symbol, "basis_bps", {0: bps[min(bps)]} | bps)
    if trades:
        yield _series(ANY, symbol, "trade_intensity", trades)


def _prices(parts: list[Candles]) -> list[Piece]:
    """The finest candles of the perp; the index's stand in for them."""
    perp = [part for part in parts if part.price is Price.PERP]
    return finest(perp or parts)


def _intensity(facts: Facts, parts: list[Candles]) -> Knots:
    """Volume per second over that of the calm baseline: the perp's, or the index's where the perp has no baseline.

    Before the first candle it is that candle's. Empty where nothing was traded in the baseline.
    """
    start, end = facts.baseline
    for price in (Price.PERP, Price.INDEX):
        pieces = finest(part for part in parts if part.price is price)
        rates = {piece.start: piece.volume / (piece.end - piece.start) for piece in pieces}
        calm = [rate for t, rate in rates.items() if start <= t < end]
        if mean := math.fsum(calm) / max(1, len(calm)):
            return {0: rates[min(rates)] / mean} | {t: rate / mean for t, rate in rates.items() if t <= facts.span_ns}
    return {}
