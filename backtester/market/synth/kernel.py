"""The order flow of a synthetic tape: a fair price that wanders, makers that follow it, takers, and rushes.

Each message lets the fair price move, clears the levels it ran over, closes a wide spread, gives some levels a new size
and is published; takers trade against what is displayed. Now and then a rush begins: an urge to one side that pushes
the fair price, draws takers of that side and thins the ladder ahead of them, and that fades by half in each half-life.
Levels change one at a time, so there is no queue and no strategy: the tape is there for its ladder.

Only + - * / sqrt, exp2 and comparisons: the same bits on every machine that follows IEEE 754.
"""

from __future__ import annotations

import numpy as np

from backtester.engine.arith import LN2, exp2
from backtester.engine.jit import helper, kernel
from backtester.enums import EventKind, Side
from backtester.market.synth.state import (
    ASK,
    BID,
    FAIR,
    MS,
    TRADE,
    URGE,
    Recipe,
    State,
    at_least_one,
    at_rank,
    bell,
    emit,
    happens,
    next_best,
    outwards,
    publish,
    put,
    quantile,
    tell_index,
    uniform,
)

_SNAPSHOT, _DELTA = int(EventKind.SNAPSHOT), int(EventKind.DELTA)
_NONE = int(Side.NONE)


@helper
def band_of(recipe: Recipe, distance: int) -> int:
    """The band that holds this distance, at least 1."""
    band = 0
    while recipe.borders[band + 1] <= distance:
        band += 1
    return band


@helper
def size_rank(recipe: Recipe, state: State, row: int, distance: int) -> float:
    """A rank among the recorded sizes: the lowest of them are seen ahead of an urge, and only there."""
    rank = uniform(state.random)
    nearness = max(0.0, 1.0 - distance / (recipe.rush_reach + 1))
    ahead = state.mood[URGE] * outwards(row) * nearness
    if uniform(state.random) < recipe.rush_thinning * ahead:
        return recipe.thin_share * rank
    return recipe.thin_share + (1.0 - recipe.thin_share) * rank


@helper
def drawn_size(recipe: Recipe, state: State, row: int, distance: int) -> int:
    """A fresh size for a level, or for the best price at distance 0."""
    rank = size_rank(recipe, state, row, distance)
    if distance == 0:
        return at_least_one(at_rank(rank, recipe.shares, recipe.touch_lots))
    mean = recipe.level_lots[band_of(recipe, distance)]
    return at_least_one(mean * at_rank(rank, recipe.shares, recipe.level_noise))


@helper
def drawn_level(recipe: Recipe, state: State, row: int, distance: int) -> int:
    """A fresh size for a tick beyond the best price; 0 where no level shall stand."""
    if uniform(state.random) >= recipe.level_share[band_of(recipe, distance)]:
        return 0
    return drawn_size(recipe, state, row, distance)


@helper
def renew(state: State, row: int, column: int, lots: int) -> None:
    """Sets a level, unless it traded since the last message: that one shall show what the taker left."""
    if state.traded[row, column] != state.counts[3]:
        put(state, row, column, lots)


@helper
def wander(recipe: Recipe, state: State, seconds: float) -> None:
    """Moves the fair price: diffusion, the push of the urge, a slow pull back to the start, never out of the room."""
    fair = state.mood[FAIR]
    fair += recipe.rush_push_ticks * state.mood[URGE] * seconds
    fair += recipe.diffusion_ticks * np.sqrt(seconds) * bell(state.random)
    fair -= (fair - recipe.start_column) * seconds / recipe.anchor_s
    state.mood[FAIR] = min(max(fair, recipe.start_column - recipe.room), recipe.start_column + recipe.room)


@helper
def rush(recipe: Recipe, state: State, gap_ms: int) -> None:
    """Lets the urge fade; sometimes a new one begins, and makers renew what they have ahead of it."""
    state.mood[URGE] *= exp2(-gap_ms / recipe.rush_ms)
    if uniform(state.random) >= recipe.rushes_per_ms * gap_ms:
        return
    row = ASK if uniform(state.random) < 0.5 else BID
    state.mood[URGE] += outwards(row)
    for distance in range(recipe.rush_reach + 1):
        column = state.best[row] + outwards(row) * distance
        if state.lots[row, column] > 0:
            renew(state, row, column, drawn_size(recipe, state, row, distance))


