"""Results to check without a run: the one made by hand, with a receipt of its own."""

from __future__ import annotations

from pathlib import Path

from backtester.regress.baseline import write_baseline
from backtester.report.records import Cell, FailedCell, ReportModel
from backtester.results.receipt import receipt_of
from tests.golden import handmade
from tests.golden.handmade import MAIN

#: A cell without limits.
CRASH = handmade.CRASH._replace(limits=())
#: Of an account with a buffer of -480: 1 worse, which is within the defaults, and 100 worse, which is not.
SLIGHTLY, CLEARLY = (
    CRASH._replace(accounts=(MAIN._replace(buffer_min=-480.0 - worse), CRASH.accounts[1])) for worse in (1.0, 100.0)
)
BETTER = CRASH._replace(accounts=(MAIN._replace(buffer_min=-380.0), CRASH.accounts[1]))


def result(*cells: Cell | FailedCell) -> ReportModel:
    """A result of these cells, with its receipt."""
    model = handmade.MODEL._replace(cells=cells)
    return model._replace(receipt=receipt_of(model))


def stored(directory: Path, model: ReportModel) -> Path:
    """A directory with its document alone."""
    write_baseline(model, directory)
    return directory
