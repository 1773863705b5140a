"""A profile in ticks, lots and milliseconds, and the tape that the kernel makes of it."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtester.engine.events import EVENT
from backtester.errors import usage_error
from backtester.market.synth.figures import BANDS_BPS, SHARES
from backtester.market.synth.kernel import generate
from backtester.market.synth.measure import band_borders
from backtester.market.synth.profile import Ladder, Profile
from backtester.market.synth.state import Recipe, State

#: The ladder reaches this far from the touch at the start, so that 10 % remain wherever the fair price may go.
REACH = 0.11
ROOM = 0.008
#: The label of the clock: the minutes before the crash of that day. A run gives a tape the clock of its scenario.
START = "2025-10-10T20:30:00Z"
#: Assumed: the fair price returns to the start in this time; a rush thins the ladder so far; so far the ladder keeps
#: its shape when the price moves.
ANCHOR_S = 600.0
RUSH_REACH_BPS = 2.5
NEAR_BPS = 5.0
#: So many takers of a side can wait until their size fits; more are cut to what stands within reach.
WAITING = 16


def synth_events(profile: Profile, seed: int, minutes: float) -> NDArray[Any]:
    """The tape as event records of instrument 0. The same profile, seed and length give the same records."""
    if not 0 <= seed < 2**64:
        raise usage_error("--seed", f"expected 0 … 2^64 - 1, was {seed}")
    if not 1.0 <= minutes <= 24 * 60:
        raise usage_error("--minutes", f"expected 1 … 1440, was {minutes:g}")
    recipe = _recipe(profile, minutes)
    capacity = 65_536
    while True:
        events = np.zeros(capacity, EVENT)
        count = generate(recipe, _state(recipe, seed), events)
        if count >= 0:
            return events[:count]
        capacity *= 2


def _recipe(profile: Profile, minutes: float) -> Recipe:
    """The profile in ticks, lots and milliseconds."""
    tick_size, lot_size = profile.instrument.tick_size, profile.instrument.lot_size
    start_tick = round(profile.start_price / tick_size)
    reach, room = int(start_tick * REACH), int(start_tick * ROOM)
    bps = start_tick / 10_000  # ticks in one basis point at the start
    base = start_tick - reach - 2 * room
    start_ts = int(datetime.fromisoformat(START).timestamp()) * 1_000_000_000
    flow, tables = profile.flow, profile.tables
    borders = band_borders(bps)
    borders[-1] = reach
    ticks = np.diff(borders)
    size, levels = _per_band(profile.ladder, ticks)
    levels[-1] *= REACH * 1e4 / BANDS_BPS[-1]
    size[-1] *= REACH * 1e4 / BANDS_BPS[-1]
    share = np.minimum(levels / np.maximum(ticks, 1), 1.0)
    return Recipe(
        base=base,
        start_column=start_tick - base,
        start_ts=start_ts,
        end_ts=start_ts + int(minutes * 60_000) * 1_000_000,
        index_every_ns=profile.index_every_s * 1_000_000_000,
        index_per_unit=10.0 * per_unit(tick_size),
        shares=np.array(SHARES),
        gap_ms=np.array(tables.message_gap_ms, np.float64),
        touch_lots=np.array(tables.touch_size) / lot_size,
        level_noise=_noise(tables.level_noise, flow.level_odds, flow.thin_share),
        taker_lots=np.array(tables.taker_size) / lot_size,
        borders=borders,
        level_lots=size / np.maximum(share * ticks, 1e-9) / lot_size,
        level_share=share,
        level_ms=np.array(profile.ladder.half_life_s) * 1_000,
        touch_ms=flow.touch_half_life_s * 1_000,
        takers_per_ms=flow.takers_per_s / 1_000,
        taker_impact=flow.taker_impact,
        rushes_per_ms=flow.rushes_per_s / 1_000,
        rush_ms=flow.rush_half_life_s * 1_000,
        rush_push_ticks=flow.rush_push_bps * bps,
        rush_takers=flow.rush_takers,
        rush_thinning=flow.rush_thinning,
        rush_side_share=flow.rush_side_share,
        rush_spread_ticks=flow.rush_spread_bps * bps,
        thin_share=flow.thin_share,
        taker_reach=flow.taker_reach_bps * bps,
        rush_reach=int(RUSH_REACH_BPS * bps),
        near=int(NEAR_BPS * bps),
        give_way_ticks=flow.give_way_bps * bps,
        room=float(room),
        diffusion_ticks=flow.diffusion_bps * bps,
        anchor_s=ANCHOR_S,
    )


def _per_band(ladder: Ladder, ticks: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Size and levels of each band; what belongs to a band without a tick is given to the next one."""
    size, levels = np.diff((0.0, *ladder.depth)), np.array(ladder.levels)
    for band in np.flatnonzero(ticks == 0):
        size[band + 1] += size[band]
        levels[band + 1] += levels[band]
        size[band] = levels[band] = 0.0
    return size, levels


def _noise(table: tuple[float, ...], odds: float, thin_share: float) -> NDArray[np.float64]:
    """The distribution of level sizes with other odds of large ones, and a mean of 1 without an urge."""
    leaned = [_between(odds * share / (1 - share + odds * share), SHARES, table) for share in SHARES]
    shares = (thin_share, *(share for share in SHARES if share > thin_share))
    values = [_between(share, SHARES, leaned) for share in shares]
    area = math.fsum((b - a) * (y + x) / 2 for (a, x), (b, y) in pairwise(zip(shares, values, strict=True)))
    return np.array([value * (1 - thin_share) / area for value in leaned])


def _between(x: float, xs: Sequence[float], ys: Sequence[float]) -> float:
    """The value at x on straight lines through the points."""
    i = min(bisect_right(xs, x), len(xs) - 1) - 1
    return (ys[i + 1] - ys[i]) / (xs[i + 1] - xs[i]) * (x - xs[i]) + ys[i]


def per_unit(step: float) -> int:
    """How many ticks or lots make one unit: one over a whole number, or a whole number.

    >>> per_unit(0.1), per_unit(1.0)
    (10, 1)
    """
    return round(1 / step)


def _state(recipe: Recipe, seed: int) -> State:
    """An empty ladder and a fair price in the middle of its columns."""
    width = 2 * recipe.start_column
    return State(
        random=np.array([seed], np.uint64),
        mood=np.array([recipe.start_column + 0.5, 0.0]),
        lots=np.zeros((2, width), np.int64),
        shown=np.zeros((2, width), np.int64),
        best=np.array([recipe.start_column, recipe.start_column + 1]),
        settled=np.array([recipe.start_column, recipe.start_column + 1]),
        dirty=np.zeros((2 * width, 2), np.int64),
        traded=np.full((2, width), -1),
        waiting=np.zeros((2, WAITING), np.int64),
        counts=np.zeros(4, np.int64),
    )
