"""The events of the published benchmark tape: an hour of a BTC perpetual with a flash crash in its middle.

Every number comes from one splitmix64 stream, so that the tape is the same for every version of Python, numpy and numba
(logarithm, exponential and cosine of the C library could differ in a last bit: the checksum tells). The ladder is never
crossed or locked; a trade prints at the best level of the other side, and the next depth message shows what is left.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

SEED = 20_240_805
START_NS = 1_722_816_000_000_000_000  # 2024-08-05 00:00:00 UTC
START_TICK, LOWEST, HIGHEST = 600_000, 480_000, 660_000
SECONDS = 3600.0
CRASH, BOTTOM, RECOVERED = 1770.0, 1830.0, 2130.0  # s: −10 % from the first to the second, +6 % to the third
DEPTH, TRADE = 0, 1
MOST_CLEARED, MOST_TRADES, FURTHEST_TRADE = 60, 60, 40


class Columns(NamedTuple):
    """The neutral columns, one entry an event, prices and sizes on their grid."""

    ts_ns: NDArray[np.int64]
    kind: NDArray[np.int8]
    side: NDArray[np.int8]
    ticks: NDArray[np.int64]
    lots: NDArray[np.int64]

    def sha256(self) -> str:
        """What the tape is known by."""
        digest = hashlib.sha256()
        for column in self:
            digest.update(column.tobytes())
        return digest.hexdigest()


@njit
def uniform(state: Any) -> Any:
    """The next number of the stream, in (0, 1)."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    z = state[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return (np.float64(z >> np.uint64(11)) + 0.5) * (1.0 / 9007199254740992.0)


@njit
def normal(state: Any) -> Any:
    """Box and Muller's."""
    return np.sqrt(-2.0 * np.log(uniform(state))) * np.cos(2.0 * np.pi * uniform(state))


@njit
def lots_of(state: Any, median: float, sigma: float) -> Any:
    """A lognormal size, at least one lot."""
    return max(np.int64(np.round(median * np.exp(sigma * normal(state)))), 1)


@njit
def smooth(x: float) -> Any:
    """From 0 to 1 with flat ends."""
    x = min(max(x, 0.0), 1.0)
    return x * x * (3.0 - 2.0 * x)


@njit
def put(out: Any, count: int, ts: int, kind: int, side: int, place: int, lots: int) -> int:
    """Write one event while there is room; returns how many there are."""
    if count == len(out.ts_ns):
        return count
    out.ts_ns[count], out.kind[count], out.side[count] = ts, kind, side
    out.ticks[count], out.lots[count] = LOWEST + place, lots
    return count + 1


