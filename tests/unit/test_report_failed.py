"""A cell that came to nothing, in every format; and the error when all of them did."""

from __future__ import annotations

import csv
import io
import json

import pytest
from rich.console import Console

from backtester.config.command import Command
from backtester.config.conditions import parse
from backtester.config.limits import Limit
from backtester.errors import BacktesterError, Diagnostic, ExitCode, data_error
from backtester.report.csv import COLUMNS
from backtester.report.render import render_report
from backtester.run.result import RunFailure, RunResult
from tests.oracle.examples import BUY, PLAIN, delta, ladder, mark
from tests.unit.report_runs import account, build_report, cross, finished

TAPE = [mark(1.0, 100.0), ladder(1.0, {99: 90}, {101: 90}), mark(3.0, 99.0), delta(5.0, BUY, 10, 1)]
LOST = RunFailure(
    "book",
    "the desk's hedge",
    "crash",
    "paper",
    (("size", "2"),),
    data_error("BTC", "no funding | rate", "accept none"),
    limits=(Limit("loss > 1", "warn", parse("loss > 1")),),
)
COMMAND = Command((), fail_on=("loss > 2", "loss > 2"))


def good() -> RunResult:
    return finished([account(300.0, [cross(8)])], TAPE, PLAIN)


def rendered(format: str) -> str:
    console = Console(width=100, force_terminal=False, color_system=None)
    return render_report(build_report([LOST, good()], COMMAND), format, console, "all")


def test_the_document_keeps_the_place_of_a_failed_cell() -> None:
    first, second = json.loads(rendered("json"))["cells"]
    assert {key: value for key, value in first.items() if value is not None} == {
        "portfolio": {"name": "book", "title": "the desk's hedge"},
        "scenario": "crash",
        "venue": "paper",
        "variant": {"size": "2"},
        "status": "failed",
        "error": "error[data] BTC: no funding | rate\n  hint: accept none",
        "exit_code": 4,
        "limits": [
            {"text": "loss > 1", "level": "warn", "outcome": "unknown", "figure": "there is no result"},
            {"text": "loss > 2", "level": "fail", "outcome": "unknown", "figure": "there is no result"},
        ],
    }
    assert list(first) == [*second, "exit_code"]
    model = build_report([LOST._replace(applicable=False), good()], COMMAND)
    assert [cell.limits for cell in model.failed] == [()], "what nobody asked for is not judged"
    assert second["status"] == "ok" and second["error"] is None
    model = build_report([LOST, good()])
    assert [len(model.finished), len(model.failed)] == [1, 1]


def test_a_terminal_and_a_ticket() -> None:
    table = rendered("table").splitlines()
    assert table[table.index("FAILED  book (the desk's hedge), crash on paper  size=2") :][:5] == [
        "FAILED  book (the desk's hedge), crash on paper  size=2",
        "error[data] BTC: no funding | rate",
        "  hint: accept none",
        "limit unknown, a warning: loss > 1 (there is no result)",
        "limit unknown: loss > 2 (there is no result)",
    ]
    lines = rendered("markdown").splitlines()
    begin = lines.index("# FAILED  book (the desk's hedge), crash on paper  size=2")
    assert lines[begin + 2 : begin + 5] == [
        "- error[data] BTC: no funding \\| rate",
        "- hint: accept none",
        "- limit unknown, a warning: loss > 1 (there is no result)",
    ]


def test_a_row_of_the_spreadsheet() -> None:
    rows = list(csv.DictReader(io.StringIO(rendered("csv"))))
    assert tuple(rows[0]) == COLUMNS
    said = {key: value for key, value in rows[0].items() if value}
    error = said.pop("error")
    assert error.startswith("error[data] BTC: ") and "\n" not in error
    assert said == {"portfolio": "book", "scenario": "crash", "venue": "paper", "variant": "size=2", "status": "failed"}
    assert {row["error"] for row in rows[1:]} == {""}


def test_a_row_of_the_spreadsheet_of_cells() -> None:
    text = render_report(build_report([LOST, good()]), "csv", Console(width=160), "none")
    first, second = csv.DictReader(io.StringIO(text))
    assert (first["status"], first["loss"]) == ("failed", "") and first["error"].startswith("error[data] BTC: ")
    assert (second["status"], second["error"]) == ("ok", "") and float(second["equity_start"]) > 0
    assert (first["pools"], second["pools"], second["pools_liquidated"]) == ("", "1", "0")


def test_money_that_does_not_add_up_fails_its_cell_alone() -> None:
    bad = good()
    bad.state.pools["balance"][0] += 1.0
    model = build_report([bad, good()])
    assert [cell.status for cell in model.cells] == ["failed", "ok"]
    assert model.failed[0].exit_code == ExitCode.ENGINE
    with pytest.raises(BacktesterError) as caught:
        build_report([bad])
    assert caught.value.exit_code == ExitCode.ENGINE


def test_without_any_result_there_is_no_report() -> None:
    """Each problem once, those of the worst exit code first."""
    wrong = Diagnostic("config", "p.toml:3", "wrong")
    other = LOST._replace(error=BacktesterError([wrong]))
    with pytest.raises(BacktesterError) as caught:
        build_report([other, LOST, other])
    assert caught.value.diagnostics == (*LOST.error.diagnostics, wrong)
    assert caught.value.exit_code == ExitCode.DATA
