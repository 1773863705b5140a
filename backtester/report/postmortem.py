"""One page on one cell: what happened, when, to which margin, and what would have helped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from backtester import __version__
from backtester.report.assumed import caution, folded_assumptions
from backtester.report.flags import flag_lines
from backtester.report.glance import worst_first
from backtester.report.json import plain
from backtester.report.markdown import sheet_lines
from backtester.report.naming import cell_name
from backtester.report.records import Cell, ReportModel
from backtester.report.remedies import Help, helps, remedies_sheet
from backtester.report.rendering import Rendering
from backtester.report.sentence import sentence
from backtester.report.sheet import Sheet
from backtester.report.telling import pools_sheet, timeline_sheet
from backtester.report.text import headline, vouchers
from backtester.report.timeline import timeline
from backtester.texts import markdown_text

if TYPE_CHECKING:
    from rich.console import Console

SCHEMA_VERSION = 1


def render_postmortem(model: ReportModel, format: str, console: Console) -> str:
    """The page of the worst cell as table, json, csv, markdown or html; `console` decides the width of a table."""
    cell = worst(model)
    rendering = Rendering(
        title=_title(cell),
        document=lambda: _document(model, cell),
        rows=_rows(cell),
        markdown=_markdown(model, cell),
        sheets=_sheets(model, cell),
        below=_lines(model, cell),
        above=(headline(cell), *_told(model, cell)),
    )
    return rendering.text(format, console)


def worst(model: ReportModel) -> Cell:
    """The finished cell that is told."""
    [cell, *_] = [cell for cell in worst_first(model.cells) if isinstance(cell, Cell)]
    return cell


def _title(cell: Cell) -> str:
    return f"Postmortem: {cell_name(cell)}"


def _told(model: ReportModel, cell: Cell) -> Iterator[str]:
    """What happened, and what must be known before it is believed."""
    yield sentence(cell, model.reporting_currency)
    yield from filter(None, [caution(model.assumptions)])


def _sheets(model: ReportModel, cell: Cell) -> Iterator[Sheet]:
    currency = model.reporting_currency
    told = (timeline_sheet(cell), pools_sheet(cell, currency), remedies_sheet(cell, currency))
    yield from (sheet for sheet in told if sheet.rows)


def _lines(model: ReportModel, cell: Cell) -> tuple[str, ...]:
    """What it rests on, and the receipt."""
    return (*flag_lines(cell.flags), *folded_assumptions(model), *model.warnings, *vouchers(model))


def _markdown(model: ReportModel, cell: Cell) -> Iterator[str]:
    yield from (f"# {markdown_text(_title(cell))}", "", *map(markdown_text, _told(model, cell)))
    for sheet in _sheets(model, cell):
        yield from sheet_lines(sheet)
    yield ""
    yield from (f"- {markdown_text(line)}" for line in _lines(model, cell))


def _rows(cell: Cell) -> Iterator[tuple[Any, ...]]:
    yield ("ts", "kind", "event")
    yield from ((plain(event.ts), event.kind, event.text) for event in timeline(cell))


def _document(model: ReportModel, cell: Cell) -> dict[str, Any]:
    return {
        "kind": "postmortem",
        "schema_version": SCHEMA_VERSION,
        "engine_version": __version__,
        "cell": cell_name(cell),
        "sentence": sentence(cell, model.reporting_currency),
        "events": [{"ts": plain(each.ts), "kind": each.kind, "text": each.text} for each in timeline(cell)],
        "helps": [_help(each) for account in cell.accounts for each in helps(account, cell.start_ts)],
        "assumptions": list(model.assumptions),
        "warnings": list(model.warnings),
    }


def _help(each: Help) -> dict[str, Any]:
    found: dict[str, Any] = plain(each)
    return found
