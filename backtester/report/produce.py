"""A command in, its report out, with the tables behind it where somebody wants them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from backtester.config.command import Command
from backtester.report.cell import Measured, measure
from backtester.report.gates import gated, read_gates
from backtester.report.model import summarise
from backtester.report.record_tables import Tables
from backtester.report.records import ReportModel
from backtester.report.tables import tables_of, write_tables
from backtester.run.request import requests
from backtester.run.result import RunFailure, RunResult
from backtester.run.session import collect


class Produced(NamedTuple):
    """A report, and the tables of each of its cells; none for one that failed."""

    model: ReportModel
    tables: tuple[Tables, ...]

    def write(self, directory: Path) -> None:
        """Store it (`report.tables`). Raises a usage error when that cannot be done."""
        write_tables(self.tables, self.model, directory)


def produce(
    command: Command,
    seed: int = 0,
    *,
    with_tables: bool = False,
    progress: Callable[[float], None] = lambda fraction: None,
    jobs: int = 1,
) -> Produced:
    """Run all that a command asks for, `jobs` passes at a time, and judge it by its limits.

    `progress` hears the fraction that is done. Raises BacktesterError for a command that is wrong, and when nothing of
    it has a result.
    """
    asked = requests(command, seed)
    gates = read_gates(command.fail_on, [Path(name) for name in command.portfolios], command.set, command.compare)

    def take(result: RunResult) -> tuple[Measured | RunFailure, Tables]:
        found = measure(result)
        if isinstance(found, Measured):
            found = found._replace(cell=gated(found.cell, gates))
        return found, tables_of(result) if with_tables else {}

    made = collect(asked, take, progress, jobs)
    model = summarise([each if isinstance(each, RunFailure) else each[0] for each in made], command)
    return Produced(model, tuple({} if isinstance(each, RunFailure) else each[1] for each in made))
