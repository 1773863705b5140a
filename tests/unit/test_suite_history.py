"""Months beside each other: the largest step of a figure, and what of its inputs differed then."""

from __future__ import annotations

from backtester.config.command import Command
from backtester.report.records import Cell, FileInput, Inputs, ReportModel, VenueInput
from backtester.suite.history import FIGURE_COLUMNS, figure_rows
from tests.golden.handmade import MODEL

CELL = next(cell for cell in MODEL.cells if isinstance(cell, Cell))
VENUE = VenueInput("hyperliquid", "a" * 64, "2026-08-22", 0.0, ())


def month(loss: float, *, tape: str = "1", book: str = "2", other: str = "3", shock: str | None = None) -> ReportModel:
    """A result of one cell, made from these files; `other` is a portfolio that the cell is not of."""
    name = CELL.portfolio.name
    files = (FileInput(f"{name}.toml", book * 64), FileInput("other.toml", other * 64))
    cell = CELL._replace(
        portfolio=CELL.portfolio._replace(loss_pct=loss), venue="hyperliquid@2026-08-22", scenario=None
    )
    inputs = Inputs(files, FileInput("btc.parquet", tape * 64), (), (VENUE,))
    command = Command((f"{name}.toml", "other.toml"), shock=shock, fail_on=(f"loss_pct > {loss}",))
    assumptions = (f"a long line of what follows from {other}",)
    return MODEL._replace(inputs=inputs, command=command, cells=(cell,), assumptions=assumptions)


def told(*models: ReportModel) -> dict[str, object]:
    months = {f"2026-{number:02}": model for number, model in enumerate(models, 1)}
    (row,) = figure_rows(months, ["loss_pct"])
    return dict(zip(FIGURE_COLUMNS, row, strict=True))


def test_what_differed_then_is_told_and_nothing_of_before() -> None:
    row = told(month(10.0, book="9"), month(10.5), month(40.0, tape="4"), month(41.0, tape="4", book="5"))
    assert (row["jump"], row["in"]) == ("10.50 % → 40.00 %", "2026-03")
    assert row["inputs_then"] == f"tape btc.parquet {'1' * 12} → {'4' * 12}"
    row = told(month(10.0, shock="depth=0.5"), month(40.0, shock="depth=0.2"))
    assert row["inputs_then"] == "command.shock depth=0.5 → depth=0.2"


def test_what_the_cell_is_not_made_from_explains_nothing() -> None:
    row = told(month(10.0), month(40.0, other="4"))
    assert (row["jump"], row["inputs_then"]) == ("10.00 % → 40.00 %", "=")


def test_a_month_without_the_cell_is_passed_over() -> None:
    row = told(month(10.0), month(10.0, tape="4")._replace(cells=()), month(40.0, tape="4"))
    assert row["months"] == 2 and row["inputs_then"] == f"tape btc.parquet {'1' * 12} → {'4' * 12}"


def test_a_step_that_cannot_be_seen_is_none() -> None:
    row = told(month(10.0), month(10.0 + 1e-9, tape="4"))
    assert (row["jump"], row["in"], row["inputs_then"]) == (None, None, None)
