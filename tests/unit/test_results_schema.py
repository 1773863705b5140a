"""The schema of the result document against documents, real and made by hand, and against wrong ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from backtester.config.command import Command
from backtester.metrics.cell import measure
from backtester.report.json import render_json
from backtester.report.records import FailedCell, PortfolioName, ReportModel
from backtester.results.model import summarise
from backtester.results.schema import result_schema
from tests.golden.handmade import CRASH, MODEL
from tests.unit.run_cases import demo

SCHEMA = Draft202012Validator(result_schema())
FAILED = FailedCell(
    PortfolioName("book", ""), "2025-10-10", "hyperliquid", CRASH.variant, "not_applicable", "no path", 0, CRASH.limits
)


def document(model: ReportModel) -> Any:
    return json.loads(render_json(model))


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(result_schema())


@pytest.mark.compiled
def test_a_real_result_is_valid() -> None:
    found = measure(demo())
    assert list(SCHEMA.iter_errors(document(summarise([found], Command(()))))) == []


@pytest.mark.parametrize("model", [MODEL, MODEL._replace(cells=(FAILED, *MODEL.cells))])
def test_a_handmade_result_is_valid(model: ReportModel) -> None:
    assert list(SCHEMA.iter_errors(document(model))) == []


def drop(made: Any) -> None:
    del made["cells"][0]["portfolio"]["loss"]


def add(made: Any) -> None:
    made["cells"][0]["accounts"][0]["more"] = 1


def misspell(made: Any) -> None:
    made["cells"][0]["verdict"] = "lost"


def outdate(made: Any) -> None:
    made["schema_version"] = 0


def mistime(made: Any) -> None:
    made["cells"][0]["start_ts"] = "yesterday"


def unknow(made: Any) -> None:
    made["cells"][0]["accounts"][0]["equity_end"] = None


@pytest.mark.parametrize("wrong", [drop, add, misspell, outdate, mistime, unknow])
def test_a_wrong_document_is_not(wrong: Callable[[Any], None]) -> None:
    made = document(MODEL)
    wrong(made)
    assert list(SCHEMA.iter_errors(made))
