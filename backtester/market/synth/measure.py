"""What is measured of a tape, alike of a recording and of what imitates it.

The ladder is looked at in regular steps, and those of a recording are used for its likeness too, so that a tape with
more messages is not seen in more detail. Distances count from the best price of the same side, in basis points (bps);
the best price itself is left out of bands. Sizes are in base units.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from backtester.enums import EventKind
from backtester.errors import data_error
from backtester.market.synth.figures import BANDS_BPS, SHARES, Bands, Figures, Portrait, Tables
from backtester.market.synth.looks import Scene, Sights, Steps, look_over
from backtester.market.synth.resilience import bursts, recovery
from backtester.market.synth.views import Looks, Takers, group_takers, mean
from backtester.texts import counted

#: Levels of a side that are looked at one by one.
LEVELS = 20

_LEAST_LOOK_MS = 50
_LEAST_TRADES = 30
_GAP = 10  # a gap of so many usual gaps between messages is the recorder's
_STALE = 5  # a look is left out when the last message is so many steps old
_NEAR_BANDS = 7  # bands that are seen in every look; the others in one of _FAR_EVERY, and the one after it
_FAR_EVERY = 20
_TOUCH_BPS = 1.0  # depth within so much is followed after a sweep
_QUIET = 10  # a sweep without another one in so many steps before begins a run of sweeps
_MS = 1_000_000


class Yardstick(NamedTuple):
    """How a tape is looked at: every so often, in bands of so many ticks."""

    look_ms: int
    ticks_per_bps: float


class Measurement(NamedTuple):
    """What a tape is like."""

    yardstick: Yardstick
    portrait: Portrait
    tables: Tables


def measure(events: NDArray[Any], lot_size: float, by: Yardstick | None = None) -> Measurement:
    """Measure the tape of one instrument.

    events dtype EVENT; `by` is the yardstick of another tape to be compared with, None for the tape's own. Raises a
    data error when there is too little to measure.
    """
    depth, trades = events[events["kind"] <= EventKind.DELTA], events[events["kind"] == EventKind.TRADE]
    if len(depth) < 2 or len(trades) < _LEAST_TRADES:
        hint = f"{_LEAST_TRADES} trades are the least"
        raise data_error("tape", f"has {counted(len(depth), 'depth row')} and {counted(len(trades), 'trade')}", hint)
    gaps = np.diff(np.unique(depth["ts"])) / _MS
    by = by or Yardstick(max(_LEAST_LOOK_MS, round(float(np.median(gaps)))), _usual_tick(depth) / 1e4)
    step = by.look_ms
    looks, bands = _look_over(depth, lot_size, by)
    takers = group_takers(trades["ts"] // _MS, trades["side"], trades["tick"], trades["lots"] * lot_size)
    gaps = gaps[gaps < _GAP * np.median(gaps)]
    touch, beyond = looks.size[looks.fresh][:, :, 0].ravel(), looks.size[looks.fresh][:, :, 1:].ravel()
    beyond = beyond[beyond > 0]
    if len(touch) < 200 or not len(beyond):
        raise data_error("tape", "shows its ladder too seldom", f"100 looks every {step} ms at two sides are the least")
    sweeps = takers.prices > 1
    after = recovery(looks, takers.ts_ms[sweeps], takers.side[sweeps])
    span_s = (int(events["ts"][-1]) - int(events["ts"][0])) / 1e9
    followed = bursts(takers, step, span_s)
    figures = Figures(
        messages_per_s=1_000 / mean(gaps),
        touch_change_share=_touch_changes(looks),
        spread_ticks=mean(looks.spread[looks.fresh]),
        wide_share=mean(looks.spread[looks.fresh] > 1),
        touch_size=mean(touch),
        touch_size_p50=_quantile(touch, 0.5),
        touch_size_p90=_quantile(touch, 0.9),
        level_size=mean(beyond),
        level_size_p50=_quantile(beyond, 0.5),
        level_size_p90=_quantile(beyond, 0.9),
        still_share=_still_share(looks),
        move_1s_bps=_move(looks, 1),
        move_10s_bps=_move(looks, 10),
        move_60s_bps=_move(looks, 60),
        takers_per_s=len(takers.ts_ms) / span_s,
        burstiness=_burstiness(takers),
        same_side_share=mean(takers.side[1:] == takers.side[:-1]),
        taker_size=mean(takers.size),
        taker_size_p50=_quantile(takers.size, 0.5),
        taker_size_p90=_quantile(takers.size, 0.9),
        taker_size_p99=_quantile(takers.size, 0.99),
        sweep_share=mean(sweeps),
        prices_per_sweep=mean(takers.prices[sweeps]) if sweeps.any() else None,
        sweep_runs_per_s=_runs(takers.ts_ms[sweeps], _QUIET * step) / span_s,
        burst_rate=followed.rate,
        burst_half_life_s=followed.half_life_s,
        swept_depth_share=after.depth_share,
        spread_half_life_s=after.spread_s,
        depth_half_life_s=after.depth_s,
        touch_half_life_s=after.touch_s,
    )
    tables = Tables(_table(gaps), _table(touch), _table(beyond / mean(beyond)), _table(takers.size))
    return Measurement(by, Portrait(figures, bands), tables)


def band_borders(ticks_per_bps: float) -> NDArray[np.int64]:
    """Where the bands begin, in ticks from the best price, and where the last one ends; shape (bands + 1,)."""
    return np.array([1, *(max(1, math.floor(end * ticks_per_bps) + 1) for end in BANDS_BPS)], np.int64)


def _look_over(depth: NDArray[Any], lot_size: float, by: Yardstick) -> tuple[Looks, Bands]:
    """Replays the depth rows and looks at the ladder look_ms."""
    step_ms = by.look_ms
    ticks = depth["tick"][depth["side"] != 0]
    low, width = int(ticks.min()), int(ticks.max() - ticks.min()) + 1
    count = int(depth["ts"][-1] - depth["ts"][0]) // (step_ms * _MS) - 1
    if count < 1:
        raise data_error("tape", f"spans less than {2 * step_ms} ms", "take a longer one")
    borders = band_borders(by.ticks_per_bps)
    bands = len(BANDS_BPS)
    ladder = np.zeros((2, 2, width), np.int64)
    scene = Scene(ladder[0], ladder[1], np.array([-1, width]), np.array([-1, width]), np.array([width, -1]))
    first_ns, step_ns = int(depth["ts"][0]) + step_ms * _MS, step_ms * _MS
    near = math.floor(_TOUCH_BPS * by.ticks_per_bps)
    steps = Steps(first_ns, step_ns, _STALE * step_ns, near, borders, _NEAR_BANDS, _FAR_EVERY)
    levels = np.zeros((2, count, 2, LEVELS), np.int64)
    sums = np.zeros((5, bands), np.int64)
    sights = Sights(np.zeros(count, np.bool_), levels[0], levels[1], np.zeros((count, 2), np.int64), *sums)
    look_over(depth, low, scene, steps, sights)
    looks = Looks(step_ms, first_ns // _MS, sights.fresh, levels[0], levels[1] * lot_size, sights.near * lot_size)
    return looks, _bands(sights, borders, int(np.count_nonzero(sights.fresh)), lot_size)


def _usual_tick(depth: NDArray[Any]) -> float:
    """Median price of the depth rows."""
    return float(np.median(depth["tick"][depth["side"] != 0]))


def _bands(sights: Sights, borders: NDArray[np.int64], looks: int, lot_size: float) -> Bands:
    """Means per band. A band is known when at least half of the looks at it saw all of it, and all before it."""
    known, total = True, 0.0
    depth: list[float | None] = []
    levels: list[float | None] = []
    renewed: list[float | None] = []
    for band, seen in enumerate(sights.band_looks.tolist()):
        due = 2 * looks * (1.0 if band < _NEAR_BANDS else 2 / _FAR_EVERY)
        empty = borders[band + 1] == borders[band]
        known = known and (empty or seen > due / 2)
        total += float(sights.band_lots[band]) * lot_size / max(1, seen)
        stood = int(sights.band_stood[band])
        depth.append(total if known else None)
        levels.append(int(sights.band_levels[band]) / max(1, seen) if known else None)
        renewed.append(int(sights.band_changed[band]) / stood if known and stood else None)
    return Bands(tuple(depth), tuple(levels), tuple(renewed))


def _touch_changes(looks: Looks) -> float:
    """Share of looks at a side whose best price or size differs from the look before."""
    both = looks.fresh[1:] & looks.fresh[:-1]
    changed = (np.diff(looks.ticks[:, :, 0], axis=0) != 0) | (np.diff(looks.size[:, :, 0], axis=0) != 0)
    return mean(changed[both])


def _still_share(looks: Looks) -> float:
    """Share of looks whose mid is that of the look before."""
    both = looks.fresh[1:] & looks.fresh[:-1]
    return mean(np.diff(looks.mid)[both] == 0)


def _move(looks: Looks, seconds: int) -> float | None:
    """Standard deviation of the mid's change over `seconds`, in bps; None without ten such spans."""
    steps = max(1, round(seconds * 1_000 / looks.step_ms))
    both = looks.fresh[steps:] & looks.fresh[:-steps]
    change = (looks.mid[steps:] / np.where(looks.fresh, looks.mid, 1.0)[:-steps] - 1)[both] * 1e4
    if len(change) < 10 * steps:
        return None
    return math.sqrt(mean((change - mean(change)) ** 2))


def _burstiness(takers: Takers) -> float | None:
    """Variance over mean of the number of takers in one second; None on less than 30 s."""
    counts = np.bincount((takers.ts_ms - takers.ts_ms[0]) // 1_000)[:-1].astype(np.float64)
    if len(counts) < 30:
        return None
    return mean((counts - mean(counts)) ** 2) / mean(counts)


def _runs(ts_ms: NDArray[np.int64], quiet_ms: int) -> int:
    """How many of these times do not follow another one within `quiet_ms`."""
    return int(np.count_nonzero(np.diff(ts_ms) > quiet_ms)) + (len(ts_ms) > 0)


def _table(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(float(value) for value in np.quantile(values, SHARES))


def _quantile(values: NDArray[np.float64], share: float) -> float:
    return float(np.quantile(values, share))
