"""The report as one table for a spreadsheet: a row per account, then a row per position of it; or a row per cell alone.

A row of an account has an empty symbol; the columns that only accounts or only positions have are empty in the other's
rows. Figures have all their digits, times are ISO-8601, unknown is empty. A cell that came to nothing is one row with
the status `failed` and its `error`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from backtester.report.glance import Details
from backtester.report.json import plain
from backtester.report.records import AccountReport, Cell, FailedCell, PositionReport, ReportModel
from backtester.texts import csv_cell

_CELL = ("portfolio", "scenario", "venue", "variant", "status", "verdict", "account", "symbol")
_NAMED = {"name", "venue", "positions", "pools", "remedies", "symbol"}  # in _CELL already, or no figures
_FIGURES = tuple(
    dict.fromkeys(name for name in (*AccountReport._fields, *PositionReport._fields) if name not in _NAMED)
)
COLUMNS = (*_CELL, *_FIGURES, "error")


#: Of a row per cell; `buffer_min` is that of the worst account, `liquidated_ts` the first liquidation, `fees` are
#: those of trading and of liquidation.
CELL_COLUMNS = (
    "portfolio", "scenario", "venue", "variant", "status", "verdict", "loss", "loss_pct", "equity_start", "equity_end",
    "equity_min", "buffer_min", "liquidated_ts", "pools", "pools_liquidated", "fees", "flags", "error",
)  # fmt: skip


def render_csv(model: ReportModel, details: Details = "brief") -> str:
    """COLUMNS, then the rows of every cell; without details CELL_COLUMNS and one row for each."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(CELL_COLUMNS if details == "none" else COLUMNS)
    for cell in model.cells:
        if details == "none":
            writer.writerow(map(csv_cell, map(plain, _cell_row(cell))))
        else:
            writer.writerows(_rows(cell) if isinstance(cell, Cell) else [_failed_row(cell)])
    return buffer.getvalue()


def _cell_row(cell: Cell | FailedCell) -> Iterator[Any]:
    yield from (cell.portfolio.name, cell.scenario, cell.venue, str(cell.variant), cell.status)
    if isinstance(cell, FailedCell):
        yield from (None,) * (len(CELL_COLUMNS) - 6)
        yield cell.error
        return
    whole = cell.portfolio
    yield from (cell.verdict, whole.loss, whole.loss_pct, whole.equity_start, whole.equity_end, whole.equity_min)
    yield whole.buffer_min
    yield min((each.ts for each in cell.liquidations), default=None)
    yield from (whole.pools, whole.pools_liquidated)
    yield from (whole.fees, " ".join(cell.flags), None)


def _failed_row(cell: FailedCell) -> list[Any]:
    said = (cell.portfolio.name, cell.scenario, cell.venue, str(cell.variant), cell.status)
    return [*map(csv_cell, said), *[None] * (len(COLUMNS) - len(said) - 1), csv_cell(cell.error)]


def _rows(cell: Cell) -> Iterator[list[Any]]:
    for account in cell.accounts:
        keys = (cell.portfolio.name, cell.scenario, account.venue, str(cell.variant), cell.status)
        said = (*keys, cell.verdict.name.lower(), account.name)
        yield [*map(csv_cell, said), None, *_figures(account), None]
        for position in account.positions:
            yield [*map(csv_cell, (*said, position.symbol)), *_figures(position), None]


def _figures(record: AccountReport | PositionReport) -> Iterator[Any]:
    for name in _FIGURES:
        yield csv_cell(plain(getattr(record, name, None)))
