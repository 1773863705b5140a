"""`backtester verify`: a stored result is looked at and run again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from backtester.cli.app import main
from backtester.errors import ExitCode
from tests.cli.shell import Shell

pytestmark = pytest.mark.compiled


@pytest.fixture
def stored(shell: Shell, small: list[str], tmp_path: Path) -> Path:
    """A result of two variants."""
    assert shell(*small, "--compare", "leverage=5,10", "--out", tmp_path / "out", "--seed", 3)[0] == 0
    return tmp_path / "out"


def verified(directory: Path, *more: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[dict[str, Any]]]:
    code = main(["verify", str(directory), "--inputs", str(directory.parent), "--format", "json", *map(str, more)])
    return code, json.loads(capsys.readouterr().out)["rows"]


def failing(rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(row["check"], row["found"]) for row in rows if not row["holds"]]


def test_a_result_as_it_was(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, rows = verified(stored, capsys=capsys)
    assert (code, failing(rows)) == (0, [])
    receipt = json.loads((stored / "result.json").read_text())["receipt"]
    assert [row["check"] for row in rows] == ["files", "receipt", "inputs", "results"]
    assert rows[2]["found"] == f"the same: {receipt['inputs']}" and rows[3]["found"] == f"equal: {receipt['results']}"


def test_a_document_that_was_touched(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = stored / "result.json"
    document = json.loads(path.read_text())
    document["cells"][1]["portfolio"]["loss"] += 1.0
    path.write_text(json.dumps(document))
    code, rows = verified(stored, capsys=capsys)
    told = failing(rows)
    assert code == ExitCode.GATE
    assert told[:2] == [("files", "changed since: result.json"), ("receipt", "not that of this result")]
    assert [check for check, _ in told[2:]] == ["figure", "tables"] and "portfolio.loss" in told[2][1]


def test_a_table_that_was_touched(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (stored / "fills.parquet").write_bytes((stored / "orders.parquet").read_bytes())
    code, rows = verified(stored, capsys=capsys)
    assert code == ExitCode.GATE
    assert failing(rows) == [("files", "changed since: fills.parquet"), ("tables", "other bytes: fills.parquet")]


def test_a_portfolio_that_is_another_one(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book = stored.parent / "p.toml"
    book.write_text(book.read_text().replace("size = 0.5", "size = 0.4"))
    code, rows = verified(stored, capsys=capsys)
    told = failing(rows)
    assert code == ExitCode.GATE and told[0][0] == "input" and told[0][1].startswith("portfolio: p.toml ")
    assert any(check == "figure" and "orders" in found for check, found in told)


def test_files_that_are_not_there(
    stored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert main(["verify", str(stored)]) == ExitCode.DATA
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert [line.partition(": ")[0] for line in lines] == ["error[data] p.toml", "error[data] tape.parquet"]
