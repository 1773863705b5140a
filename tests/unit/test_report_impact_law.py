"""The square-root law beside the walk, and where it cannot be computed."""

from __future__ import annotations

import math

import pytest

from backtester.report.impact_law import activities, square_root_law, volatility_day, volume_day
from backtester.report.model import build_report
from backtester.run.result import RunResult
from tests.oracle.examples import BUY, SELL, delta, ladder, mark, market_order, trade
from tests.unit.report_runs import Tape, account, cross, finished

START = [mark(1.0, 100.0), ladder(1.0, {99: 2, 98: 5}, {101: 9})]
#: From 2 s on the mark is 100, 102, 102 and 102 a minute apart; 30 lots trade in the four minutes to 241 s.
MINUTES = [mark(60.0, 102.0), trade(70.0, BUY, 101, 30), delta(241.0, BUY, 10, 1)]


def run(tape: Tape, lots: int = 4) -> RunResult:
    return finished([account(1000.0, [cross(4)], [market_order(SELL, lots, at_s=2.0)])], tape)


def test_the_worked_example() -> None:
    assert square_root_law(0.01, 0.04) == pytest.approx(0.004)


def test_volume_and_volatility_are_those_of_the_run_scaled_to_a_day() -> None:
    result = run([*START, *MINUTES])
    assert volume_day(result, 0) == 30 * 360
    # One return of 2 % and two of 0 in three whole minutes.
    assert volatility_day(result, 0) == pytest.approx(0.02 * math.sqrt(480))


def test_the_walk_and_the_law_of_an_order() -> None:
    [order] = build_report([run([*START, *MINUTES])]).finished[0].orders
    assert order.law is not None
    # 2 at 99 and 2 at 98: half a tick of a mid of 100 below the best bid.
    assert order.law.walk_bps == 50.0
    says = 1e4 * 0.02 * math.sqrt(480) * math.sqrt(4 / 10_800)
    assert order.law.law_bps == pytest.approx(says)
    assert order.law.ratio == pytest.approx(50 / says)
    assert (order.law.prefactor, order.law.volume_day) == (1.0, 10_800.0)


def test_a_tape_without_trades_or_without_time_has_no_law() -> None:
    assert activities(run([*START, MINUTES[0], MINUTES[2]])) == (None,)
    short = run([*START, trade(3.0, BUY, 101, 30), delta(9.0, BUY, 10, 1)])
    assert activities(short) == (None,)
    assert build_report([short]).finished[0].orders[0].law is None


def test_an_order_that_took_nothing_has_none() -> None:
    [order] = build_report([run([*START, *MINUTES], lots=0)]).finished[0].orders
    assert order.law is None


def test_a_mark_that_never_moved_expects_no_impact() -> None:
    [order] = build_report([run([*START, *MINUTES[1:]])]).finished[0].orders
    assert order.law is not None
    assert (order.law.law_bps, order.law.ratio) == (0.0, None)
