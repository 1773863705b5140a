"""What a fast price does to order books: a rule from one crash that was measured, for crashes that were not.

On 2025-10-10 the depth of Binance's BTCUSDT was measured beside its price (`scenarios show 2025-10-10 --figures`): a
fall of 1 % within five minutes left 0.6 of the bids within 1 %, one of 3 % left 0.3, one of 6 % 0.1, and the minute of
the low (9 %) next to nothing; half an hour later a third was back, an hour later four tenths. LEVELS are these figures,
with steps between them, and `lasts_s`: for how long after such a move the book is no better than that. The side that is
hit thins more than the other: bids in a fall, asks in a rise, mirrored. Beyond that crash all of it is assumed.

    level(t) = the thinnest level k for which a move of at least k's speed happened within k's lasts_s before t

Example: −3.4 % in five minutes at 01:05, nothing else: bids of (0.2, 0.3, 0.29), asks of (0.3, 0.38, 0.38) from 01:05
to 02:20; then 0.45 of the bids within 1 % until 03:05, 0.6 until 04:05, 0.8 until 05:05.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

#: Within how many seconds a move has its speed.
WITHIN_S = 300
_STEP_S = 60


class Level(NamedTuple):
    """Depth left within 10 bps, within 1 %, beyond, of the side that is hit and of the other; spread in bps."""

    speed: float
    lasts_s: int
    hit: tuple[float, float, float]
    other: tuple[float, float, float]
    spread_bps: float
    latency_ms: float
    refill_s: float


LEVELS = (
    Level(0.0, 0, (1.0, 1.0, 1.0), (1.0, 1.0, 1.0), 0.0, 0.0, 2.0),
    Level(0.005, 14_400, (0.8, 0.8, 0.8), (0.85, 0.85, 0.85), 0.05, 10.0, 3.0),
    Level(0.01, 10_800, (0.6, 0.6, 0.5), (0.67, 0.67, 0.67), 0.1, 20.0, 5.0),
    Level(0.02, 7_200, (0.4, 0.45, 0.4), (0.5, 0.55, 0.55), 0.4, 60.0, 10.0),
    Level(0.03, 4_500, (0.2, 0.3, 0.29), (0.3, 0.38, 0.38), 1.0, 150.0, 20.0),
    Level(0.045, 780, (0.1, 0.2, 0.27), (0.15, 0.33, 0.36), 2.5, 150.0, 20.0),
    Level(0.06, 480, (0.02, 0.1, 0.25), (0.05, 0.3, 0.35), 5.0, 150.0, 30.0),
    Level(0.09, 120, (0.0016, 0.02, 0.15), (0.0016, 0.05, 0.13), 26.43, 300.0, 60.0),
)


class Book(NamedTuple):
    """The levels of bids and asks from `t` (s) on, and the move that made them thinner, a fraction (0: a recovery)."""

    t: int
    bids: int
    asks: int
    move: float

    def depth(self) -> tuple[float, ...]:
        """bid_depth_near, _mid, _far, ask_depth_near, _mid, _far."""
        bids, asks = LEVELS[self.bids], LEVELS[self.asks]
        return (*map(min, bids.hit, asks.other), *map(min, asks.hit, bids.other))

    @property
    def level(self) -> Level:
        """Of the thinner side: spread, latency and refill go by it."""
        return LEVELS[max(self.bids, self.asks)]


def level_of(speed: float) -> int:
    """The level that a move of `speed` (a fraction, at least 0, within five minutes) makes. Example: 0.034 → 4."""
    return max(k for k, level in enumerate(LEVELS) if level.speed <= speed)


def books(falls: Mapping[int, float], rises: Mapping[int, float], span_s: int) -> list[Book]:
    """How the book changes, minute by minute, from the sizes (at least 0) of moves by their time (s from the start)."""
    last = {side: dict[int, int]() for side in ("bids", "asks")}
    course: list[Book] = []
    for t in range(0, span_s, _STEP_S):
        moved = {
            side: max((sizes.get(each, 0.0) for each in range(t, t + _STEP_S)), default=0.0)
            for side, sizes in (("bids", falls), ("asks", rises))
        }
        for side, speed in moved.items():
            last[side] |= dict.fromkeys(range(1, level_of(speed) + 1), t)
        bids, asks = (
            max((k for k, since in reached.items() if t - since < LEVELS[k].lasts_s), default=0)
            for reached in last.values()
        )
        before = course[-1] if course else Book(0, 0, 0, 0.0)
        if not course or (bids, asks) != (before.bids, before.asks):
            move = -moved["bids"] if bids > before.bids else moved["asks"] if asks > before.asks else 0.0
            course.append(Book(t, bids, asks, move))
    return course
