"""The square-root law beside the walk: of the moment, of orders and plans, and where it cannot be computed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from backtester.engine import spec
from backtester.metrics.impact_law import Course, courses, square_root_law
from backtester.report.executions import PlanReport
from backtester.run.result import RunResult
from tests.oracle.examples import BUY, SECOND, SELL, delta, ladder, limit_order, mark, market_order, trade
from tests.oracle.ladder import Event
from tests.unit.report_runs import Tape, account, build_report, cross, finished

MINUTE = 60 * SECOND
START = [mark(1.0, 100.0), ladder(1.0, {99: 2, 98: 5}, {101: 9})]
#: From 2 s on the mark is 100, 102, 102 and 102 a minute apart; 30 lots trade in the four minutes to 241 s.
MINUTES = [mark(60.0, 102.0), trade(70.0, BUY, 101, 30), delta(241.0, BUY, 10, 1)]


def run(tape: Tape, lots: int = 4) -> RunResult:
    return finished([account(1000.0, [cross(4)], [market_order(SELL, lots, at_s=2.0)])], tape)


def hour(crash: int, trades: int = 10) -> list[list[Event]]:
    """An hour that trades `trades` lots a minute at 100; from minute `crash` on the mark moves by 2 % each minute."""
    tape = [*START]
    for minute in range(1, 60):
        price = 102.0 if minute >= crash and (minute - crash) % 2 == 0 else 100.0
        tape.append(mark(60.0 * minute + 1.0, price))
        if trades:
            tape.append(trade(60.0 * minute + 31.0, BUY, 101, trades))
    return [*tape, delta(3601.0, BUY, 10, 1)]


def only_course(result: RunResult) -> Course:
    [course] = courses(result)
    assert course is not None
    return course


# --- the law and what it measures ------------------------------------------------------------------------------------


def test_the_worked_example() -> None:
    assert square_root_law(0.01, 0.04) == pytest.approx(0.004)


def test_volume_and_volatility_of_a_run_of_three_whole_minutes() -> None:
    days, lots, volatility = only_course(run([*START, *MINUTES])).between(0, 241 * SECOND)
    assert [days, lots] == pytest.approx([3 / 1440, 30])
    # One return of 2 % and two of 0.
    assert volatility == pytest.approx(0.02 * math.sqrt(480))


@pytest.mark.parametrize(
    ("wanted", "measured"),
    [((25, 40), (25, 40)), ((30, 31), (26, 31)), ((-13, 2), (0, 5)), ((50, 70), (50, 60)), ((61, 70), (55, 60))],
)
def test_a_stretch_lies_in_the_run_and_has_five_returns(wanted: tuple[int, int], measured: tuple[int, int]) -> None:
    minutes = np.arange(61) * MINUTE
    course = Course(minutes, minutes, minutes, minutes / MINUTE)
    since, until = (each * MINUTE for each in wanted)
    assert course.stretch(since, until) == tuple(each * MINUTE for each in measured)


def test_a_run_shorter_than_five_returns_is_measured_whole() -> None:
    minutes = np.arange(4) * MINUTE
    assert Course(minutes, minutes, minutes, minutes).stretch(MINUTE, 2 * MINUTE) == (0, 3 * MINUTE)


def test_what_was_traded_before_the_start_does_not_count() -> None:
    early = [trade(0.5, BUY, 101, 500), *START, *MINUTES]
    assert only_course(run(early)).between(0, 241 * SECOND).lots == pytest.approx(30)


# --- orders ----------------------------------------------------------------------------------------------------------


def test_the_walk_and_the_law_of_an_order() -> None:
    [order] = build_report([run([*START, *MINUTES])]).finished[0].orders
    assert order.law is not None
    # 2 at 99 and 2 at 98: half a tick of a mid of 100 below the best bid.
    assert order.law.walk_bps == 50.0
    says = 1e4 * 0.02 * math.sqrt(480) * math.sqrt(4 / 14_400)
    assert order.law.law_bps == pytest.approx(says)
    assert order.law.ratio == pytest.approx(50 / says)
    assert [order.law.prefactor, order.law.volume_day] == pytest.approx([1.0, 14_400])
    assert order.law.share == pytest.approx(4 / 30)


def test_an_order_in_calm_minutes_does_not_see_the_crash_that_follows() -> None:
    course = only_course(run(hour(crash=30)))
    assert course.before(25 * MINUTE).volatility_day == 0.0
    assert course.before(4 * MINUTE).volatility_day == 0.0
    # 15 returns of about 2 % in a quarter of an hour; a day has 96.
    assert course.before(50 * MINUTE).volatility_day == pytest.approx(0.02 * math.sqrt(15 * 96), rel=0.02)


def test_an_order_in_the_crash_does_not_see_the_calm_before_it() -> None:
    calm, crash = (only_course(run(hour(crash=c))).before(40 * MINUTE) for c in (99, 20))
    assert list(calm) == pytest.approx([1 / 96, 150, 0.0], rel=0.1)
    assert crash.lots == pytest.approx(calm.lots)
    assert crash.volatility_day > 0.5


def test_a_tape_without_trades_or_without_time_has_no_law() -> None:
    assert courses(run([*START, MINUTES[0], MINUTES[2]])) == (None,)
    short = run([*START, trade(3.0, BUY, 101, 30), delta(9.0, BUY, 10, 1)])
    assert courses(short) == (None,)
    assert build_report([short]).finished[0].orders[0].law is None


def test_an_order_that_took_nothing_has_none() -> None:
    [order] = build_report([run([*START, *MINUTES], lots=0)]).finished[0].orders
    assert order.law is None


def test_a_mark_that_never_moved_expects_no_impact() -> None:
    [order] = build_report([run([*START, *MINUTES[1:]])]).finished[0].orders
    assert order.law is not None
    assert (order.law.law_bps, order.law.ratio) == (0.0, None)


def test_an_order_above_a_fifth_of_the_minutes_before_says_so_beside_the_law() -> None:
    def said(lots: int) -> list[str]:
        deep = [hour(crash=1)[0], ladder(1.0, {99: 5000}, {101: 5000}), *hour(crash=1)[2:]]
        result = finished(
            [account(1_000_000.0, [cross(lots)], [market_order(SELL, lots, at_s=1200.0, id="all")])], deep
        )
        found = build_report([result]).finished[0].notices
        return [each.text for each in found if each.flag == "participation_above_20_pct"]

    assert said(30) == []  # 150 were traded in 15 minutes
    [text] = said(60)
    assert text.startswith(
        "all (main X, sell) took 60, at once 40.0 % of what the market traded in the minutes around it: that size "
        "would have moved it; it paid 0.0 bps of depth and impact, the law says "
    )


def test_an_order_where_nothing_was_traded_in_the_minutes_before_says_so() -> None:
    """The tape does tell what was traded, with one trade at its end: it fills what rested, which is no notice."""
    [*quiet, end] = hour(crash=1, trades=0)[2:]
    tape = [START[0], ladder(1.0, {99: 5000}, {101: 5000}), *quiet, trade(3600.0, BUY, 101, 500), end]
    orders = [market_order(SELL, 3, at_s=1200.0, id="all"), limit_order(SELL, 5, 100, at_ns=1200 * SECOND, id="rests")]
    result = finished([account(1_000_000.0, [cross(8)], orders)], tape)
    cell = build_report([result]).finished[0]
    assert [each.filled_size for each in cell.orders] == [3, 5]
    assert [each.law for each in cell.orders] == [None, None]
    assert [each.text for each in cell.notices if each.flag == "participation_above_20_pct"] == [
        "all (main X, sell) took 3 while the market traded nothing in the minutes around it: that size would "
        "have moved it"
    ]


# --- plans -----------------------------------------------------------------------------------------------------------


def twap(tape: Tape, minutes: int, lots: int = 100) -> tuple[PlanReport, list[str]]:
    """A plan to sell lots, a part a minute from minute 10 on."""
    children = [
        market_order(SELL, 0, at_s=60.0 * (10 + n), id=f"exit#{n}", plan=0, target=n / minutes)
        for n in range(1, minutes + 1)
    ]
    plan = spec.Plan("exit", 0, SELL, lots)
    deep = [tape[0], ladder(1.0, {99: 5000}, {101: 5000}), *tape[2:]]
    result = finished([account(1_000_000.0, [cross(lots)], children, plans=[plan])], deep)
    cell = build_report([result]).finished[0]
    return cell.plans[0], [each.text for each in cell.notices if each.flag == "participation_above_20_pct"]


def test_the_law_of_a_plan_is_of_the_time_in_which_it_ran() -> None:
    found, _ = twap(hour(crash=1), minutes=21)
    # 100 lots in 20 minutes that traded 200 and had 20 returns of 2 %.
    assert found.participation == pytest.approx(0.5)
    assert found.market_volume == 200.0
    assert found.law is not None
    assert found.law.share == pytest.approx(0.5, rel=0.01)
    assert found.law.law_bps == pytest.approx(1e4 * 0.02 * math.sqrt(20) * math.sqrt(0.5), rel=0.02)
    assert found.law.walk_bps == 0.0


def test_a_plan_above_a_fifth_of_the_volume_says_so_beside_the_law() -> None:
    found, said = twap(hour(crash=1), minutes=21)
    assert found.law is not None
    assert said == [
        "plan exit (main X, sell) filled 100 while the market traded 200 (50.0 % of it), 00:11:00 +10:59 to 00:31:00 "
        f"+30:59: that size would have moved it; it paid 0.0 bps of depth and impact, the law says {said[0][-6:]}"
    ]
    assert float(said[0][-6:]) == pytest.approx(found.law.law_bps, abs=0.05)


def test_a_plan_of_a_fifth_says_nothing() -> None:
    assert twap(hour(crash=1), minutes=21, lots=40)[1] == []
    assert len(twap(hour(crash=1), minutes=21, lots=42)[1]) == 1


def test_a_plan_of_seconds_is_measured_against_the_minutes_around_it() -> None:
    assert twap(hour(crash=1), minutes=1, lots=5)[1] == []
    assert len(twap(hour(crash=1), minutes=1, lots=50)[1]) == 1


def test_a_tape_without_trades_says_nothing_of_shares() -> None:
    found, said = twap(hour(crash=1, trades=0), minutes=21)
    assert (found.market_volume, found.participation, found.law, said) == (None, None, None, [])
