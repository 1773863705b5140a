"""A result checked: against its baseline, figure by figure within tolerances, and by its limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from typing import NamedTuple

from backtester.regress.cells import AnyCell, pair_cells
from backtester.regress.compare import Change, Comparison, compare
from backtester.regress.inputs import InputChange
from backtester.regress.tolerances import FAIL, WARN, Rules
from backtester.report.gates import OK
from backtester.report.records import Cell, ReportModel
from backtester.report.text import cell_name, limit_line

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


class CellName(NamedTuple):
    """A cell of the result or its baseline, and the name that its lines bear."""

    name: str
    cell: AnyCell
    is_there: bool  # in the result


class Judged(NamedTuple):
    """A change, and what it does: FAIL, WARN or PASS."""

    change: Change
    level: str


class Breach(NamedTuple):
    """A limit of a cell that is not kept."""

    cell: str
    limit: str  # as it is written
    text: str  # limit breached: loss_pct > 40 (loss_pct is 64.6 %)
    level: str


class Checked(NamedTuple):
    """What was found. Without a baseline that can be compared there are no changes, only limits."""

    outcome: Outcome
    comparison: Comparison  # with itself where there is no baseline
    reasons: tuple[InputChange, ...]  # why it is not comparable, or would not be without --across
    cells: tuple[CellName, ...]
    changes: tuple[Judged, ...]  # the worst first
    breaches: tuple[Breach, ...]  # those that fail first

    def of(self, level: str) -> tuple[Change, ...]:
        """The changes of a level."""
        return tuple(each.change for each in self.changes if each.level == level)

    def limits(self, level: str) -> tuple[Breach, ...]:
        """The limits of a level that are not kept."""
        return tuple(each for each in self.breaches if each.level == level)


def check(
    result: ReportModel, baseline: ReportModel | None, rules: Callable[[str], Rules], across: bool = False
) -> Checked:
    """Judge a result by its baseline; `rules` knows those of a portfolio by its name.

    `across`: also by one that was made from other rules of a venue, another tape, scenario, engine or command.
    """
    before = baseline or result
    comparison = compare(before, result)
    reasons = tuple(each for each in comparison.inputs if _forbids(each))
    pairs = pair_cells(before.cells, result.cells)
    cells = tuple(CellName(cell_name(pair.cell), pair.cell, pair.after is not None) for pair in pairs)
    breaches = tuple(_breaches(cells))
    if reasons and not across:
        return Checked(Outcome.NOT_COMPARABLE, comparison, reasons, cells, (), breaches)
    portfolios = {each.name: each.cell.portfolio.name for each in cells}
    known = {name: rules(name) for name in portfolios.values()}
    judged = tuple(Judged(each, known[portfolios[each.cell]].level(each)) for each in comparison.changes)
    outcome = Outcome.NO_BASELINE if baseline is None else _outcome(judged, breaches)
    return Checked(outcome, comparison, reasons, cells, judged, breaches)


def _forbids(each: InputChange) -> bool:
    """Whether results made from other inputs of this kind say nothing of each other."""
    is_of_one = each.before is None or each.after is None
    return each.input not in _CHECKED and not (each.input in _OF_CELLS and is_of_one)


def _outcome(judged: Sequence[Judged], breaches: Sequence[Breach]) -> Outcome:
    levels = {*(each.level for each in judged), *(each.level for each in breaches)}
    return Outcome.FAILED if FAIL in levels else Outcome.KEPT


def _breaches(cells: Sequence[CellName]) -> Iterator[Breach]:
    """The limits of the result that are not kept."""
    for level in (FAIL, WARN):
        for each in cells:
            if isinstance(each.cell, Cell) and each.is_there:
                for limit in each.cell.limits:
                    if limit.level == level and limit.outcome != OK:
                        yield Breach(each.name, limit.text, limit_line(limit), level)
