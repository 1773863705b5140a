"""The report as one table for a spreadsheet: a row per account, then a row per position of it.

A row of an account has an empty symbol; the columns that only accounts or only positions have are empty in the other's
rows. Figures have all their digits, times are ISO-8601, unknown is empty. A cell that came to nothing is one row with
the status `failed` and its `error`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from backtester.report.json import plain
from backtester.report.records import AccountReport, Cell, FailedCell, PositionReport, ReportModel
from backtester.texts import csv_cell

_CELL = ("scenario", "venue", "variant", "status", "verdict", "account", "symbol")
_NAMED = {"name", "venue", "positions", "pools", "symbol"}  # in _CELL already, or no figures
_FIGURES = tuple(
    dict.fromkeys(name for name in (*AccountReport._fields, *PositionReport._fields) if name not in _NAMED)
)
COLUMNS = (*_CELL, *_FIGURES, "error")


def render_csv(model: ReportModel) -> str:
    """COLUMNS, then the rows of every cell."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for cell in model.cells:
        writer.writerows(_rows(cell) if isinstance(cell, Cell) else [_failed_row(cell)])
    return buffer.getvalue()


def _failed_row(cell: FailedCell) -> list[Any]:
    said = (cell.scenario, cell.venue, str(cell.variant), cell.status)
    return [*map(csv_cell, said), *[None] * (len(COLUMNS) - len(said) - 1), cell.error]


def _rows(cell: Cell) -> Iterator[list[Any]]:
    for account in cell.accounts:
        said = (cell.scenario, account.venue, str(cell.variant), cell.status, cell.verdict.name.lower(), account.name)
        yield [*map(csv_cell, said), None, *_figures(account), None]
        for position in account.positions:
            yield [*map(csv_cell, (*said, position.symbol)), *_figures(position), None]


def _figures(record: AccountReport | PositionReport) -> Iterator[Any]:
    for name in _FIGURES:
        yield csv_cell(plain(getattr(record, name, None)))
