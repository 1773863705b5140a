"""Widths of a table's columns: what they need, and of what is too little a like share each."""

from __future__ import annotations

import pytest

from backtester.report.sheet import Column, Sheet
from backtester.report.table import spread

WORDS = {"one": "word", "some": "word word word", "many": " ".join(["word"] * 10), "more": " ".join(["word"] * 12)}


@pytest.mark.parametrize(
    ("texts", "width", "widths"),
    [
        (("one", "many", "more"), 120, [4, 49, 59]),  # enough: all that they need
        (("one", "many", "more"), 64, [4, 28, 28]),  # too little for two: neither is left with its longest word alone
        (("one", "some", "more"), 44, [4, 14, 22]),  # what the second does not need the third has
        (("one", "many", "more"), 13, [3, 3, 3]),  # not even the longest words
    ],
)
def test_room_is_shared(texts: tuple[str, ...], width: int, widths: list[int]) -> None:
    row = tuple(WORDS[text] for text in texts)
    sheet = Sheet("", (Column("", is_text=True),) * len(row), (row,))
    assert spread(sheet, [0, 1, 2], width) == widths
