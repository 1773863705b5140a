"""Orders and plans that do less than they should: each notice in a run that leads to it, and in the nearest without."""

from __future__ import annotations

import pytest

from backtester.config.values import Instant
from backtester.engine import spec
from backtester.report.text import story
from tests.oracle.examples import (
    SECOND,
    SELL,
    delta,
    ladder,
    mark,
    market_order,
)
from tests.unit.notice_runs import cell, noticed


@pytest.mark.parametrize(("bids", "left"), [({99: 4}, 6.0), ({99: 40}, None)])
def test_what_stays_open_on_an_empty_order_book(bids: dict[int, int], left: float | None) -> None:
    tape = [mark(1.0, 100.0), ladder(1.0, bids, {101: 40}), delta(9.0, SELL, 102, 1)]
    found = cell([market_order(SELL, 10, at_s=2, id="cut", reduce_only=True)], tape)
    expected = [("left_open_without_depth", ("cut",), left, Instant(2 * SECOND))] if left else []
    assert noticed(found) == expected
    assert ("the order book was empty" in story(found, "USDC")[0]) is bool(left)


# --- plans -----------------------------------------------------------------------------------------------------------


def test_a_plan_that_begins_after_the_end() -> None:
    found = cell([market_order(SELL, 0, at_s=3601, id="late#1", plan=0)], plans=[spec.Plan("late", 0, SELL, 4)])
    assert noticed(found) == [("plan_not_started", ("late",), 4.0, Instant(3601 * SECOND))]
    assert found.notices[0].text == (
        "plan late (main X, 4) begins at 01:00:01 +1:00:00, after the end of the run at 00:00:09 +00:08: "
        "nothing was sent"
    )


def test_a_plan_that_runs_beyond_the_end() -> None:
    slices = [market_order(SELL, 0, at_s=s, id=f"exit#{s}", plan=0, target=t) for s, t in ((2, 0.5), (20, 1.0))]
    found = cell(slices, plans=[spec.Plan("exit", 0, SELL, 8)])
    assert noticed(found) == [("plan_unfinished", ("exit",), 4.0, Instant(9 * SECOND))]
    assert found.notices[0].text == (
        "plan exit (main X) left 4 of 8 undone; it was still at work at the end of the run"
    )


def test_a_plan_that_ended_says_what_kept_it() -> None:
    slices = [market_order(SELL, 0, at_s=s, id=f"x#{s}", plan=0, target=s / 4, reduce_only=True) for s in (2, 3, 4)]
    found = cell(slices, lots=4, plans=[spec.Plan("x", 0, SELL, 8)])
    assert noticed(found) == [("plan_unfinished", ("x",), 4.0, Instant(4 * SECOND))]
    assert found.notices[0].text == (
        "plan x (main X) left 4 of 8 undone; it ended 00:00:04 +00:03; 2 of 3 children: reduce only void"
    )


def test_a_plan_on_a_tape_without_trades_is_not_judged_by_its_size() -> None:
    [notice] = cell([market_order(SELL, 0, at_s=2, plan=0)], plans=[spec.Plan("x", 0, SELL, 8)]).notices
    assert (notice.flag, notice.ids, notice.size) == ("participation_unknown", ("x",), 8.0)
    assert notice.text == (
        "plan x (main X, sell) filled 8 while the tape shows no trades: whether the market would have taken that size "
        "is not judged"
    )
    late = [market_order(SELL, 0, at_s=3601, plan=0)]
    assert "participation_unknown" not in cell(late, plans=[spec.Plan("x", 0, SELL, 8)]).flags


def test_a_plan_that_is_done_says_nothing() -> None:
    assert noticed(cell([market_order(SELL, 0, at_s=2, plan=0)], plans=[spec.Plan("x", 0, SELL, 8)])) == []
