"""What a month is made from, by name and digest: a second call sees whether it would be the same again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from backtester import __version__
from backtester.config.command import from_anywhere
from backtester.config.suite import SuiteFile
from backtester.errors import BacktesterError
from backtester.report.json import plain
from backtester.run.plan import Rider, make_plan
from backtester.run.request import requests
from backtester.run.sources import FileSource, sources


def made_from(file: SuiteFile, seed: int) -> tuple[FileSource, ...]:
    """The program, the options and the files of a suite as they are now, each once, in order.

    Raises BacktesterError for wrong options.
    """
    options = json.dumps(plain(from_anywhere(file.command))).encode()
    found = {
        FileSource("backtester", __version__, ""),
        FileSource("options", file.suite.name, hashlib.sha256(options).hexdigest()),
        FileSource("seed", str(seed), ""),
    }
    for cell in make_plan(requests(file.command, seed)).cells:
        found.update(_sources(cell) if isinstance(cell, Rider) else ())
    return tuple(sorted(found))


def _sources(rider: Rider) -> tuple[FileSource, ...]:
    """None of a cell whose tape cannot be opened: it fails."""
    try:
        return sources(rider)
    except BacktesterError:
        return ()


def differing(was: Iterable[FileSource], now: Iterable[FileSource]) -> list[str]:
    """The names of what only one of both has. Example: `portfolio a.toml`."""
    return sorted({f"{each.kind} {each.name}" for each in {*was} ^ {*now}})
