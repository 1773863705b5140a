"""What became of plans: the shortfall in exact parts, the market meanwhile, the children."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtester.config.values import Instant
from backtester.engine import spec
from backtester.enums import After, Held, OrderReason, Peg, Side, TimeInForce
from backtester.metrics.plans import Stand, shortfall
from backtester.report.executions import PlanReport
from backtester.report.records import Cell
from tests.oracle.examples import BUY, PLAIN, SECOND, SELL, delta, ladder, limit_order, mark, market_order, trade
from tests.unit.report_runs import Tape, account, build_report, cross, finished

START = [mark(1.0, 100.0), ladder(1.0, {99: 9, 98: 9}, {101: 9})]
END = [delta(9.0, BUY, 10, 1)]
SELL_8 = spec.Plan("exit", 0, SELL, 8)


def cell(children: list[spec.Order], tape: Tape, plan: spec.Plan = SELL_8, rules: spec.Rules = PLAIN) -> Cell:
    result = finished([account(1000.0, [cross(8)], children, plans=[plan])], tape, rules)
    return build_report([result]).finished[0]


def planned(children: list[spec.Order], tape: Tape, plan: spec.Plan = SELL_8, rules: spec.Rules = PLAIN) -> PlanReport:
    [found] = cell(children, tape, plan, rules).plans
    return found


def slice_at(second: float, target: float) -> spec.Order:
    return market_order(SELL, 0, at_s=second, id=f"exit/{second:g}", plan=0, target=target)


# --- the identity ----------------------------------------------------------------------------------------------------

prices = st.fractions(1, 10**6, max_denominator=1000)


def test_the_worked_example() -> None:
    parts = shortfall(1, Fraction(10), Fraction(6), Fraction(609), Stand(*map(Fraction, (100, 101, 103))), Fraction(2))
    assert list(parts) == [6, 3, 12, 2]
    assert parts.total == 23


@given(side=st.sampled_from((1, -1)), size=prices, done=st.fractions(0, 1), paid=prices, mids=st.tuples(*[prices] * 3))
def test_the_parts_are_the_distance_from_the_paper_trade(
    side: int, size: Fraction, done: Fraction, paid: Fraction, mids: tuple[Fraction, Fraction, Fraction]
) -> None:
    filled, stand, fees = size * done, Stand(*mids), Fraction(7, 3)
    parts = shortfall(side, size, filled, filled * paid, stand, fees)
    paper = side * size * (stand.end - stand.decision)
    real = side * filled * (stand.end - paid) - fees
    assert parts.total == paper - real


# --- runs ------------------------------------------------------------------------------------------------------------


def test_a_plan_in_two_slices() -> None:
    # Decided at 2 s at a mid of 100. The first slice arrives 1 s later at 98 and gets 4 at 97; the second is decided at
    # 4 s, arrives at 5 s at 98 and finds 3 left at 97: 3 of 4. The last mid is 98. 1 is missed.
    rules = PLAIN._replace(order_latency_ns=SECOND, taker_fee=0.01, market_bound=0.011)
    tape = [
        *START,
        trade(1.5, SELL, 99, 50),
        ladder(2.5, {97: 7, 90: 9}, {99: 9}),
        trade(3.5, SELL, 97, 10),
        ladder(3.5, {97: 7, 90: 9}, {99: 9}),  # others came back, what we took did not
        trade(4.5, BUY, 99, 20),
        trade(7.0, BUY, 99, 50),
        *END,
    ]
    children = [each._replace(held=Held.CLIENT) for each in (slice_at(2, 0.5), slice_at(4, 1.0))]
    found = planned(children, tape, rules=rules)
    assert (found.id, found.account, found.symbol, found.side, found.status) == (
        "exit",
        "main",
        "X",
        Side.SELL,
        "ended",
    )
    assert (found.size, found.filled_size, found.unfilled_size, found.vwap) == (8.0, 7.0, 1.0, 97.0)
    assert (found.start_ts, found.end_ts) == (Instant(2 * SECOND), Instant(5 * SECOND))
    assert (found.first_fill_ts, found.last_fill_ts) == (Instant(3 * SECOND), Instant(5 * SECOND))
    assert (found.decision_price, found.arrival_price, found.end_price) == (100.0, 98.0, 98.0)
    assert found.arrival_slippage_bps == pytest.approx(1e4 / 98)
    # The tape traded 10 at 97 and 20 at 99 between 2 s and 5 s.
    assert found.market_vwap == pytest.approx((970 + 1980) / 30)
    assert found.vwap_slippage_bps == pytest.approx(1e4 * (2950 / 30 - 97) / (2950 / 30))
    assert found.participation == pytest.approx(7 / 30)
    fee = 0.01 * 7 * 97
    assert (found.fees, found.fees_maker, found.fees_taker) == pytest.approx((-fee, 0.0, -fee))
    assert (found.children, found.children_filled, found.children_refused, found.largest_child) == (2, 2, 0, 4.0)
    assert found.shortfall is not None
    assert found.shortfall[:5] == pytest.approx((14.0, 7.0, 2.0, fee, 23.0 + fee))
    assert found.shortfall[5:] == pytest.approx(tuple(1e4 * part / 800 for part in found.shortfall[:5]))


def test_a_passive_plan_makes_before_it_takes() -> None:
    # 4 rest at 101 of which 3 are bought; 3 s later the rest goes to the market.
    passive = limit_order(
        SELL, 0, 0, TimeInForce.POST_ONLY,
        id="exit/rest", at_ns=2 * SECOND, plan=0, peg=Peg.PRIMARY, cancel_after_ns=3 * SECOND,
    )  # fmt: skip
    taker = market_order(SELL, 0, id="exit/rest-of-it", plan=0, parent=0, after=After.END)
    tape = [*START, trade(3.0, BUY, 101, 12), *END]
    found = planned([passive, taker], tape)
    assert (found.status, found.filled_size, found.maker_share) == ("done", 8.0, 3 / 8)
    assert found.vwap == (3 * 101 + 5 * 99) / 8


def test_a_child_has_the_size_of_its_share_and_stays_out_of_the_orders_table() -> None:
    orders = cell([slice_at(2, 0.25), slice_at(3, 0.25), slice_at(4, 1.0)], [*START, *END]).orders
    assert [(each.id, each.plan, each.size, each.unfilled_size) for each in orders] == [
        ("exit/2", "exit", 2.0, 0.0),
        ("exit/3", "exit", 0.0, 0.0),
        ("exit/4", "exit", 6.0, 0.0),
    ]
    assert orders[1].reason is OrderReason.NOTHING_DUE


def test_a_child_with_nothing_to_do_is_not_sent() -> None:
    found = planned([slice_at(2, 0.25), slice_at(3, 0.25), slice_at(4, 1.0)], [*START, *END])
    assert (found.children, found.largest_child) == (2, 6.0)


def test_a_plan_that_still_works_is_measured_up_to_the_end_of_the_run() -> None:
    resting = limit_order(SELL, 0, 110, id="exit/1", at_ns=2 * SECOND, plan=0)
    tape = [*START, ladder(4.0, {103: 9}, {105: 9}), trade(5.0, BUY, 105, 6), *END]
    found = planned([resting], tape)
    assert (found.status, found.end_ts, found.end_price, found.participation) == (
        "working", Instant(9 * SECOND), 104.0, 0.0,
    )  # fmt: skip
    assert found.shortfall is not None
    assert found.shortfall.opportunity == -8 * 4.0


def test_a_plan_that_never_began() -> None:
    found = planned([slice_at(99, 1.0)], [*START, *END])
    assert (found.status, found.filled_size, found.start_ts, found.end_ts) == ("not_started", 0.0, None, None)
    assert (found.decision_price, found.shortfall, found.participation, found.law) == (None, None, None, None)
