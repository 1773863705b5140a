"""`backtester diff`: two stored results, and directories that hold none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backtester.cli.app import main
from backtester.errors import ExitCode
from tests.cli.shell import Shell
from tests.unit.run_cases import account, order, portfolio, position, tape


def told(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    code = main(["diff", *map(str, args)])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture
def stored(shell: Shell, small: list[str], tmp_path: Path) -> Path:
    """A result of one calm cell."""
    shell(*small, "--out", tmp_path / "stored")
    return tmp_path / "stored"


def test_a_result_and_itself(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, stored, stored) == (0, "nothing changed in 1 cell\n", "")


def test_equal_results_of_another_seed(
    shell: Shell, small: list[str], stored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shell(*small, "--seed", 3, "--out", tmp_path / "again")
    code, out, err = told(capsys, stored, tmp_path / "again")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "nothing changed in 1 cell"
    assert "~  seed   0       3" in out


def test_results_that_differ(shell: Shell, stored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = portfolio(tmp_path, account(position(size=2.0), order("out", at="1s")))
    shell(other, "--tape", tape(tmp_path), "--out", tmp_path / "other")
    code, out, err = told(capsys, stored, tmp_path / "other", "--format", "json")
    assert (code, err) == (ExitCode.GATE, "")
    document = json.loads(out)
    assert [each["input"] for each in document["inputs"]] == ["portfolio"]
    found = {each["place"]: each for each in document["changes"]}
    size = found["accounts[main].positions[BTC].size_start"]
    assert (size["before"], size["after"], size["effect"]) == (1.0, 2.0, "neutral")
    code, out, _ = told(capsys, stored, tmp_path / "other", "--material", "1000%,1000000,10000bps,10s")
    assert (code, out.splitlines()[-1][:2]) == (0, "+ ")


def test_a_directory_that_is_none(stored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = told(capsys, stored, tmp_path / "nowhere")
    assert (code, out) == (ExitCode.DATA, "")
    assert err.startswith(f"error[data] {tmp_path / 'nowhere'}/result.json: is not there\n")


def test_no_size_of_changes(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = told(capsys, stored, stored, "--material", "half")
    assert code == ExitCode.USAGE
    assert err.startswith("error[usage] --material: expected a share and amounts")
