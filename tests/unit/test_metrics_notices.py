"""What would stay unsaid: fills and triggers on old order books, and how notices are shown."""

from __future__ import annotations

from backtester.config.values import Instant
from backtester.report.records import Notice
from backtester.report.text import noticed as shown_lines
from tests.golden.handmade import CRASH, UNDONE
from tests.oracle.examples import (
    BUY,
    SECOND,
    SELL,
    delta,
    ladder,
    mark,
    stop_order,
)
from tests.unit.notice_runs import cell, noticed

HOLE = [mark(1.0, 100.0), ladder(1.0, {99: 40, 98: 9}, {101: 40})]
AFTER = [ladder(300.0, {90: 40}, {92: 9}), mark(300.0, 90.0), delta(301.0, BUY, 10, 1)]


def test_a_stop_that_fires_behind_a_gap() -> None:
    found = cell([stop_order(SELL, 10, 95, id="stop")], [*HOLE, *AFTER])
    assert noticed(found) == [("fired_behind_a_gap", ("stop",), 10.0, Instant(300 * SECOND))]
    assert "behind 299.000 s without an order book" in found.notices[0].text
    steady = [each for s in range(2, 300) for each in [delta(float(s), BUY, 10, s % 3)]]
    assert noticed(cell([stop_order(SELL, 10, 95, id="stop")], [*HOLE, *steady, *AFTER])) == []


def test_of_many_the_first_are_shown() -> None:
    many: tuple[Notice, ...] = (UNDONE,) * 11
    shown = shown_lines(CRASH._replace(notices=many))
    assert shown == [f"plan unfinished: {UNDONE.text}"] * 8 + ["and 3 more, all in the JSON document"]
