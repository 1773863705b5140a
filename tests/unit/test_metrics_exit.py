"""Closing everything through the final order book."""

from __future__ import annotations

import pytest

from backtester.enums import EventKind, Outage, RefillModel, TradingStatus
from backtester.metrics.cell import NO_EXIT
from backtester.metrics.exit_value import available, exit_cost
from tests.oracle.examples import BUY, PLAIN, SECOND, SELL, delta, ladder, mark, market_order, outage, record
from tests.oracle.ladder import Event
from tests.unit.report_runs import account, build_report, cross, finished

START = [mark(1.0, 100.0), ladder(1.0, {99: 2, 98: 5}, {101: 2, 103: 5})]
END = [delta(3.0, BUY, 10, 1)]


def test_a_long_sells_down_the_bids() -> None:
    result = finished([account(1000.0, [cross(3)])], [*START, *END])
    assert exit_cost(result) == 300 - (2 * 99 + 98)


def test_a_short_buys_up_the_asks_and_pays_the_fee() -> None:
    result = finished([account(1000.0, [cross(-3)])], [*START, *END], PLAIN._replace(taker_fee=0.25))
    paid = 2 * 101 + 103
    assert exit_cost(result) == paid - 300 + 0.25 * paid


def test_two_accounts_share_one_order_book() -> None:
    result = finished([account(1000.0, [cross(2)]), account(1000.0, [cross(2)], name="other")], [*START, *END])
    assert exit_cost(result) == 400 - (2 * 99 + 2 * 98)


def test_a_book_that_is_too_thin_gives_no_number_but_a_warning() -> None:
    result = finished([account(1000.0, [cross(9)])], [*START, *END])
    assert exit_cost(result) is None
    model = build_report([result])
    assert model.finished[0].portfolio.equity_end_exit is None
    assert "no_exit_at_end" in model.finished[0].flags
    assert model.warnings == (NO_EXIT,)


def test_flat_costs_nothing() -> None:
    assert exit_cost(finished([account(1000.0, [cross(0)])], [*START, *END])) == 0.0


@pytest.mark.parametrize(
    ("model", "left"),
    [
        (RefillModel.NEVER, [(98, 5), (10, 1)]),
        # Taken at 2 s, the end is at 4 s, half-life 2 s: ceil(2 / 2) are still missing.
        (RefillModel.HALF_LIFE, [(99, 1), (98, 5), (10, 1)]),
        (RefillModel.NEXT_UPDATE, [(98, 5), (10, 1)]),
    ],
)
def test_what_the_world_took_is_missing_until_it_comes_back(model: RefillModel, left: list[tuple[int, int]]) -> None:
    rules = PLAIN._replace(refill_model=model, refill_half_life_ns=2 * SECOND)
    sold = market_order(SELL, 2, at_s=2.0)
    result = finished([account(1000.0, [cross(2)], [sold])], [*START, delta(4.0, BUY, 10, 1)], rules)
    assert list(available(result, 0, 0)) == left


def test_a_level_named_again_is_whole_again_under_next_update() -> None:
    rules = PLAIN._replace(refill_model=RefillModel.NEXT_UPDATE)
    sold = market_order(SELL, 2, at_s=2.0)
    result = finished([account(1000.0, [cross(2)], [sold])], [*START, delta(3.0, BUY, 99, 2)], rules)
    assert list(available(result, 0, 0)) == [(99, 2), (98, 5)]


def test_both_sides_of_a_hedge_and_two_of_one_side_share_the_ladder() -> None:
    # 3 long in two places sell 2 at 99 and 1 at 98, 3 short buy 2 at 101 and 1 at 103.
    places = [cross(2), cross(1), cross(-3)]
    result = finished([account(1000.0, places)], [*START, *END])
    assert exit_cost(result) == (300 - 296) + (305 - 300)


@pytest.mark.parametrize(
    "closed",
    [
        record(2.0, EventKind.STATUS, lots=TradingStatus.HALTED),
        record(2.0, EventKind.STATUS, lots=TradingStatus.CANCEL_ONLY),
        outage(2.0, Outage.MATCHING_HALTED),
        outage(2.0, Outage.ORDERS_REFUSED),
    ],
)
def test_nothing_is_closed_in_a_market_that_takes_no_orders(closed: list[Event]) -> None:
    held = finished([account(1000.0, [cross(1)])], [*START, closed, *END])
    assert exit_cost(held) is None
    assert build_report([held]).warnings == (NO_EXIT,)
    assert exit_cost(finished([account(1000.0, [cross(0)])], [*START, closed, *END])) == 0.0
