"""The report as one table for a spreadsheet: a row per account, then a row per position of it.

A row of an account has an empty symbol; the columns that only accounts or only positions have are empty in the other's
rows. Figures have all their digits, times are ISO-8601, unknown is empty.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from backtester.report.json import plain
from backtester.report.model import ReportModel
from backtester.report.records import AccountReport, Cell, PositionReport

_CELL = ("scenario", "venue", "variant", "verdict", "account", "symbol")
_NAMED = {"name", "venue", "positions", "pools", "symbol"}  # in _CELL already, or no figures
_FIGURES = tuple(
    dict.fromkeys(name for name in (*AccountReport._fields, *PositionReport._fields) if name not in _NAMED)
)
COLUMNS = (*_CELL, *_FIGURES)


def render_csv(model: ReportModel) -> str:
    """COLUMNS, then the rows of every cell."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for cell in model.cells:
        writer.writerows(_rows(cell))
    return buffer.getvalue()


def _rows(cell: Cell) -> Iterator[list[Any]]:
    variant = " ".join(f"{key}={value}" for key, value in cell.variant.items)
    for account in cell.accounts:
        said = (cell.scenario, account.venue, variant, cell.verdict.name.lower(), account.name)
        yield [*said, None, *_figures(account)]
        for position in account.positions:
            yield [*said, position.symbol, *_figures(position)]


def _figures(record: AccountReport | PositionReport) -> Iterator[Any]:
    for name in _FIGURES:
        yield plain(getattr(record, name, None))
