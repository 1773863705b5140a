"""Telling somebody: a command of the user's gets the page of a month on its standard input."""

from __future__ import annotations

import subprocess
import sys

from backtester.errors import Diagnostic, ExitCode
from backtester.suite.archive import Archive
from backtester.suite.monthly import Month

#: What a command may take.
LONGEST_S = 300
_STDERR = 2  # its file descriptor


def notify(archive: Archive, month: Month, command: str) -> int:
    """Run a command of the shell, once a month; 0, or 1 if it fails: nobody was told, and the next call tries again.

    A command that does not read all of the page has been told nonetheless. What it prints goes to stderr: stdout is
    for data.
    """
    told = archive.told(month.name)
    if told.exists():
        return ExitCode.OK
    try:
        page = month.summary.encode("utf-8")
        done = subprocess.run(command, shell=True, input=page, stdout=_STDERR, timeout=LONGEST_S)
        ended = f"ended with {done.returncode}"
    except subprocess.TimeoutExpired:
        done, ended = None, f"did not end within {LONGEST_S} s"
    if done is not None and done.returncode == 0:
        told.parent.mkdir(exist_ok=True)
        told.touch()
        return ExitCode.OK
    hint = "the month is archived; run it again to tell it again"
    print(Diagnostic("gate", f"notify {command}", ended, hint), file=sys.stderr)
    return ExitCode.GATE
