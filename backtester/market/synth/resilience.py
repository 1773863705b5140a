"""What a sweep leaves behind: how many takers follow it, and how fast spread and depth come back."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from backtester.market.synth.views import Looks, Takers, mean

_AFTER = (1, 2, 3, 5, 8, 12, 18, 27, 40, 60, 90, 130)  # bounds, in steps, of the times after a sweep that are averaged
_LEAST_CHANGE = 0.2  # what a sweep changes by less than this share of its mean has no measurable recovery


class Bursts(NamedTuple):
    """Takers after sweeps on the same side, relative to their usual number."""

    rate: float | None
    half_life_s: float | None


class Recovery(NamedTuple):
    """After sweeps."""

    depth_share: float | None
    spread_s: float | None
    depth_s: float | None
    touch_s: float | None


def recovery(looks: Looks, ts_ms: NDArray[np.int64], side: NDArray[np.int8]) -> Recovery:
    """How the side that sweeps hit and the spread look afterwards; all None without sweeps."""
    if not len(ts_ms):
        return Recovery(None, None, None, None)
    first = (ts_ms - looks.first_ms) // looks.step_ms + 1  # the first look after each sweep
    hit = (1 + side.astype(np.int64)) // 2
    depth, touch, spread = [], [], []
    for begin, end in pairwise(_AFTER):
        at = (first[:, None] + np.arange(begin - 1, end - 1)[None, :]).ravel()
        rows = np.repeat(hit, end - begin)
        inside = (at >= 0) & (at < len(looks.fresh))
        at, rows = at[inside], rows[inside]
        at, rows = at[looks.fresh[at]], rows[looks.fresh[at]]
        if not len(at):
            return Recovery(None, None, None, None)
        depth.append(mean(looks.near[at, rows]))
        touch.append(mean(looks.size[at, rows, 0]))
        spread.append(mean(looks.spread[at]))
    seen = looks.fresh
    usual = mean(looks.near[seen]), mean(looks.size[seen][:, :, 0]), mean(looks.spread[seen])
    times = [(begin + end - 1) / 2 * looks.step_ms / 1_000 for begin, end in pairwise(_AFTER)]
    return Recovery(
        depth[0] / usual[0],
        half_life(times, [value - usual[2] for value in spread], usual[2]),
        half_life(times, [usual[0] - value for value in depth], usual[0]),
        half_life(times, [usual[1] - value for value in touch], usual[1]),
    )


def bursts(takers: Takers, step_ms: int, span_s: float) -> Bursts:
    """How many takers follow a sweep on its side; both None without sweeps."""
    sweeps = takers.prices > 1
    if not sweeps.any():
        return Bursts(None, None)
    rates = []
    for begin, end in pairwise(_AFTER):
        count = 0
        for side in (1, -1):
            sweep, taker = takers.ts_ms[sweeps & (takers.side == side)], takers.ts_ms[takers.side == side]
            bounds = [np.searchsorted(taker, sweep + (bound - 1) * step_ms, side="right") for bound in (begin, end)]
            count += int((bounds[1] - bounds[0]).sum())
        usual = int(np.count_nonzero(sweeps)) * (end - begin) * step_ms / 1_000 * len(takers.ts_ms) / span_s / 2
        rates.append(count / usual)
    times = [(begin + end - 2) / 2 * step_ms / 1_000 for begin, end in pairwise(_AFTER)]
    return Bursts(rates[0], half_life(times, [rate - 1 for rate in rates], 1.0))


def half_life(times: list[float], effect: list[float], usual: float) -> float | None:
    """Time from the largest effect to half of it, on straight lines; None if it is too small, or halves
    within the first step or not at all.

    >>> half_life([1.0, 2.0, 4.0], [8.0, 6.0, 2.0], 10.0)  # 4.0 is reached at 3.0
    2.0
    """
    peak = max(range(len(effect)), key=effect.__getitem__)
    half = effect[peak] / 2
    if effect[peak] < _LEAST_CHANGE * usual:
        return None
    for i in range(peak + 1, len(effect)):
        if effect[i] <= half:
            part = (effect[i - 1] - half) / (effect[i - 1] - effect[i])
            found = times[i - 1] + part * (times[i] - times[i - 1]) - times[peak]
            return found if found >= times[1] - times[0] else None
    return None