@helper
def give_way(recipe: Recipe, state: State) -> None:
    """Clears the levels on the wrong side of the fair price once it has passed the touch far enough."""
    below = int(state.mood[FAIR])
    patience = recipe.give_way_ticks * max(0.0, 1.0 - recipe.rush_thinning * abs(state.mood[URGE]))
    if state.mood[FAIR] > state.best[ASK] + patience:
        for column in range(state.best[ASK], below + 1):
            put(state, ASK, column, 0)
        next_best(state, ASK)
    elif state.mood[FAIR] < state.best[BID] - patience:
        for column in range(state.best[BID], below, -1):
            put(state, BID, column, 0)
        next_best(state, BID)


@helper
def refill(recipe: Recipe, state: State) -> None:
    """Closes a wide spread around the fair price: to one tick in calm times, to more in a rush."""
    bid, ask = state.best[BID], state.best[ASK]
    width = 1 + int(recipe.rush_spread_ticks * abs(state.mood[URGE]) + uniform(state.random))
    if ask - bid <= width:
        return
    touch = min(max(int(state.mood[FAIR] - (width - 1) / 2), bid), ask - width)
    quote(recipe, state, BID, bid, touch)
    quote(recipe, state, ASK, ask, touch + width)


@helper
def quote(recipe: Recipe, state: State, row: int, old: int, new: int) -> None:
    """Moves the best price of a side inwards: the old one and the ticks between become usual levels."""
    out = outwards(row)
    for distance in range(1, (old - new) * out + 1):
        renew(state, row, new + out * distance, drawn_level(recipe, state, row, distance))
    if new != old:
        renew(state, row, new, drawn_size(recipe, state, row, 0))
        state.best[row] = new
        next_best(state, row)


@helper
def keep_shape(recipe: Recipe, state: State) -> None:
    """Renews the ticks that came into another band because the best price moved: ladders move with their prices."""
    for row in range(2):
        out = outwards(row)
        away = (state.best[row] - state.settled[row]) * out
        ticks = min(abs(away), recipe.near)
        state.settled[row] = state.best[row]
        for border in recipe.borders[1:]:
            if border > recipe.near or ticks == 0:
                break
            first = max(1, border - ticks) if away > 0 else border
            for distance in range(first, first + ticks):
                renew(state, row, state.best[row] + out * distance, drawn_level(recipe, state, row, distance))


@helper
def redraw(recipe: Recipe, state: State, gap_ms: int) -> None:
    """Gives some levels a new size. A level that traded since the last message is left as the taker left it."""
    for row in range(2):
        best = state.best[row]
        if happens(state, gap_ms, recipe.touch_ms):
            renew(state, row, best, drawn_size(recipe, state, row, 0))
        for band in range(len(recipe.level_ms)):
            width = recipe.borders[band + 1] - recipe.borders[band]
            due = width * LN2 * gap_ms / recipe.level_ms[band]  # ticks are hit at random, some twice
            for _ in range(int(due + uniform(state.random))):
                distance = recipe.borders[band] + int(uniform(state.random) * width)
                column = best + outwards(row) * distance
                renew(state, row, column, drawn_level(recipe, state, row, distance))


@helper
def is_within_reach(recipe: Recipe, state: State, row: int, lots: int) -> bool:
    """Whether so much stands within a taker's reach of the best price."""
    found, distance = 0, 0
    while found < lots and distance <= recipe.taker_reach:
        found += state.lots[row, state.best[row] + outwards(row) * distance]
        distance += 1
    return found >= lots


