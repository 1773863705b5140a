"""The order in which a report is told, whatever draws it: many cells at a glance, each cell, what it was made from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from backtester.report.assumed import caution, folded_assumptions
from backtester.report.flags import flag_lines
from backtester.report.glance import MORE, Details, glance, planned, told, untold
from backtester.report.naming import AnyCell
from backtester.report.records import Cell, FailedCell, Inputs, ReportModel, Source
from backtester.report.rehearsal import rehearsals
from backtester.report.remedies import run_again_lines
from backtester.report.sheet import Sheet
from backtester.report.sheets import inputs_sheet
from backtester.report.summary import Summary, summary
from backtester.report.telling import later_sheets, near_sheets
from backtester.report.text import limit_line, noticed, story, vouchers


class Whole(NamedTuple):
    """What became of several cells together, and what must be known before it is believed."""

    summary: Summary
    caution: str


class Opening(NamedTuple):
    """What became of a cell: its headline, and what `opening_lines` say."""

    cell: AnyCell
    caution: str = ""  # where no other headline has it


class Picture(NamedTuple):
    """What happened in a cell, drawn over time."""

    cell: Cell


class Beside(NamedTuple):
    """The plans of several cells, drawn beside each other, with the words that set the cells apart."""

    cells: tuple[tuple[Cell, str], ...]


class Note(NamedTuple):
    """An aside."""

    text: str


class Lines(NamedTuple):
    """Lines below a heading; those of the receipt have none."""

    title: str
    lines: tuple[str, ...]


class Sources(NamedTuple):
    """What one of the inputs rests on: for who has room for it, and can link it."""

    title: str
    sources: tuple[Source, ...]


Block = Sheet | Whole | Opening | Picture | Beside | Note | Lines | Sources


def outline(model: ReportModel, details: Details, whole: bool) -> Iterator[Block]:
    """All blocks of a report, in order; `whole`: with every table of a cell that is told."""
    yield from glance_blocks(model, details)
    for cell in told(model.cells, details):
        yield from cell_blocks(cell, model, whole)
    yield from source_blocks(model, whole)


def glance_blocks(model: ReportModel, details: Details) -> Iterator[Block]:
    """What many cells come to, the tables of them, and how to see those that are not told."""
    if together := summary(model.cells, model.reporting_currency):
        yield Whole(together, caution(model.assumptions))
    yield from glance(model.cells, model.reporting_currency)
    yield from rehearsals(model.cells)
    if cells := planned(model.cells):
        yield Beside(cells)
    if left := untold(model.cells, details):
        yield Note(left)


def cell_blocks(cell: AnyCell, model: ReportModel, whole: bool) -> Iterator[Block]:
    """A cell: what became of it, how near it was, its picture, what happened when, and its tables."""
    currency = model.reporting_currency
    yield Opening(cell, "" if len(model.cells) > 1 else caution(model.assumptions))
    if isinstance(cell, FailedCell):
        return
    yield from near_sheets(cell, currency, whole)
    if whole and (lines := run_again_lines(cell)):
        yield Lines("To run them", lines)
    yield Picture(cell)
    yield from later_sheets(cell, currency, whole)
    if cell.flags:
        yield Lines("Flags", flag_lines(cell.flags))
    if not whole:
        yield Note(MORE)


def source_blocks(model: ReportModel, whole: bool) -> Iterator[Block]:
    """What a result was made from, what it rests on, and its receipt."""
    if whole:
        yield inputs_sheet(model.inputs)
    if model.assumptions:
        yield Lines("Assumptions", folded_assumptions(model))
    yield from _sources(model.inputs)
    if model.warnings:
        yield Lines("Warnings", model.warnings)
    yield Lines("", vouchers(model))


def _sources(inputs: Inputs) -> Iterator[Sources]:
    """Of every scenario and of the rules of every venue that names some."""
    made = [(f"scenario {each.name}", each.sources) for each in inputs.scenarios]
    made += [(f"the rules {each.name}@{each.rules_date}", each.sources) for each in inputs.venues]
    yield from (Sources(f"Sources of {name}: {len(sources)}", sources) for name, sources in made if sources)


def opening_lines(opening: Opening, currency: str) -> Iterator[tuple[str, str]]:
    """(kind, line) of what is said below a headline: caution, story, notice, error, or what became of a limit."""
    cell = opening.cell
    if opening.caution:
        yield "caution", opening.caution
    if isinstance(cell, FailedCell):
        yield from (("error", line) for line in cell.error.splitlines())
    else:
        yield from (("story", line) for line in story(cell, currency))
        yield from (("notice", line) for line in noticed(cell))
    yield from ((limit.outcome, limit_line(limit)) for limit in cell.limits)
