"""`backtester solve`: its formats and exit codes, and that every printed command gives the cell it stands for."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from backtester.cli.app import main
from tests.unit.run_cases import account, crash, order, portfolio, position, tape


@pytest.fixture
def falling(tmp_path: Path) -> list[str]:
    """A portfolio whose sizes are of every kind, in a fall of 16 %."""
    tables = (
        position(size=0.3),
        order("half", size="50%", type="stop_market", trigger_price="mark-4%", reduce_only=True),
        order("some", size="2_000 USD", at="2s", side="buy"),
    )
    path = portfolio(tmp_path, account(*tables, collateral="USDC = 10_000.0"))
    return [str(path), "--tape", str(tape(tmp_path, [50_000] * 8 + [47_000] * 4 + [42_000] * 12))]


def call(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    code = main(args)
    out, err = capsys.readouterr()
    return code, out, err


def document(capsys: pytest.CaptureFixture[str], *args: str) -> dict[str, Any]:
    code, out, err = call(capsys, *args, "--format", "json")
    assert (code, err) == (0, "")
    found: dict[str, Any] = json.loads(out)
    return found


@pytest.mark.parametrize("axis", ["size", "gross_leverage", "buffer"])
def test_a_printed_command_gives_the_same_cell(
    axis: str, falling: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    check_commands(document(capsys, "solve", *falling, "--for", axis, "--set", "accounts.name=first"), capsys)


def test_a_printed_command_shocks_as_deep(
    falling: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fall = crash(tmp_path, [(0, 1.0), (5, 1.0), (8, 0.9), (30, 0.9)])
    words = (*falling[:1], "--tape", str(tape(tmp_path)), "--scenario", str(fall), "--shock", "spread=2")
    check_commands(document(capsys, "solve", *words, "--for", "shock", "--seed", "7"), capsys)


@pytest.mark.parametrize("behind", [{"margin": 1_100.0, "leverage": None}, {"leverage": 13.7}])
def test_a_printed_command_gives_isolated_positions_as_much(
    behind: dict[str, Any], falling: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held = position(size=0.3, margin_mode="isolated", **behind)
    portfolio(tmp_path, account(held, name="my desk", collateral="USDC = 1_100.0"))
    check_commands(document(capsys, "solve", *falling, "--for", "buffer"), capsys)


def check_commands(solved: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    [row] = solved["rows"]
    assert row["lives_to"]["fate"] == "lives" and row["dies_at"]["fate"] == "dies"
    for point in (row["lives_to"], row["dies_at"]):
        program, *words = shlex.split(point["command"])
        assert program == "backtester"
        [cell] = document(capsys, *words)["cells"]
        assert cell["verdict"] == point["verdict"]
        assert cell["portfolio"]["loss"] == point["loss"] and cell["portfolio"]["loss_pct"] == point["loss_pct"]
        assert cell["accounts"][0]["buffer_min"] == point["buffer_min"]
        assert next((each["ts"] for each in cell["liquidations"]), None) == point["first_liquidation"]


def test_the_document(falling: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    solved = document(capsys, "solve", *falling, "--for", "size")
    assert (solved["kind"], solved["schema_version"], solved["for"]) == ("solve", 1, "size")
    assert solved["command"]["portfolios"] == ["p.toml"] and solved["reporting_currency"] == "USDC"
    [row] = solved["rows"]
    assert row["portfolio"] == "p"
    assert row["monotone"] is True and row["status"] == "ok" and row["error"] is None
    assert [span["fate"] for span in row["spans"]][:2] == ["lives", "dies"]
    assert row["spans"][0]["last"] == row["lives_to"]["factor"] < row["dies_at"]["factor"]
    assert len(row["tried"]) > 21


def test_several_portfolios_go_to_a_file_each_with_commands_of_its_own(
    falling: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, *words = falling
    second, kept = tmp_path / "other.toml", tmp_path / "edges.json"
    second.write_text(Path(first).read_text().replace("10_000", "12_000"))
    call_words = ("solve", first, str(second), *words, "--for", "size", "--output", str(kept))
    assert call(capsys, *call_words) == (0, "", "")
    rows = json.loads(kept.read_text())["rows"]
    assert [row["portfolio"] for row in rows] == ["p", "other"]
    for row, file in zip(rows, (first, str(second)), strict=True):
        assert shlex.split(row["dies_at"]["command"])[2] == file
        check_commands({"rows": [row]}, capsys)
    code, out, err = call(capsys, *call_words)
    assert (code, out) == (2, "") and "exists" in err


def test_a_failed_scenario_is_a_row_and_the_exit_code(
    falling: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that says nothing of a market is no fault of anybody's only where all were asked for."""
    falls = [crash(tmp_path, [(0, 1.0), (30, 0.8)], bases=(base,), name=base) for base in ("BTC", "ETH")]
    words = ("solve", *falling, "--for", "size", "--scenario", ",".join(map(str, falls)))
    code, out, err = call(capsys, *words, "--format", "csv")
    assert code in (3, 4) and err.startswith("error[")
    assert [line.split(",")[3] for line in out.splitlines()[1:]] == ["ok", "ok", "failed"]
    code, out, err = call(capsys, *words)
    assert code in (3, 4) and "failed" in out and err.splitlines()[0] in out


@pytest.mark.parametrize("wrong", [["--for", "depth"], [], ["--for", "shock"]])
def test_what_cannot_be_solved_for_is_a_usage_error(
    wrong: list[str], falling: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(capsys, "solve", *falling, *wrong)
    assert (code, out) == (2, "") and err.startswith("error[usage] ") and "--for" in err


def test_a_choice_that_is_misspelt(falling: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "solve", *falling, "--for", "sise")
    assert (code, out) == (2, "") and "Value error" not in err
    assert "'sise' is not one of 'size'" in err and err.endswith('  hint: did you mean "size"?\n')
    assert call(capsys, "solve", *falling, "--for", "zzz")[2].endswith("  hint: backtester solve --help\n")