@helper
def taker_size(recipe: Recipe, state: State, row: int) -> int:
    """Size of the next taker of a side. One that is too large for what stands within reach waits, and those who wait
    go first as soon as they fit."""
    waiting = state.waiting[row]
    for i in range(len(waiting)):
        if waiting[i] > 0 and is_within_reach(recipe, state, row, waiting[i]):
            lots, waiting[i] = waiting[i], 0
            return lots
    lots = at_least_one(quantile(state.random, recipe.shares, recipe.taker_lots))
    for i in range(len(waiting)):
        if is_within_reach(recipe, state, row, lots):
            break
        if waiting[i] == 0:
            waiting[i] = lots
            lots = at_least_one(quantile(state.random, recipe.shares, recipe.taker_lots))
    return lots


@helper
def take(recipe: Recipe, state: State, events: np.ndarray, ts: int, row: int) -> None:
    """One taker: walks the displayed ladder from the best price on; the fair price follows part of the way."""
    first = state.best[row]
    left = taker_size(recipe, state, row)
    while left > 0 and abs(state.best[row] - first) <= recipe.taker_reach:
        column = state.best[row]
        lots = min(left, state.lots[row, column])
        emit(recipe, state, events, ts, TRADE, row, column, lots)
        put(state, row, column, state.lots[row, column] - lots)
        state.traded[row, column] = state.counts[3]
        left -= lots
        next_best(state, row)
    state.mood[FAIR] += recipe.taker_impact * (state.best[row] - first)


@helper
def trade(recipe: Recipe, state: State, events: np.ndarray, ts: int, gap_ms: int) -> None:
    """The takers between two messages, at most one in each millisecond.

    In calm times they come to either side alike; an urge adds others, most of them on its side.
    """
    urge = state.mood[URGE]
    urged = recipe.takers_per_ms * recipe.rush_takers * abs(urge)
    ahead = ASK if urge > 0 else BID
    for ms in range(1, gap_ms):
        draw = uniform(state.random)
        if draw < urged:
            row = ahead if uniform(state.random) < recipe.rush_side_share else 1 - ahead
        elif draw < urged + recipe.takers_per_ms:
            row = ASK if uniform(state.random) < 0.5 else BID
        else:
            continue
        tell_index(recipe, state, events, ts + ms * MS)
        take(recipe, state, events, ts + ms * MS, row)


@helper
def open_ladder(recipe: Recipe, state: State, events: np.ndarray) -> None:
    """The opening snapshot: the marker row, then every level out to the reach."""
    emit(recipe, state, events, recipe.start_ts, _SNAPSHOT, 0, -recipe.base, 0)
    events[0]["side"] = _NONE
    for row in range(2):
        put(state, row, state.best[row], drawn_size(recipe, state, row, 0))
        for band in range(len(recipe.level_ms)):
            for distance in range(recipe.borders[band], recipe.borders[band + 1]):
                column = state.best[row] + outwards(row) * distance
                put(state, row, column, drawn_level(recipe, state, row, distance))
    publish(recipe, state, events, recipe.start_ts, _SNAPSHOT)


@kernel
def generate(recipe: Recipe, state: State, events: np.ndarray) -> int:
    """Writes the tape into `events` (shape (n,), zeroed); returns their number, or -1 when `events` is too short."""
    headroom = state.dirty.shape[0] + 10_000
    if headroom > len(events):
        return -1
    open_ladder(recipe, state, events)
    tell_index(recipe, state, events, recipe.start_ts)
    ts = recipe.start_ts
    while True:
        gap_ms = max(2, int(quantile(state.random, recipe.shares, recipe.gap_ms)))
        if ts + gap_ms * MS >= recipe.end_ts:
            return state.counts[1]
        if state.counts[1] + headroom > len(events):
            return -1
        trade(recipe, state, events, ts, gap_ms)
        ts += gap_ms * MS
        tell_index(recipe, state, events, ts)
        rush(recipe, state, gap_ms)
        wander(recipe, state, gap_ms / 1_000.0)
        give_way(recipe, state)
        refill(recipe, state)
        keep_shape(recipe, state)
        redraw(recipe, state, gap_ms)
        publish(recipe, state, events, ts, _DELTA)
