"""Cells that are done, stored one by one while others still run: what was killed goes on where it was.

A part is the stored result of one cell, in a directory named by all that the cell depends on. One of other inputs, or
half of one, is never found.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from backtester import __version__
from backtester.config.command import Command, from_anywhere
from backtester.errors import BacktesterError, data_error
from backtester.metrics.cell import Measured
from backtester.report.json import plain
from backtester.results.model import measured, summarise
from backtester.results.record_tables import CELL_KEYS, Tables
from backtester.results.stored import read_result
from backtester.results.sums import SUMS, changed
from backtester.results.tables import RUN_TABLES, write_tables
from backtester.run.plan import Rider
from backtester.run.sources import sources


class Part(NamedTuple):
    """A finished cell, and the tables of its run."""

    measured: Measured
    tables: Tables


class Parts:
    """The finished cells of a command. A cell is looked for before it is run, and kept under what it was then."""

    def __init__(self, directory: Path, command: Command, seed: int) -> None:
        self.directory, self.command, self.seed = directory, command, seed

    def place(self, rider: Rider) -> Path | None:
        """Where a cell belongs, as its files are now; None where one of them cannot be read: the run will say it."""
        try:
            return self._place(rider)
        except BacktesterError:
            return None

    def find(self, place: Path | None) -> Part | None:
        """What is stored there."""
        return _read(place) if place is not None and (place / SUMS).is_file() and not changed(place) else None

    def keep(self, rider: Rider, place: Path | None, part: Part) -> Part:
        """Store a finished cell where it belonged before it was run.

        Returns it as `find` will: what was killed and what was not come out alike. Raises a data error when a file was
        changed while it was run, OSError when it cannot be written.
        """
        if place is None or self._place(rider) != place:
            raise data_error(rider.request.portfolio.name, "a file of this cell was changed while it was run")
        write_tables([part.tables], summarise([part.measured], self.command), place)
        return _read(place)

    def _place(self, rider: Rider) -> Path:
        asked = [plain(from_anywhere(self.command)), self.seed]
        text = json.dumps([__version__, asked, [*map(str, _cell(rider))], sources(rider)])
        return self.directory / hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _cell(rider: Rider) -> tuple[object, ...]:
    """What tells a cell of a command from the others."""
    request = rider.request
    return (request.portfolio.name, request.scenario, request.venue, rider.variant.overrides)


def _read(place: Path) -> Part:
    return Part(measured(read_result(place)), {name: _table(place / name) for name in RUN_TABLES})


def _table(path: Path) -> pa.Table:
    """A stored table without the keys of its cell. Read by this thread alone: a process that ends while pyarrow's own
    are still beginning is aborted ("terminate called without an active exception")."""
    with pq.ParquetFile(path) as file:
        return file.read(use_threads=False).drop_columns([*CELL_KEYS])
