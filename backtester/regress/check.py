"""A result checked: against its baseline, figure by figure within tolerances, and by its limits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum
from functools import cache
from typing import NamedTuple

from backtester.regress.cells import Pair
from backtester.regress.compare import Change, Compared, Comparison, compare, rank
from backtester.regress.inputs import InputChange
from backtester.regress.tolerances import FAIL, WARN, Rules
from backtester.report.gates import Breach, breaches
from backtester.report.naming import AnyCell
from backtester.report.records import FailedCell, ReportModel

#: What may be another one than the baseline's: the portfolio is what is checked, limits are judged by themselves.
_CHECKED = {"portfolio", "assumption", "command.fail_on", "command.warn_on"}
#: Inputs that only one of both has where a cell is new, gone or failed: its own line says so.
_OF_CELLS = {"scenario", "venue"}


class Outcome(Enum):
    """What a check came to."""

    KEPT = "kept"
    FAILED = "failed"
    NO_BASELINE = "no baseline"
    NOT_COMPARABLE = "not comparable"


class Judged(NamedTuple):
    """A change of a cell, and what it does: FAIL, WARN or PASS."""

    cell: AnyCell
    change: Change
    level: str


class CheckedCell(NamedTuple):
    """A cell before and after, what changed, the worst first, and which limits it breaches, those that fail first."""

    pair: Pair
    changes: tuple[Judged, ...]
    breaches: tuple[Breach, ...]


class Checked(NamedTuple):
    """What was found. Without a baseline that can be compared there are no changes, only limits."""

    outcome: Outcome
    comparison: Comparison | None  # None without a baseline
    reasons: tuple[InputChange, ...]  # why it is not comparable, or would not be without --across
    cells: tuple[CheckedCell, ...]
    failures: tuple[FailedCell, ...]  # cells that came to nothing, and not forgiven

    @property
    def changes(self) -> tuple[Judged, ...]:
        """Those of all cells, the worst first."""
        return tuple(sorted((each for cell in self.cells for each in cell.changes), key=lambda each: rank(each.change)))

    @property
    def breaches(self) -> tuple[Breach, ...]:
        """The limits that are breached, those that fail first."""
        return (*self.limits(FAIL), *self.limits(WARN))

    def of(self, level: str) -> tuple[Change, ...]:
        """The changes of a level, the worst first."""
        return tuple(each.change for each in self.changes if each.level == level)

    def limits(self, level: str) -> tuple[Breach, ...]:
        """The limits of a level that are breached."""
        return tuple(each for cell in self.cells for each in cell.breaches if each.limit.level == level)


def check(
    result: ReportModel,
    baseline: ReportModel | None,
    rules: Callable[[str], Rules],
    across: bool = False,
    max_failures: int = 0,
) -> Checked:
    """Judge a result by its baseline; `rules` knows those of a portfolio by its name, and is asked once for each.

    `across`: also by one that was made from other rules of a venue, another tape, scenario, engine or command.
    `max_failures`: so many cells may come to nothing; where more do, none of them is forgiven.
    """
    failed = tuple(cell for cell in result.failed if cell.exit_code)
    failures = failed if len(failed) > max_failures else ()
    if baseline is None:
        return Checked(Outcome.NO_BASELINE, None, (), tuple(_cell(Pair(None, cell)) for cell in result.cells), failures)
    comparison = compare(baseline, result)
    reasons = tuple(each for each in comparison.inputs if _forbids(each))
    if reasons and not across:
        cells = tuple(_cell(each.pair) for each in comparison.pairs)
        return Checked(Outcome.NOT_COMPARABLE, comparison, reasons, cells, failures)
    known = cache(rules)
    cells = tuple(_cell(each.pair, _judged(each, known)) for each in comparison.pairs)
    outcome = Outcome.FAILED if failures else _outcome(cells)
    return Checked(outcome, comparison, reasons, cells, failures)


def _cell(pair: Pair, changes: Iterable[Judged] = ()) -> CheckedCell:
    return CheckedCell(pair, tuple(changes), tuple(breaches([pair.after])))


def _judged(compared: Compared, rules: Callable[[str], Rules]) -> Iterator[Judged]:
    cell = compared.pair.cell
    for change in compared.changes:
        if change.place.startswith("limits["):  # a breach fails by itself; which limits were asked is no figure
            continue
        yield Judged(cell, change, rules(cell.portfolio.name).level(change))


def _forbids(each: InputChange) -> bool:
    """Whether results made from other inputs of this kind say nothing of each other."""
    is_of_one = each.before is None or each.after is None
    return each.input not in _CHECKED and not (each.input in _OF_CELLS and is_of_one)


def _outcome(cells: Sequence[CheckedCell]) -> Outcome:
    changes = {each.level for cell in cells for each in cell.changes}
    limits = {each.limit.level for cell in cells for each in cell.breaches}
    return Outcome.FAILED if FAIL in changes | limits else Outcome.KEPT
