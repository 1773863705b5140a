"""What a month is made from, by name and digest: a second call sees whether it would be the same again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from backtester import __version__
from backtester.config.command import from_anywhere
from backtester.config.suite import SuiteFile
from backtester.errors import BacktesterError
from backtester.report.json import plain
from backtester.run.plan import Rider, make_plan
from backtester.run.request import requests
from backtester.run.sources import sources


def made_from(file: SuiteFile, seed: int) -> dict[str, str]:
    """The program, the options and the files of a suite as they are now. Raises BacktesterError for wrong options."""
    options = json.dumps(plain(from_anywhere(file.command))).encode()
    found = {"backtester": __version__, "options": hashlib.sha256(options).hexdigest(), "seed": str(seed)}
    for cell in make_plan(requests(file.command, seed)).cells:
        found |= _sources(cell) if isinstance(cell, Rider) else {}
    return dict(sorted(found.items()))


def _sources(rider: Rider) -> dict[str, str]:
    """None of a cell whose tape cannot be opened: it fails."""
    try:
        return sources(rider)
    except BacktesterError:
        return {}


def differing(was: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """The names of what is not the same, or only in one of both."""
    return sorted(name for name in was.keys() | now.keys() if was.get(name) != now.get(name))
