"""What guards sent, in the stored tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from backtester.results.tables import tables_of
from backtester.run.request import Request
from backtester.run.session import run_cell
from tests.unit.report_runs import build_report
from tests.unit.run_cases import account, portfolio, position, tape

GUARD = """[[accounts.guards]]
id = "half"
when = "loss > -100%"
do = ["reduce 50%"]
rearm = false
"""


@pytest.mark.compiled
def test_orders_of_guards_have_names_in_both_worlds(tmp_path: Path) -> None:
    """A guard that halves a long of 2 at once, with liquidation and without: the report tells the one that happened."""
    made = portfolio(tmp_path, account(position(size=2), GUARD))
    result = run_cell(Request(made, tapes=(str(tape(tmp_path)),)))
    fills = tables_of(result)["fills.parquet"].to_pylist()
    assert {(row["world"], row["order"]) for row in fills} == {("actual", "half 1"), ("unliquidated", "half 1")}
    assert [order.id for order in build_report([result]).finished[0].orders] == ["half 1"]
