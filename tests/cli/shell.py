"""The command line as a shell calls it."""

from __future__ import annotations

import pytest

from backtester.cli.app import main


class Shell:
    """Calls `backtester run` and keeps what it said."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *args: object) -> tuple[int, str, str]:
        code = main(["run", *map(str, args)])
        out, err = self.capsys.readouterr()
        return code, out, err


def never(*args: object) -> None:
    """Stands for a run that must not begin."""
    raise AssertionError("the run began")