@njit
def generate(out: Any, state: Any) -> None:
    """Fill `out`. Row 0 of the ladder are bids, row 1 asks; `way` is where better prices are."""
    book = np.zeros((2, HIGHEST - LOWEST), np.int64)
    best = np.array([START_TICK - 1 - LOWEST, START_TICK - LOWEST])
    count = 0
    for depth in range(1000):
        away = depth if depth < 300 else 300 + (depth - 300) * 7
        for row in range(2):
            way, lots = 1 - 2 * row, lots_of(state, 400.0 + 2.0 * depth, 1.0)
            book[row, best[row] - way * away] = lots
            count = put(out, count, START_NS, DEPTH, way, best[row] - way * away, lots)
    rate = len(out.ts_ns) / (SECONDS + 4.0 * (BOTTOM - CRASH) + (RECOVERED - BOTTOM))
    hit = np.zeros((MOST_TRADES, 2), np.int64)  # row and place of the levels that the last trades took from
    hits = 0
    t = before = walk = owed = 0.0
    target = np.zeros(2, np.int64)
    while count < len(out.ts_ns):
        activity = 5.0 if CRASH <= t < BOTTOM else (2.0 if BOTTOM <= t < RECOVERED else 1.0)
        changes = 4 + int(uniform(state) * 17.0)
        t += -np.log(uniform(state)) * (changes / 0.85) / (rate * activity)
        walk += normal(state) * 25.0 * np.sqrt(t - before) * np.sqrt(activity)
        before = t
        now = START_NS + int(t * 1e9)
        spread = 1
        if activity > 1.0:
            spread += int(uniform(state) * (30.0 if activity == 5.0 else 8.0))
        fall, rise = smooth((t - CRASH) / (BOTTOM - CRASH)), smooth((t - BOTTOM) / (RECOVERED - BOTTOM))
        target[0] = START_TICK - 1 - LOWEST + np.int64(np.floor(walk + START_TICK * (-0.10 * fall + 0.06 * rise)))
        target[1] = target[0] + spread
        begin = count
        for number in range(hits):  # 1. what the last trades left of their levels
            row, place = hit[number]
            seen = False
            for earlier in range(number):
                seen |= hit[earlier, 0] == row and hit[earlier, 1] == place
            if not seen:
                count = put(out, count, now, DEPTH, 1 - 2 * row, place, book[row, place])
        hits = 0
        for row in range(2):
            while book[row, best[row]] == 0:
                best[row] -= 1 - 2 * row
        room = MOST_CLEARED
        for row in range(2):  # 2. after the wanted price: levels in its way go, never crossing
            way = 1 - 2 * row
            while (best[row] - target[row]) * way > 0 and room > 0:
                book[row, best[row]] = 0
                count = put(out, count, now, DEPTH, way, best[row], 0)
                room -= 1
                while book[row, best[row]] == 0:
                    best[row] -= way
        thin = 0.15 if activity == 5.0 else (0.5 if activity == 2.0 else 1.0)
        for row in range(2):
            way = 1 - 2 * row
            if (target[row] - best[row]) * way > 0 and (best[1 - row] - target[row]) * way > 0:
                best[row] = target[row]
                book[row, best[row]] = lots_of(state, 900.0 * thin, 1.1)
                count = put(out, count, now, DEPTH, way, best[row], book[row, best[row]])
        while count - begin < changes and count < len(out.ts_ns):  # 3. the usual coming and going
            u = uniform(state)
            scale = 12.0 if u < 0.70 else (150.0 if u < 0.93 else 1500.0)
            away = int(-np.log(uniform(state)) * scale)
            row = 0 if uniform(state) < 0.5 else 1
            place = best[row] - (1 - 2 * row) * away
            if not 1 <= place < HIGHEST - LOWEST:
                continue
            if book[row, place] > 0 and away > 0 and uniform(state) < 0.45:
                book[row, place] = 0
            else:
                book[row, place] = lots_of(state, (300.0 + 2.0 * away) * thin, 1.0)
            count = put(out, count, now, DEPTH, 1 - 2 * row, place, book[row, place])
        owed += (count - begin) * (15.0 / 85.0)
        buying = 0.15 if CRASH <= t < BOTTOM else (0.57 if BOTTOM <= t < RECOVERED else 0.5)
        while owed > 0.0 and hits < MOST_TRADES:  # 4. trades, after the message; what is still owed makes bursts
            if uniform(state) > 0.75:
                break
            now += 1 + int(uniform(state) * 200000.0)
            row = 1 if uniform(state) < buying else 0
            lots = lots_of(state, 25.0, 1.6)
            place = best[row]
            while book[row, place] == 0:
                place -= 1 - 2 * row
            if abs(place - best[row]) > FURTHEST_TRADE:
                break
            lots = min(lots, book[row, place])
            book[row, place] -= lots
            hit[hits, 0], hit[hits, 1] = row, place
            hits += 1
            count = put(out, count, now, TRADE, 2 * row - 1, place, lots)
            owed -= 1.0
        t = max(t, (now - START_NS) * 1e-9)


def crash_columns(events: int = 5_000_000) -> Columns:
    """An hour of the market in so many events."""
    long, short = np.zeros((3, events), np.int64), np.zeros((2, events), np.int8)
    out = Columns(long[0], short[0], short[1], long[1], long[2])
    generate(out, np.array([SEED], np.uint64))
    return out
