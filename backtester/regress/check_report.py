"""A check in five formats; the Markdown is the summary of a job: verdict first, what may change folded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from backtester import __version__
from backtester.errors import Diagnostic
from backtester.regress.check import Checked, CheckedCell, Outcome
from backtester.regress.compare import Change, Effect
from backtester.regress.inputs import InputChange
from backtester.regress.render import (
    COLUMNS,
    change_document,
    change_row,
    changes_sheets,
    effects,
    input_document,
    input_row,
    inputs_sheets,
)
from backtester.regress.shown import moved
from backtester.regress.tolerances import FAIL, PASS, WARN
from backtester.report.gates import Breach
from backtester.report.markdown import sheet_lines
from backtester.report.naming import cell_name
from backtester.report.rendering import Rendering
from backtester.report.sheet import Column, Sheet
from backtester.report.text import NONE, limit_line
from backtester.texts import counted, markdown_text

if TYPE_CHECKING:
    from rich.console import Console

SCHEMA_VERSION = 1
_LIMITS = (Column("cell", is_text=True), Column("", is_text=True))
_BEYOND = {FAIL: "Beyond tolerance, the worst first", WARN: "Worth a look: beyond a tolerance that warns"}


def render_check(checked: Checked, format: str, console: Console, is_update: bool = False) -> str:
    """The text of it as table, json, csv or markdown. `is_update`: the result is to be the baseline."""
    lines = [verdict_line(checked), *(["--update: this result becomes the baseline"] if is_update else [])]
    told = Rendering(
        title="Checked against a baseline",
        document=lambda: _document(checked, is_update),
        rows=_rows(checked),
        markdown=_markdown(checked, lines),
        sheets=_sheets(checked),
        below=lines,
    )
    return told.text(format, console)


def _sheets(checked: Checked) -> Iterator[Sheet]:
    yield from inputs_sheets(_inputs(checked))
    if checked.comparison is not None:
        for level, title in _BEYOND.items():
            yield from changes_sheets(title, checked.of(level), checked.comparison)
    if checked.breaches:
        rows = tuple((cell_name(each.cell), limit_line(each.limit)) for each in checked.breaches)
        yield Sheet("Limits that are breached", _LIMITS, rows)


def verdict_line(checked: Checked) -> str:
    """What it came to, in one line. Example: `FAILED: 2 changes beyond tolerance (2 worse) in 1 of 12 cells`."""
    return f"{checked.outcome.value.upper()}: {', '.join(_said(checked))}"


def _said(checked: Checked) -> Iterator[str]:
    failing, warning, within = (checked.of(level) for level in (FAIL, WARN, PASS))
    if checked.outcome is Outcome.NOT_COMPARABLE:
        yield "the baseline was made with another " + ", ".join(dict.fromkeys(each.input for each in checked.reasons))
    if failing:
        cells = f"{sum(_fails(each) for each in checked.cells):,} of {counted(len(checked.cells), 'cell')}"
        yield f"{counted(len(failing), 'change')} beyond tolerance ({effects(failing)}) in {cells}"
    elif checked.outcome is not Outcome.NOT_COMPARABLE:
        yield counted(len(checked.cells), "cell")
    if checked.failures:
        yield f"{counted(len(checked.failures), 'cell')} without a result"
    if warning:
        yield f"{counted(len(warning), 'change')} beyond a tolerance that warns"
    if within:
        yield f"{counted(len(within), 'change')} that may be"
    for level, one, many in ((FAIL, "limit", "limits"), (WARN, "limit that warns", "limits that warn")):
        outcomes = Counter(each.limit.outcome for each in checked.limits(level))
        yield from (f"{counted(number, one, many)} {outcome}" for outcome, number in sorted(outcomes.items()))


def _fails(cell: CheckedCell) -> bool:
    """Whether it changed beyond tolerance."""
    return any(each.level == FAIL for each in cell.changes)


def change_line(change: Change) -> str:
    """A change in one line. Example: `accounts[main].buffer_min: 120.00 → 80.00 (−40.00, worse)`."""
    by = "" if change.by is None else moved(change.by, change.quantity)
    effect = "" if change.effect is Effect.NEUTRAL else change.effect.value
    aside = ", ".join(filter(None, (by, effect)))
    return f"{change.place or 'the cell'}: {change.was} → {change.now}{f' ({aside})' if aside else ''}"


def failure(checked: Checked, baseline: str) -> Diagnostic | None:
    """The one line that says why it fails: the worst that was found; None where it does not."""
    if checked.outcome is Outcome.NO_BASELINE:
        return Diagnostic("gate", baseline, "there is no baseline", "make one of this result with --update")
    if checked.outcome is Outcome.NOT_COMPARABLE:
        reasons = "; ".join(f"{each.input} {each.before or NONE}, now {each.after or NONE}" for each in checked.reasons)
        hint = "compare nevertheless with --across, or accept this result with --update"
        return Diagnostic("gate", baseline, f"not comparable: it was made with {reasons}", hint)
    changes, limits = checked.of(FAIL), checked.limits(FAIL)
    more = len(changes) + len(limits) - 1
    rest = f", and {counted(more, 'more line', 'more lines')}" if more > 0 else ""
    if changes:
        message = f"{change_line(changes[0])}{rest}"
        return Diagnostic("gate", changes[0].cell, message, "accept it with --update if it is meant")
    if limits:
        return Diagnostic("gate", cell_name(limits[0].cell), f"{limit_line(limits[0].limit)}{rest}")
    if checked.failures:
        more = len(checked.failures) - 1
        rest = f", and {counted(more, 'more cell')}" if more else ""
        return Diagnostic("gate", cell_name(checked.failures[0]), f"there is no result{rest}")
    return None


# --- markdown ------------------------------------------------------------------------------------------------------


def _markdown(checked: Checked, lines: Sequence[str]) -> Iterator[str]:
    word, _, rest = lines[0].partition(": ")
    yield f"**{word}**: {markdown_text(rest)}"
    yield from (f"\n{line}" for line in lines[1:])
    for sheet in _sheets(checked):
        yield from sheet_lines(sheet)
    if checked.comparison is None:
        return
    within = checked.of(PASS)
    for sheet in changes_sheets(
        "Within tolerance, or not for the worse where only that fails", within, checked.comparison
    ):
        yield from ("", f"<details><summary>{counted(len(within), 'change')} that may be</summary>")
        yield from (*sheet_lines(sheet), "", "</details>")


# --- for programs --------------------------------------------------------------------------------------------------


def _document(checked: Checked, is_update: bool) -> dict[str, Any]:
    return {
        "kind": "check",
        "schema_version": SCHEMA_VERSION,
        "engine_version": __version__,
        "outcome": checked.outcome.value,
        "update": is_update,
        "cells": len(checked.cells),
        "not_comparable": [each.input for each in checked.reasons],
        "inputs": [*map(input_document, _inputs(checked))],
        "changes": [{"level": each.level, **change_document(each.change)} for each in checked.changes],
        "limits": [*map(_limit, checked.breaches)],
    }


def _inputs(checked: Checked) -> tuple[InputChange, ...]:
    """The inputs that differ; none without a baseline."""
    return () if checked.comparison is None else checked.comparison.inputs


def _limit(breach: Breach) -> dict[str, str]:
    cell, limit = breach
    return {"cell": cell_name(cell), "limit": limit.text, "text": limit_line(limit), "level": limit.level}


def _limit_row(breach: Breach) -> tuple[Any, ...]:
    cell, limit = breach
    return (limit.level, "breached", cell_name(cell), "limits", "limit", None, limit_line(limit), "")


def _rows(checked: Checked) -> Iterator[tuple[Any, ...]]:
    """The level, then the columns of a comparison; a limit that is breached is a row, too."""
    yield ("level", *COLUMNS)
    yield from (("", *input_row(each)) for each in _inputs(checked))
    yield from ((each.level, *change_row(each.change)) for each in checked.changes)
    yield from map(_limit_row, checked.breaches)
