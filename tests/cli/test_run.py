"""`backtester run` as a shell sees it: exit codes, one document on stdout, errors on stderr, tables in --out."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from backtester.cli.app import main
from backtester.errors import ExitCode
from tests.unit.run_cases import CRASH, DEMO, START, S, account, crash, order, portfolio, position, tape, venue

TABLES = ["depth.parquet", "fills.parquet", "ledger.parquet", "path.parquet"]


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*os.environ]:
        if name.startswith("BACKTESTER_"):
            monkeypatch.delenv(name)


def never(*args: object) -> None:
    raise AssertionError("the run began")


class Shell:
    """Calls the command line and keeps what it said."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *args: object) -> tuple[int, str, str]:
        code = main(["run", *map(str, args)])
        out, err = self.capsys.readouterr()
        return code, out, err


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)


@pytest.fixture
def small(tmp_path: Path) -> list[str]:
    """Arguments of a run of ten calm seconds, in which half of the position is sold."""
    path = portfolio(tmp_path, account(position(), order("out", at="1s")))
    return [str(path), "--tape", str(tape(tmp_path))]


# --- what comes out ------------------------------------------------------------------------------------------------


def test_the_demo(shell: Shell) -> None:
    code, out, err = shell(DEMO, "--scenario", CRASH)
    assert (code, err) == (ExitCode.OK, "")
    for word in ("stop-at-venue", "stop-at-client", "hyperliquid@2026-08-22", "main", "hedge", CRASH):
        assert word in out
    assert max(map(len, out.splitlines())) <= 160 and "\x1b" not in out


def test_json_is_exactly_one_document(shell: Shell, small: list[str]) -> None:
    code, out, err = shell(*small, "--format", "json")
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert document["kind"] == "run" and {"schema_version", "engine_version", "seed", "assumptions"} <= document.keys()
    assert json.dumps(document, indent=2, ensure_ascii=False) + "\n" == out


@pytest.mark.parametrize("format", ["table", "markdown", "csv"])
def test_other_formats(shell: Shell, small: list[str], format: str) -> None:
    code, out, err = shell(*small, "--format", format)
    assert (code, err) == (0, "")
    if format == "csv":
        header, *rows = csv.reader(io.StringIO(out))
        assert rows and {len(row) for row in rows} == {len(header)}
    else:
        assert "BTC" in out and "main" in out


