"""One month of a suite: run, archived whole or not at all, compared with the month before."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import NamedTuple

from backtester.config.suite import SuiteFile
from backtester.errors import data_error, usage_error
from backtester.files import write_text
from backtester.report.parts import Parts
from backtester.report.produce import Produced, produce
from backtester.report.records import ReportModel
from backtester.report.stored import read_result
from backtester.report.sums import changed, write_sums
from backtester.report.tables import CONTENTS
from backtester.run.session import Listener, nobody
from backtester.suite.archive import Archive
from backtester.suite.made_from import differing, made_from
from backtester.suite.summary import summary
from backtester.texts import json_text

#: Beside the files of the result.
SUMMARY, MADE_FROM, SUITE, PORTFOLIOS = "summary.md", "made_from.json", "suite.toml", "portfolios"


class Month(NamedTuple):
    """A month of the archive. `is_new`: this call made it."""

    name: str
    directory: Path
    model: ReportModel
    is_new: bool

    @property
    def summary(self) -> str:
        """Its page."""
        return (self.directory / SUMMARY).read_text("utf-8")


def run_month(
    file: SuiteFile,
    month: str,
    seed: int = 0,
    *,
    listener: Listener = nobody,
    jobs: int = 1,
) -> Month:
    """Run a suite and archive it as a month. One that is there is looked at, never replaced.

    What was killed goes on with the cells that were done. Raises BacktesterError; the archive is then as before.
    """
    archive = Archive(file.archive)
    sources = made_from(file, seed)
    with archive.locked():
        if month in archive.months():
            archive.settle()
            return Month(month, archive.of(month), _as_it_was(archive, month, sources), False)
        parts = Parts(archive.parts, file.command, seed)
        made = produce(file.command, seed, with_tables=True, listener=listener, jobs=jobs, parts=parts)
        text = summary(file.suite.name, month, made.model, previous(archive, month))
        with archive.adding(month) as directory:
            _write(directory, made, text, sources, file)
        return Month(month, archive.of(month), made.model, True)


def read_month(archive: Archive, month: str) -> ReportModel:
    """A month as it was archived. Raises a data error for one that was changed since."""
    directory = archive.of(month)
    if names := changed(directory):
        message = f"was changed after it was archived: {', '.join(names)}"
        raise data_error(str(directory), message, "restore it from a copy")
    return read_result(directory)


def previous(archive: Archive, month: str) -> tuple[str, ReportModel] | None:
    """The last month before another, and its result."""
    before = archive.before(month)
    return (before, read_month(archive, before)) if before is not None else None


def _as_it_was(archive: Archive, month: str, sources: dict[str, str]) -> ReportModel:
    """The month that is there. Raises a usage error if it would be made from something else now."""
    model = read_month(archive, month)
    directory = archive.of(month)
    if others := differing(json.loads((directory / MADE_FROM).read_text("utf-8")), sources):
        message = f"is archived, made from something else: {', '.join(others)}"
        raise usage_error(str(directory), message, "run another month; what is archived is never replaced")
    return model


def _write(directory: Path, made: Produced, text: str, sources: dict[str, str], file: SuiteFile) -> None:
    """All files of a month: the result, its page, and what it was made from."""
    made.write(directory)
    write_text(directory / SUMMARY, text)
    write_text(directory / MADE_FROM, json_text(sources) + "\n")
    shutil.copyfile(file.document.name, directory / SUITE)
    (directory / PORTFOLIOS).mkdir()
    for name in file.command.portfolios:
        shutil.copyfile(name, directory / PORTFOLIOS / Path(name).name)
    portfolios = (f"{PORTFOLIOS}/{Path(name).name}" for name in file.command.portfolios)
    write_sums(directory, (*CONTENTS, SUMMARY, MADE_FROM, SUITE, *portfolios))
