"""The split of execution cost: exact, and each part where it belongs."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtester.engine.records import FILL, LIQUIDATION
from backtester.engine.state import ORDER
from backtester.enums import Liquidity
from backtester.metrics.names import Grid, rows_of
from backtester.metrics.slippage import NOT_TAKEN, OrderFills, Taken, in_bps, liquidation_slippage, split, taken_of
from backtester.report.executions import OrderReport
from backtester.run.result import RunResult
from tests.oracle.examples import BUY, PLAIN, SECOND, SELL, delta, ladder, limit_order, mark, market_order
from tests.unit.report_runs import account, build_report, cross, finished

UNIT = Grid(Fraction(1), Fraction(1), Fraction(1))


def order(**fields: int) -> Any:
    row = np.zeros(1, ORDER)
    for name, value in fields.items():
        row[name] = value
    return row[0]


def orders_of(result: RunResult) -> tuple[OrderReport, ...]:
    return build_report([result]).finished[0].orders


def test_the_worked_example() -> None:
    sold = order(side=-1, decision_mid2=200, arrival_mid2=196, arrival_best=97, sweep_lots=10, sweep_value=960)
    parts = split(sold, Taken(lots=10, value=955, fee=0.0))
    assert parts is not None
    assert [parts.delay, parts.spread, parts.depth, parts.impact] == [2, 1, 1, Fraction(1, 2)]
    assert parts.slippage == Fraction(9, 2)


def test_bps_are_of_the_mid_at_the_decision_and_the_fee_comes_on_top() -> None:
    sold = order(side=-1, decision_mid2=200, arrival_mid2=196, arrival_best=97, sweep_lots=10, sweep_value=960)
    taken = Taken(lots=10, value=955, fee=0.5)
    cost = in_bps(split(sold, taken), taken, UNIT)
    assert cost == (200.0, 100.0, 100.0, 50.0, 5.0, 455.0)


def test_a_buyer_pays_upwards() -> None:
    bought = order(side=1, decision_mid2=200, arrival_mid2=202, arrival_best=102, sweep_lots=4, sweep_value=412)
    parts = split(bought, Taken(lots=4, value=416, fee=0.0))
    assert parts is not None
    assert [parts.delay, parts.spread, parts.depth, parts.impact] == [1, 1, 1, 1]


def test_who_took_nothing_has_no_slippage() -> None:
    assert split(order(side=1), Taken(0, 0, 0.0)) is None
    assert in_bps(None, Taken(0, 0, 0.0), UNIT) == NOT_TAKEN


def test_only_fills_that_took_liquidity_count() -> None:
    fills = np.zeros(3, FILL)
    fills["liquidity"] = (Liquidity.TAKER, Liquidity.MAKER, Liquidity.TAKER)
    fills["lots"], fills["tick"], fills["fee"] = (2, 100, 3), (10, 1, 11), (0.1, 9.0, 0.2)
    assert taken_of(rows_of(fills)) == pytest.approx((5, 53, 0.3))


ticks = st.integers(1, 10**7)


@given(
    side=st.sampled_from((1, -1)),
    mids=st.tuples(st.integers(2, 10**7), st.integers(2, 10**7)),
    best=ticks,
    sweep=st.tuples(ticks, st.integers(1, 10**6)),
    paid=st.tuples(ticks, st.integers(1, 10**6)),
)
def test_the_parts_add_up_to_the_distance_from_the_mid(
    side: int, mids: tuple[int, int], best: int, sweep: tuple[int, int], paid: tuple[int, int]
) -> None:
    row = order(
        side=side, decision_mid2=mids[0], arrival_mid2=mids[1], arrival_best=best,
        sweep_value=sweep[0] * sweep[1], sweep_lots=sweep[1],
    )  # fmt: skip
    taken = Taken(paid[1], paid[0] * paid[1], 0.25)
    parts = split(row, taken)
    assert parts is not None
    assert parts.delay + parts.spread + parts.depth + parts.impact == side * (paid[0] - Fraction(mids[0], 2))
    cost = in_bps(parts, taken, UNIT)
    assert sum(part or 0.0 for part in cost[:5]) == pytest.approx(cost.total_bps, rel=1e-12, abs=1e-6)


def test_a_liquidation_is_measured_from_the_mid_at_which_it_was_sent() -> None:
    rows = np.zeros(1, LIQUIDATION)
    row = rows[0]
    row["side"], row["filled"], row["value"], row["mid2"] = -1, 4, 396, 200
    parts = liquidation_slippage(row)
    assert parts is not None
    assert parts.slippage == parts.impact == 1
    row["filled"], row["value"] = 0, 0
    assert liquidation_slippage(row) is None


def test_a_run_a_late_order_in_a_ladder_it_thinned_itself() -> None:
    # Decided at mid 100; 1 s later the ladder has moved down by 10. The first order took the best level: the second
    # pays its own impact.
    rules = PLAIN._replace(order_latency_ns=SECOND, taker_fee=0.001)
    first = market_order(SELL, 2, at_s=2.0, id="first")
    second = market_order(SELL, 2, at_s=2.0, id="second")
    tape = [
        mark(1.0, 100.0),
        ladder(1.0, {99: 9}, {101: 9}),
        ladder(2.5, {89: 2, 87: 9}, {91: 9}),
        mark(4.0, 90.0),
        delta(5.0, BUY, 80, 1),
    ]
    result = finished([account(1000.0, [cross(4)], [first, second])], tape, rules)
    one, two = orders_of(result)
    assert one.slippage == pytest.approx((1000.0, 100.0, 0.0, 0.0, 8.9, 1108.9))
    assert two.slippage == pytest.approx((1000.0, 100.0, 0.0, 200.0, 8.7, 1308.7))
    assert (one.vwap, two.vwap) == (89.0, 87.0)


@given(st.lists(st.integers(-1, 3), max_size=12))
def test_the_fills_of_each_order_are_its_own_in_order_of_time(orders: list[int]) -> None:
    fills = np.zeros(len(orders), FILL)
    fills["order"], fills["ts"] = orders, range(len(orders))
    found = OrderFills(fills)
    for number in range(-1, 5):
        assert [row["ts"] for row in found.of(number)] == [ts for ts, order in enumerate(orders) if order == number]
        assert list(found.of(number)) == list(rows_of(fills[fills["order"] == number]))


def test_a_run_a_resting_order_pays_no_slippage() -> None:
    tape = [
        mark(1.0, 100.0),
        ladder(1.0, {99: 9}, {101: 9}),
        ladder(3.0, {89: 9}, {91: 9}),
        mark(4.0, 90.0),
        delta(5.0, BUY, 80, 1),
    ]
    result = finished([account(1000.0, [cross(0)], [limit_order(BUY, 3, 95)])], tape)
    [bid] = orders_of(result)
    assert (bid.filled_size, bid.vwap, bid.maker_share) == (3.0, 95.0, 1.0)
    assert bid.slippage == NOT_TAKEN


def test_replacing_the_grid_scales_prices_exactly() -> None:
    tape = [mark(1.0, 100.0), ladder(1.0, {99: 9}, {101: 9}), mark(4.0, 100.0), delta(5.0, BUY, 80, 1)]
    result = finished([account(1000.0, [cross(0)], [market_order(BUY, 3)])], tape)
    fine = result.instruments[0]
    fine = fine._replace(tape=fine.tape._replace(tick_size=0.1, lot_size=0.001))
    [bought] = orders_of(replace(result, instruments=(fine,)))
    assert (bought.vwap, bought.size) == (10.1, 0.003)
