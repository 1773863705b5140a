"""The square-root law beside the walk of the ladder: is the price of a size plausible?

    law = Y · σ_D · √(Q / V_D)

Q is what was traded, V_D the volume of a day, σ_D the volatility of a day, Y about 1. Source: Donier and Bonart 2015,
"A million metaorder analysis of market impact on the Bitcoin", arXiv:1412.4503; Sato and Kanazawa 2024,
arXiv:2411.13965 (exponent 0.489 ± 0.0015). Volume and volatility are those of the moment, scaled to a day; the scale
all but cancels: over the T that a plan runs it is Y · σ_T · √(Q / V_T). The moment of an order are the 15 minutes
before it arrived, that of a plan the time in which it ran, none less than five returns of the mark: where that is
shorter it begins earlier, and at the start of a run it ends later. Nothing is filled with it.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from backtester.metrics.names import Grid
from backtester.report.executions import BPS, ImpactLaw
from backtester.run.result import RunResult

#: Y. Assumed: the fits differ by venue and by how volatility is measured.
PREFACTOR = 1.0
DAY_NS = 86_400_000_000_000
#: Returns of the mark are taken over a minute, or over a bucket of its path where that is longer: seconds of a mark
#: that a venue smooths would understate its volatility.
RETURN_NS = 60_000_000_000
#: The moment of an order. Assumed: short enough to tell a crash from the calm before it, long enough for 15 returns.
MOMENT_NS = 15 * RETURN_NS
#: Fewer would say little of volatility: the standard error of n returns is 1 / √(2 n), of five 32 %.
SHORTEST_RETURNS = 5
#: Of a run that is shorter than these.
FEWEST_RETURNS = 2


def square_root_law(share: float, volatility: float) -> float:
    """Impact as a fraction of the price, of a share of a day's volume, at a day's volatility (a fraction).

    Example: 1 % of the volume at 4 % a day: 0.04 · √0.01 = 0.004, 40 bps.
    """
    return PREFACTOR * volatility * math.sqrt(share)


class Activity(NamedTuple):
    """What a tape did with one market in a stretch of time."""

    days: float
    lots: float  # traded
    volatility_day: float  # fraction of the price


class Course(NamedTuple):
    """What a tape did with one market up to each time (ns, rising); in between it is taken to go evenly."""

    traded_ts: np.ndarray
    traded: np.ndarray  # lots
    return_ts: np.ndarray  # the ends of returns, of equal length
    squares: np.ndarray  # Σ r² of the returns of the mark

    def before(self, ts: int) -> Activity:
        """The moment of an order that arrived at `ts`."""
        return self.between(ts - MOMENT_NS, ts)

    def between(self, since: int, until: int) -> Activity:
        """A stretch of the run, made as long as it has to be: realised volatility √Σ r², and volume.

        Example: a mark of 100, 102, 102 and 102 a minute apart, the whole run: √(0.02² · 1,440 / 3) = 0.438.
        """
        since, until = self.stretch(since, until)
        days = (until - since) / DAY_NS
        lots = np.diff(np.interp((since, until), self.traded_ts, self.traded)).item()
        squares = np.diff(np.interp((since, until), self.return_ts, self.squares)).item()
        return Activity(days, lots, math.sqrt(squares / days))

    def stretch(self, since: int, until: int) -> tuple[int, int]:
        """From and until when is measured: what of it lies in the run, at least SHORTEST_RETURNS if the run has them.

        Example, returns of a minute from 0 to 60: 25 to 40 stays, 30 to 31 becomes 26 to 31, -13 to 2 becomes 0 to 5.
        """
        first, second, last = (int(self.return_ts[number]) for number in (0, 1, -1))
        shortest = SHORTEST_RETURNS * (second - first)
        until = min(max(until, first), last)
        since = max(first, min(since, until - shortest))
        return since, min(last, max(until, since + shortest))


def courses(result: RunResult) -> tuple[Course | None, ...]:
    """Of every market. None where the tape does not tell: it has no trades, is shorter than a few minutes, or has
    coarse hours, which show no trades."""
    return tuple(_course(result, market) for market in range(len(result.market.markets)))


def tells_volume(result: RunResult, instrument: int) -> bool:
    """Whether a tape shows what was traded: it has trades, and no coarse hours, which show one lot a step."""
    is_coarse = result.scenario is not None and result.scenario.summary.coarse_ns > 0
    return bool(result.market.instruments[instrument]["traded"]) and not is_coarse


def beside_the_law(activity: Activity, grid: Grid, lots: int, walk: Fraction) -> ImpactLaw | None:
    """What a size cost in the ladder (`walk`: fraction of the price) and what the law says; None when it cannot."""
    if activity.lots == 0.0 or lots == 0:
        return None
    share, volume_day = lots / activity.lots, activity.lots / activity.days
    says = square_root_law(lots / volume_day, activity.volatility_day)
    return ImpactLaw(
        prefactor=PREFACTOR,
        volatility_day=activity.volatility_day,
        volume_day=volume_day * float(grid.lot),
        share=share,
        walk_bps=float(BPS * walk),
        law_bps=BPS * says,
        ratio=float(walk) / says if says > 0.0 else None,
    )


def _course(result: RunResult, market: int) -> Course | None:
    """From a market's path (MARKET_PATH[b])."""
    path, width = result.market.path[market], result.path_width_ns
    number = int(result.market.markets[market]["instrument"])
    instrument = result.market.instruments[number]
    step = -(-RETURN_NS // width)
    seen = np.flatnonzero(path["count"])
    ends = np.arange(seen[0], seen[-1] + 1, step) if len(seen) else seen
    if len(ends) <= FEWEST_RETURNS or not tells_volume(result, number):
        return None
    marks = _marks(path[seen[np.searchsorted(seen, ends, side="right") - 1]])
    squares = np.cumsum((np.diff(marks) / marks[:-1]) ** 2)
    return Course(
        traded_ts=np.array([result.start_ts, *(result.start_ts + width * (seen[:-1] + 1)).tolist(), result.end_ts]),
        traded=np.array([instrument["start_traded"], *path["traded"][seen[:-1]].tolist(), instrument["traded"]]),
        return_ts=result.start_ts + width * ends,
        squares=np.concatenate([[0.0], squares]),
    )


def _marks(buckets: np.ndarray) -> np.ndarray:
    """The middle of the range of the mark in each."""
    middle: np.ndarray = (buckets["mark_min"] + buckets["mark_max"]) / 2.0
    return middle
