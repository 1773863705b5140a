"""Positions without their protection: each notice in a run that leads to it, and in the nearest that does not."""

from __future__ import annotations

from typing import Any

import pytest

from backtester.config.values import Instant
from backtester.engine import spec
from backtester.enums import Held, OrderType, PriceSeries, TimeInForce
from backtester.report.execution_sheets import execution_sheets
from tests.oracle.examples import (
    BUY,
    PLAIN,
    SECOND,
    SELL,
    ladder,
    limit_order,
    mark,
    market_order,
    stop_order,
    trade,
)
from tests.unit.notice_runs import END, FALL, START, cell, noticed

# --- flips -----------------------------------------------------------------------------------------------------------


def test_an_order_larger_than_the_position_turns_it() -> None:
    found = cell([market_order(SELL, 30, at_s=2, id="cut")])
    assert noticed(found) == [("position_flipped", ("cut",), 20.0, Instant(2 * SECOND))]
    assert found.notices[0].text == (
        "cut turned main X from long to short at 00:00:02 +00:01: it opened 20, not reduce_only"
    )


def test_a_walk_that_stops_at_nothing_before_it_turns() -> None:
    # 10 at 99, then 4 at 98: two fills, the first one ends at 0.
    tape = [mark(1.0, 100.0), ladder(1.0, {99: 10, 98: 9}, {101: 9}), *END]
    assert noticed(cell([market_order(SELL, 14, at_s=2)], tape)) == [
        ("position_flipped", ("m",), 4.0, Instant(2 * SECOND))
    ]


def test_a_short_turns_long() -> None:
    found = cell([market_order(BUY, 12, at_s=2)], lots=-10)
    assert noticed(found) == [("position_flipped", ("m",), 2.0, Instant(2 * SECOND))]
    assert "from short to long" in found.notices[0].text


def test_the_plan_is_named_not_its_children() -> None:
    plan = spec.Plan("exit", 0, SELL, 20)
    slices = [market_order(SELL, 0, at_s=s, id=f"exit#{s}", plan=0, target=s / 4 - 0.25) for s in (2, 3, 4, 5)]
    # 5 a second: 0 held after the second, turned by the third and the fourth.
    assert noticed(cell(slices, plans=[plan])) == [("position_flipped", ("exit",), 10.0, Instant(4 * SECOND))]


def test_a_stop_that_is_left_behind_turns_what_another_order_closed() -> None:
    orders = [market_order(SELL, 10, at_s=2, reduce_only=True), stop_order(SELL, 10, 95, id="stop")]
    assert noticed(cell(orders, FALL)) == [("position_flipped", ("stop",), 10.0, Instant(3 * SECOND))]


@pytest.mark.parametrize(
    ("orders", "lots"),
    [
        ([market_order(SELL, 30, at_s=2, reduce_only=True)], 10),
        ([market_order(SELL, 10, at_s=2)], 10),  # just closes
        ([market_order(SELL, 30, at_s=2)], 0),  # opens
        ([market_order(SELL, 10, at_s=2), market_order(BUY, 4, at_s=3)], 10),  # closed, and long again
    ],
)
def test_no_flip(orders: list[spec.Order], lots: int) -> None:
    assert noticed(cell(orders, lots=lots)) == []


# --- stops that never were in place ----------------------------------------------------------------------------------


def test_a_stop_refused_as_it_was_placed() -> None:
    rules = PLAIN._replace(reject_breached_trigger=True)
    found = cell([stop_order(SELL, 4, 105, id="stop", reduce_only=True)], rules=rules)
    assert noticed(found) == [("stop_never_in_place", ("stop",), 4.0, Instant(SECOND))]
    assert found.notices[0].text == (
        "stop (main X stop market, sell 4 at 105.00) was never in place: refused at 00:00:01 +00:00, trigger breached"
    )


def test_a_stop_refused_as_it_fired() -> None:
    """Not reduce-only, and far larger than its margin allows: it protects nothing, and the run says so."""
    tape = [*START, mark(3.0, 94.0), ladder(3.0, {94: 9_000}, {95: 9_000}), *END]
    found = cell([stop_order(SELL, 5_000, 95, id="stop")], tape)
    (notice,) = [each for each in found.notices if each.flag == "stop_refused"]
    assert (notice.ids, notice.size) == (("stop",), 5_000.0)
    assert "fired at 00:00:03 +00:02 and was refused at 00:00:03 +00:02, insufficient margin" in notice.text


def test_the_stops_table_says_why() -> None:
    rules = PLAIN._replace(reject_breached_trigger=True)
    found = cell([stop_order(SELL, 4, 105, id="stop")], rules=rules)
    [stops] = [sheet for sheet in execution_sheets(found, "USDC") if sheet.title == "Stops"]
    assert stops.rows[0][-1] == "refused: trigger breached"


