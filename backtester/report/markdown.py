"""The report as Markdown, for a pull request or a wiki: every column of every sheet."""

from __future__ import annotations

from collections.abc import Iterator

from backtester.report.glance import MORE, Details, glance, is_whole, told, untold
from backtester.report.records import Cell, FailedCell, ReportModel
from backtester.report.sheet import Sheet
from backtester.report.sheets import inputs_sheet
from backtester.report.telling import later_sheets, near_sheets
from backtester.report.text import headline, limit_line, noticed, story, vouchers
from backtester.texts import markdown_text


def render_markdown(model: ReportModel, details: Details = "brief") -> str:
    """One Markdown document."""
    return "\n".join(_lines(model, details)) + "\n"


def _lines(model: ReportModel, details: Details) -> Iterator[str]:
    for sheet in glance(model.cells, model.reporting_currency):
        yield from sheet_lines(sheet)
        yield ""
    if left := untold(model.cells, details):
        yield from (left, "")
    for cell in told(model.cells, details):
        yield f"# {markdown_text(headline(cell))}"
        yield ""
        yield from _cell_lines(cell, model.reporting_currency, is_whole(details))
        yield ""
    if is_whole(details):
        yield from sheet_lines(inputs_sheet(model.inputs))
    for title, lines in (("Assumptions", model.assumptions), ("Warnings", model.warnings)):
        if lines:
            yield from ("", f"## {title}", "")
            yield from (f"- {markdown_text(line)}" for line in lines)
    yield ""
    yield from (f"- {line}" for line in vouchers(model))


def _cell_lines(cell: Cell | FailedCell, currency: str, whole: bool) -> Iterator[str]:
    if isinstance(cell, FailedCell):
        lines = (*cell.error.splitlines(), *map(limit_line, cell.limits))
        yield from (f"- {markdown_text(line.strip())}" for line in lines)
        return
    yield from (
        f"- {markdown_text(line.strip())}"
        for line in (*story(cell, currency), *noticed(cell), *map(limit_line, cell.limits))
    )
    if cell.flags:
        yield f"- flags: {', '.join(cell.flags)}"
    for sheet in (*near_sheets(cell, currency, whole), *later_sheets(cell, currency, whole)):
        yield from sheet_lines(sheet)
    if not whole:
        yield from ("", MORE)


def sheet_lines(sheet: Sheet) -> Iterator[str]:
    """A table below its heading."""
    yield from ("", f"## {markdown_text(sheet.title)}", "")
    yield _row(column.heading for column in sheet.columns)
    yield _row("---" if column.is_text else "---:" for column in sheet.columns)
    for row in sheet.rows:
        yield _row(row)


def _row(cells: Iterator[str] | tuple[str, ...]) -> str:
    return f"| {' | '.join(map(markdown_text, cells))} |"
