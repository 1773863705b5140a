"""`backtester run` that fails, whole or in cells: exit codes, a line on stderr for each error, nothing half done."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from backtester.errors import ExitCode
from tests.cli.shell import Shell, never
from tests.unit.run_cases import CRASH, START, S, account, crash, portfolio, position, tape, venue

# --- cells that fail -----------------------------------------------------------------------------------------------


@pytest.fixture
def half(small: list[str], tmp_path: Path) -> list[str]:
    """Two cells, of which the second has no path for BTC."""
    calm = crash(tmp_path, [(0, 1.0), (9, 1.0)], name="calm")
    other = crash(tmp_path, [(0, 1.0), (9, 1.0)], name="other", bases=["ETH"])
    return [*small, "--scenario", f"{calm},{other}"]


def test_a_cell_that_fails_does_not_end_the_others(shell: Shell, half: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, text, err = shell(*half, "--format", "json", "--out", out)
    assert code == ExitCode.CONFIG
    good, bad = json.loads(text)["cells"]
    assert (good["status"], good["scenario"], good["verdict"]) == ("ok", "calm", "survived")
    assert (bad["status"], bad["scenario"], bad["exit_code"]) == ("failed", "other", 3)
    assert bad["error"].startswith("error[config] scenario other: no price path for BTC\n  hint: ")
    assert err == bad["error"] + "\n"
    assert set(pq.read_table(out / "fills.parquet")["cell"].to_pylist()) == {0}


@pytest.mark.parametrize("books", ["books", "job@2 (c++)"])
def test_what_a_cell_says_does_not_depend_on_where_we_are(
    shell: Shell, small: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, books: str
) -> None:
    (tmp_path / books).mkdir()
    wrong = tmp_path / books / "wrong.toml"
    wrong.write_text("name = 1\n")
    said, results = [], []
    for place, words in ((tmp_path, f"{books}/wrong.toml"), (tmp_path / books, "wrong.toml"), (tmp_path, str(wrong))):
        monkeypatch.chdir(place)
        code, out, err = shell(small[0], words, *small[1:], "--format", "json")
        assert code == ExitCode.CONFIG and err.startswith(f"error[config] {words}:1 ")
        results.append(out)
        said += [cell["error"] for cell in json.loads(out)["cells"] if cell["status"] == "failed"]
    assert len(set(results)) == 1 and said[0].startswith("error[config] wrong.toml:1 ") and str(tmp_path) not in said[0]


@pytest.mark.parametrize("format", ["table", "markdown", "csv"])
def test_a_cell_that_failed_is_told(shell: Shell, half: list[str], format: str) -> None:
    code, out, _ = shell(*half, "--format", format)
    assert code == ExitCode.CONFIG
    assert "no price path for BTC" in out
    if format == "csv":
        rows = list(csv.DictReader(io.StringIO(out)))
        said = [(row["status"], row["verdict"]) for row in rows]
        assert said == [("ok", "survived"), ("ok", "survived"), ("failed", "")]
    else:
        assert out.index("1 failed") < out.index("survived") < out.rindex("failed") < out.index("SURVIVED")


def test_a_single_cell_that_fails_is_an_error(shell: Shell, half: list[str]) -> None:
    both = half[-1].split(",")
    code, out, err = shell(*half[:-1], both[1], "--format", "json")
    assert (code, out) == (ExitCode.CONFIG, "") and "no price path for BTC" in err


def test_without_any_cell_there_is_no_report(shell: Shell, half: list[str]) -> None:
    code, out, err = shell(*half, "--set", "venue.mark_formula=tape")  # and the tape has no marks for the first cell
    assert (code, out) == (ExitCode.DATA, "")
    assert [line.split(":")[0] for line in err.splitlines()] == [
        "error[data] BTC",
        "  hint",
        "error[config] scenario other",
        "  hint",
    ]


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
        (["--scenario", "outage"], ExitCode.CONFIG, "error[config] scenario outage: has no prices of its own"),
        (["--scenario", f"outage+{CRASH}"], ExitCode.CONFIG, "error[config] scenario outage: has no prices, so it"),
        (["--scenario", f"{CRASH}+"], ExitCode.USAGE, f"error[usage] scenario {CRASH}+: joins nothing"),
        (["--scenario", f"{CRASH}+outag"], ExitCode.CONFIG, "error[config] scenario outag: is not known"),
        (["--shock", "dept=1"], ExitCode.USAGE, "error[usage] --shock dept=1: 'dept' cannot be shocked"),
        (["--shock", "price=-10%"], ExitCode.USAGE, "error[usage] --shock price: the gap comes after a minute"),
        (["--set", "venue.taker_fe=1"], ExitCode.USAGE, "error[usage] --set venue.taker_fe=1: no rule of a venue has"),
        (
            ["--set", "venue.taker_fee=2"],
            ExitCode.CONFIG,
            "error[config] --set venue.taker_fee=2: expected less than 1",
        ),
        (["--set", "scenario.spread=2"], ExitCode.USAGE, "error[usage] --set scenario.spread=2: no column of a"),
        (["--venue", "@soon"], ExitCode.USAGE, 'error[usage] venue @soon: "soon" is no date'),
        (["--venue", "@scenario"], ExitCode.USAGE, "error[usage] --venue: @scenario needs a scenario"),
        (["--venue", ""], ExitCode.USAGE, "error[usage] --venue: names none"),
        (["--set", "size"], ExitCode.USAGE, "error[usage] --set size: expected key=value"),
        (["--proxy", "BTC"], ExitCode.USAGE, "error[usage] --proxy: cannot read 'BTC'"),
        (["--instrument", "BTC"], ExitCode.USAGE, "error[usage] --instrument: expected SYMBOL:key=value"),
        (["--tape", "none.parquet"], ExitCode.DATA, "error[data] none.parquet: no such file"),
        (["--set", "*.size=1e-6"], ExitCode.CONFIG, "error[config] --set *.size=1e-6 accounts.0.positions.0.size"),
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
    assert not target.exists() and not out.exists()


def test_a_misspelt_scenario_is_found_before_the_first_run(
    shell: Shell, small: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backtester.run.session.collect", never)
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
