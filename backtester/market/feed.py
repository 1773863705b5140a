"""When an order book is too old to believe, and when its feed stood still: bounds and words for runs and checks.

An order book is old beyond a **bound**: 20 times the median time between two messages of its instrument in the run, at
least 10 s and at most 2 minutes, or what --stale-after says. A touch that trades contradict for three times as long
(RULES 2.6) is a frozen feed, and the run is refused: nothing on it would be worth a figure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtester.engine.book.feed import GAP_NS, SHORTEST_NS
from backtester.market.schema import TapeInstrument
from backtester.texts import iso_time

MEDIANS = 20
LONGEST_NS = 120_000_000_000
#: So many bounds long is a touch contradicted that stood still.
FROZEN_BOUNDS = 3

#: What a user says to have such a feed taken as it is.
ASSUME_FROZEN = "--assume-order-book-frozen"


def bound_ns(gaps: NDArray[np.int64], stale_after_ns: int | None = None) -> int:
    """The age beyond which an order book is old, ns. gaps: i8[bins], times between messages (engine.book.feed).

    Example: half of the messages come within 0.5 to 0.6 s of the one before → 20 · 0.6 s = 12 s.
    """
    if stale_after_ns is not None:
        return stale_after_ns
    total = int(gaps.sum())
    median = int(np.searchsorted(np.cumsum(gaps), (total + 1) // 2)) + 1 if total else 0
    return min(max(MEDIANS * median * GAP_NS, SHORTEST_NS), LONGEST_NS)


def frozen(instrument: TapeInstrument, sides: NDArray[Any], bound: int) -> Iterator[str]:
    """The sides (FEED[2]: bid, ask) that trades contradicted for too long, in words."""
    for name, side in zip(("bid", "ask"), sides, strict=True):
        if side["longest_ns"] > FROZEN_BOUNDS * bound:
            shown, traded = (f"{side[tick] * instrument.tick_size:.10g}" for tick in ("longest_touch", "longest_tick"))
            yield (
                f"trades contradict the order book of {instrument.symbol} for {seconds(side['longest_ns'])} from "
                f"{iso_time(int(side['longest_ts']))}: its best {name} stays {shown}, {traded} is traded"
            )


def frozen_feeds(
    instruments: Sequence[TapeInstrument], used: Iterable[int], feeds: NDArray[Any], bounds: Sequence[int]
) -> list[tuple[str, str]]:
    """(symbol, what stood still) of the instruments `used`; feeds: FEED, two an instrument."""
    return [
        (instruments[i].symbol, text)
        for i in sorted({*used})
        for text in frozen(instruments[i], feeds[2 * i : 2 * i + 2], bounds[i])
    ]


def seconds(ns: int) -> str:
    """A length of time. 190000000000 is 190.000 s."""
    return f"{ns / 1e9:,.3f} s"
