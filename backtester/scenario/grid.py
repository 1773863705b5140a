"""A scenario on its step grid: what the transform is told at each step, per instrument."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from backtester.bounds import LARGEST_RATIO, MOST_POINTS
from backtester.engine.events import EVENT
from backtester.enums import EventKind
from backtester.errors import BacktesterError, Diagnostic, NotApplicable, config_error, usage_error
from backtester.market.funding import in_place
from backtester.scenario.others import how_to_borrow
from backtester.scenario.path import ANY, DEPTH, NEUTRAL, Scenario, Series
from backtester.scenario.records import STEP

NS = 1_000_000_000


class Target(NamedTuple):
    """One instrument of the base tape, as the scenario sees it.

    Rows of the path match `base` and `venue`. `drop_marks`: the venue's rules make the mark, the tape's marks go.
    `held`: whether an account trades it; one that nobody does needs no prices, and without any it stays where it is.
    """

    symbol: str
    base: str
    venue: str
    tick_size: float
    lot_size: float
    multiplier: float = 1.0
    drop_marks: bool = True
    held: bool = True


class Proxy(NamedTuple):
    """`base`, if the path has no prices of it, moves like `source`, times `beta`: ratio = 1 + beta · (source's − 1).

    `assumed`: by the scenario, nobody asked for it. A source that is empty lends nothing.
    """

    base: str
    source: str
    beta: float
    assumed: bool = False


class Grid(NamedTuple):
    """step_ns (k,) absolute; steps (k, n) STEP; depth (k, n, 2, 3); control (m,) EVENT; driven (n,) bool.

    first_funding (f,) EVENT: of each instrument that the path charges, with its own interval.

    An instrument that is not driven keeps its tape as it is: every step is neutral, and of the control events it has
    only those that speak to the engine alone, LATENCY, REFILL and OUTAGE.
    """

    step_ns: NDArray[np.int64]
    steps: NDArray[np.void]
    depth: NDArray[np.float64]
    control: NDArray[np.void]
    driven: NDArray[np.bool_]
    first_funding: NDArray[np.void]


def parse_proxy(text: str) -> Proxy:
    """`SOL=ETH*1.2` or `SOL=ETH`; `*=` is nothing for any. Raises a usage error."""
    if text.replace(" ", "") == f"{ANY}=":
        return Proxy(ANY, "", 1.0)
    base, equals, right = text.partition("=")
    source, star, beta = right.partition("*")
    try:
        factor = float(beta) if star else 1.0
    except ValueError:
        factor = 0.0
    if not (base.strip() and equals and source.strip() and 0.0 < factor < float("inf")):
        raise usage_error("--proxy", f"cannot read {text!r}", "write it like SOL=ETH*1.2")
    return Proxy(base.strip(), source.strip(), factor)


def parse_proxies(texts: Iterable[str]) -> tuple[Proxy, ...]:
    """Parse every --proxy; a base that has two is a usage error."""
    parsed = tuple(map(parse_proxy, texts))
    bases = [each.base for each in parsed]
    twice = sorted({base for base in bases if bases.count(base) > 1})
    if twice:
        raise usage_error("--proxy", f"{', '.join(twice)} is named twice", "one --proxy per symbol")
    return parsed


def step_times(scenario: Scenario) -> NDArray[np.int64]:
    """Times of the steps from the window's start, 0 and the end included; empty for a scenario without a window."""
    if scenario.start_ns is None or scenario.end_ns is None:
        return np.zeros(0, np.int64)
    return moments(scenario.cadence, scenario.span_ns)


def moments(cadence: Sequence[tuple[int, int]], span_ns: int) -> NDArray[np.int64]:
    """The times of a cadence from 0 to `span_ns`, both included if they are steps."""
    ends = [start for start, _ in cadence[1:]] + [span_ns + 1]
    return np.concatenate([np.arange(a, b, step) for (a, step), b in zip(cadence, ends, strict=True)])


def make_grid(scenario: Scenario, targets: Sequence[Target], proxies: Sequence[Proxy] = ()) -> Grid:
    """Evaluate the path for every target. Raises BacktesterError naming every held one without a price path."""
    proxy_of = {proxy.base: proxy for proxy in proxies}
    _check_size(scenario, len(targets))
    times = step_times(scenario)
    start = scenario.start_ns or 0
    _check_paths(scenario, targets, proxy_of)
    steps = np.zeros((times.size, len(targets)), STEP)
    depth = np.ones((times.size, len(targets), 2, 3))
    control = []
    for i, target in enumerate(targets):
        steps[:, i], depth[:, i] = _evaluate(scenario, target, proxy_of.get(target.base), times)
        control += _control_events(scenario, target, proxy_of.get(target.base), i, start)
    events = np.array(control, EVENT) if control else np.zeros(0, EVENT)
    is_funding = events["kind"] == EventKind.FUNDING
    funding = in_place(events[is_funding])
    events = np.concatenate([events[~is_funding], funding.rows])
    events = events[np.lexsort((events["kind"], events["instrument"], events["ts"]))]
    still = (depth == 1.0).all(axis=(0, 2, 3)) & (steps["flow"] == 0.0).all(axis=0)
    for name in ("ratio", "factor", "spread", "volume", "intensity"):
        still &= (steps[name] == 1.0).all(axis=0)
    driven = ~still
    driven[funding.firsts["instrument"]] = True
    return Grid(times + start, steps, depth, events, driven, funding.firsts)


def _check_size(scenario: Scenario, targets: int) -> None:
    """Refuse steps and funding times that would not fit the memory, before there are any."""
    if scenario.start_ns is None:
        return
    span = scenario.span_ns
    ends = [start for start, _ in scenario.cadence[1:]] + [span]
    parts = zip(scenario.cadence, ends, strict=True)
    steps = sum(max(0, min(end, span) - start) // step + 1 for (start, step), end in parts)
    seconds = [s.values.min() for s in scenario.series if s.column == "funding_interval_s"]
    points = targets * (steps + (int(span / NS / min(seconds)) if seconds else 0))
    if points > MOST_POINTS:
        message = f"{points:,} steps and funding times of all instruments; at most {MOST_POINTS:,} fit"
        raise config_error(f"scenario {scenario.id}", message, "take a coarser cadence or a shorter window")


def _check_paths(scenario: Scenario, targets: Sequence[Target], proxy_of: dict[str, Proxy]) -> None:
    problems, silent = list[Diagnostic](), list[Diagnostic]()
    for target in targets:
        proxy = proxy_of.get(target.base)
        series = series_of(scenario, "price_ratio", target, proxy)
        lender = _lender(scenario, "price_ratio", target, proxy)
        if series is None and not target.held:
            continue
        if series is None:
            what = f"the proxy {proxy.source}" if proxy else target.base
            hint = how_to_borrow(target.base, scenario.symbols)
            silent.append(Diagnostic("config", f"scenario {scenario.id}", f"no price path for {what}", hint))
        elif lender and (fault := _lent_too_far(lender, series)):
            hint = f"choose a smaller factor: --proxy {target.base}={lender.source}*1.2"
            listed = silent if lender.assumed else problems
            listed.append(Diagnostic("config", f"scenario {scenario.id}", fault, hint))
    if problems:
        raise BacktesterError([*silent, *problems])
    if silent:
        raise NotApplicable(silent)


def _lent_too_far(lender: Proxy, series: Series) -> str:
    """What is wrong with a path that is lent."""
    ratio, whose = 1.0 + lender.beta * (series.values - 1.0), f"{lender.base} = {lender.source}*{lender.beta:g}"
    if (ratio <= 0.0).any():
        return f"{whose} falls to 0 or below"
    return f"{whose} rises beyond {LARGEST_RATIO:g} times its start" if (ratio > LARGEST_RATIO).any() else ""


def has_own(scenario: Scenario, column: str, target: Target) -> bool:
    """Whether the path says a column of this target, and not of all that there are."""
    own = scenario.find(column, target.venue, target.base)
    return own is not None and own.symbol != ANY


def _lender(scenario: Scenario, column: str, target: Target, proxy: Proxy | None) -> Proxy | None:
    """The proxy of a target, where the path does not say the column of the target itself."""
    return None if proxy is None or has_own(scenario, column, target) else proxy


def series_of(scenario: Scenario, column: str, target: Target, proxy: Proxy | None) -> Series | None:
    """The target's own series where the path has one; all that is missing comes from its proxy."""
    lender = _lender(scenario, column, target, proxy)
    return scenario.find(column, target.venue, lender.source if lender else target.base)


def _evaluate(
    scenario: Scenario, target: Target, proxy: Proxy | None, times: NDArray[np.int64]
) -> tuple[NDArray[np.void], NDArray[np.float64]]:
    """One target's STEP records (k,) and depth factors (k, 2, 3)."""

    def column(name: str) -> NDArray[np.float64]:
        series = series_of(scenario, name, target, proxy)
        return np.full(times.size, NEUTRAL[name]) if series is None else series.at(times)

    steps = np.zeros(times.size, STEP)
    ratio = np.ones(times.size) if series_of(scenario, "price_ratio", target, proxy) is None else column("price_ratio")
    lender = _lender(scenario, "price_ratio", target, proxy)
    steps["ratio"] = 1.0 + lender.beta * (ratio - 1.0) if lender else ratio
    steps["factor"] = steps["ratio"] * (1.0 + column("basis_bps") / 1e4)
    steps["spread"] = column("spread_mult")
    steps["volume"] = column("volume_mult")
    steps["intensity"] = column("trade_intensity")
    flow = series_of(scenario, "forced_flow_quote", target, proxy)
    if flow is not None:
        at = np.searchsorted(times, flow.t_ns)  # a knot between two steps happens at the second
        for k, quote in zip(at, flow.values, strict=True):
            if k < times.size:
                steps["flow"][k] += quote
    depth = np.stack([column(name) for name in DEPTH], axis=1).reshape(times.size, 2, 3)
    return steps, depth


def _control_events(
    scenario: Scenario, target: Target, proxy: Proxy | None, instrument: int, start: int
) -> list[tuple[int, int, int, float, int, int, int]]:
    """LATENCY, REFILL and OUTAGE at their changes, FUNDING at the UTC stamps of its interval, as EVENT rows."""
    rows = []
    end = start if scenario.end_ns is None else scenario.end_ns
    for name, kind, unit in (
        ("extra_latency_ms", EventKind.LATENCY, 1e6),
        ("refill_half_life_s", EventKind.REFILL, 1.0),
        ("outage", EventKind.OUTAGE, 1.0),
    ):
        series = series_of(scenario, name, target, proxy)
        before = NEUTRAL[name]
        for t, value in zip(series.t_ns, series.values, strict=True) if series else ():
            if value != before and start + t <= end:
                rows.append((start + int(t), 0, 0, float(value) * unit, instrument, int(kind), 0))
            before = value
    rate = series_of(scenario, "funding_rate", target, proxy)
    interval = series_of(scenario, "funding_interval_s", target, proxy)
    if rate is not None and interval is not None:
        rows += _funding_events(rate, interval, instrument, start, end)
    return rows


def _funding_events(
    rate: Series, interval: Series, instrument: int, start: int, end: int
) -> list[tuple[int, int, int, float, int, int, int]]:
    """One event per multiple of the interval in force, since the epoch, inside (start, end], which it states."""
    rows = []
    ts = start
    while ts < end:
        seconds = int(interval.at(np.array([ts - start]))[0])
        ts = (ts // (seconds * NS) + 1) * seconds * NS
        charged = float(rate.at(np.array([ts - start]))[0])
        if ts <= end:
            rows.append((ts, 0, seconds, charged, instrument, int(EventKind.FUNDING), 0))
    return rows
