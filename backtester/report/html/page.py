"""The whole page: many cells at a glance, then each cell that is told, then what it was made from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from backtester.report.glance import Details, glance, told, untold
from backtester.report.html.costs import costs, funding
from backtester.report.html.courses import courses
from backtester.report.html.opening import limits, opening
from backtester.report.html.sheets import table
from backtester.report.html.tree import Element, node, verbatim, written
from backtester.report.records import Cell, FailedCell, ReportModel
from backtester.report.sheets import inputs_sheet
from backtester.report.telling import later_sheets, near_sheets
from backtester.report.text import headline, vouchers

_HERE = Path(__file__).parent


def render_html(model: ReportModel, details: Details = "brief") -> str:
    """One HTML document that needs nothing else."""
    names = dict.fromkeys(cell.portfolio.name for cell in model.cells)
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
    currency = model.reporting_currency
    yield from map(table, glance(model.cells, currency))
    if left := untold(model.cells, details):
        yield node("p", left, class_="untold")
    for cell in told(model.cells, details):
        yield node("article", _failed(cell) if isinstance(cell, FailedCell) else _told(cell, model))
    yield node("footer", _sources(model))


def _failed(cell: FailedCell) -> Iterator[Element]:
    yield node("h2", headline(cell), class_="verdict failed")
    yield from (node("p", line) for line in cell.error.splitlines())
    yield limits(cell)


def _told(cell: Cell, model: ReportModel) -> Iterator[Element]:
    currency = model.reporting_currency
    yield opening(cell, currency, model.inputs)
    yield from map(table, near_sheets(cell, currency, whole=True))
    yield node("section", node("h3", "What happened, UTC"), courses(cell, currency), class_="pictures")
    yield node("section", node("h3", "What it cost"), costs(cell, currency), class_="pictures")
    yield node("section", node("h3", "Funding"), funding(cell, currency), class_="pictures")
    yield from map(table, later_sheets(cell, currency, whole=True))


def _sources(model: ReportModel) -> Iterator[Element]:
    yield table(inputs_sheet(model.inputs))
    for title, lines in (("Assumptions", model.assumptions), ("Warnings", model.warnings)):
        if lines:
            yield node("section", node("h3", title), node("ul", (node("li", line) for line in lines)))
    yield node("p", (node("code", line) for line in vouchers(model)), class_="receipt")
