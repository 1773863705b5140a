"""Cells that are done, stored one by one while others still run: what was killed goes on where it was.

A part is the stored result of one cell, in a directory named by all that the cell depends on. One of other inputs, or
half of one, is never found.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from backtester import __version__
from backtester.config.command import Command, from_anywhere
from backtester.errors import BacktesterError
from backtester.report.cell import Measured
from backtester.report.json import plain
from backtester.report.model import measured, summarise
from backtester.report.record_tables import CELL_KEYS, Tables
from backtester.report.stored import read_result
from backtester.report.sums import SUMS, changed
from backtester.report.tables import RUN_TABLES, write_tables
from backtester.run.plan import Rider
from backtester.run.sources import sources


class Part(NamedTuple):
    """A finished cell, and the tables of its run."""

    measured: Measured
    tables: Tables


class Parts(NamedTuple):
    """The finished cells of a command."""

    directory: Path
    command: Command
    seed: int

    def find(self, rider: Rider) -> Part | None:
        """What is stored of a cell."""
        try:
            place = self._place(rider)
        except BacktesterError:  # of a tape: the run will say it
            return None
        if not (place / SUMS).is_file() or changed(place):
            return None
        tables = {name: pq.read_table(place / name).drop_columns([*CELL_KEYS]) for name in RUN_TABLES}
        return Part(measured(read_result(place)), tables)

    def keep(self, rider: Rider, part: Part) -> Part:
        """Store a finished cell; returns it as `find` will: what was killed and what was not come out alike.

        Raises OSError when it cannot be written.
        """
        write_tables([part.tables], summarise([part.measured], self.command), self._place(rider))
        found = self.find(rider)
        assert found is not None
        return found

    def _place(self, rider: Rider) -> Path:
        request = rider.request
        asked = [plain(from_anywhere(self.command)), self.seed]
        cell = [request.portfolio.name, request.scenario, request.venue, rider.variant.overrides]
        text = json.dumps([__version__, asked, cell, sorted(sources(rider).items())])
        return self.directory / hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
