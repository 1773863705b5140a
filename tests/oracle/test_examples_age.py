"""Worked examples, by hand, for oracle and engine: how old the order book is that a fill was made on (RULES 2.6)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from backtester.enums import EventKind, FillReason
from tests.oracle.compare import agreed
from tests.oracle.examples import (
    BUY,
    SECOND,
    SELL,
    case,
    delta,
    ladder,
    limit_order,
    mark,
    market_data,
    market_order,
    one_account,
    only_world,
    trade,
)
from tests.oracle.ladder import Event

START = [mark(0.0, 100.0), ladder(0.0, {100: 50, 90: 5}, {101: 50, 110: 5})]
END = mark(20.0, 100.0)


def ages(tape: Sequence[Sequence[Event]], side: int = SELL, at_s: float = 9.0) -> list[float]:
    """The ages of a market order's fills, in s."""
    orders = [market_order(side, 1, at_s=at_s)]
    world = only_world(agreed(case(market_data(), one_account(10_000.0, orders), [*START, *tape, END])))
    return [fill.age_ns / SECOND for fill in world.fills]


SELLS = [trade(2, SELL, 99, 1), trade(3, SELL, 99, 1), trade(8, SELL, 99, 1)]


def test_2_6_the_example() -> None:
    assert ages(SELLS) == [9.0]
    assert ages([*SELLS[:2], delta(7, BUY, 90, 4), SELLS[2]]) == [6.0]
    assert ages([*SELLS[:2], delta(7, BUY, 99, 5) + delta(7, BUY, 100, 0), SELLS[2]]) == [2.0]


FAR = delta(8.5, BUY, 90, 4)


@pytest.mark.parametrize(
    ("trades", "side", "age"),
    [
        ([trade(t, BUY, 99, 1) for t in (2, 3, 8)], BUY, 6.0),  # a better ask was there
        ([trade(t, BUY, 99, 1) for t in (2, 3, 8)], SELL, 0.5),  # which says nothing about the bids
        ([trade(t, 0, 99, 1) for t in (2, 3, 8)], SELL, 6.0),  # without an aggressor: below the best bid
        ([trade(t, 0, 100, 1) for t in (2, 3, 8)], SELL, 0.5),
        ([trade(t, SELL, 99, 1) for t in (2, 8)], SELL, 0.5),  # two are too few
        ([*SELLS[:2], trade(4, SELL, 100, 1), *(trade(t, SELL, 99, 1) for t in (5, 6, 7))], SELL, 2.0),
    ],
)
def test_2_6_which_trades_contradict_which_touch(trades: list[list[Event]], side: int, age: float) -> None:
    assert ages([*trades, FAR], side) == [age]


def test_2_6_what_a_path_step_shows_does_not_age() -> None:
    moved = [Event(4 * SECOND, 0, 0, 0.0, 0, int(EventKind.PATH_STEP), 0)]
    for shown in (moved, moved + ladder(4, {100: 50}, {101: 50})):
        assert ages([*SELLS[:2], shown]) == [0.0]
        assert ages([*SELLS[:2], shown, delta(6, BUY, 90, 4)]) == [3.0]


def test_2_6_a_resting_order_fills_at_its_own_price() -> None:
    orders = [limit_order(BUY, 1, 99)]
    tape = [*START, trade(9, SELL, 98, 5), END]
    world = only_world(agreed(case(market_data(), one_account(10_000.0, orders), tape)))
    assert [(fill.reason, fill.age_ns) for fill in world.fills] == [(FillReason.TRADE_THROUGH, 0)]
