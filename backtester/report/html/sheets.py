"""A sheet as a table of a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from backtester.report.html.tree import Element, node
from backtester.report.sheet import Heat, Sheet

#: Characters of a text that stands on one line whatever the width of the page.
_SHORT = 24


def table(sheet: Sheet) -> Element:
    """A table with its title; one that is wider than the page moves by itself, on a phone its rows are cards."""
    kinds = [_kind(sheet, number) for number in range(len(sheet.columns))]
    heads = (
        node("th", column.heading, class_=kind, scope="col") for column, kind in zip(sheet.columns, kinds, strict=True)
    )
    unheated = ((None,) * len(sheet.columns),) * len(sheet.rows)
    names = [column.heading for column in sheet.columns]
    rows = (node("tr", _cells(names, kinds, *row)) for row in zip(sheet.rows, sheet.heat or unheated, strict=True))
    drawn = node("table", node("thead", node("tr", heads)), node("tbody", rows))
    notes = (node("p", note, class_="note") for note in sheet.notes())
    moved = node("div", drawn, class_="wide", tabindex="0")
    return node("section", node("h3", sheet.title), moved, notes, class_="sheet")


def _cells(
    names: Sequence[str], kinds: Sequence[str], texts: Sequence[str], heats: Sequence[Heat | None]
) -> Iterator[Element]:
    """One row; each says its column, as there are no heads above it on a phone."""
    for name, kind, text, heat in zip(names, kinds, texts, heats, strict=True):
        if heat is None:
            yield node("td", text, class_=kind, data_label=name)
        else:
            yield node(
                "td", text, class_=f"{kind} heated {heat.tone}", data_label=name, style=f"--heat: {heat.degree:.3f}"
            )


def _kind(sheet: Sheet, number: int) -> str:
    """Figures, words that stand on one line, or a text that may be folded."""
    if not sheet.columns[number].is_text:
        return "figure"
    return "text" if sheet.widest(number) <= _SHORT else "text long"
