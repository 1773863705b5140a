"""Inside of a candle: when the path moves, and which way it takes from the open over both extremes to the close.

The extremes come in the order of the shorter way (a falling candle has its high first; one that goes nowhere is judged
by its neighbours), at moments as if the price went that way at one speed. Between them the price is a random walk with
both ends pinned,

    p' = p + (target − p) · dt / left + sigma · sqrt(dt · (left − dt) / left) · z
    sigma² = (high − low)² / (4 ln 2 · T)      Parkinson, The extreme value method, Journal of Business 53 (1980)

folded back where it would leave the range, so that high and low are touched once and never passed. z depends on the
moment alone: all symbols of a path move together (assumed).
Example: open 100, high 101, low 90, close 95 go 1 + 11 + 5 = 17 in 60 s: the high is at 3.5 s, the low at 42.4 s.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

NS = 1_000_000_000
MINUTE_NS = 60 * NS
#: A minute whose candle ranges over more than this share of its price moves in steps of so many seconds.
FAST = ((0.025, 1), (0.01, 5))
#: At most so far apart are the steps of a minute that has a candle of its own: both extremes find a place.
TOLD_NS = 20 * NS
#: Share of a candle's range next to its extremes that the walk between its corners keeps out of.
MARGIN = 0.02
#: 4 ln 2, for sigma.
FOUR_LN_2 = 2.772588722239781
#: A move from open to close below this share of the range is no direction.
FLAT = 0.1

#: When a path moves: (from t_ns, step in ns), ascending from 0.
Cadence = tuple[tuple[int, int], ...]
#: A price or a basis by t_ns.
Knots = dict[int, float]


class Piece(NamedTuple):
    """A candle from `start` to `end` (t_ns); low_at, high_at: when its extremes happened, if that was published.

    `like`: the symbol that it is assumed to look like inside; empty for none. `trend`: where its neighbours go.
    """

    start: int
    end: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    low_at: int | None = None
    high_at: int | None = None
    like: str = ""
    trend: float = 0.0

    @property
    def falls(self) -> bool:
        """Whether the high comes before the low."""
        move = self.close - self.open
        return (move if abs(move) > FLAT * (self.high - self.low) else self.trend or move) < 0.0


def cadence(symbols: Sequence[Sequence[Piece]], span_ns: int, calm_ns: int) -> Cadence:
    """When the path moves: (from t_ns, step in ns), ascending, from the finest pieces of each symbol."""
    steps = [calm_ns] * -(-span_ns // MINUTE_NS)
    for piece in (piece for pieces in symbols for piece in pieces if piece.end - piece.start <= MINUTE_NS):
        ratio = (piece.high - piece.low) / piece.open
        step = next((seconds * NS for share, seconds in FAST if ratio > share), TOLD_NS)
        for minute in range(piece.start // MINUTE_NS, min(-(-piece.end // MINUTE_NS), len(steps))):
            steps[minute] = min(steps[minute], step)
    changes = [(0, steps[0])]
    changes += [(k * MINUTE_NS, step) for k, step in enumerate(steps) if k and step != steps[k - 1]]
    return tuple(changes)


def walk(piece: Piece, times: Sequence[int], origin_ns: int) -> Knots:
    """Knots of one candle at its start and at the `times` inside of it, ascending; the close is where it ends.

    `origin_ns`: the window's start since the epoch, from which the shocks are drawn.
    """
    inside = times[bisect_right(times, piece.start) : bisect_left(times, piece.end)]
    moments = [piece.start, *inside, piece.end]
    corners = {0: piece.open, len(moments) - 1: piece.close} | _turns(piece, moments)
    sigma = (piece.high - piece.low) / math.sqrt(FOUR_LN_2 * (piece.end - piece.start))
    edge = MARGIN * (piece.high - piece.low)
    line, price = [piece.open], piece.open
    places = sorted(corners)
    for place in range(1, len(moments) - 1):
        if place in corners:
            price = corners[place]
        else:
            target = next(each for each in places if each > place)
            left, dt = moments[target] - moments[place - 1], moments[place] - moments[place - 1]
            noise = sigma * math.sqrt(dt * (left - dt) / left) * shock(origin_ns + moments[place])
            drifted = price + (corners[target] - price) * dt / left + noise
            price = _folded(drifted, piece.low + edge, piece.high - edge)
        line.append(price)
    return dict(zip(moments[:-1], line, strict=True))


def _turns(piece: Piece, moments: Sequence[int]) -> dict[int, float]:
    """Place in `moments` -> extreme. With one place between the ends only the farther extreme has room."""
    first, second = (piece.high, piece.low) if piece.falls else (piece.low, piece.high)
    last = len(moments) - 2
    if last < 2:
        farther = max((first, second), key=lambda price: abs(2.0 * price - piece.open - piece.close))
        return {last: farther} if last else {}
    way = (abs(first - piece.open), piece.high - piece.low, abs(second - piece.close))
    pace = (piece.end - piece.start) / (sum(way) or 1.0)
    said = {piece.high: piece.high_at, piece.low: piece.low_at}
    early, late = said.get(first), said.get(second)
    at = _nearest(moments, piece.start + way[0] * pace if early is None else early)
    then = _nearest(moments, piece.end - way[2] * pace if late is None else late)
    turns = {}
    if first != piece.open:
        at = min(max(at, 1), last - 1)
        turns[at] = first
    return turns | {min(max(then, at + 1), last): second}


def _nearest(moments: Sequence[int], t: float) -> int:
    return min(range(len(moments)), key=lambda place: abs(moments[place] - t))


def _folded(price: float, low: float, high: float) -> float:
    """A price reflected at both bounds until it lies between them."""
    width = high - low
    if width <= 0.0:
        return (low + high) / 2.0
    offset = (price - low) % (2.0 * width)
    return low + (offset if offset <= width else 2.0 * width - offset)


@cache
def shock(t_ns: int) -> float:
    """A number with mean 0 and variance 1 for a moment: four uniforms (splitmix64) less their mean, times root 3."""
    total, state = 0.0, t_ns
    for _ in range(4):
        state = (state + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        mixed = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
        total += ((mixed ^ (mixed >> 31)) >> 11) / 2**53
    return (total - 2.0) * math.sqrt(3.0)
