"""What the kernel of synthetic tapes works on: the recipe, the state, random numbers, and the ladder and its rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from backtester.engine.arith import exp2
from backtester.engine.jit import helper
from backtester.enums import EventKind

TRADE, INDEX = int(EventKind.TRADE), int(EventKind.INDEX)
BID, ASK = 0, 1
#: Places in State.mood.
FAIR, URGE = 0, 1
#: Nanoseconds in a millisecond.
MS = 1_000_000
_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_A = np.uint64(0xBF58476D1CE4E5B9)
_MIX_B = np.uint64(0x94D049BB133111EB)


class Recipe(NamedTuple):
    """A profile in ticks, lots and milliseconds. Arrays f8 unless said; parameters as in `profile.Flow`."""

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
    borders: np.ndarray  # i8 (B + 1,) band b holds the distances borders[b] <= d < borders[b + 1] from the touch
    level_lots: np.ndarray  # (B,) mean size of a level
    level_share: np.ndarray  # (B,) ticks that hold a level
    level_ms: np.ndarray  # (B,) half-life of a level
    near: int  # the ladder keeps its shape for so many ticks when the price moves
    room: float  # how far the fair price may go from its start, in ticks
    anchor_s: float  # it returns there with this time constant
    touch_ms: float
    give_way_ticks: float
    diffusion_ticks: float
    takers_per_ms: float
    taker_reach: float
    taker_impact: float  # part of the swept distance by which the fair price follows
    thin_share: float
    rushes_per_ms: float
    rush_ms: float
    rush_push_ticks: float
    rush_takers: float
    rush_side_share: float
    rush_thinning: float
    rush_reach: int  # a rush thins the ladder for so many ticks, less and less
    rush_spread_ticks: float


class State(NamedTuple):
    """All that changes. `lots` is true, `shown` was published; W columns, column = tick - base."""

    random: np.ndarray  # u8 (1,)
    mood: np.ndarray  # f8 (2,) fair price in columns; urge, positive to buy
    lots: np.ndarray  # i8 (2, W) row BID and ASK
    shown: np.ndarray  # i8 (2, W)
    best: np.ndarray  # i8 (2,) columns of the best prices
    settled: np.ndarray  # i8 (2,) the same at the last message
    dirty: np.ndarray  # i8 (2 W, 2) side row and column of the changes since the last message
    traded: np.ndarray  # i8 (2, W) the message after which a level traded last
    waiting: np.ndarray  # i8 (2, 16) lots of the takers of each side that wait for larger levels, 0 where none does
    counts: np.ndarray  # i8 (4,) dirty entries, events written, index rows written, messages


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
def at_rank(rank: float, shares: np.ndarray, values: np.ndarray) -> float:
    """The value at a share of a distribution that is given by its quantiles, on straight lines between them."""
    i = 1
    while shares[i] < rank:
        i += 1
    return values[i - 1] + (values[i] - values[i - 1]) * (rank - shares[i - 1]) / (shares[i] - shares[i - 1])


@helper
def quantile(random: np.ndarray, shares: np.ndarray, values: np.ndarray) -> float:
    """A draw from a table of quantiles."""
    return at_rank(uniform(random), shares, values)


@helper
def happens(state: State, gap_ms: float, half_life_ms: float) -> bool:
    """Whether something with that half-life happens within the gap."""
    return uniform(state.random) >= exp2(-gap_ms / half_life_ms)


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
    event["side"] = outwards(row) if kind == TRADE else -outwards(row)
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
        event["kind"] = INDEX
        event["value"] = (recipe.base * 10 + int(state.mood[FAIR] * 10.0 + 0.5)) / recipe.index_per_unit
        state.counts[1] += 1
        state.counts[2] += 1
        ts += recipe.index_every_ns


@helper
def next_best(state: State, row: int) -> None:
    """Moves the best price outwards to the next level."""
    while state.lots[row, state.best[row]] == 0:
        state.best[row] += outwards(row)


@helper
def publish(recipe: Recipe, state: State, events: np.ndarray, ts: int, kind: int) -> None:
    """Writes one message: the new absolute size of each level that differs from what was shown."""
    for i in range(state.counts[0]):
        row, column = state.dirty[i, 0], state.dirty[i, 1]
        if state.shown[row, column] != state.lots[row, column]:
            emit(recipe, state, events, ts, kind, row, column, state.lots[row, column])
            state.shown[row, column] = state.lots[row, column]
    state.counts[0] = 0
    state.counts[3] += 1
