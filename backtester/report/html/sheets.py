"""A sheet as a table of a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from backtester.report.html.tree import Element, node
from backtester.report.sheet import Column, Sheet


def table(sheet: Sheet) -> Element:
    """A table with its title; one that is wider than the page moves by itself."""
    heads = (node("th", column.heading, class_=_kind(column), scope="col") for column in sheet.columns)
    unheated = ((None,) * len(sheet.columns),) * len(sheet.rows)
    rows = (node("tr", _cells(sheet, *row)) for row in zip(sheet.rows, sheet.heat or unheated, strict=True))
    drawn = node("table", node("thead", node("tr", heads)), node("tbody", rows))
    return node("section", node("h3", sheet.title), node("div", drawn, class_="wide", tabindex="0"), class_="sheet")


def _cells(sheet: Sheet, texts: Sequence[str], heats: Sequence[float | None]) -> Iterator[Element]:
    for column, text, heat in zip(sheet.columns, texts, heats, strict=True):
        if heat is None:
            yield node("td", text, class_=_kind(column))
        else:
            yield node("td", text, class_=f"{_kind(column)} heated", style=f"--heat: {heat:.3f}")


def _kind(column: Column) -> str:
    return "text" if column.is_text else "figure"
