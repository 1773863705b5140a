"""A table of a report as text: what every renderer draws."""

from __future__ import annotations

from typing import NamedTuple


class Column(NamedTuple):
    """`rank`: columns of a high rank leave first where the terminal is narrow; 0 stays."""

    heading: str
    rank: int = 0
    is_text: bool = False


class Sheet(NamedTuple):
    """A titled table of text."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
