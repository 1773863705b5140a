"""The months of an archive beside each other: how each ended, and how every figure went from one to the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from backtester.config.conditions import Field, Wrong, parse_field
from backtester.config.judging import Figure, Kind, Table, find
from backtester.errors import usage_error
from backtester.regress.cells import undated
from backtester.regress.inputs import changed_inputs
from backtester.report.chart import sparkline
from backtester.report.figures import figures_of, reader
from backtester.report.records import Cell, ReportModel
from backtester.report.text import NONE
from backtester.suite.archive import Archive
from backtester.suite.monthly import read_month
from backtester.suite.summary import breaches

Row = tuple[str | int | float | None, ...]
MONTH_COLUMNS = ("month", "cells", "failed", "verdicts", "breaches", "worst_loss_pct", "receipt")
FIGURE_COLUMNS = ("cell", "figure", "months", "line", "first", "last", "lowest", "highest", "jump", "in", "inputs_then")
#: Figures of a cell that are told where none are named.
FIGURES = ("loss_pct", "equity_min")


def month_rows(archive: Archive) -> Iterator[Row]:
    """A row of MONTH_COLUMNS for every month. Raises a data error for one that was changed since."""
    for month in archive.months():
        model = read_month(archive, month)
        losses = [cell.portfolio.loss_pct for cell in model.finished if cell.portfolio.loss_pct is not None]
        receipt = model.receipt.results[:12]
        said = (_verdicts(model), len(breaches(model)), max(losses, default=None), receipt)
        yield (month, len(model.cells), len(model.failed), *said)


def _verdicts(model: ReportModel) -> str:
    """Example: `2 liquidated, 1 survived`, the worst first."""
    counts = Counter(cell.verdict for cell in model.finished)
    return ", ".join(f"{counts[verdict]} {verdict.name.lower()}" for verdict in sorted(counts))


class Point(NamedTuple):
    """A figure of a cell in a month: its value, and as the report shows it."""

    month: str
    value: float
    text: str


def figure_rows(archive: Archive, figures: Sequence[str]) -> Iterator[Row]:
    """A row of FIGURE_COLUMNS for every figure of every cell, by its largest step between two months.

    Beside the step stands what differed then in what the months were made from. Raises a usage error for what is no
    figure, a data error for a month that was changed.
    """
    table = figures_of(())
    fields = {text: _field(text, table) for text in figures}
    models = {month: read_month(archive, month) for month in archive.months()}
    differed = {
        later: "; ".join(f"{each.input} {each.before or NONE} → {each.after or NONE}" for each in changes)
        for (earlier, later) in pairwise(models)
        if (changes := changed_inputs(models[earlier], models[later]))
    }
    for name in dict.fromkeys(_called(cell) for model in models.values() for cell in model.finished):
        for text, field in fields.items():
            points = list(_points(models, name, field, table))
            if points:
                yield (name, text, *_told(points, differed))


def _field(text: str, table: Table) -> Field:
    """A figure that can be drawn. Raises a usage error."""
    try:
        field = parse_field(text)
        figure: Figure = find(table, field)
    except Wrong as wrong:
        raise usage_error(f"--figure {text}", str(wrong), wrong.hint) from None
    if figure.kind in (Kind.WORD, Kind.WORDS):
        raise usage_error(f"--figure {text}", "is a word, not a number", "name a number, such as loss_pct")
    return field


def _called(cell: Cell) -> str:
    """A cell by what it is every month, whatever the date of the rules."""
    variant = f"  {cell.variant}" if cell.variant.items else ""
    return f"{cell.portfolio.name}, {cell.scenario or 'tape as it is'} on {undated(cell.venue)}{variant}"


def _points(models: dict[str, ReportModel], name: str, field: Field, table: Table) -> Iterator[Point]:
    for month, model in models.items():
        for cell in model.finished:
            if _called(cell) == name:
                reading = reader(cell, table)(field)
                if isinstance(reading.value, float | int):
                    yield Point(month, float(reading.value), reading.text)


def _told(points: Sequence[Point], differed: dict[str, str]) -> Row:
    """The path of a figure over its months, and its largest step."""
    line = sparkline([point.value for point in points])
    low, high = (pick(points, key=lambda point: point.value).text for pick in (min, max))
    steps = [(earlier, later) for earlier, later in pairwise(points) if earlier.value != later.value]
    ends = (len(points), line, points[0].text, points[-1].text, low, high)
    if not steps:
        return (*ends, None, None, None)
    earlier, later = max(steps, key=lambda step: abs(step[1].value - step[0].value))
    return (*ends, f"{earlier.text} → {later.text}", later.month, differed.get(later.month))
