"""A stored result, looked at and run again: is it what was stored, and does it come out the same?"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from backtester.regress.compare import compare
from backtester.regress.places import with_places
from backtester.report.records import ReportModel
from backtester.report.text import NONE
from backtester.results.document import read_as_it_is
from backtester.results.produce import Produced, produce
from backtester.results.receipt import receipt_of
from backtester.results.sums import changed
from backtester.results.tables import CONTENTS
from backtester.run.session import Listener, nobody
from backtester.texts import counted

#: Changes that are told one by one.
MOST_CHANGES = 20


class Check(NamedTuple):
    """One thing that was looked at, whether it holds (None: that cannot be told), and what was found."""

    check: str
    holds: bool | None
    found: str


def verify(
    directory: Path,
    inputs: Sequence[Path],
    *,
    listener: Listener = nobody,
    jobs: int = 1,
) -> tuple[Check, ...]:
    """Look at the files of a stored result, then make it again from its files (`places`; also in `inputs`).

    Raises BacktesterError for a result that cannot be read, and for files that are not there.
    """
    stored = read_as_it_is(directory)
    command = with_places(stored, directory, inputs)
    again = produce(command, stored.seed, with_tables=True, listener=listener, jobs=jobs)
    return (*_untouched(directory, stored), *_again(directory, stored, again))


def _untouched(directory: Path, stored: ReportModel) -> Iterator[Check]:
    """Whether what is stored is what was stored."""
    names = changed(directory)
    yield Check("files", not names, f"changed since: {', '.join(names)}" if names else "as they were stored")
    holds = receipt_of(stored) == stored.receipt
    yield Check("receipt", holds, "of this result" if holds else "not that of this result")


def _again(directory: Path, stored: ReportModel, again: Produced) -> Iterator[Check]:
    """Whether it comes out the same."""
    found = compare(stored, again.model)
    for each in found.inputs:
        yield Check("input", False, f"{each.input}: {each.before or NONE} → {each.after or NONE}")
    if again.model.receipt.inputs == stored.receipt.inputs:
        yield Check("inputs", True, f"the same: {stored.receipt.inputs}")
    for change in found.changes[:MOST_CHANGES]:
        yield Check("figure", False, f"{change.cell} {change.place}: {change.was} → {change.now}")
    if more := found.changes[MOST_CHANGES:]:
        yield Check("figures", False, f"and {counted(len(more), 'change')} more")
    if names := _other_files(directory, again):
        yield Check("tables", False, f"other bytes: {', '.join(names)}")
    if again.model.receipt.results == stored.receipt.results:
        yield Check("results", True, f"equal: {stored.receipt.results}")
    elif not found.changes:
        yield Check("results", False, "assumptions or warnings differ")


def _other_files(directory: Path, again: Produced) -> list[str]:
    """The stored files that came out with other bytes."""
    with tempfile.TemporaryDirectory() as scratch:
        again.write(Path(scratch) / "again")
        return [name for name in CONTENTS if not _same(directory / name, Path(scratch) / "again" / name)]


def _same(one: Path, other: Path) -> bool:
    try:
        return one.read_bytes() == other.read_bytes()
    except OSError:
        return False
