"""Stretches of time that a picture shades: phases of the scenario, and when the order book was thin."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import groupby

from backtester.formulas.distance import DISTANCES_BPS
from backtester.report.html.heat import rows_of
from backtester.report.html.plot import GRAIN, Phase, Span
from backtester.report.records import Cell, MarketPath, PhaseKind

#: How phases of the scenario are drawn: classes of the style sheet.
_DRAWN = {PhaseKind.OUTAGE: "outage", PhaseKind.LATENCY: "latency", PhaseKind.FUNDING_INTERVAL: "interval"}
#: Per cent of the run's median, of the thinner side within the widest distance.
THIN = 25


def of_scenario(cell: Cell, path: MarketPath) -> Iterator[Phase]:
    """Outages, extra latency and changed funding intervals of a market."""
    for each in cell.phases:
        if each.symbol in ("", path.symbol):
            yield Phase(each.start_ts.ts_ns, each.end_ts.ts_ns, _DRAWN[each.kind], each.text)


def thin(path: MarketPath, span: Span) -> Iterator[Phase]:
    """Every stretch of grains in which the order book was thin."""
    asks, *_, bids = rows_of(path, span)
    shares = [_thinner(*both) for both in zip(asks.shares, bids.shares, strict=True)]
    for is_thin, stretch in groupby(range(GRAIN), key=lambda grain: shares[grain] <= THIN):
        grains = [*stretch]
        if is_thin:
            lowest = min(shares[grain] for grain in grains)
            told = f"order book down to {lowest} % of usual within {DISTANCES_BPS[-1]} bps of mid"
            yield Phase(span.begin_of(grains[0]), span.begin_of(grains[-1] + 1), "thin", told)


def _thinner(asks: int | None, bids: int | None) -> float:
    """The share of the thinner side; no end to it where nothing was measured."""
    return min((share for share in (asks, bids) if share is not None), default=math.inf)
