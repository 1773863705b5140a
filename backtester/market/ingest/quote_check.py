"""A second opinion on a stitched order book: the best quotes that the exchange sent beside the diffs."""

from __future__ import annotations

import heapq
from collections import deque
from typing import NamedTuple

from backtester.enums import Side
from backtester.market.ingest.binance_events import Best, BestQuote, Diff, Levels, Snapshot

#: So many quotes wait for the order book, and so many states of it for a quote.
_MOST_WAITING = 1 << 16


class _Side:
    """One side of a ladder in exact source prices. Heap keys are `sign · price`, so the best comes first."""

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self._sizes: dict[float, float] = {}
        self._heap: list[float] = []

    def update(self, levels: Levels) -> None:
        for price, size in levels.tolist():
            if size == 0:
                self._sizes.pop(price, None)
            else:
                if price not in self._sizes:
                    heapq.heappush(self._heap, self._sign * price)
                self._sizes[price] = size

    def best(self) -> tuple[float, float]:
        while self._heap:
            price = self._sign * self._heap[0]
            if price in self._sizes:
                return price, self._sizes[price]
            heapq.heappop(self._heap)  # deleted since
        return 0.0, 0.0


class _State(NamedTuple):
    """The best prices after an update; quotes up to `known_after` are older than the snapshot and say nothing."""

    id: int
    known_after: int
    where: str
    best: Best


class QuoteCheck:
    """Compares the ladder after every snapshot and diff with the last quote that is not newer, by update ids.

    Every change of a best price or its size brings a quote, so the two must be equal; quotes between two updates show
    states that no message of the tape has. Quotes are not written: the ladder says the same, level by level.

    Example: states after ids 5 and 9, quotes 4, 5, 8, 11: state 5 is compared with quote 5, state 9 with quote 8.
    """

    def __init__(self) -> None:
        self.agree = self.unknown = 0
        self.disagree: list[str] = []  # where
        self._sides = (_Side(-Side.BUY), _Side(-Side.SELL))
        self._known_after = -1
        self._states: deque[_State] = deque()
        self._quotes: deque[BestQuote] = deque()
        self._last: BestQuote | None = None

    def take(self, event: Diff | Snapshot) -> Best:
        """Apply a stitched diff or snapshot; returns the best prices after it."""
        if isinstance(event, Snapshot):
            self._sides = (_Side(-Side.BUY), _Side(-Side.SELL))
            self._known_after = event.last_id
        for side, levels in zip(self._sides, (event.bids, event.asks), strict=True):
            side.update(levels)
        best = Best(*self._sides[0].best(), *self._sides[1].best())
        self._states.append(_State(event.last_id, self._known_after, event.where, best))
        self._compare()
        if len(self._states) > _MOST_WAITING:
            self._states.popleft()
            self.unknown += 1
        return best

    def quote(self, quote: BestQuote) -> None:
        """Note a quote; they come in the order of their ids."""
        self._quotes.append(quote)
        self._compare()
        if len(self._quotes) > _MOST_WAITING:
            self._last = self._quotes.popleft()

    def close(self) -> None:
        """No more quotes come: which one is the last for the states that still wait is not known."""
        self.unknown += len(self._states)

    def _compare(self) -> None:
        """Go through states and quotes in the order of ids, as far as both are known."""
        while self._states and self._quotes:
            state = self._states[0]
            if self._quotes[0].id <= state.id:
                self._last = self._quotes.popleft()
                continue
            self._states.popleft()
            if self._last is None or self._last.id <= state.known_after:
                self.unknown += 1
            elif self._last.best == state.best:
                self.agree += 1
            else:
                self.disagree.append(state.where)
