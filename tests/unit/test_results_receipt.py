"""The receipt: one digest of all that a result was made from, one of all that came out."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from backtester.report.json import render_json
from backtester.report.records import FileInput, ReportModel
from backtester.results.receipt import receipt_of
from tests.golden.handmade import MODEL


def test_it_can_be_made_from_the_document_alone() -> None:
    document = json.loads(render_json(MODEL))
    results = [document[key] for key in ("assumptions", "warnings", "cells")]
    inputs = document["inputs"]
    files = [[each["name"], each["sha256"]] for each in (*inputs["portfolios"], inputs["tape"], *inputs["scenarios"])]
    files += [[each["name"], each["sha256"], each["rules_date"]] for each in inputs["venues"]]
    made_from = [document[key] for key in ("engine_version", "schema_version", "seed", "command")]
    assert receipt_of(MODEL) == (digest([*made_from, files]), digest(results))


def digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()


INPUTS = MODEL.inputs
CELL = MODEL.finished[0]


@pytest.mark.parametrize(
    "other, changes",
    [
        (MODEL._replace(seed=8), (True, False)),
        (MODEL._replace(engine_version="0.0.1"), (True, False)),
        (MODEL._replace(command=MODEL.command._replace(set=("size=5",))), (True, False)),
        (MODEL._replace(inputs=INPUTS._replace(tape=FileInput("btc.parquet", "0" * 64))), (True, False)),
        (MODEL._replace(inputs=INPUTS._replace(venues=(INPUTS.venues[0]._replace(rules_date="2025-01-01"),))),
         (True, False)),
        (MODEL._replace(warnings=()), (False, True)),
        (MODEL._replace(cells=(CELL._replace(end_ts=CELL.start_ts), *MODEL.cells[1:])), (False, True)),
        (MODEL._replace(cells=MODEL.cells[::-1]), (False, True)),
    ],
)  # fmt: skip
def test_a_change_changes_its_digest_alone(other: ReportModel, changes: tuple[bool, bool]) -> None:
    before, after = receipt_of(MODEL), receipt_of(other)
    assert (before.inputs != after.inputs, before.results != after.results) == changes
