"""`backtester verify`: a stored result is looked at and run again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from backtester.cli.app import main
from backtester.errors import ExitCode
from backtester.results.sums import write_sums
from backtester.shipped import venues_dir
from tests.cli.shell import Shell
from tests.unit.run_cases import tape
from tests.unit.suite_cases import small_suite

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


def test_a_tape_that_is_another_one_is_not_taken(
    stored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sound = (tmp_path / "tape.parquet").read_bytes()
    tape(tmp_path, [40_000] * 10)
    assert main(["verify", "out"]) == ExitCode.DATA
    line = "error[data] tape.parquet: is not in ., out/portfolios: tape.parquet is not that of the result"
    assert capsys.readouterr().err.splitlines()[0] == line
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "tape.parquet").write_bytes(sound)
    assert main(["verify", "out", "--inputs", "kept"]) == 0


def test_a_portfolio_that_is_another_one_is_not_taken(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book = stored.parent / "p.toml"
    book.write_text(book.read_text().replace("size = 0.5", "size = 0.4"))
    assert main(["verify", str(stored), "--inputs", str(stored.parent)]) == ExitCode.DATA
    assert f"{book} is not that of the result" in capsys.readouterr().err


def test_rules_that_are_others_are_told(
    small: list[str], shell: Shell, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rules = tmp_path / "own.toml"
    shipped = (venues_dir() / "hyperliquid.toml").read_text()
    rules.write_text(shipped)
    assert shell(*small, "--venue", "own.toml", "--out", "out")[0] == 0
    rules.write_text(shipped.replace("0.000_45", "0.000_55"))
    code, rows = verified(tmp_path / "out", capsys=capsys)
    told = failing(rows)
    assert code == ExitCode.GATE and told[0][0] == "input" and told[0][1].startswith("venue: hyperliquid@")
    assert any(check == "figure" and "orders" in found for check, found in told)


@pytest.mark.parametrize("archive", ["kept", "deep/kept"])
def test_the_files_of_a_month_are_where_its_suite_names_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, archive: str
) -> None:
    (tmp_path / "jobs").mkdir()
    suite = small_suite(tmp_path / "jobs")
    (tmp_path / "data").mkdir()
    (tmp_path / "jobs" / "tape.parquet").rename(tmp_path / "data" / "tape.parquet")
    text = suite.read_text().replace('"tape.parquet"', '"../data/tape.parquet"').replace('"kept"', f'"{archive}"')
    suite.write_text(text)
    assert main(["suite", "run", str(suite), "--month", "2026-11", "-q"]) == 0
    month = tmp_path / "jobs" / archive / "2026-11"
    assert main(["verify", str(month)]) == main(["verify", str(month.parent / "latest")]) == 0
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "tape.parquet").unlink()
    capsys.readouterr()
    assert main(["verify", str(month)]) == ExitCode.DATA
    assert capsys.readouterr().err.startswith(
        f"error[data] tape.parquet: is not in ., {month}/portfolios, jobs, jobs/../data\n"
    )


def test_files_that_are_not_there(
    stored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert main(["verify", str(stored)]) == ExitCode.DATA
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert [line.partition(": ")[0] for line in lines] == ["error[data] p.toml", "error[data] tape.parquet"]


# --- the pages of a month ------------------------------------------------------------------------------------------


@pytest.fixture
def kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """An archive of three months."""
    path = small_suite(tmp_path)
    for month in ("2026-09", "2026-10", "2026-11"):
        assert main(["suite", "run", str(path), "--month", month]) == 0
    capsys.readouterr()
    return tmp_path / "kept"


def pages(rows: list[dict[str, Any]]) -> list[tuple[Any, str]]:
    return [(row["holds"], row["found"]) for row in rows if row["check"] in ("pages", "month")]


@pytest.mark.parametrize("name", ["summary.md", "summary.html"])
def test_a_forged_page_is_no_page_of_this_result(kept: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    month = kept / "2026-11"
    code, rows = verified(month, capsys=capsys)
    assert (code, pages(rows)) == (0, [(True, "of this result")])
    text = (month / name).read_text()
    (month / name).write_text(text.replace("small, 2026-11", "small, all is well, 2026-11"))
    others = [line.split("  ")[1] for line in (month / "SHA256SUMS").read_text().splitlines()]
    write_sums(month, others)
    code, rows = verified(month, capsys=capsys)
    assert (code, failing(rows)) == (ExitCode.GATE, [("pages", f"not those of this result: {name}")])


def test_pages_that_tell_of_a_month_which_is_gone_or_another(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (kept / "2026-10").rename(kept / "old")
    code, rows = verified(kept / "2026-11", capsys=capsys)
    assert (code, pages(rows)) == (0, [(None, "cannot be compared: they tell of 2026-10, not there any more")])
    book = kept.parent / "books" / "a.toml"
    (kept / "2026-11").rename(kept / "new")
    sound = book.read_text()
    book.write_text(sound.replace("size = 1.0", "size = 3.0"))
    assert main(["suite", "run", str(kept.parent / "suite.toml"), "--month", "2026-10"]) == 0
    capsys.readouterr()
    book.write_text(sound)
    (kept / "new").rename(kept / "2026-11")
    code, rows = verified(kept / "2026-11", capsys=capsys)
    found = (False, "cannot be compared: 2026-10 is not what it was when they were written")
    assert (code, pages(rows)) == (ExitCode.GATE, [found])


def test_a_month_under_another_name(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (kept / "2026-11").rename(kept / "2026-12")
    code, rows = verified(kept / "2026-12", capsys=capsys)
    assert code == ExitCode.GATE and failing(rows) == [("month", "is 2026-11, whatever it is called")]
