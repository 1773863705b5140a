"""`backtester check`: a stored result against a baseline, and the baseline moved on purpose alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from backtester.cli.app import main
from backtester.errors import ExitCode
from backtester.results.receipt import receipt_of
from tests.cli.shell import Shell
from tests.unit.check_cases import BETTER, CLEARLY, CRASH, SLIGHTLY, result, stored
from tests.unit.run_cases import account, portfolio
from tests.unit.suite_cases import small_suite


def told(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    code = main(["check", *map(str, args)])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return stored(tmp_path / "base", result(CRASH))


def test_a_result_of_a_run_is_its_own_baseline(
    shell: Shell, small: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shell(*small, "--out", tmp_path / "run")
    assert told(capsys, tmp_path / "run", "--baseline", tmp_path / "run") == (0, "KEPT: 1 cell\n", "")
    code, _, err = told(capsys, tmp_path / "run", "--baseline", tmp_path / "base", "--update")
    assert (code, err) == (0, "")
    assert sorted(path.name for path in (tmp_path / "base").iterdir()) == ["SHA256SUMS", "result.json"]
    assert (tmp_path / "base/result.json").read_bytes() == (tmp_path / "run/result.json").read_bytes()
    assert told(capsys, tmp_path / "run", "--baseline", tmp_path / "base")[0] == 0


def test_what_went_too_far_is_one_line(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (base / "result.json").read_bytes()
    code, out, err = told(capsys, stored(tmp_path / "now", result(CLEARLY)), "--baseline", base)
    assert code == ExitCode.GATE
    assert out.splitlines()[-1] == "FAILED: 1 change beyond tolerance (1 worse) in 1 of 1 cell"
    assert err.endswith(
        "2025-10-10 on hyperliquid@2026-08-22: accounts[main].buffer_min: −480.00 → −580.00 (−100.00, worse)\n"
        "  hint: accept it with --update if it is meant\n"
    )
    assert (base / "result.json").read_bytes() == before


def test_update_shows_what_it_accepts(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    now = stored(tmp_path / "now", result(CLEARLY))
    code, out, err = told(capsys, now, "--baseline", base, "--update")
    assert (code, err) == (0, "")
    assert "accounts[main].buffer_min  −480.00  −580.00" in out
    assert out.splitlines()[-1] == "--update: this result becomes the baseline"
    assert told(capsys, now, "--baseline", base)[0] == 0


def test_a_portfolio_states_tolerances(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = portfolio(tmp_path, account())
    path = path.rename(path.with_stem(CRASH.portfolio.name))
    text = path.read_text("utf-8")
    for table, cell, code in (
        ('money = "0%"', SLIGHTLY, 1),
        ('direction = "worse"', BETTER, 0),
        ('money = "1"', CLEARLY, 1),
    ):
        path.write_text(f"tolerances.{table}\n{text}", "utf-8")
        now = stored(tmp_path / "now", result(cell))
        assert told(capsys, now, "--baseline", base, "--portfolio", path)[0] == code
    path.write_text(f'tolerances.figures.x = "1%"\n{text}', "utf-8")
    code, _, err = told(capsys, base, "--baseline", base, "--portfolio", path)
    assert code == ExitCode.CONFIG
    assert err.startswith(f"error[config] {path}:1 tolerances.figures.x: is no figure of a result\n")


def test_a_portfolio_that_the_result_is_not_of(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = portfolio(tmp_path, account())
    code, out, err = told(capsys, base, "--baseline", base, "--portfolio", other)
    assert (code, out) == (ExitCode.USAGE, "")
    assert err.startswith(f"error[usage] --portfolio: {other} is in no cell of it\n  hint: its portfolios: ")


def test_annotations_are_from_the_root_that_github_names(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "books").mkdir()
    path = portfolio(tmp_path / "books", account())
    path = path.rename(path.with_stem(CRASH.portfolio.name))
    monkeypatch.chdir(tmp_path / "books")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    now = stored(tmp_path / "now", result(CLEARLY))
    out = told(capsys, now, "--baseline", base, "--portfolio", path.name, "--annotations")[1]
    assert f"::error file=books/{path.name},line=" in out


def test_no_baseline_fails(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = told(capsys, base, "--baseline", tmp_path / "none")
    assert (code, out) == (ExitCode.GATE, "NO BASELINE: 1 cell\n")
    assert err.startswith(f"error[gate] {tmp_path / 'none'}: there is no baseline\n")
    assert not (tmp_path / "none").exists()


def test_other_rules_are_not_comparable(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = result(CRASH)
    older = model.inputs._replace(venues=(model.inputs.venues[0]._replace(rules_date="2026-01-01"),))
    model = model._replace(inputs=older)
    now = stored(tmp_path / "now", model._replace(receipt=receipt_of(model)))
    code, out, err = told(capsys, now, "--baseline", base)
    assert code == ExitCode.GATE
    assert out.splitlines()[-1] == "NOT COMPARABLE: the baseline was made with another venue"
    assert (
        "not comparable: it was made with venue hyperliquid@2026-08-22 dddddddddddd, now hyperliquid@2026-01-01" in err
    )
    assert told(capsys, now, "--baseline", base, "--across")[0] == 0
    assert told(capsys, now, "--baseline", base, "--update")[0] == 0
    assert told(capsys, now, "--baseline", base)[0] == 0


def test_the_hint_of_an_edited_baseline_leads_to_a_new_one(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = base / "result.json"
    document.write_text(document.read_text("utf-8").replace("-480.0", "-481.0"), "utf-8")
    now = stored(base.parent / "now", result(CRASH))
    hint = f"  hint: restore it from where it came, or delete {base}: --update makes it anew\n"
    assert told(capsys, now, "--baseline", base, "--update")[2].endswith(hint)
    shutil.rmtree(base)
    assert told(capsys, now, "--baseline", base, "--update")[0] == 0


def test_a_baseline_that_was_edited_is_named(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = base / "result.json"
    document.write_text(document.read_text("utf-8").replace("-480.0", "-481.0"), "utf-8")
    code, _, err = told(capsys, base, "--baseline", base)
    assert code == ExitCode.DATA
    assert err.startswith(f"error[data] {document}: was changed after it was written: its receipt does not fit\n")
    (base / "SHA256SUMS").unlink()
    assert told(capsys, base, "--baseline", base)[0] == ExitCode.DATA


def test_a_whole_result_is_not_replaced_in_part(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (base / "path.parquet").write_bytes(b"")
    code, _, err = told(capsys, base, "--baseline", base, "--update")
    assert code == ExitCode.USAGE
    assert err.startswith(f"error[usage] --baseline: {base} holds a whole result (path.parquet, …)")


def test_places_that_are_no_directories(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, long = base / "result.json", tmp_path / ("x" * 300)
    assert told(capsys, base, "--baseline", file)[0] == ExitCode.GATE
    code, _, err = told(capsys, base, "--baseline", file, "--update")
    assert (code, err.partition(":")[0]) == (ExitCode.USAGE, "error[usage] --baseline")
    assert told(capsys, base, "--baseline", long)[0] == ExitCode.DATA
    assert told(capsys, long, "--baseline", base)[0] == ExitCode.CONFIG
    assert told(capsys, tmp_path / "none", "--baseline", base)[0] == ExitCode.CONFIG


def test_formats(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    now = stored(tmp_path / "now", result(CLEARLY))
    document = json.loads(told(capsys, now, "--baseline", base, "--format", "json")[1])
    assert document["outcome"] == "failed"
    assert told(capsys, now, "--baseline", base, "--format", "markdown")[1].startswith("**FAILED**: 1 change beyond")
    assert told(capsys, now, "--baseline", base, "--format", "csv")[1].startswith("level,change,cell,place,")


# --- of a suite ----------------------------------------------------------------------------------------------------


def test_a_suite_is_run_and_judged_by_its_own_tolerances(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    suite, base, junit = small_suite(tmp_path), tmp_path / "base", tmp_path / "junit.xml"
    assert told(capsys, suite, "--baseline", base)[0] == ExitCode.GATE
    assert told(capsys, suite, "--baseline", base, "--update")[0] == 0
    assert told(capsys, suite, "--baseline", base) == (0, "KEPT: 4 cells\n", "")
    assert not (tmp_path / "kept").exists()
    book = tmp_path / "books/a.toml"
    book.write_text(book.read_text("utf-8").replace("size = 1.0", "size = 1.001"), "utf-8")
    assert told(capsys, suite, "--baseline", base)[0] == 0
    suite.write_text(suite.read_text("utf-8") + '[tolerances]\nsize = "0%"\n', "utf-8")
    code, out, err = told(capsys, suite, "--baseline", base, "--junit", junit, "--annotations")
    assert code == ExitCode.GATE
    assert err.startswith("error[gate] a, tape as it is on ")
    commands = [line for line in out.splitlines() if line.startswith("::error")]
    assert commands and all(f"file={book},line=" in line for line in commands)
    root = ElementTree.parse(junit).getroot()
    assert {case.attrib["classname"]: len(case) for case in root.iter("testcase")} == {"a": 1, "b": 0}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("[limits]\nfail = [\n'loss > 1',\n'los > 1']\n", "10 limits.fail.1: column 1: "),
        ("[limits]\nfail = [\n'loss > 1',\n'loss > 1 or x > 1']\n", "10 limits.fail.1: column 13: "),
        ("[limits]\nwarn = ['flags in [taken_ovr]']\n", "8 limits.warn.0: column 11: "),
        ("set = ['leverge=3']\n", "7 set.0: no place takes this key"),
    ],
)
def test_an_option_that_it_states_is_blamed_at_its_line(
    more: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = small_suite(tmp_path, more)
    for words in (["check", str(suite), "--baseline", str(tmp_path / "base")], ["suite", "run", str(suite)]):
        assert main(words) == ExitCode.CONFIG
        out, err = capsys.readouterr()
        assert out == "" and err.startswith(f"error[config] {suite}:{said}")


@pytest.mark.parametrize("compare", ["positions.leverage=5", "leverge=5,20", "positions.leverage=5,x"])
def test_a_comparison_that_it_states_is_blamed_at_its_line(
    compare: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = small_suite(tmp_path)
    suite.write_text(
        suite.read_text("utf-8").replace("positions.leverage=5,20", compare) + "[limits]\nfail = ['loss > 1']\n"
    )
    assert main(["check", str(suite), "--baseline", str(tmp_path / "base")]) == ExitCode.CONFIG
    assert f"error[config] {suite}:5 compare.0: " in capsys.readouterr().err


def test_faults_of_suite_and_portfolios_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    suite = small_suite(tmp_path, '[tolerances.figures]\nverdict = "1"\n')
    book = tmp_path / "books/b.toml"
    book.write_text('tolerances.money = "x"\n' + book.read_text("utf-8"), "utf-8")
    code, out, err = told(capsys, suite, "--baseline", tmp_path / "base")
    assert (code, out) == (ExitCode.CONFIG, "")
    assert "suite.toml:8 tolerances.figures.verdict: is exact" in err
    assert f"{book}:1 tolerances.money: expected a share of the old value" in err


def test_options_that_cannot_be_meant(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for options, said in (
        (["--annotations", "--format", "json"], "--annotations: are lines for GitHub"),
        (["--junit", str(base)], "--junit: "),
    ):
        code, out, err = told(capsys, base, "--baseline", base, *options)
        assert (code, out) == (ExitCode.USAGE, "")
        assert err.startswith(f"error[usage] {said}")
    suite = small_suite(tmp_path)
    code, _, err = told(capsys, suite, "--baseline", base, "--portfolio", suite)
    assert code == ExitCode.USAGE
