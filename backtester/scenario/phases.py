"""When a path takes away more than price and depth: outages, longer ways of messages, other funding times."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from backtester.scenario.grid import Proxy, Target, series_of
from backtester.scenario.path import NEUTRAL, Scenario

#: Columns whose values make phases, and what such a phase is called.
KINDS = {"outage": "outage", "extra_latency_ms": "latency", "funding_interval_s": "funding_interval"}


class Phase(NamedTuple):
    """A stretch of time in which a column has one value that is not its usual one, ns since the epoch.

    kind   outage, latency or funding_interval
    value  bits of Outage, ms more for every message, s between two funding times
    """

    begin_ns: int
    end_ns: int
    kind: str
    value: float


def phases(scenario: Scenario, target: Target, proxy: Proxy | None) -> tuple[Phase, ...]:
    """All phases of one instrument inside the window, in the order of time.

    An interval is usual where it is that of the start: scenarios state it for all of their time.

    Example: an outage of 7 from 60 s to 120 s and a latency of 20 ms from 60 s on are two phases, both from 60 s.
    """
    if scenario.start_ns is None:
        return ()
    found = [phase for column in KINDS for phase in _of_column(scenario, column, target, proxy)]
    return tuple(sorted(found))


def _of_column(scenario: Scenario, column: str, target: Target, proxy: Proxy | None) -> Iterator[Phase]:
    series = series_of(scenario, column, target, proxy)
    if series is None:
        return
    start, end = scenario.start_ns or 0, scenario.end_ns or 0
    usual = series.values[0] if np.isnan(NEUTRAL[column]) else NEUTRAL[column]
    changes = np.flatnonzero(np.diff(series.values, prepend=np.nan))
    bounds = [*(start + series.t_ns[changes]).tolist(), end]
    for begin, stop, value in zip(bounds, bounds[1:], series.values[changes].tolist(), strict=False):
        if value != usual and begin < min(stop, end):
            yield Phase(begin, min(stop, end), KINDS[column], value)
