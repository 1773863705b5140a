"""The square-root law beside the walk of the ladder: is the price of a size plausible?

    law = Y · σ_D · √(Q / V_D)

Q is what was traded, V_D the volume of a day, σ_D the volatility of a day, Y about 1. Source: Donier and Bonart 2015,
"A million metaorder analysis of market impact on the Bitcoin", arXiv:1412.4503; Sato and Kanazawa 2024,
arXiv:2411.13965 (exponent 0.489 ± 0.0015). Volume and volatility are those of the run, scaled to a day; the scale
all but cancels, so the law sees the crash that the order met and not a calm day. Nothing is filled with it.
"""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from backtester.report.executions import ImpactLaw
from backtester.report.names import Grid
from backtester.report.slippage import BPS
from backtester.run.result import RunResult

#: Y. Assumed: the fits differ by venue and by how volatility is measured.
PREFACTOR = 1.0
DAY_NS = 86_400_000_000_000
#: Returns of the mark are taken over a minute, or over a bucket of its path where that is longer: seconds of a mark
#: that a venue smooths would understate its volatility.
RETURN_NS = 60_000_000_000
FEWEST_RETURNS = 2


def square_root_law(share: float, volatility: float) -> float:
    """Impact as a fraction of the price, of a share of a day's volume, at a day's volatility (a fraction).

    Example: 1 % of the volume at 4 % a day: 0.04 · √0.01 = 0.004, 40 bps.
    """
    return PREFACTOR * volatility * math.sqrt(share)


class Activity(NamedTuple):
    """What a tape did with one market, scaled to a day."""

    volume_lots: Fraction
    volatility: float  # fraction of the price


def activities(result: RunResult) -> tuple[Activity | None, ...]:
    """Of every market. None where the tape does not tell: it has no trades, is shorter than a few minutes, or has
    coarse hours, which show no trades."""
    found = []
    for number, market in enumerate(result.market.markets):
        volume, volatility = volume_day(result, int(market["instrument"])), volatility_day(result, number)
        found.append(None if volume is None or volatility is None else Activity(volume, volatility))
    return tuple(found)


def beside_the_law(activity: Activity | None, grid: Grid, lots: int, walk: Fraction) -> ImpactLaw | None:
    """What a size cost in the ladder (`walk`: fraction of the price) and what the law says; None when it cannot."""
    if activity is None or lots == 0:
        return None
    says = square_root_law(float(lots / activity.volume_lots), activity.volatility)
    return ImpactLaw(
        prefactor=PREFACTOR,
        volatility_day=activity.volatility,
        volume_day=float(activity.volume_lots * grid.lot),
        walk_bps=float(BPS * walk),
        law_bps=BPS * says,
        ratio=float(walk) / says if says > 0.0 else None,
    )


def volume_day(result: RunResult, instrument: int) -> Fraction | None:
    """Lots that the tape traded, scaled to a day; what it traded before the start counts. None if it cannot tell."""
    traded = int(result.market.instruments[instrument]["traded"])
    is_coarse = result.scenario is not None and result.scenario.summary.coarse_ns > 0
    span = result.end_ts - result.start_ts
    return Fraction(traded * DAY_NS, span) if traded > 0 and span > 0 and not is_coarse else None


def volatility_day(result: RunResult, market: int) -> float | None:
    """Realised volatility of a mark, √Σ r² of its returns over RETURN_NS, scaled to a day; None with too few of them.

    Example: a mark of 100, 102, 102 and 102 a minute apart: √(0.02² · 1,440 / 3) = 0.438.
    """
    step = max(1, RETURN_NS // result.path_width_ns)
    marks = _marks(result.market.path[market], step)
    returns = [(after - before) / before for before, after in pairwise(marks)]
    if len(returns) < FEWEST_RETURNS:
        return None
    squares = math.fsum(each * each for each in returns)
    return math.sqrt(squares * (DAY_NS / (len(returns) * step * result.path_width_ns)))


def _marks(path: np.ndarray, step: int) -> list[float]:
    """The mark (middle of its range) in every `step`-th bucket of a market's path (MARKET_PATH[b]), from the first to
    the last that saw one; a bucket without a mark has that of the one before."""
    seen = np.flatnonzero(path["count"])
    if len(seen) == 0:
        return []
    wanted = np.arange(seen[0], seen[-1] + 1, step)
    buckets = path[seen[np.searchsorted(seen, wanted, side="right") - 1]]
    pairs = zip(buckets["mark_min"].tolist(), buckets["mark_max"].tolist(), strict=True)
    return [(low + high) / 2.0 for low, high in pairs]
