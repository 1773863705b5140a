"""The files that a cell is made from, before anything is run."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from backtester.run.plan import Rider
from backtester.run.result import file_digest
from backtester.run.tapes import base_tape
from backtester.scenario.library import locate_parts


def sources(rider: Rider) -> dict[str, str]:
    """Their sha256 by what they are: `portfolio p.toml`, `venue hyperliquid@2026-08-22`, `tape btc.parquet`.

    Raises BacktesterError for a tape that cannot be opened.
    """
    request, variant, scenario = rider
    found = {f"portfolio {Path(variant.portfolio.name).name}": variant.portfolio.sha256}
    found |= {f"venue {profile.name}": profile.sha256 for profile in variant.profiles}
    paths = locate_parts(request.scenario) if request.scenario else ()
    found |= {f"scenario {path.stem}": _digest(path) for path in paths}
    any_time = scenario is not None and scenario.start_ns is not None
    tape = base_tape([variant], request.tapes, request.instruments, request.proxies, any_time)
    return found | {f"tape {file.path.name}": _digest(file.path) for file in tape.files}


def _digest(path: Path) -> str:
    stat = path.stat()
    return _digest_of(path, stat.st_mtime_ns, stat.st_size)


@cache
def _digest_of(path: Path, mtime_ns: int, size: int) -> str:
    """Read once while the file is the same: many cells are made from it."""
    return file_digest(path)
