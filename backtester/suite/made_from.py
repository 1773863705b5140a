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
from backtester.run.sources import sources
from backtester.suite.origin import Source


def made_from(file: SuiteFile, seed: int) -> tuple[Source, ...]:
    """The program, the options and the files of a suite as they are now, each once, in order.

    Raises BacktesterError for wrong options.
    """
    options = json.dumps(plain(from_anywhere(file.command))).encode()
    found = {
        Source("backtester", __version__, ""),
        Source("options", file.suite.name, hashlib.sha256(options).hexdigest()),
        Source("seed", str(seed), ""),
    }
    for cell in make_plan(requests(file.command, seed)).cells:
        found.update(_sources(cell) if isinstance(cell, Rider) else ())
    return tuple(sorted(found))


def _sources(rider: Rider) -> tuple[Source, ...]:
    """None of a cell whose tape cannot be opened: it fails."""
    try:
        return tuple(Source(*each) for each in sources(rider))
    except BacktesterError:
        return ()


def differing(was: Iterable[Source], now: Iterable[Source]) -> list[str]:
    """The names of what only one of both has. Example: `portfolio a.toml`."""
    return sorted({f"{each.kind} {each.name}" for each in {*was} ^ {*now}})