def test_a_stop_with_nothing_left_to_close_had_been_in_place() -> None:
    closed = market_order(SELL, 10, at_s=2, reduce_only=True)
    (notice,) = cell([closed, stop_order(SELL, 4, 95, reduce_only=True)], FALL).notices
    assert (notice.flag, notice.ids) == ("stop_refused", ("s",))
    assert notice.text.endswith("reduce only void")


# --- groups ----------------------------------------------------------------------------------------------------------


def group(profit_lots: int = 9, stop_lots: int = 9) -> list[spec.Order]:
    """A take-profit at 102, and a stop below."""
    return [
        limit_order(SELL, profit_lots, 102, id="profit", oco=0, reduce_only=True),
        stop_order(SELL, stop_lots, 95, id="stop", oco=0, reduce_only=True),
    ]


def test_a_partial_fill_that_cancels_its_partner() -> None:
    found = cell(group(), [*START, trade(2.0, BUY, 103, 2), *END])
    assert noticed(found) == [("oco_partial", ("profit", "stop"), 7.0, Instant(2 * SECOND))]
    assert found.notices[0].text == (
        "profit (main X) filled 2 of 9 by 00:00:02 +00:01 and cancelled stop: 7 left unprotected"
    )


def test_a_rest_that_is_filled_later_was_unprotected_until_then() -> None:
    found = cell(group(), [*START, trade(2.0, BUY, 103, 2), trade(4.0, BUY, 103, 9), *END])
    assert [each.size for each in found.notices] == [7.0]
    assert found.notices[0].text.endswith("7 left unprotected until it filled the rest at 00:00:04 +00:03")


def test_a_stop_that_finds_too_little_leaves_the_rest_without_its_partner() -> None:
    # It fires at 3 s and gets 3 at 90: 2 % below the mid of 91 is 89.18.
    found = cell(group(), FALL, rules=PLAIN._replace(stop_bound=0.02))
    assert noticed(found) == [("oco_partial", ("stop", "profit"), 6.0, Instant(3 * SECOND))]


def test_what_is_held_bounds_what_is_left_unprotected() -> None:
    assert noticed(cell(group(), [*START, trade(2.0, BUY, 103, 2), *END], lots=5)) == [
        ("oco_partial", ("profit", "stop"), 3.0, Instant(2 * SECOND))
    ]


def test_a_group_that_is_done_at_once_is_none() -> None:
    assert noticed(cell(group(), [*START, trade(2.0, BUY, 103, 9), *END])) == []
    assert noticed(cell(group(), FALL)) == []  # the stop walks two levels: all of it


def test_a_group_without_a_position_is_none() -> None:
    """Two ways in: what is filled of one is what there is."""
    ways = [each._replace(reduce_only=False) for each in group()]
    assert noticed(cell(ways, [*START, trade(2.0, BUY, 103, 2), *END], lots=0)) == []


# --- trailing stops --------------------------------------------------------------------------------------------------


def trailing(activation: int, side: int = SELL, **more: Any) -> spec.Order:
    order = spec.Order("trail", 0, OrderType.TRAILING_STOP, TimeInForce.IOC, side, 4, callback_rate=0.2)
    return order._replace(activation_tick=activation, held=Held.CLIENT, **more)


@pytest.mark.parametrize(
    ("order", "is_passed"),
    [
        (trailing(95), True),
        (trailing(100), True),  # at the mark is enough
        (trailing(101), False),
        (trailing(0), False),  # none was asked for
        (trailing(105, BUY), True),
        (trailing(99, BUY), False),
        (trailing(95, trigger_by=PriceSeries.LAST), False),  # the mark says nothing of the last price
        (trailing(95, at_ns=5 * SECOND), False),  # nor of a later one
    ],
)
def test_a_trailing_stop_whose_activation_is_passed_at_the_start(order: spec.Order, is_passed: bool) -> None:
    found = cell([order])
    expected = [("trailing_active_from_start", ("trail",), 4.0, Instant(SECOND))]
    assert noticed(found) == (expected if is_passed else [])


def test_one_that_the_venue_refuses_is_not_active() -> None:
    rules = PLAIN._replace(reject_breached_trigger=True)
    (notice,) = cell([trailing(95)._replace(held=Held.VENUE)], rules=rules).notices
    assert (notice.flag, notice.ids) == ("stop_never_in_place", ("trail",))
    assert notice.text == (
        "trail (main X trailing stop, sell 4 from 95.0000 on) was never in place: refused at 00:00:01 +00:00, "
        "trigger breached"
    )


def test_its_words() -> None:
    assert cell([trailing(95)]).notices[0].text == (
        "trail (main X): its activation price 95.0000 was passed already (mark 100.00): active from the start"
    )
