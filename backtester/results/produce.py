"""A command in, its report out, with the tables behind it where somebody wants them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from backtester.config.command import Command
from backtester.metrics.cell import measure
from backtester.report.gates import gated, read_gates
from backtester.report.records import ReportModel
from backtester.results.model import summarise
from backtester.results.parts import Part, Parts
from backtester.results.record_tables import Tables
from backtester.results.tables import tables_of, write_tables
from backtester.run.plan import Rider
from backtester.run.request import requests
from backtester.run.result import RunFailure, RunResult
from backtester.run.session import Listener, Sought, collect, nobody


class Produced(NamedTuple):
    """A report, and the tables of each of its cells; none for one that failed."""

    model: ReportModel
    tables: tuple[Tables, ...]

    def write(self, directory: Path) -> None:
        """Store it (`results.tables`). Raises OSError when that cannot be done."""
        write_tables(self.tables, self.model, directory)


def produce(
    command: Command,
    seed: int = 0,
    *,
    with_tables: bool = False,
    listener: Listener = nobody,
    jobs: int = 1,
    parts: Parts | None = None,
) -> Produced:
    """Run all that a command asks for, `jobs` passes at a time, and judge it by its limits.

    With `parts` a cell that is stored there is not run again, and others
    are stored as soon as they are done. Raises BacktesterError for a command that is wrong, and when nothing of it has
    a result.
    """
    asked = requests(command, seed)
    gates = read_gates(command)

    def take(result: RunResult) -> Part | RunFailure:
        found = measure(result)
        if isinstance(found, RunFailure):
            return found
        judged = found._replace(cell=gated(found.cell, gates))
        return Part(judged, tables_of(result) if with_tables else {})

    def seek(rider: Rider) -> Sought[Part | RunFailure]:
        if parts is None:
            return Sought(None, take)
        place = parts.place(rider)

        def keep(result: RunResult) -> Part | RunFailure:
            made = take(result)
            return made if isinstance(made, RunFailure) else parts.keep(rider, place, made)

        return Sought(parts.find(place), keep)

    made = collect(asked, seek, listener, jobs)
    model = summarise([each if isinstance(each, RunFailure) else each.measured for each in made], command)
    return Produced(model, tuple({} if isinstance(each, RunFailure) else each.tables for each in made))
