"""The order flow of a synthetic tape: a fair price that wanders, makers that follow it, takers that lean towards it.

Each message lets the fair price move, clears the levels it ran over, closes a wide spread, redraws some levels and is
published; between two messages at most one taker trades against what is displayed. Levels change one at a time and
independently, so there is no queue, no strategy and no memory: the model is there for its ladder, not for its alpha.

Only + - * / sqrt and comparisons: the same bits on every machine that follows IEEE 754.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from backtester.engine.jit import helper, kernel
from backtester.enums import EventKind, Side

_SNAPSHOT, _DELTA, _TRADE, _INDEX = (
    int(kind) for kind in (EventKind.SNAPSHOT, EventKind.DELTA, EventKind.TRADE, EventKind.INDEX)
)
_NONE = int(Side.NONE)
_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_A = np.uint64(0xBF58476D1CE4E5B9)
_MIX_B = np.uint64(0x94D049BB133111EB)
_MS = 1_000_000
_BID, _ASK = 0, 1


class Recipe(NamedTuple):
    """A profile in ticks, lots, milliseconds and fractions of a message. Arrays f8 unless said."""

    base: int  # tick of column 0 of the state
    start_column: int
    start_ts: int  # ns
    end_ts: int  # ns
    index_every_ns: int
    index_per_unit: float  # tenths of a tick in one unit of the quote currency
    shares: np.ndarray  # (Q,) where the tables of quantiles are given
    gap_ms: np.ndarray  # (Q,)
    touch_lots: np.ndarray  # (Q,)
    level_noise: np.ndarray  # (Q,)
    taker_lots: np.ndarray  # (Q,)
    mean_lots: np.ndarray  # (R,) mean size of a level by its distance from the touch in ticks
    pitch: np.ndarray  # i8 (R,) a level may stand only on multiples of this
    zones: np.ndarray  # i8 (Z+1,) borders of the zones in ticks from the touch, the last is R
    draws: np.ndarray  # i8 (Z,)
    touch_redraw_share: float
    hole_share: float
    refill_share: float
    takers_per_ms: float
    taker_lean: float
    taker_impact: float
    give_way_ticks: float
    room: float  # how far the fair price may go from its start, in ticks
    diffusion_ticks: float
    trend_ticks: float
    trend_life_s: float
    anchor_life_s: float


class State(NamedTuple):
    """All that changes. `lots` is true, `shown` was published; W columns, column = tick - base."""

    random: np.ndarray  # u8 (1,)
    fair: np.ndarray  # f8 (2,) fair price in columns, its drift in columns per second
    lots: np.ndarray  # i8 (2, W) row _BID and _ASK
    shown: np.ndarray  # i8 (2, W)
    best: np.ndarray  # i8 (2,) columns of the best prices
    dirty: np.ndarray  # i8 (W, 2) side row and column of the changes since the last message
    counts: np.ndarray  # i8 (3,) dirty entries, events written, index rows written


@helper
def uniform(random: np.ndarray) -> float:
    """Next number in [0, 1) of a splitmix64 stream."""
    random[0] += _GAMMA
    z = random[0]
    z = (z ^ (z >> np.uint64(30))) * _MIX_A
    z = (z ^ (z >> np.uint64(27))) * _MIX_B
    z ^= z >> np.uint64(31)
    return np.float64(z >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@helper
def bell(random: np.ndarray) -> float:
    """Mean 0, variance 1: the sum of twelve uniforms, which needs no logarithm."""
    total = -6.0
    for _ in range(12):
        total += uniform(random)
    return total


@helper
def quantile(random: np.ndarray, shares: np.ndarray, values: np.ndarray) -> float:
    """A draw from a table of quantiles."""
    u = uniform(random)
    i = 1
    while shares[i] < u:
        i += 1
    return values[i - 1] + (values[i] - values[i - 1]) * (u - shares[i - 1]) / (shares[i] - shares[i - 1])


@helper
def at_least_one(lots: float) -> int:
    """Rounded to whole lots, never an empty level."""
    return max(1, int(lots + 0.5))


@helper
def outwards(row: int) -> int:
    """The step away from mid: -1 for bids, +1 for asks."""
    return 2 * row - 1


@helper
def put(state: State, row: int, column: int, lots: int) -> None:
    """Sets a level and remembers that it has to be published."""
    if state.lots[row, column] != lots:
        state.lots[row, column] = lots
        state.dirty[state.counts[0], 0] = row
        state.dirty[state.counts[0], 1] = column
        state.counts[0] += 1


@helper
def emit(
    recipe: Recipe, state: State, events: np.ndarray, ts: int, kind: int, row: int, column: int, lots: int
) -> None:
    """Appends one depth or trade event on a level of side `row`; who trades with bids sells."""
    event = events[state.counts[1]]
    event["ts"] = ts
    event["kind"] = kind
    event["side"] = outwards(row) if kind == _TRADE else -outwards(row)
    event["tick"] = column + recipe.base
    event["lots"] = lots
    state.counts[1] += 1


@helper
def tell_index(recipe: Recipe, state: State, events: np.ndarray, until_ts: int) -> None:
    """Appends the index rows that are due: the fair price, to a tenth of a tick."""
    ts = recipe.start_ts + state.counts[2] * recipe.index_every_ns
    while ts <= until_ts:
        event = events[state.counts[1]]
        event["ts"] = ts
        event["kind"] = _INDEX
        event["value"] = (recipe.base * 10 + int(state.fair[0] * 10.0 + 0.5)) / recipe.index_per_unit
        state.counts[1] += 1
        state.counts[2] += 1
        ts += recipe.index_every_ns


@helper
def next_best(state: State, row: int) -> None:
    """Moves the best price outwards to the next level."""
    while state.lots[row, state.best[row]] == 0:
        state.best[row] += outwards(row)


@helper
def drawn_level(recipe: Recipe, state: State, distance: int, column: int) -> int:
    """A fresh size for the level `distance` ticks from the touch; 0 where none should stand."""
    if (column + recipe.base) % recipe.pitch[distance] != 0 or uniform(state.random) < recipe.hole_share:
        return 0
    return at_least_one(recipe.mean_lots[distance] * quantile(state.random, recipe.shares, recipe.level_noise))


@helper
def drawn_touch(recipe: Recipe, state: State) -> int:
    """A fresh size for a best price."""
    return at_least_one(quantile(state.random, recipe.shares, recipe.touch_lots))


@helper
def wander(recipe: Recipe, state: State, seconds: float) -> None:
    """Moves the fair price: diffusion, a slowly changing drift, and a pull back to the start, never out of the room."""
    fair, drift = state.fair[0], state.fair[1]
    kick = recipe.trend_ticks * np.sqrt(2.0 * seconds / recipe.trend_life_s)
    drift += kick * bell(state.random) - drift * seconds / recipe.trend_life_s
    fair += drift * seconds + recipe.diffusion_ticks * np.sqrt(seconds) * bell(state.random)
    fair -= (fair - recipe.start_column) * seconds / recipe.anchor_life_s
    state.fair[0] = min(max(fair, recipe.start_column - recipe.room), recipe.start_column + recipe.room)
    state.fair[1] = drift


@helper
def give_way(recipe: Recipe, state: State) -> None:
    """Clears the levels on the wrong side of the fair price once it has passed the touch far enough."""
    below = int(state.fair[0])
    if state.fair[0] > state.best[_ASK] + recipe.give_way_ticks:
        for column in range(state.best[_ASK], below + 1):
            put(state, _ASK, column, 0)
        next_best(state, _ASK)
    elif state.fair[0] < state.best[_BID] - recipe.give_way_ticks:
        for column in range(state.best[_BID], below, -1):
            put(state, _BID, column, 0)
        next_best(state, _BID)


@helper
def refill(recipe: Recipe, state: State) -> None:
    """Sometimes closes a wide spread to one tick around the fair price."""
    bid, ask = state.best[_BID], state.best[_ASK]
    if ask - bid == 1 or uniform(state.random) >= recipe.refill_share:
        return
    touch = min(max(int(state.fair[0]), bid), ask - 1)
    for column in range(bid + 1, touch):
        put(state, _BID, column, drawn_level(recipe, state, touch - column, column))
    for column in range(touch + 2, ask):
        put(state, _ASK, column, drawn_level(recipe, state, column - touch - 1, column))
    if touch > bid:
        put(state, _BID, touch, drawn_touch(recipe, state))
        state.best[_BID] = touch
    if touch + 1 < ask:
        put(state, _ASK, touch + 1, drawn_touch(recipe, state))
        state.best[_ASK] = touch + 1


@helper
def redraw(recipe: Recipe, state: State) -> None:
    """Gives some levels a new size. A level that traded since the last message is left as the taker left it."""
    for row in range(2):
        best = state.best[row]
        if uniform(state.random) < recipe.touch_redraw_share and state.lots[row, best] == state.shown[row, best]:
            put(state, row, best, drawn_touch(recipe, state))
        for zone in range(len(recipe.draws)):
            width = recipe.zones[zone + 1] - recipe.zones[zone]
            for _ in range(recipe.draws[zone]):
                distance = recipe.zones[zone] + int(uniform(state.random) * width)
                column = best + outwards(row) * distance
                lots = drawn_level(recipe, state, distance, column)
                if state.lots[row, column] == state.shown[row, column]:
                    put(state, row, column, lots)


@helper
def publish(recipe: Recipe, state: State, events: np.ndarray, ts: int, kind: int) -> None:
    """Writes one message: the new absolute size of each level that differs from what was shown."""
    for i in range(state.counts[0]):
        row, column = state.dirty[i, 0], state.dirty[i, 1]
        if state.shown[row, column] != state.lots[row, column]:
            emit(recipe, state, events, ts, kind, row, column, state.lots[row, column])
            state.shown[row, column] = state.lots[row, column]
    state.counts[0] = 0


@helper
def take(recipe: Recipe, state: State, events: np.ndarray, ts: int) -> None:
    """One taker: walks the displayed ladder from the best price on; the fair price follows part of the way."""
    middle = (state.best[_BID] + state.best[_ASK]) / 2
    lean = recipe.taker_lean * (state.fair[0] - middle) / recipe.give_way_ticks
    row = _ASK if uniform(state.random) < 0.5 + lean else _BID
    left = at_least_one(quantile(state.random, recipe.shares, recipe.taker_lots))
    first = state.best[row]
    while left > 0:
        column = state.best[row]
        lots = min(left, state.lots[row, column])
        emit(recipe, state, events, ts, _TRADE, row, column, lots)
        put(state, row, column, state.lots[row, column] - lots)
        left -= lots
        next_best(state, row)
    state.fair[0] += recipe.taker_impact * (state.best[row] - first)


@helper
def open_ladder(recipe: Recipe, state: State, events: np.ndarray) -> None:
    """The opening snapshot: the marker row, then every level out to the reach."""
    emit(recipe, state, events, recipe.start_ts, _SNAPSHOT, 0, -recipe.base, 0)
    events[0]["side"] = _NONE
    for row in range(2):
        for distance in range(len(recipe.mean_lots)):
            column = state.best[row] + outwards(row) * distance
            lots = drawn_level(recipe, state, distance, column) if distance else drawn_touch(recipe, state)
            put(state, row, column, lots)
    publish(recipe, state, events, recipe.start_ts, _SNAPSHOT)


@kernel
def generate(recipe: Recipe, state: State, events: np.ndarray) -> int:
    """Writes the tape into `events` (shape (n,), zeroed); returns their number, or -1 when `events` is too short."""
    headroom = state.dirty.shape[0] + 1_000
    if headroom > len(events):
        return -1
    open_ladder(recipe, state, events)
    tell_index(recipe, state, events, recipe.start_ts)
    ts = recipe.start_ts
    while True:
        if state.counts[1] + headroom > len(events):
            return -1
        gap_ms = max(2, int(quantile(state.random, recipe.shares, recipe.gap_ms)))
        taker_ts = ts + (1 + int(uniform(state.random) * (gap_ms - 1))) * _MS
        ts += gap_ms * _MS
        if ts >= recipe.end_ts:
            return state.counts[1]
        taken = uniform(state.random) < recipe.takers_per_ms * gap_ms
        if taken:
            tell_index(recipe, state, events, taker_ts)
            take(recipe, state, events, taker_ts)
        tell_index(recipe, state, events, ts)
        wander(recipe, state, gap_ms / 1_000.0)
        give_way(recipe, state)
        if not taken:  # the first message after a trade shows what the trade left
            refill(recipe, state)
        redraw(recipe, state)
        publish(recipe, state, events, ts, _DELTA)
