"""A sheet as a table of a page."""

from __future__ import annotations

from collections.abc import Iterator

from backtester.report.html.tree import Element, node
from backtester.report.sheet import Column, Sheet


def table(sheet: Sheet) -> Element:
    """A table with its title; one that is wider than the page moves by itself."""
    heads = (node("th", column.heading, class_=_kind(column), scope="col") for column in sheet.columns)
    rows = (node("tr", _cells(sheet.columns, row)) for row in sheet.rows)
    drawn = node("table", node("thead", node("tr", heads)), node("tbody", rows))
    return node("section", node("h3", sheet.title), node("div", drawn, class_="wide", tabindex="0"), class_="sheet")


def _cells(columns: tuple[Column, ...], row: tuple[str, ...]) -> Iterator[Element]:
    for column, text in zip(columns, row, strict=True):
        yield node("td", text, class_=_kind(column))


def _kind(column: Column) -> str:
    return "text" if column.is_text else "figure"
