"""A table of a report as text: what every renderer draws."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from backtester.texts import shortened

#: Where a line may end within a text: at a blank, before the date of a venue, behind a directory, behind the key of a
#: variant or the `+` of a scenario, before the row of a list and the figure of a row; not between a number and its
#: per cent.
_ENDS = re.compile(r"( (?!%)|(?<=\w)(?=@)|(?<=\w=)(?=.)|(?<=\w\+)(?=[a-z])|(?<=\w/)(?=\w)|(?<=\w)(?=\[)|(?<=\])(?=\.))")


class Column(NamedTuple):
    """`rank`: columns of a high rank leave first where the terminal is narrow, 1 if no folding helps; 0 stays.

    `note`: what the heading leaves open, said below a table that shows the column.
    """

    heading: str
    rank: int = 0
    is_text: bool = False
    note: str = ""


class Heat(NamedTuple):
    """How bad what a cell says is: `tone` by its verdict, `degree` from 0 to 1 within that."""

    tone: str
    degree: float


class Sheet(NamedTuple):
    """A titled table of text. `optional`: not shown where words of it would have to be broken.

    `heat`: how bad what each of its cells says is, for who can draw it; None of a heading, empty if nothing is.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    optional: bool = False
    heat: tuple[tuple[Heat | None, ...], ...] = ()

    def widest(self, column: int) -> int:
        """Characters of the longest text of a column."""
        return max(map(len, self._texts(column)))

    def narrowest(self, column: int) -> int:
        """Characters of the longest piece of a column that no line may end in."""
        return max(len(piece) for text in self._texts(column) for piece in _ENDS.split(text)[::2])

    def notes(self, shown: Iterable[int] | None = None) -> Iterator[str]:
        """What is to be said below it, of the columns that are shown. Example: `bankrupt: at …`."""
        for number in range(len(self.columns)) if shown is None else shown:
            if self.columns[number].note and self.rows:
                yield f"{self.columns[number].heading}: {self.columns[number].note}"

    def shortened(self, most: int) -> Sheet:
        """The same with no word of a text column longer than `most` characters: one loses its middle."""
        texts = [column.is_text for column in self.columns]
        rows = (
            tuple(_shortened(text, most) if is_text else text for text, is_text in zip(row, texts, strict=True))
            for row in self.rows
        )
        columns = (column._replace(heading=_shortened(column.heading, most)) for column in self.columns)
        return self._replace(columns=tuple(columns), rows=tuple(rows))

    def _texts(self, column: int) -> list[str]:
        return [self.columns[column].heading, *(row[column] for row in self.rows)]


def _shortened(text: str, most: int) -> str:
    return "".join(shortened(piece, most) for piece in _ENDS.split(text))


def folded(text: str, width: int) -> str:
    """A text in lines of so many characters, as far as they may end there.

    Examples: `hyperliquid@2026-08-22` in 15 is `hyperliquid` and `@2026-08-22`; `accounts[main].loss` in 14 is
    `accounts[main]` and `.loss`.
    """
    first, *rest = _ENDS.split(text)
    lines = [first]
    for between, piece in zip(rest[::2], rest[1::2], strict=True):
        if len(lines[-1]) + len(between) + len(piece) <= width:
            lines[-1] += between + piece
        else:
            lines.append(piece)
    return "\n".join(lines)
