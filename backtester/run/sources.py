"""The files that a cell is made from, before anything is run."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

from backtester.files import file_digest
from backtester.run.plan import Rider
from backtester.run.tapes import base_tape
from backtester.scenario.library import locate_parts


class FileSource(NamedTuple):
    """A file, by what it is and by its name; several may have one name."""

    kind: str  # portfolio, venue, scenario or tape
    name: str
    sha256: str


def sources(rider: Rider) -> tuple[FileSource, ...]:
    """Every file of a cell, in order. Raises BacktesterError for a tape that cannot be opened."""
    request, variant, scenario = rider
    found = [FileSource("portfolio", Path(variant.portfolio.name).name, variant.portfolio.sha256)]
    found += (FileSource("venue", profile.name, profile.sha256) for profile in variant.profiles)
    paths = locate_parts(request.scenario) if request.scenario else ()
    found += (FileSource("scenario", path.stem, _digest(path)) for path in paths)
    any_time = scenario is not None and scenario.start_ns is not None
    tape = base_tape([variant], request.tapes, request.instruments, request.proxies, any_time)
    found += (FileSource("tape", file.path.name, _digest(file.path)) for file in tape.files)
    return tuple(sorted(found))


def _digest(path: Path) -> str:
    stat = path.stat()
    return _digest_of(path, stat.st_mtime_ns, stat.st_size)


@cache
def _digest_of(path: Path, mtime_ns: int, size: int) -> str:
    """Read once while the file is the same: many cells are made from it."""
    return file_digest(path)