def test_the_format_of_the_environment(shell: Shell, small: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKTESTER_FORMAT", "json")
    assert json.loads(shell(*small)[1])["kind"] == "run"
    assert not shell(*small, "--format", "table")[1].startswith("{")  # a flag is stronger


def test_the_same_twice(shell: Shell, small: list[str]) -> None:
    assert shell(*small, "--format", "json") == shell(*small, "--format", "json")


def test_output_goes_to_a_file_and_nothing_else_is_said(shell: Shell, small: list[str], tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    assert shell(*small, "--format", "json", "--output", target) == (0, "", "")
    assert target.read_text() == shell(*small, "--format", "json")[1]


@pytest.mark.parametrize("flag", ["-q", "-v"])
def test_talk_is_not_the_result(shell: Shell, small: list[str], monkeypatch: pytest.MonkeyPatch, flag: str) -> None:
    monkeypatch.setattr("backtester.run.session.is_warm", lambda: False)
    code, out, err = shell(*small, flag, "--format", "json")
    assert code == 0 and json.loads(out)
    assert err.startswith("compiling kernels, once per machine and version") if flag == "-v" else err == ""


# --- tables --------------------------------------------------------------------------------------------------------


def test_out_holds_the_document_and_the_tables(shell: Shell, small: list[str], tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    code, text, err = shell(*small, "--out", out, "--format", "json")
    assert (code, err) == (0, "")
    assert sorted(path.name for path in out.iterdir()) == [*TABLES, "result.json"]
    assert json.loads((out / "result.json").read_text()) == json.loads(text)
    fills = pq.read_table(out / "fills.parquet").to_pylist()
    assert [(fill["world"], fill["order"], fill["price"], fill["size"]) for fill in fills] == [
        ("actual", "out", 49_999.0, 0.5),
        ("unliquidated", "out", 49_999.0, 0.5),
    ]
    assert pq.read_table(out / "ledger.parquet").num_rows >= 2 * 2  # realised and fee, in both worlds


def test_out_is_the_same_bytes_every_time(shell: Shell, small: list[str], tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert shell(*small, "--out", tmp_path / name, "-q")[0] == 0
    for name in [*TABLES, "result.json"]:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize("target", ["a file", "below a file", "no place for files"])
def test_a_bad_out_fails_before_the_run(
    shell: Shell, small: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    monkeypatch.setattr("backtester.run.session.run_cell", never)
    if not Path("/proc").is_dir():
        pytest.skip("there is no /proc here")
    file = tmp_path / "file"
    file.write_text("")
    places = {"a file": file, "below a file": file / "out", "no place for files": Path("/proc")}
    code, out, err = shell(*small, "--out", places[target])
    assert (code, out) == (ExitCode.USAGE, "")
    assert err.startswith(f"error[usage] --out: cannot write to {places[target]}: ")


# --- options -------------------------------------------------------------------------------------------------------


def test_set_reaches_the_portfolio(shell: Shell, small: list[str], tmp_path: Path) -> None:
    assert shell(*small, "--set", "orders[out].size=0.25", "--out", tmp_path / "out", "-q")[0] == 0
    assert pq.read_table(tmp_path / "out" / "fills.parquet")["size"].to_pylist() == [0.25, 0.25]


def test_seed_reaches_the_run(shell: Shell, small: list[str]) -> None:
    assert json.loads(shell(*small, "--seed", "7", "--format", "json")[1])["seed"] == 7


def test_venue_reaches_the_rules(shell: Shell, small: list[str]) -> None:
    document = json.loads(shell(*small, "--venue", "hyperliquid@2024-06-01", "--format", "json")[1])
    assert document["inputs"]["venues"][0]["rules_date"] == "2024-03-11"


def test_scenarios_are_run_once_each_in_order(shell: Shell, small: list[str], tmp_path: Path) -> None:
    calm = crash(tmp_path, [(0, 1.0), (9, 1.0)], name="calm")
    fall = crash(tmp_path, [(0, 1.0), (9, 0.95)], name="fall")
    code, out, err = shell(*small, "--scenario", f"{fall},{calm},{fall}", "--format", "json")
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert [each["name"] for each in document["inputs"]["scenarios"]] == ["fall", "calm"]
    assert len(document["cells"]) == 2


def test_proxy_and_assumptions(shell: Shell, tmp_path: Path) -> None:
    path = portfolio(tmp_path, account(position(), venue=venue(tmp_path, funding_premium=False)))
    stress = crash(tmp_path, [(0, 1.0), (9, 0.99)], bases=["ETH"])
    bare = tape(tmp_path, index=False)
    flags = ["--assume-index-mid", "--assume-funding-zero", "--proxy", "BTC=ETH*1.5", "--scenario", stress]
    code, out, _ = shell(path, "--tape", bare, *flags, "--format", "json")
    lines = json.loads(out)["assumptions"]
    assert code == 0
    for words in ("(--assume-index-mid)", "(--assume-funding-zero)", "BTC moves like ETH times 1.5 (--proxy)"):
        assert any(words in line for line in lines)


def test_instrument_describes_a_bare_tape(shell: Shell, tmp_path: Path) -> None:
    path = portfolio(tmp_path, account(position()))
    bare = tape(tmp_path, described=False)
    code, _, err = shell(path, "--tape", bare)
    assert code == ExitCode.DATA and "says nothing about its instruments" in err
    assert shell(path, "--tape", bare, "--instrument", "BTC:tick=1,lot=0.00001")[0] == ExitCode.OK


# --- errors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "code", "line"),
    [
        (["--scenario", "2025-10-11"], ExitCode.CONFIG, "error[config] scenario 2025-10-11: is not known"),
        (["--scenario", f"{CRASH},typo"], ExitCode.CONFIG, "error[config] scenario typo: is not known"),
        (["--scenario", ","], ExitCode.USAGE, "error[usage] --scenario: names none"),
        (["--venue", "binanze"], ExitCode.CONFIG, "error[config] venue binanze: unknown venue"),
        (["--venue", "hyperliquid@soon"], ExitCode.USAGE, 'error[usage] venue hyperliquid@soon: "soon" is no date'),
        (["--venue", "hyperliquid@scenario"], ExitCode.USAGE, "error[usage] --venue: @scenario needs a scenario"),
        (["--set", "size"], ExitCode.USAGE, "error[usage] --set size: expected key=value"),
        (["--proxy", "BTC"], ExitCode.USAGE, "error[usage] --proxy: cannot read 'BTC'"),
        (["--instrument", "BTC"], ExitCode.USAGE, "error[usage] --instrument: expected SYMBOL:key=value"),
        (["--tape", "none.parquet"], ExitCode.DATA, "error[data] none.parquet: no such file"),
        (["--set", "size=0.000001"], ExitCode.CONFIG, "error[config] --set size=0.000001 accounts.0.positions.0.size"),
        (["--what"], ExitCode.USAGE, "error[usage] backtester run: No such option: --what"),
        (["--format", "xml"], ExitCode.USAGE, "error[usage] backtester:"),
    ],
)
def test_errors_are_lines_on_stderr(shell: Shell, small: list[str], args: list[str], code: ExitCode, line: str) -> None:
    got, out, err = shell(*small, *args)
    assert (got, out) == (code, "")
    assert err.splitlines()[0].startswith(line)
    assert all(each.startswith(("error[", "  hint: ")) for each in err.splitlines())


def test_a_portfolio_that_is_not_there(shell: Shell, tmp_path: Path) -> None:
    code, out, err = shell(tmp_path / "none.toml")
    assert (code, out) == (ExitCode.CONFIG, "")
    assert err == f"error[config] {tmp_path / 'none.toml'}: cannot be read: No such file or directory\n"


def test_every_fault_of_a_portfolio_has_its_line(shell: Shell, tmp_path: Path) -> None:
    path = portfolio(tmp_path, account(position(size=1.0000001, leverage=90.0), collateral="USDT = 1e5"))
    code, out, err = shell(path, "--tape", tape(tmp_path))
    assert (code, out) == (ExitCode.CONFIG, "")
    assert [line.split(": ")[0] for line in err.splitlines()] == [
        f"error[config] {path}:5 accounts.0.collateral",
        f"error[config] {path}:9 accounts.0.positions.0.size",
        f"error[config] {path}:11 accounts.0.positions.0.leverage",
    ]


def test_no_document_and_no_tables_after_an_error(shell: Shell, small: list[str], tmp_path: Path) -> None:
    target, out = tmp_path / "result.json", tmp_path / "out"
    code, text, _ = shell(*small, "--set", "leverage=99", "--format", "json", "--output", target, "--out", out)
    assert (code, text) == (ExitCode.CONFIG, "")
    assert not target.exists() and list(out.iterdir()) == []


def test_a_misspelt_scenario_is_found_before_the_first_run(
    shell: Shell, small: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backtester.run.session.run_cell", never)
    code, _, err = shell(*small, "--scenario", f"{CRASH},typo")
    assert code == ExitCode.CONFIG and err.startswith("error[config] scenario typo: is not known")


def test_missing_data_names_its_flag(shell: Shell, tmp_path: Path) -> None:
    path = portfolio(tmp_path, account(position()))
    code, out, err = shell(path, "--tape", tape(tmp_path, index=False), "--format", "json")
    assert (code, out) == (ExitCode.DATA, "")
    assert err.splitlines()[-1] == "  hint: accept the mid in its place with --assume-index-mid"
    assert shell(path, "--tape", tape(tmp_path, index=False), "--assume-index-mid")[0] == ExitCode.OK


def test_missing_funding_names_its_flag(shell: Shell, tmp_path: Path) -> None:
    path = portfolio(tmp_path, account(position(), venue=venue(tmp_path, funding_premium=False)))
    over_the_hour = ("--tape", tape(tmp_path, start=START - 5 * S))
    code, out, err = shell(path, *over_the_hour)
    assert (code, out) == (ExitCode.DATA, "")
    assert err.splitlines()[-1] == "  hint: add `funding` rows, or accept none with --assume-funding-zero"
    assert shell(path, *over_the_hour, "--assume-funding-zero")[0] == ExitCode.OK
