"""Telling somebody: a command of the user's gets the page of a month on its standard input."""

from __future__ import annotations

import subprocess
import sys

from backtester.errors import Diagnostic, ExitCode


def notify(command: str, page: str) -> int:
    """Run a command of the shell; 0, or 1 if it fails: then nobody was told, which a job must not hide."""
    code = subprocess.run(command, shell=True, input=page.encode("utf-8")).returncode
    if code == 0:
        return ExitCode.OK
    print(Diagnostic("gate", f"notify {command}", f"ended with {code}", "the month is archived"), file=sys.stderr)
    return ExitCode.GATE
