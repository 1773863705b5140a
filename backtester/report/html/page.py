"""The whole page: many cells at a glance, then each cell that is told, then what it was made from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from backtester.report.glance import Details, told
from backtester.report.html.costs import costs, funding, plans_beside
from backtester.report.html.courses import courses
from backtester.report.html.opening import opening, together
from backtester.report.html.sheets import table
from backtester.report.html.sources import sources
from backtester.report.html.tree import Element, node, verbatim, written
from backtester.report.naming import portfolio_words
from backtester.report.outline import (
    Beside,
    Block,
    Note,
    Opening,
    Picture,
    Sources,
    Whole,
    cell_blocks,
    glance_blocks,
    source_blocks,
)
from backtester.report.records import Cell, ReportModel
from backtester.report.sheet import Sheet

_HERE = Path(__file__).parent


def render_html(model: ReportModel, details: Details = "brief") -> str:
    """One HTML document that needs nothing else."""
    names = dict.fromkeys(map(portfolio_words, model.cells))
    return page(f"Stress test of {', '.join(names)}", told_cells(model, details))


def page(title: str, parts: Iterable[Element]) -> str:
    """A whole document of these parts."""
    head = node(
        "head",
        node("meta", charset="utf-8"),
        node("meta", name="viewport", content="width=device-width, initial-scale=1"),
        node("meta", name="color-scheme", content="light dark"),
        node("title", title),
        verbatim("style", _own("page.css")),
    )
    body = node("body", node("main", parts), verbatim("script", _own("page.js")))
    return written(node("html", head, body, lang="en"))


def _own(name: str) -> str:
    return (_HERE / name).read_text("utf-8")


def told_cells(model: ReportModel, details: Details) -> Iterator[Element]:
    """Many cells at a glance, the cells that are told, and what they were made from."""
    yield from _drawn(glance_blocks(model, details), model)
    for cell in told(model.cells, details):
        yield node("article", _drawn(cell_blocks(cell, model, whole=True), model))
    yield node("footer", _drawn(source_blocks(model, whole=True), model))


def _drawn(blocks: Iterable[Block], model: ReportModel) -> Iterator[Element]:
    currency = model.reporting_currency
    for block in blocks:
        if isinstance(block, Sheet):
            yield table(block)
        elif isinstance(block, Opening):
            yield opening(block, currency, model.inputs)
        elif isinstance(block, Whole):
            yield together(block)
        elif isinstance(block, Picture):
            yield from _pictures(block.cell, currency)
        elif isinstance(block, Beside):
            yield from plans_beside(block.cells)
        elif isinstance(block, Sources):
            yield sources(block)
        elif isinstance(block, Note):
            yield node("p", block.text, class_="note")
        elif block.title:
            yield node("section", node("h3", block.title), node("ul", (node("li", line) for line in block.lines)))
        else:
            yield node("p", (node("code", line) for line in block.lines), class_="receipt")


def _pictures(cell: Cell, currency: str) -> Iterator[Element]:
    for title, drawn in (
        ("Over time, UTC", courses(cell, currency)),
        ("What it cost", costs(cell, currency)),
        ("Funding", funding(cell, currency)),
    ):
        if found := [*drawn]:
            yield node("section", node("h3", title), found, class_="pictures")
