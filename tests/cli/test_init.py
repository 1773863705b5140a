"""`backtester init`: every command that it prints works as printed."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from backtester.cli.app import main
from backtester.config.portfolio import load_portfolio
from backtester.errors import ExitCode


@pytest.mark.compiled
@pytest.mark.parametrize("place", [[], ["books/stress"], ["--guards", "desk"]])
def test_what_it_writes_can_be_run(
    place: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init", *place]) == 0
    out = capsys.readouterr().out
    for path in re.findall(r"^wrote (.*)$", out, re.MULTILINE):
        assert Path(path).is_file()
    commands = re.findall(r"^  backtester (.*)$", out, re.MULTILINE)
    assert len(commands) == 3
    for command in commands:
        assert main(shlex.split(command)) == 0


@pytest.mark.parametrize("policy", ["conservative", "desk", "market_maker"])
def test_a_policy_stands_in_every_account(policy: str, tmp_path: Path) -> None:
    assert main(["init", str(tmp_path), "--guards", policy]) == 0
    book = load_portfolio(tmp_path / "portfolio.toml").portfolio
    first, second = (account.guards for account in book.accounts)
    assert first == second and len(first) >= 3
    text = (tmp_path / "portfolio.toml").read_text()
    assert text.index("[[accounts.guards]]") < text.index("# --- The hedge account")


def test_a_policy_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", str(tmp_path), "--guards", "dseks"]) == ExitCode.USAGE
    assert "'conservative', 'desk', 'market_maker'" in capsys.readouterr().err


def test_a_workflow_that_is_not_at_a_root_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = "GitHub reads .github at the root of a repository alone"
    assert main(["init", str(tmp_path / "stress")]) == 0
    assert said in capsys.readouterr().out
    (tmp_path / ".git").mkdir()
    assert main(["init", str(tmp_path)]) == 0
    assert said not in capsys.readouterr().out


def test_as_a_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", str(tmp_path / "my books"), "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["kind"] == "init"
    assert [row["what"] for row in document["rows"]] == ["file"] * 3 + ["next"] * 3
    assert document["rows"][4]["text"] == f"backtester suite run '{tmp_path}/my books/suite.toml'"


def test_nothing_is_replaced_but_by_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "suite.toml").write_text("mine")
    assert main(["init", str(tmp_path)]) == ExitCode.USAGE
    assert "suite.toml" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["suite.toml"]
    assert main(["init", str(tmp_path), "--force"]) == 0 and (tmp_path / "suite.toml").read_text() != "mine"


def test_a_place_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["init", str(tmp_path / "file")]) == ExitCode.USAGE
    assert capsys.readouterr().err.startswith(f"error[usage] DIR: cannot write {tmp_path}/file: ")
