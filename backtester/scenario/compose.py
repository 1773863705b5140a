"""Stress paths laid over each other make one path: `2025-10-10+outage`, `--shock depth=0.5`, `--set scenario.…`.

The first path gives clock, window and cadence, and it has prices. Each further one is laid over what is there already,
column by column; where only one of the two speaks, it stands alone:

    price, spread, depth, volume, trade intensity     multiply
    basis, extra latency, forced flow                 add
    outage                                            the bits of both
    funding, refill half-life                         the later one

When: a path with prices begins with the first one, whatever its own date was, and holds its last values. An *overlay*
(a path without prices, such as `outage`) is placed by the low of what it is laid over: the moment at which any
symbol's perp has fallen deepest. Outside its own window it says nothing. What falls outside the first one's window is
left out.

Example: depth at 0.4 of normal, laid over depth at 0.5, leaves 0.2; 150 ms and 200 ms of latency are 350 ms; orders
refused (1) and feed frozen (4) are 5. A product of two prices is taken at the knots of both and is linear in between.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import reduce
from itertools import product

import numpy as np
from numpy.typing import NDArray

from backtester.config.overrides import Setting, option_of
from backtester.config.relative import Factor
from backtester.config.toml import did_you_mean
from backtester.errors import BacktesterError, Diagnostic, config_error
from backtester.scenario.path import (
    ANY,
    COLUMNS,
    DEPTH,
    FUNDING,
    LINEAR,
    NEUTRAL,
    SECOND_NS,
    Scenario,
    Series,
    constant,
    out_of_bounds,
    series_faults,
)

FLOW = "forced_flow_quote"
MULTIPLIED = frozenset({"price_ratio", "spread_mult", *DEPTH, "volume_mult", "trade_intensity"})
ADDED = frozenset({"basis_bps", "extra_latency_ms"})
#: What `--set scenario.…=*2` can make twice its own.
MULTIPLIABLE = MULTIPLIED - {"price_ratio"} | ADDED | {FLOW, "funding_rate", "refill_half_life_s"}
#: Names for several columns.
BANDS = {"depth": DEPTH, "bid_depth": DEPTH[:3], "ask_depth": DEPTH[3:]}
AS_IT_IS = Factor(Decimal(1))

Values = NDArray[np.float64]


def compose(parts: Sequence[Scenario]) -> Scenario:
    """One path from several, the first below, the last on top. A single one stays as it is.

    Raises BacktesterError when an overlay comes first of several.
    """
    first, *others = parts
    if others and first.is_overlay:
        raise config_error(
            f"scenario {first.id}", "has no prices, so it cannot come first", f"write {others[0].id}+{first.id}"
        )
    return _within_bounds(reduce(_lay_over, others, first))


def _within_bounds(scenario: Scenario) -> Scenario:
    """The scenario, if what its parts make together can still be meant; each of them alone was seen to be."""
    joined = (s for s in scenario.series if s.column in MULTIPLIED | ADDED)
    faults = [(s, *found) for s in joined for found in out_of_bounds(s)]
    if faults:
        where = f"scenario {scenario.id}"
        words = [f"{s.venue}/{s.symbol} {s.column} becomes {value:g}, must be {bound}" for s, value, bound in faults]
        raise BacktesterError(Diagnostic("config", where, each) for each in words)
    return scenario


def low_ns(scenario: Scenario) -> int:
    """When the path's prices are lowest, ns from its start: the deepest fall of any symbol's perp, its first moment.

    Example: BTC is lowest at 0.87 of its start after 10 s, SOL at 0.81 after 12 s: 12 s.
    """
    lows = []
    for symbol in scenario.symbols:
        parts = [scenario.find(column, ANY, symbol) for column in ("price_ratio", "basis_bps")]
        price, basis = (part or constant(symbol, "basis_bps", 0.0) for part in parts)
        t_ns = np.union1d(price.t_ns, basis.t_ns)
        perp = price.at(t_ns) * (1.0 + basis.at(t_ns) / 1e4)
        lows.append((float(perp.min()), int(t_ns[perp.argmin()])))
    return min(lows)[1]


def scale_prices(scenario: Scenario, factor: float) -> Scenario:
    """The path with every distance of a price from its start multiplied: a fall to 0.8 times 1.2 is one to 0.76.

    Raises BacktesterError where a price then leaves its bounds, and where there is no price that moves.
    """
    moving = [s for s in scenario.series if s.column == "price_ratio" and (s.values != 1.0).any()]
    if not moving:
        raise config_error(
            f"scenario {scenario.id}", "has no crash that could be scaled", "--shock price=-10% is a gap"
        )
    scaled = tuple(s._replace(values=1.0 + factor * (s.values - 1.0)) if s in moving else s for s in scenario.series)
    return _within_bounds(replace(scenario, type="HYPT", series=scaled, fidelity=()))


def set_columns(scenario: Scenario, settings: Iterable[Setting]) -> Scenario:
    """`--set scenario.spread_mult=5`: a column has one value everywhere and all the time; `=*2` is twice its own.

    `depth`, `bid_depth` and `ask_depth` are those of all bands. Raises BacktesterError with every key that is no column
    and every value that makes no sense.
    """
    problems: list[Diagnostic] = []
    for setting in settings:
        each = [setting._replace(key=column) for column in BANDS.get(setting.key, (setting.key,))]
        fault = next(filter(None, (_setting_fault(scenario, one) for one in each)), None)
        if fault is not None:
            problems.append(Diagnostic("usage", f"{option_of(setting.text)} {setting.text}", *fault))
        elif setting.value != AS_IT_IS:
            factor = isinstance(setting.value, Factor)
            said = f"{setting.value.number} times its own" if factor else f"{setting.value} all the time"
            note = f"{setting.key} of the scenario is {said} (--set)"
            columns = {one.key for one in each}
            kept = tuple(series for series in scenario.series if series.column not in columns)
            series = (*kept, *(series for one in each for series in _as_set(scenario, one)))
            scenario = replace(scenario, type="HYPT", series=series, fidelity=(), notes=(*scenario.notes, note))
    if problems:
        raise BacktesterError(problems)
    return scenario


def _as_set(scenario: Scenario, setting: Setting) -> Iterator[Series]:
    """A column as it is set. A price and its basis belong to a symbol; all else may hold for any."""
    if not isinstance(setting.value, Factor):
        for symbol in scenario.symbols if setting.key in LINEAR else (ANY,):
            yield constant(symbol, setting.key, float(setting.value))
        return
    factor, own = float(setting.value.number), [series for series in scenario.series if series.column == setting.key]
    yield from (series._replace(values=factor * series.values) for series in own)
    if setting.key in MULTIPLIED and not any((each.venue, each.symbol) == (ANY, ANY) for each in own):
        yield constant(ANY, setting.key, factor)


def _setting_fault(scenario: Scenario, setting: Setting) -> tuple[str, str] | None:
    """What is wrong with a setting: a message and a hint."""
    if setting.key not in COLUMNS:
        known = f"a scenario has {', '.join((*COLUMNS, *BANDS))}"
        return "no column of a scenario has this name", did_you_mean(setting.key, (*COLUMNS, *BANDS)) or known
    if isinstance(setting.value, Factor):
        if setting.key not in MULTIPLIABLE:
            return f"{setting.key} is nothing to multiply", "--shock price=*1.2 is a crash a fifth deeper"
        if setting.key not in MULTIPLIED and not any(series.column == setting.key for series in scenario.series):
            return f"the scenario has no {setting.key} to multiply", "say the value itself"
        return _fault_of(scenario, setting)
    if isinstance(setting.value, bool) or not isinstance(setting.value, int | float):
        return "expected a number", "for example --set scenario.spread_mult=5"
    if setting.key == "price_ratio" and setting.value != 1:
        percent = 100.0 * (setting.value - 1.0)
        return (
            "a ratio that holds from the start is no crash: prices are told relative to the start",
            f"--shock price={percent:+g}% is a gap, --shock price=*1.2 a crash a fifth deeper; 1 takes the crash away",
        )
    if setting.key == FLOW and setting.value != 0:
        return "a flow happens at moments, it cannot hold", "only 0 can be set: no flow at all"
    if setting.key in FUNDING:
        other = FUNDING[1 - FUNDING.index(setting.key)]
        if not any(series.column == other for series in scenario.series):
            return f"the scenario has no {other}", "give rate and interval: --shock funding=0.1%/8h"
    return _fault_of(scenario, setting)


def _fault_of(scenario: Scenario, setting: Setting) -> tuple[str, str] | None:
    return next((fault for series in _as_set(scenario, setting) for fault in series_faults(series)), None)


def _lay_over(base: Scenario, part: Scenario) -> Scenario:
    """`part` on top of `base`."""
    placed, notes = part, part.notes
    if part.is_overlay:
        shift = low_ns(base) + (part.start_ns or 0)
        placed = replace(part, series=tuple(_placed(series, shift, part.span_ns) for series in part.series))
        notes = (*notes, _when(base, part, shift))
    return replace(
        base,
        id=f"{base.id}+{part.id}",
        title=f"{base.title} + {part.title}",
        type="HYPT",
        series=tuple(_layers(base, placed)),
        sources=tuple(dict.fromkeys((*base.sources, *part.sources))),
        calibration=" + ".join(filter(None, (base.calibration, part.calibration))),
        assumed=_assumed(base, part),
        facts_sha256="",
        fidelity=(),
        notes=(*base.notes, *notes),
    )


def _placed(series: Series, shift: int, span: int) -> Series:
    """A series of an overlay on the clock of its base: neutral before and after its window of `span` ns."""
    if series.column == FLOW:
        inside = series.t_ns + shift >= 0
        return series._replace(t_ns=series.t_ns[inside] + shift, values=series.values[inside])
    end = shift + span
    t_ns = np.unique(np.clip([0, *(series.t_ns + shift), end], 0, end))
    speaks = (t_ns >= shift) & (t_ns < end)
    return series._replace(t_ns=t_ns, values=np.where(speaks, series.at(t_ns - shift), NEUTRAL[series.column]))


def _when(base: Scenario, part: Scenario, shift: int) -> str:
    """Example: outage holds from 2025-10-10 21:18:15 to 21:28:15; the low of 2025-10-10 is at 21:20:15."""
    times = (max(0, shift), shift + part.span_ns, low_ns(base))
    begin, end, low = (datetime.fromtimestamp(((base.start_ns or 0) + t) // SECOND_NS, UTC) for t in times)
    return (
        f"{part.id} holds from {begin:%Y-%m-%d %H:%M:%S} to {end:%H:%M:%S}; the low of {base.id} is at {low:%H:%M:%S}"
    )


def _layers(base: Scenario, top: Scenario) -> Iterator[Series]:
    """Every series that a look-up in both would tell apart.

    A pair of series stands under the most specific venue and symbol of the two, so that the composition finds for any
    instrument what its parts find: (hyperliquid, *) below and (*, BTC) on top meet at (hyperliquid, BTC).
    """
    series = (*base.series, *top.series)
    venues = sorted({ANY, *(each.venue for each in series)})
    symbols = sorted({ANY, *(each.symbol for each in series)})
    for venue, symbol, column in product(venues, symbols, COLUMNS):
        found = [s for s in (base.find(column, venue, symbol), top.find(column, venue, symbol)) if s is not None]
        if found and (_specific(s.venue for s in found), _specific(s.symbol for s in found)) == (venue, symbol):
            yield reduce(_combined, found)._replace(venue=venue, symbol=symbol)


def _specific(names: Iterable[str]) -> str:
    return next((name for name in names if name != ANY), ANY)


def _combined(below: Series, above: Series) -> Series:
    """Two series of one column as one."""
    if below.column == FLOW:
        flow = dict(zip(below.t_ns.tolist(), below.values.tolist(), strict=True))
        for t, quote in zip(above.t_ns.tolist(), above.values.tolist(), strict=True):
            flow[t] = flow.get(t, 0.0) + quote
        return below._replace(t_ns=np.array(sorted(flow)), values=np.array([flow[t] for t in sorted(flow)]))
    t_ns = np.union1d(below.t_ns, above.t_ns)
    return below._replace(t_ns=t_ns, values=_value(below.column, below.at(t_ns), above.at(t_ns)))


def _value(column: str, below: Values, above: Values) -> Values:
    if column in MULTIPLIED:
        return below * above
    if column in ADDED:
        return below + above
    if column == "outage":
        return (below.astype(np.int64) | above.astype(np.int64)).astype(np.float64)
    return above


def _assumed(base: Scenario, part: Scenario) -> dict[str, float]:
    """Of every quantity the share that is assumed: of the parts that speak of it, each counted alike."""
    both = [each.assumed for each in (base, part)]
    names = dict.fromkeys(name for assumed in both for name in assumed)
    said = {name: [assumed[name] for assumed in both if name in assumed] for name in names}
    return {name: math.fsum(shares) / len(shares) for name, shares in said.items()}
