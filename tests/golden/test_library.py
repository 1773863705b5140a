"""Every shipped scenario on one book that does not change: its verdict, its first liquidation, its loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backtester.report.records import Cell
from backtester.run.request import Request
from backtester.run.result import RunFailure
from backtester.run.session import run_cells
from backtester.scenario.library import members
from tests.unit.report_runs import build_report

pytestmark = [pytest.mark.slow, pytest.mark.compiled]

BOOK = """\
name = "book"

[[accounts]]
name = "cross"
venue = "hyperliquid"
collateral = { USDC = 100_000.0 }

  [[accounts.positions]]
  symbol = "BTC"
  side = "long"
  size = "600_000 USD"
  entry_price = "mark"
  margin_mode = "cross"
  leverage = 10

  [[accounts.orders]]
  id = "stop"
  symbol = "BTC"
  type = "stop_market"
  side = "sell"
  size = "50%"
  trigger_price = "mark-8%"
  reduce_only = true

[[accounts]]
name = "short"
venue = "hyperliquid"
collateral = { USDC = 50_000.0 }

  [[accounts.positions]]
  symbol = "ETH"
  side = "short"
  size = "400_000 USD"
  entry_price = "mark"
  margin_mode = "isolated"
  leverage = 10
"""


def told(cells: tuple[Cell, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    for cell in sorted(cells, key=lambda cell: str(cell.scenario)):
        first = min((each.ts.ts_ns for each in cell.liquidations), default=None)
        yield (
            str(cell.scenario),
            {
                "verdict": cell.verdict.name.lower(),
                "first_liquidation_s": None if first is None else (first - cell.start_ts.ts_ns) / 1e9,
                "loss": {account.name: account.equity_start - account.equity_end for account in cell.accounts},
            },
        )


def test_what_every_scenario_does_to_one_book(tmp_path: Path, same_document: Callable[[str, Any], None]) -> None:
    path = tmp_path / "book.toml"
    path.write_text(BOOK, "utf-8")
    scenarios = members("all") or ()
    results = run_cells([Request(path, scenario=name, topups=False) for name in scenarios])
    assert not [each for each in results if isinstance(each, RunFailure)]
    same_document("library.json", dict(told(build_report(results).finished)))
