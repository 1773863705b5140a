"""What every test of the command line stands on: a plain environment, a shell, a small portfolio."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.shell import Shell
from tests.unit.run_cases import account, order, portfolio, position, tape


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of whoever runs the tests, no colours and widths of their terminal."""
    for name in [*os.environ]:
        if name.startswith("BACKTESTER_") or name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TERM", "xterm")


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)


@pytest.fixture
def small(tmp_path: Path) -> list[str]:
    """Arguments of a run of ten calm seconds, in which half of the position is sold."""
    path = portfolio(tmp_path, account(position(), order("out", at="1s")))
    return [str(path), "--tape", str(tape(tmp_path))]
