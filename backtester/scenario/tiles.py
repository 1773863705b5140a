"""A base that is shorter than the window, laid end to end: each venue's part of it by itself (RULES 10.5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from backtester.market.merge import Columns, merge_by_time

Events = NDArray[np.void]


class Part(NamedTuple):
    """The instruments of a venue. Its rows begin again `length_ns` after they began at `first_ns`."""

    venue: str
    instruments: NDArray[np.bool_]  # (n,) which of all
    first_ns: int
    length_ns: int


def laid_end_to_end(base: Callable[[], Iterator[Events]], parts: Sequence[Part]) -> Iterator[tuple[Events, int | None]]:
    """EVENT chunks of a base without an end, and the number of the part that begins again behind each, if one does.

    Example: parts of 2 s and 3 s begin again at 2, 3, 4 and 6 s: the one of 2 s first where both do.
    """
    seams = [part.first_ns + part.length_ns for part in parts]
    for ts, events in merge_by_time([_laid(base, part) for part in parts]):
        begin = 0
        while min(seams) <= ts[-1]:
            number = seams.index(min(seams))
            end = int(np.searchsorted(ts, seams[number]))
            yield events[begin:end], number
            seams[number] += parts[number].length_ns
            begin = end
        yield events[begin:], None


def _laid(base: Callable[[], Iterator[Events]], part: Part) -> Iterator[Columns]:
    """The rows of a part again and again, by time."""
    for number in count():
        for chunk in base():
            rows = chunk[part.instruments[chunk["instrument"]]]
            if rows.size:
                rows["ts"] += number * part.length_ns
                yield rows["ts"], rows
