"""What a change does in a check against a baseline: it fails, it warns, or it may be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import NamedTuple, get_args

from backtester.config.lines import Place
from backtester.config.tolerance import UNITS, Tolerance, parse_tolerance
from backtester.config.tolerance_tables import Stated, Tolerances
from backtester.config.toml import Document, Fault, did_you_mean, faults_error
from backtester.regress.compare import Change, Effect
from backtester.regress.material import Within
from backtester.report.fields import fields, is_list, is_record
from backtester.report.measures import KINDS, NOT_COMPARED, TOLERANCES, Measure, Worse, measure_of
from backtester.report.records import Cell

FAIL, WARN, PASS = "fail", "warn", "pass"


class Rules(NamedTuple):
    """How far the result of a portfolio may go from its baseline."""

    fail: Within
    warn: Within
    only_worse: bool

    def level(self, change: Change) -> str:
        """FAIL, WARN or PASS. A cell that only one of both has always fails: nobody compared it."""
        if not change.place and change.sign != "~":
            return FAIL
        if self.only_worse and not _may_be_worse(change):
            return PASS
        if not self.fail.holds(change):
            return FAIL
        return PASS if self.warn.holds(change) else WARN


def _may_be_worse(change: Change) -> bool:
    """Worse, or a figure that has a worse side and is not known any more."""
    if change.effect is not Effect.NEUTRAL:
        return change.effect is Effect.WORSE
    measure = figures().get(change.figure)
    is_lost = change.sign == "~" and change.before is not None and change.after is None
    return is_lost and measure is not None and measure.worse is not Worse.NEITHER


def rules_of(stated: Sequence[Tolerances]) -> Rules:
    """The defaults, overridden by each of these: the later one wins."""
    kinds = {kind: parse_tolerance(text, UNITS[kind]) for kind, text in TOLERANCES.items()}
    fail = _overridden(Within(kinds), stated)
    warn = _overridden(fail, [each.warn for each in stated])
    direction = next((each.direction for each in reversed(stated) if each.direction), "both")
    return Rules(fail, warn, direction == "worse")


def _overridden(base: Within, stated: Sequence[Stated]) -> Within:
    kinds, single = dict(base.kinds), dict(base.figures)
    for each in stated:
        kinds |= each.kinds()
        single |= each.figures
    return Within(kinds, single)


def check_figures(document: Document, stated: Tolerances) -> None:
    """Prove that the figures of `[tolerances]` are some, in their unit.

    Raises a configuration error with all faults.
    """
    faults = [
        *_figure_faults(("tolerances", "figures"), stated.figures),
        *_figure_faults(("tolerances", "warn", "figures"), stated.warn.figures),
    ]
    if faults:
        raise faults_error(document, faults)


def _figure_faults(place: Place, single: Mapping[str, Tolerance]) -> Iterator[Fault]:
    known = {name: KINDS[each.quantity] for name, each in figures().items() if each.quantity in KINDS}
    for name, tolerance in single.items():
        if name not in known:
            hint = did_you_mean(name, known) or "named as in a diff, without what is in []: accounts.buffer_min"
            yield Fault((*place, name), "is exact" if name in figures() else "is no figure of a result", hint)
        elif tolerance.unit not in (None, UNITS[known[name]]):
            yield Fault((*place, name), f'expected an amount such as "10{UNITS[known[name]]}"')


# --- the names of figures ------------------------------------------------------------------------------------------


@cache
def figures() -> Mapping[str, Measure]:
    """Every figure of a cell, and what it measures."""
    return MappingProxyType(dict(_figures(Cell, "")))


def _figures(record: type, inside: str) -> Iterator[tuple[str, Measure]]:
    for field in fields(record):
        if f"{record.__name__}.{field.name}" in NOT_COMPARED:
            continue
        place = f"{inside}{field.name}"
        of = get_args(field.type)[0] if is_list(field.type) else field.type
        if is_record(of):
            yield from _figures(of, f"{place}.")
        else:
            yield place, _known(measure_of(record, field.name))


def _known(measure: Measure | None) -> Measure:
    assert measure is not None, "a figure that is compared is measured"
    return measure
