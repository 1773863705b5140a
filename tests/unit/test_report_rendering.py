"""Tables and lines in four formats, one way for all that is no report of cells."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Console

from backtester.report.rendering import Rendering
from backtester.report.sheet import Column, Sheet

COMMAND = "  backtester run " + "--set 'accounts[main].positions[BTC].margin=*1.5' " * 3
TEXTS = {
    "json": '{"a": 1}',
    "csv": "name,value\n'=1+1,2.5\n",
    "markdown": "# told\n",
    "table": f"Told\nname  value\none       1\n\n{COMMAND.rstrip()}\ntwo\\x1b[31m\n",
}


SHEET = Sheet("Told", (Column("name", is_text=True), Column("value")), (("one", "1"),))
WIDE = Sheet("Wide", (Column("a-long-head", is_text=True),) * 9, (("word",) * 9,), optional=True)


def rendering(*sheets: Sheet) -> Rendering:
    return Rendering(
        title="told",
        document=lambda: {"a": 1},
        rows=[("name", "value"), ("=1+1", 2.5)],
        markdown=["", "# told"],
        sheets=sheets,
        below=[COMMAND, "two\x1b[31m"],
    )


@pytest.mark.parametrize("format", TEXTS)
def test_four_formats(format: str) -> None:
    text = rendering(SHEET).text(format, Console(width=60, markup=False))
    assert (json.dumps(json.loads(text)) if format == "json" else text) == TEXTS[format]


def test_a_page() -> None:
    page = rendering(SHEET).text("html", Console())
    assert page.startswith("<!doctype html>") and "<title>told</title>" in page
    assert page.count("<table>") == 1 and "two\\x1b[31m" in page


def test_a_table_that_has_no_room_leaves_no_blank_line_behind() -> None:
    narrow, wide = Console(width=60, markup=False), Console(width=160, markup=False)
    assert rendering(WIDE, SHEET).text("table", narrow) == rendering(SHEET).text("table", narrow)
    assert rendering(WIDE, SHEET).text("table", wide).startswith("Wide\n")


@pytest.mark.parametrize("format", TEXTS)
def test_only_what_is_asked_for_is_made(format: str) -> None:
    made = list[str]()

    def making(what: str) -> Iterator[Any]:
        made.append(what)
        yield from ()

    def document() -> dict[str, Any]:
        made.append("json")
        return {}

    told = Rendering("told", document, making("csv"), making("markdown"), making("table"), making("table"))
    told.text(format, Console())
    assert set(made) == {format}
