"""What tables and lines tell, in five formats: the way out of everything that is no report of cells."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from backtester.report.sheet import Sheet
from backtester.texts import csv_cell, json_text, printable

if TYPE_CHECKING:
    from rich.console import Console


class Rendering(NamedTuple):
    """One thing told in each way; only that which is asked for is made.

    title       of a page
    rows        of a CSV file, its heads first
    markdown    its lines
    above       lines before the tables of a terminal or page, folded where it is narrow
    sheets      for a terminal, and the lines `below` them, which are never broken: a command stays one
    """

    title: str
    document: Callable[[], dict[str, Any]]
    rows: Iterable[Sequence[Any]]
    markdown: Iterable[str]
    sheets: Iterable[Sheet]
    below: Iterable[str]
    above: Iterable[str] = ()

    def text(self, format: str, console: Console) -> str:
        """As table, json, csv, markdown or html; `console` decides the width of a table."""
        if format == "json":
            return json_text(self.document()) + "\n"
        if format == "csv":
            return _csv(self.rows)
        if format == "markdown":
            return "\n".join(self.markdown).lstrip("\n") + "\n"
        if format == "html":
            return _page(self.title, self.above, self.sheets, self.below)
        return _printed(self.above, self.sheets, self.below, console)


def _csv(rows: Iterable[Sequence[Any]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(map(csv_cell, row) for row in rows)
    return buffer.getvalue()


def _printed(above: Iterable[str], sheets: Iterable[Sheet], below: Iterable[str], console: Console) -> str:
    from backtester.report.table import SheetView

    with console.capture() as capture:
        for line in above:
            console.print(printable(line))
            console.print()
        for sheet in sheets:
            console.print(SheetView(sheet, blank_after=True))
        for line in below:
            console.print(printable(line), soft_wrap=True)
    return "".join(line.rstrip() + "\n" for line in capture.get().splitlines())


def _page(title: str, above: Iterable[str], sheets: Iterable[Sheet], below: Iterable[str]) -> str:
    from backtester.report.html.page import page
    from backtester.report.html.sheets import table
    from backtester.report.html.tree import node

    lead = [node("h2", title), *(node("p", line, class_="sentence") for line in above)]
    return page(title, [*lead, *map(table, sheets), *(node("p", line) for line in below)])
