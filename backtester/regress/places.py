"""Where the files of a stored result are now: it names them without their directories, and knows their digests."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from backtester.config.command import Command, is_scenario_file, with_files
from backtester.config.suite import Suite
from backtester.config.toml import read_document, validate
from backtester.errors import BacktesterError, Diagnostic
from backtester.files import file_digest
from backtester.report.records import ReportModel
from backtester.results.places import PORTFOLIOS, SUITE, month_of


def with_places(stored: ReportModel, directory: Path, inputs: Sequence[Path]) -> Command:
    """The command of the result in `directory`, with every file where it is found.

    Looked at are `inputs`, the paths as they are named from here, what is kept with the result and, of a month of an
    archive, what its suite names. A file is found where its digest is that of the result, as far as the result tells
    it alone. Raises one data error for all that are not found.
    """
    places = tuple(dict.fromkeys((*inputs, Path(), directory / PORTFOLIOS, *_of_suite(directory))))
    digests = dict(_digests(stored))
    problems: list[Diagnostic] = []

    def found(name: str) -> str:
        there = [path for path in (place / name for place in places) if path.is_file() or is_scenario_file(path)]
        fitting = next((path for path in there if digests.get(name) in (None, _digest(path, name))), None)
        if fitting is None:
            problems.append(_not_found(name, places, there))
        return str(fitting or name)

    command = with_files(stored.command, found, places)
    if problems:
        raise BacktesterError(dict.fromkeys(problems))
    return command


def _not_found(name: str, places: Iterable[Path], others: Sequence[Path]) -> Diagnostic:
    message = f"is not in {', '.join(map(str, places))}"
    if others:
        message += f": {', '.join(map(str, others))} {'is' if len(others) == 1 else 'are'} not that of the result"
    return Diagnostic("data", name, message, "name its directory: --inputs DIR")


def _digests(stored: ReportModel) -> Iterator[tuple[str, str]]:
    """The files whose own digests the result has: not of several that it joins, nor of rules made from two files."""
    for file in (*stored.inputs.portfolios, stored.inputs.tape):
        yield file.name, file.sha256
    if stored.command.shock is None and not any(each.startswith("scenario.") for each in stored.command.set):
        for scenario in stored.inputs.scenarios:
            yield from ((f"{scenario.name}{ending}", scenario.sha256) for ending in (".parquet", ".toml"))


def _digest(path: Path, name: str) -> str | None:
    """That of a file, of a scenario that of its path table; None where it cannot be read."""
    try:
        return file_digest(path.with_suffix(".parquet") if is_scenario_file(path) else path)
    except OSError:
        return None


def _of_suite(directory: Path) -> list[Path]:
    """The directories of the suite that a month is of, and of the files that it names; none where that is not known."""
    month = month_of(directory)
    if month is None:
        return []
    try:
        suite = validate(Suite, read_document(month / SUITE))
    except BacktesterError:  # it was changed since: `verify` says so
        return []
    beside, archive = month.parent.parts, Path(suite.archive).parts
    if beside[-len(archive) :] != archive:
        return []
    home = Path(os.path.relpath(Path(*beside[: -len(archive)])))
    named: list[str] = []

    def name(path: str) -> str:
        named.append(path)
        return path

    with_files(Command((), suite.scenarios, suite.venues, tapes=suite.tapes), name, [home])
    return [home, *((home / path).parent for path in named)]
