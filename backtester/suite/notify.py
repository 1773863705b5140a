"""Telling somebody: a command of the user's gets the page of a month on its standard input."""

from __future__ import annotations

import subprocess
import sys

from backtester.errors import Diagnostic, ExitCode
from backtester.suite.archive import Archive
from backtester.suite.monthly import Month


def notify(archive: Archive, month: Month, command: str) -> int:
    """Run a command of the shell, once a month; 0, or 1 if it fails: nobody was told, and the next call tries again.

    A command that does not read all of the page has been told nonetheless.
    """
    told = archive.told(month.name)
    if told.exists():
        return ExitCode.OK
    code = subprocess.run(command, shell=True, input=month.summary.encode("utf-8")).returncode
    if code == 0:
        told.parent.mkdir(exist_ok=True)
        told.touch()
        return ExitCode.OK
    hint = "the month is archived; run it again to tell it again"
    print(Diagnostic("gate", f"notify {command}", f"ended with {code}", hint), file=sys.stderr)
    return ExitCode.GATE
