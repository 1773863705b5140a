"""Charts for a terminal: a line of blocks, and a canvas of braille dots."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

BLOCKS = "▁▂▃▄▅▆▇█"
_BRAILLE = 0x2800
#: Bit of the dot in (row, column) of a braille cell of 4 × 2.
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


def sparkline(values: Sequence[float]) -> str:
    """One block per value, from the lowest to the highest. Example: 1, 2, 3 is ▁▅█; equal values are ▄▄▄."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    if low == high:
        return BLOCKS[3] * len(values)
    return "".join(BLOCKS[round((value - low) / (high - low) * (len(BLOCKS) - 1))] for value in values)


def gauge(values: Iterable[float | None]) -> str:
    """One block per value, from 0 to the highest; ✕ below 0, blank where there is none. Example: 1, 2, -1 is ▄█✕."""
    known = list(values)
    top = max((value for value in known if value is not None), default=0.0)
    return "".join(" " if value is None else "✕" if value < 0.0 else _level(value, top) for value in known)


def _level(value: float, top: float) -> str:
    return BLOCKS[max(math.ceil(len(BLOCKS) * value / top), 1) - 1] if top > 0.0 else BLOCKS[0]


def columns(places: Iterable[float], width: int) -> list[list[int]]:
    """Numbers of the items that fall into each of `width` columns; `places` in [0, 1], 1 in the last column."""
    found: list[list[int]] = [[] for _ in range(width)]
    for number, place in enumerate(places):
        found[min(int(place * width), width - 1)].append(number)
    return found


def held(places: Iterable[float], values: Sequence[float], width: int, pick: Callable[..., float]) -> list[float]:
    """What `pick` (min, max) takes of the values in each of `width` columns; of an empty one, what held before it."""
    level, shown = values[0], []
    for items in columns(places, width):
        level = pick((values[i] for i in items), default=level)
        shown.append(level)
    return shown


class Canvas:
    """`width` × `height` characters of 2 × 4 dots; values from `low` at the bottom to `high` at the top."""

    def __init__(self, width: int, height: int, low: float, high: float) -> None:
        self.width, self.height = width, height
        self._low, self._span = low, (high - low) or 1.0
        self._cells = [[0] * width for _ in range(height)]

    def row_of(self, value: float) -> int:
        """Dot row of a value, 0 at the top; values outside are drawn at the edge."""
        last = 4 * self.height - 1
        return min(max(round(last * (1.0 - (value - self._low) / self._span)), 0), last)

    def bar(self, column: int, low: float, high: float) -> None:
        """Set the dots of one dot column between two values."""
        for row in range(self.row_of(high), self.row_of(low) + 1):
            self._cells[row // 4][column // 2] |= _DOTS[row % 4][column % 2]

    def lines(self) -> list[str]:
        """The picture, one string per row of characters."""
        return ["".join(chr(_BRAILLE + cell) if cell else " " for cell in row) for row in self._cells]
