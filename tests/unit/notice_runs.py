"""Runs of one account that lead to a notice, or do not, and what was noticed."""

from __future__ import annotations

from collections.abc import Sequence

from backtester.config.values import Instant
from backtester.engine import spec
from backtester.report.records import Cell
from tests.oracle.examples import (
    BUY,
    PLAIN,
    delta,
    ladder,
    mark,
)
from tests.unit.report_runs import Tape, account, build_report, cross, finished

START = [mark(1.0, 100.0), ladder(1.0, {99: 40, 98: 9}, {101: 40})]
END = [delta(9.0, BUY, 10, 1)]
TAPE = [*START, *END]
FALL = [*START, ladder(2.5, {90: 3, 89: 40}, {92: 9}), mark(3.0, 90.0), *END]


def cell(
    orders: Sequence[spec.Order],
    tape: Tape = TAPE,
    lots: int = 10,
    plans: Sequence[spec.Plan] = (),
    rules: spec.Rules = PLAIN,
) -> Cell:
    """An account that is long 10 (or `lots`) at 100."""
    found = finished([account(10_000.0, [cross(lots)], orders, plans=plans)], tape, rules)
    return build_report([found]).finished[0]


def noticed(found: Cell) -> list[tuple[str, tuple[str, ...], float, Instant | None]]:
    assert tuple(dict.fromkeys(each.flag for each in found.notices)) == found.flags[: len({*found.flags} & FLAGS)]
    return [(each.flag, each.ids, each.size, each.ts) for each in found.notices if each.flag != UNKNOWN]


#: Of every plan that fills: these tapes have no trades.
UNKNOWN = "participation_unknown"
FLAGS = {
    UNKNOWN,
    "fired_behind_a_gap", "left_open_without_depth", "position_flipped", "stop_never_in_place", "stop_refused",
    "oco_partial", "order_not_sent", "plan_not_started", "plan_unfinished", "participation_above_20_pct",
    "trailing_active_from_start",
}  # fmt: skip
