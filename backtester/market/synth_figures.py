"""One yardstick for a synthetic tape and for a recording: the best levels sampled in time, and the takers."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from backtester.engine.jit import helper, kernel
from backtester.enums import EventKind
from backtester.market.synth_profiles import Figures

#: Levels per side and time between two looks: those of the recording.
LEVELS = 20
SAMPLE_MS = 540
#: Distances at which the ladder beyond the recording is measured.
DEEP_BPS = (100, 500, 1000)

_MS = 1_000_000
_DELTA, _TRADE = int(EventKind.DELTA), int(EventKind.TRADE)


class Samples(NamedTuple):
    """N looks at the best LEVELS levels; axis 1 is the side (bid, ask), axis 2 starts at the best price."""

    ts_ms: NDArray[np.int64]  # (N,)
    ticks: NDArray[np.int64]  # (N, 2, LEVELS)
    size: NDArray[Any]  # (N, 2, LEVELS) f8, base units


class Takers(NamedTuple):
    """One entry per taker: the trades of one stamp and side."""

    ts_ms: NDArray[np.int64]
    side: NDArray[np.int8]
    size: NDArray[np.float64]  # base units
    prices: NDArray[np.int64]  # how many different ones


def tape_figures(events: NDArray[Any], lot_size: float) -> Figures:
    """The figures of a tape of one instrument; `events` has dtype EVENT and begins with a snapshot."""
    depth = events[events["kind"] <= _DELTA]
    levels = depth["tick"][depth["side"] != 0]
    low, width = int(levels.min()), int(levels.max() - levels.min()) + 1
    count = int(depth["ts"][-1] - depth["ts"][0] - 1) // (SAMPLE_MS * _MS)
    ticks = np.zeros((count, 2, LEVELS), np.int64)
    lots = np.zeros((count, 2, LEVELS), np.int64)
    deep = np.zeros((count, len(DEEP_BPS)), np.int64)
    best, shown = np.array([-1, width]), np.zeros((2, 2), np.int64)
    ladder = np.zeros((2, width), np.int64)
    updates = _replay(depth, low, ladder, best, shown, SAMPLE_MS * _MS, np.array(DEEP_BPS), ticks, lots, deep)
    ts_ms = events["ts"][0] // _MS + SAMPLE_MS * np.arange(1, count + 1)
    trades = events[events["kind"] == _TRADE]
    takers = group_takers(trades["ts"] // _MS, trades["side"], trades["tick"], trades["lots"] * lot_size)
    near = figures(Samples(ts_ms, ticks, lots * lot_size), takers)
    depth_100, depth_500, depth_1000 = (_mean(column) * lot_size / 2 for column in deep.T)
    return near._replace(
        depth_100_bps=depth_100,
        depth_500_bps=depth_500,
        depth_1000_bps=depth_1000,
        touch_updates_per_s=updates / (count * SAMPLE_MS / 1_000),
    )


def figures(samples: Samples, takers: Takers) -> Figures:
    """What samples and takers alone tell; the deep ladder and the rate of updates stay None."""
    spread = samples.ticks[:, 1, 0] - samples.ticks[:, 0, 0]
    mid = (samples.ticks[:, 1, 0] + samples.ticks[:, 0, 0]) / 2
    touch = samples.size[:, :, 0]
    seconds = (int(takers.ts_ms[-1]) - int(takers.ts_ms[0])) / 1_000
    return Figures(
        spread_ticks=_mean(spread),
        wide_share=_mean(spread > 1),
        touch_size=_mean(touch),
        touch_size_median=float(np.median(touch)),
        level_size=_mean(samples.size[:, :, 1:]),
        depth_1_bps=_depth_within(samples, mid, 1.0),
        depth_1_5_bps=_depth_within(samples, mid, 1.5),
        depth_100_bps=None,
        depth_500_bps=None,
        depth_1000_bps=None,
        touch_updates_per_s=None,
        level_change_share=_changed_levels(samples),
        still_share=_mean(np.diff(mid) == 0),
        takers_per_s=len(takers.ts_ms) / seconds,
        prices_per_taker=_mean(takers.prices),
        taker_size=_mean(takers.size),
        taker_size_p90=float(np.quantile(takers.size, 0.9)),
        taker_size_p99=float(np.quantile(takers.size, 0.99)),
        sweep_share=_mean(takers.prices > 1),
        same_side_share=_mean(takers.side[1:] == takers.side[:-1]),
        move_1s_bps=_move(samples.ts_ms, mid, 1),
        move_10s_bps=_move(samples.ts_ms, mid, 10),
        move_60s_bps=_move(samples.ts_ms, mid, 60),
    )


def group_takers(
    ts_ms: NDArray[np.int64], side: NDArray[np.int8], price: NDArray[Any], size: NDArray[np.float64]
) -> Takers:
    """Joins consecutive trades of one stamp and side into takers; all arrays have the same length."""
    starts = np.flatnonzero(np.r_[True, (np.diff(ts_ms) != 0) | (np.diff(side) != 0)])
    ends = np.r_[starts[1:], len(ts_ms)]
    pairs = list(zip(starts, ends, strict=True))
    sizes = np.array([math.fsum(size[a:b]) for a, b in pairs])
    prices = np.array([len(set(price[a:b].tolist())) for a, b in pairs])
    return Takers(ts_ms[starts], side[starts], sizes, prices)


def _depth_within(samples: Samples, mid: NDArray[np.float64], bps: float) -> float:
    """Mean size of one side within `bps` of mid, among the samples whose last level lies beyond."""
    distance = np.abs(samples.ticks - mid[:, None, None]) / mid[:, None, None] * 1e4
    seen = distance[:, :, -1] >= bps
    inside = np.where(distance <= bps, samples.size, 0.0).sum(axis=2)
    return _mean(inside[seen])


def _changed_levels(samples: Samples) -> float:
    """Share of levels whose size differs in the next sample, over samples whose touch stayed and followed at once."""
    apart = np.diff(samples.ts_ms) < 1.3 * SAMPLE_MS
    changed, looked = 0, 0
    for side in range(2):
        stayed = apart & (np.diff(samples.ticks[:, side, 0]) == 0)
        for i in np.flatnonzero(stayed):
            later = dict(zip(samples.ticks[i + 1, side].tolist(), samples.size[i + 1, side].tolist(), strict=True))
            for tick, size in zip(samples.ticks[i, side].tolist(), samples.size[i, side].tolist(), strict=True):
                changed += later.get(tick) != size
                looked += 1
    return changed / looked


def _move(ts_ms: NDArray[np.int64], mid: NDArray[np.float64], seconds: int) -> float | None:
    """Standard deviation of the mid's change over `seconds`, in bps; None on less than three such spans."""
    grid = np.arange(ts_ms[0], ts_ms[-1], seconds * 1_000)
    if len(grid) < 4:
        return None
    price = mid[np.searchsorted(ts_ms, grid, side="right") - 1]
    change = np.diff(price) / price[:-1] * 1e4
    return math.sqrt(_mean((change - _mean(change)) ** 2))


