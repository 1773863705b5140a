"""The months of an archive beside each other: how each ended, and how every figure went from one to the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise, takewhile
from typing import NamedTuple

from backtester.config.conditions import Field, Wrong, parse_field
from backtester.config.judging import Figure, Kind, Table, find
from backtester.errors import BacktesterError, usage_error
from backtester.regress.cells import pair_cells
from backtester.regress.inputs import InputChange, changed_inputs, of_cell
from backtester.report.chart import sparkline
from backtester.report.figures import figures_of, reader
from backtester.report.gates import BREACHED, UNKNOWN, breaches
from backtester.report.naming import undated_names
from backtester.report.records import Cell, ReportModel
from backtester.report.sheet import Column, Sheet
from backtester.report.text import NONE, percent
from backtester.suite.archive import Archive
from backtester.suite.stored import read_month
from backtester.texts import counted

Row = tuple[str | int | float | None, ...]
MONTH_COLUMNS = ("month", "state", "cells", "failed", "verdicts", "breaches", "unknown", "worst_loss_pct", "receipt")
FIGURE_COLUMNS = ("cell", "figure", "months", "line", "first", "last", "lowest", "highest", "jump", "in", "inputs_then")
_TEXTS = frozenset({"cell", "figure", "line", "jump", "in", "inputs_then"})
#: Stands where a figure jumped although nothing that its cell is made from did.
SAME = "="
#: Figures of a cell that are told where none are named.
FIGURES = ("loss_pct", "equity_min")


class Months(NamedTuple):
    """What can be read of an archive, the oldest first; `broken`: why the others cannot, such as one that was changed.

    `unfinished`: the months under way, and how many of their cells are done.
    """

    models: dict[str, ReportModel]
    broken: dict[str, BacktesterError]
    unfinished: dict[str, int]

    def error(self) -> BacktesterError | None:
        """All that is wrong with months; None where nothing is."""
        problems = [problem for error in self.broken.values() for problem in error.diagnostics]
        return BacktesterError(problems) if problems else None


def read_months(archive: Archive) -> Months:
    """Read every month; one that cannot be read hides no other."""
    found = Months({}, {}, archive.unfinished())
    for month in archive.months():
        try:
            found.models[month] = read_month(archive, month)
        except BacktesterError as error:
            found.broken[month] = error
    return found


def month_rows(months: Months) -> list[Row]:
    """A row of MONTH_COLUMNS for every month: what is archived, what was changed since, what is under way."""
    nothing = (None,) * (len(MONTH_COLUMNS) - 2)
    rows: list[Row] = [_month_row(month, model) for month, model in months.models.items()]
    rows += ((month, _fault(error), *nothing) for month, error in months.broken.items())
    rows += (
        (month, f"unfinished, {counted(cells, 'cell')} done", *nothing) for month, cells in months.unfinished.items()
    )
    return sorted(rows, key=lambda row: str(row[0]))


def month_texts(rows: Iterable[Row]) -> Iterator[Row]:
    """Rows of MONTH_COLUMNS for readers: the loss as a report shows it."""
    place = MONTH_COLUMNS.index("worst_loss_pct")
    for row in rows:
        loss = row[place]
        yield (*row[:place], percent(loss / 100.0) if isinstance(loss, float) else loss, *row[place + 1 :])


def _fault(error: BacktesterError) -> str:
    """Example: `changed: result.json, runs.parquet`."""
    return "; ".join(each.message.replace("was changed after it was archived", "changed") for each in error.diagnostics)


def _month_row(month: str, model: ReportModel) -> Row:
    losses = [cell.portfolio.loss_pct for cell in model.finished if cell.portfolio.loss_pct is not None]
    receipt = model.receipt.results[:12]
    outcomes = Counter(each.limit.outcome for each in breaches(model.cells))
    said = (_verdicts(model), outcomes[BREACHED], outcomes[UNKNOWN], max(losses, default=None), receipt)
    return (month, "archived", len(model.cells), len(model.failed), *said)


def _verdicts(model: ReportModel) -> str:
    """Example: `2 liquidated, 1 survived`, the worst first."""
    counts = Counter(cell.verdict for cell in model.finished)
    return ", ".join(f"{counts[verdict]} {verdict.name.lower()}" for verdict in sorted(counts))


class Point(NamedTuple):
    """A figure of a cell in a month: its value, and as the report shows it."""

    month: str
    value: float
    text: str


def figure_rows(models: Mapping[str, ReportModel], figures: Sequence[str]) -> Iterator[Row]:
    """A row of FIGURE_COLUMNS for every figure of every cell, by its largest step between two months.

    Beside the step stands what differed then in what the cell is made from. Raises a usage error for what is no figure.
    """
    table = figures_of(())
    fields = {text: _field(text, table) for text in figures}
    for course in courses(models):
        for text, field in fields.items():
            points = list(_points(course, field, table))
            if points:
                yield (course.name, text, *_told(points), *_largest_step(points, course, models))


def history_sheet(models: Mapping[str, ReportModel], figures: Sequence[str]) -> Sheet:
    """The rows of figures as a table for readers."""
    columns = tuple(Column(name.replace("_", " "), is_text=name in _TEXTS) for name in FIGURE_COLUMNS)
    rows = (tuple(NONE if value is None else str(value) for value in row) for row in figure_rows(models, figures))
    return Sheet("From month to month", columns, tuple(rows))


class Course(NamedTuple):
    """A cell through the months that finished it, the oldest first, and what it is called."""

    name: str
    cells: dict[str, Cell]


def courses(models: Mapping[str, ReportModel]) -> list[Course]:
    """The cells of all months, those of a month beside what each was when it was last there."""
    found: list[dict[str, Cell]] = []
    for month, model in models.items():
        pairs = pair_cells([*map(_last, found)], model.finished)
        found += ({} for _ in pairs[len(found) :])
        for cells, pair in zip(found, pairs, strict=True):
            if isinstance(pair.after, Cell):
                cells[month] = pair.after
    return [*map(Course, undated_names([*map(_last, found)]), found)]


def _last(cells: dict[str, Cell]) -> Cell:
    return next(reversed(cells.values()))


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


def _points(course: Course, field: Field, table: Table) -> Iterator[Point]:
    for month, cell in course.cells.items():
        reading = reader(cell, table)(field)
        if isinstance(reading.value, float | int):
            yield Point(month, float(reading.value), reading.text)


def _told(points: Sequence[Point]) -> Row:
    """The path of a figure over its months."""
    line = sparkline([point.value for point in points])
    low, high = (pick(points, key=lambda point: point.value).text for pick in (min, max))
    return (len(points), line, points[0].text, points[-1].text, low, high)


def _largest_step(points: Sequence[Point], course: Course, models: Mapping[str, ReportModel]) -> Row:
    """The largest step that can be seen between two months, and what differed then; nothing where there is none."""
    steps = [(earlier, later) for earlier, later in pairwise(points) if earlier.text != later.text]
    if not steps:
        return (None, None, None)
    earlier, later = max(steps, key=lambda step: abs(step[1].value - step[0].value))
    was, now = (of_cell(models[each.month], course.cells[each.month]) for each in (earlier, later))
    differed = "; ".join(map(_difference, changed_inputs(was, now))) or SAME
    return (f"{earlier.text} → {later.text}", later.month, differed)


def _difference(change: InputChange) -> str:
    """What both have in common is told once. Example: `tape btc.parquet f9a0a6b701b8 → 2a53fd0392a1`."""
    before, after = ((each or NONE).split() for each in (change.before, change.after))
    shared = len([*takewhile(lambda pair: pair[0] == pair[1], zip(before[:-1], after[:-1], strict=False))])
    return f"{change.input} {' '.join(before)} → {' '.join(after[shared:])}"
