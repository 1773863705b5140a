"""The months of an archive beside each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from backtester.report.records import ReportModel
from backtester.suite.archive import Archive
from backtester.suite.monthly import read_month
from backtester.suite.summary import breaches

MONTH_COLUMNS = ("month", "cells", "failed", "verdicts", "breaches", "worst_loss_pct", "receipt")


def month_rows(archive: Archive) -> Iterator[tuple[str | int | float | None, ...]]:
    """A row of MONTH_COLUMNS for every month. Raises a data error for one that was changed since."""
    for month in archive.months():
        model = read_month(archive, month)
        losses = [cell.portfolio.loss_pct for cell in model.finished if cell.portfolio.loss_pct is not None]
        yield (
            month,
            len(model.cells),
            len(model.failed),
            _verdicts(model),
            len(breaches(model)),
            max(losses, default=None),
            model.receipt.results[:12],
        )


def _verdicts(model: ReportModel) -> str:
    """Example: `2 liquidated, 1 survived`, the worst first."""
    counts = Counter(cell.verdict for cell in model.finished)
    return ", ".join(f"{counts[verdict]} {verdict.name.lower()}" for verdict in sorted(counts))
