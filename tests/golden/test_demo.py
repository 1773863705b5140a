"""The shipped demo, end to end: files in, the result document out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from backtester.report.records import ReportModel
from backtester.report.render import render_report
from backtester.run.request import Request
from backtester.run.session import run_cell
from tests.unit.report_runs import build_report

DEMO = Path(__file__).resolve().parents[2] / "data" / "demo-portfolio.toml"


@pytest.fixture(scope="module")
def model() -> ReportModel:
    return build_report([run_cell(Request(DEMO, scenario="2025-10-10"))])


def test_the_outcome_of_the_crash_is_what_it_was(same_document: Callable[[str, Any], None], model: ReportModel) -> None:
    cells = json.loads(render_report(model, "json", Console()))["cells"]
    for cell in cells:
        for order in cell["orders"]:
            order["fills"] = len(order["fills"])
    same_document("demo-2025-10-10.json", cells)
