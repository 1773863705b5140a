"""The recorder's clock against the exchange's: what recorded receive times are worth.

`receive − exchange` is the time on the way plus the difference of two clocks. One-way stamps cannot tell the two apart,
but the fastest messages can be told from the rest: they lie on the line under all points that is closest to them (Moon,
Skelly, Towsley, "Estimation and Removal of Clock Skew from Network Delay Measurements", INFOCOM 1999). Its slope is the
drift of the clocks; its height is their difference plus the time of the fastest message, which somebody has to know.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from backtester.market.encode import NO_TIME


class ClockLine(NamedTuple):
    """`receive − exchange` of the fastest messages, in ns: a line through two of them; and how the others lie.

    Example: points (0, 5), (10, 6), (20, 9) → the line through the first two, drift 0.1, mean delay above it 2/3 ns.
    """

    from_ns: int  # receive time
    offset_ns: int  # there
    run_ns: int
    rise_ns: int  # of the offset over run_ns
    first_ns: int  # receive times of all messages
    last_ns: int
    smallest_ns: int  # of all messages
    mean_delay_ns: float  # of all messages, above the line

    @property
    def is_possible(self) -> bool:
        """Whether no message was received before it was sent."""
        return self.smallest_ns >= 0

    @property
    def drift_ppm(self) -> float:
        """How much faster the recorder's clock runs, in millionths."""
        return 1e6 * self.rise_ns / self.run_ns

    def offset_at(self, recv_ns: int) -> int:
        """The line at a receive time, in ns, rounded down."""
        return self.offset_ns + self.rise_ns * (recv_ns - self.from_ns) // self.run_ns


class ReceiveClock(NamedTuple):
    """How receive times go on the tape: as they are, set right by a line, or not at all."""

    words: str
    is_kept: bool
    line: ClockLine | None = None
    fastest_ns: int = 0

    def __call__(self, recv_ns: int) -> int:
        """A recorded receive time as the tape has it; NO_TIME where it has none."""
        if not self.is_kept or recv_ns == NO_TIME:
            return NO_TIME
        return recv_ns if self.line is None else recv_ns - self.line.offset_at(recv_ns) + self.fastest_ns


def receive_clock(line: ClockLine | None, fastest_ns: int | None) -> ReceiveClock:
    """What to do with receive times. `fastest_ns` is the declared time of the fastest message from sent to received.

    Without a declaration they are kept if they are possible, and left out if a message was received before it was sent.
    """
    if line is None:
        return ReceiveClock("recv_ts left out: too few messages to judge the clocks", False)
    if fastest_ns is not None:
        words = f"recv_ts set so that the fastest message took {fastest_ns / 1e6:g} ms, as declared"
        return ReceiveClock(words, True, line, fastest_ns)
    if line.is_possible:
        return ReceiveClock("recv_ts as recorded, not checked against the exchange's clock", True)
    behind = f"{-line.smallest_ns / 1e6:,.1f} ms"
    return ReceiveClock(
        f"recv_ts left out: it lies up to {behind} before the exchange's time, so it is no latency", False
    )


class ClockFit:
    """Gathers (receive, exchange) times in order of receipt; memory holds the corners of the envelope only."""

    def __init__(self) -> None:
        self.backwards = 0  # receive times before the one above
        self._corners: list[tuple[int, int]] = []  # lower convex hull of (receive, receive − exchange)
        self._first = self._newest = NO_TIME
        self._count = self._sum_recv = self._sum_offset = 0

    def add(self, recv_ns: int, sent_ns: int) -> None:
        """One message. A receive time before the newest counts as received then: its difference stays as it is."""
        if not self._count:
            self._first = recv_ns
        self.backwards += recv_ns < self._newest
        self._newest = x = max(recv_ns, self._newest)
        y = recv_ns - sent_ns
        self._count, self._sum_recv, self._sum_offset = self._count + 1, self._sum_recv + x, self._sum_offset + y
        corners = self._corners
        if corners and corners[-1][0] == x:
            if corners[-1][1] <= y:
                return
            corners.pop()
        while len(corners) > 1 and _is_above(corners[-1], corners[-2], (x, y)):
            corners.pop()
        corners.append((x, y))

    def line(self) -> ClockLine | None:
        """The line under all points closest to them on average; None without points at two times.

        Of all lines below the points, the one closest on average is highest at the mean receive time: it is the edge of
        the lower hull there.
        """
        corners = self._corners
        if len(corners) < 2:
            return None
        edges = pairwise(corners)
        (x, y), (next_x, next_y) = next(edge for edge in edges if edge[1][0] * self._count >= self._sum_recv)
        run, rise = next_x - x, next_y - y
        above = self._sum_offset - self._count * y - rise * (self._sum_recv - self._count * x) / run
        return ClockLine(x, y, run, rise, self._first, self._newest, min(y for _, y in corners), above / self._count)


def _is_above(point: tuple[int, int], left: tuple[int, int], right: tuple[int, int]) -> bool:
    """Whether a point lies on or above the line from left to right; exact, in integers."""
    return (point[1] - left[1]) * (right[0] - left[0]) >= (right[1] - left[1]) * (point[0] - left[0])