def _mean(values: NDArray[Any]) -> float:
    """Exactly rounded sum over count, the same on every machine."""
    flat = np.asarray(values, np.float64).ravel()
    return math.fsum(flat) / len(flat)


@kernel
def _replay(
    events: np.ndarray,
    low_tick: int,
    lots: np.ndarray,
    best: np.ndarray,
    shown: np.ndarray,
    every_ns: int,
    deep_bps: np.ndarray,
    ticks_out: np.ndarray,
    lots_out: np.ndarray,
    deep_out: np.ndarray,
) -> int:
    """Plays the depth rows of one instrument and looks at the ladder every `every_ns`.

    events (E,) EVENT, lots (2, W) i8 zeroed, best (2,) i8 = (-1, W), shown (2, 2) i8 zeroed, deep_bps (D,) i8;
    fills, for N whole steps before the last row,
    ticks_out and lots_out (N, 2, LEVELS) and deep_out (N, D, zeroed: lots of both sides).
    Returns the number of messages that changed a best price or its size.
    """
    updates, sample = 0, 0
    due = events[0]["ts"] + every_ns
    for i in range(len(events)):
        event = events[i]
        while event["ts"] > due:
            _look(lots, best, low_tick, ticks_out[sample], lots_out[sample])
            _look_deep(lots, best, low_tick, deep_bps, deep_out[sample])
            sample += 1
            due += every_ns
        if event["side"] != 0:
            row, column = (1 - event["side"]) // 2, event["tick"] - low_tick
            lots[row, column] = event["lots"]
            if event["lots"] > 0 and (column - best[row]) * event["side"] > 0:
                best[row] = column
        if i + 1 == len(events) or events[i + 1]["ts"] != event["ts"]:
            updates += _settle(lots, best, shown)
    return updates


@helper
def _settle(lots: np.ndarray, best: np.ndarray, shown: np.ndarray) -> int:
    """Moves the best prices off empty levels; 1 if a best price or its size differs from `shown`, which follows."""
    changed = 0
    for row in range(2):
        while lots[row, best[row]] == 0:
            best[row] += 2 * row - 1
        if shown[row, 0] != best[row] or shown[row, 1] != lots[row, best[row]]:
            changed = 1
        shown[row, 0], shown[row, 1] = best[row], lots[row, best[row]]
    return changed


@helper
def _look(lots: np.ndarray, best: np.ndarray, low_tick: int, ticks_out: np.ndarray, lots_out: np.ndarray) -> None:
    """Writes the best levels of both sides."""
    for row in range(2):
        column, level = best[row], 0
        while level < ticks_out.shape[1]:
            if lots[row, column] > 0:
                ticks_out[row, level] = column + low_tick
                lots_out[row, level] = lots[row, column]
                level += 1
            column += 2 * row - 1


@helper
def _look_deep(lots: np.ndarray, best: np.ndarray, low_tick: int, deep_bps: np.ndarray, deep_out: np.ndarray) -> None:
    """Writes the lots of both sides within each distance of mid."""
    mid = (best[0] + best[1]) / 2 + low_tick
    for row in range(2):
        for column in range(lots.shape[1]):
            distance = abs(column + low_tick - mid) / mid * 1e4
            for k in range(len(deep_bps)):
                if distance <= deep_bps[k]:
                    deep_out[k] += lots[row, column]
