"""The point of no return: everything closed by then saves the account, a look later it does not."""

from __future__ import annotations

import pytest

from backtester.engine import spec
from backtester.engine.state import DEFAULT_CAPACITIES
from backtester.run.exits import _closed, _parted, _sizes, last_exit
from backtester.run.result import Exit
from backtester.run.tries import Fared, Question, Search, Trial, answers
from tests.oracle import examples
from tests.oracle.examples import BUY, PLAIN, delta, ladder, limit_order, mark
from tests.unit.report_runs import Tape, account, cross, finished

S = 1_000_000_000
START = [mark(1.0, 100.0), ladder(1.0, {99: 90}, {101: 90})]


def way_out(given: spec.Account, tape: Tape, rules: spec.Rules = PLAIN) -> Exit | None:
    return finished([given], tape, rules).saved[0].exit


def closed_at(given: spec.Account, tape: Tape, ts: int, rules: spec.Rules = PLAIN) -> Fared:
    """How an account fares that closes everything at a time, as plain orders of it."""
    data, world = examples.market_data(rules), spec.World((given,))
    inputs = examples.case(data, (world,), tape)

    def once() -> Search[Fared]:
        closing = [_sizes(data, given, place, 100.0) for place in range(len(given.positions))]
        [fared] = yield [Trial(_closed(world, 0, closing, ts, 200_000_000))]
        return fared

    [fared] = answers([Question(0, once())], data, lambda: [inputs.events], DEFAULT_CAPACITIES)
    return fared


TAPE = [
    *START,
    ladder(2.5, {97: 90}, {98: 90}),
    mark(3.0, 97.0),
    ladder(4.5, {95: 90}, {96: 90}),
    mark(5.0, 95.0),
    ladder(6.5, {80: 90}, {81: 90}),
    mark(7.0, 90.0),
    delta(20.0, BUY, 10, 1),
]


def test_it_is_the_last_look_from_which_closing_saves() -> None:
    """Long 8 from 100 with 70: at 90 it breaks, at 7 s. Sold at 6 s, before the bids go to 80, 30 are left."""
    given = account(70.0, [cross(8)])
    found = way_out(given, TAPE)
    assert found == Exit(6 * S, 30.0, 7 * S)
    assert closed_at(given, TAPE, 6 * S).survived
    assert not closed_at(given, TAPE, 7 * S).survived


def test_a_message_takes_its_time() -> None:
    """With a second of latency and 0.2 s of reaction what is decided at 5 s arrives at 6.2 s, at 6 s it is too late."""
    slow = PLAIN._replace(order_latency_ns=S)
    assert way_out(account(70.0, [cross(8)]), TAPE, slow) == Exit(5 * S, 30.0, 6 * S)


def test_orders_do_not_open_it_again() -> None:
    """A bid of 4 at 96 would fill at 4.5 s: it goes, and so does what is decided later."""
    bid = limit_order(BUY, 4, 96)
    later = limit_order(BUY, 4, 90, at_ns=6_200_000_000)
    found = way_out(account(70.0, [cross(8)])._replace(orders=(bid, later)), TAPE)
    assert found is not None and found.by is not None
    assert closed_at(account(70.0, [cross(8)])._replace(orders=(bid, later)), TAPE, found.by).survived


def test_too_late_from_the_start() -> None:
    """Nobody bids above 80 from the start on: whenever it is sold, it is lost."""
    tape = [mark(1.0, 100.0), ladder(1.0, {80: 90}, {101: 90}), mark(3.0, 90.0), delta(20.0, BUY, 10, 1)]
    found = way_out(account(70.0, [cross(8)]), tape)
    assert found is not None and (found.by, found.equity_end) == (None, None)


def test_one_that_lives_has_none() -> None:
    assert way_out(account(700.0, [cross(8)]), TAPE) is None


def test_a_position_larger_than_an_order_goes_in_several() -> None:
    """8 lots and a bid of 2 in orders of at most 3; 10 lots of a unit at 100, 300 of notional at 1.5 times that: 2."""
    data = examples.market_data(PLAIN)
    given = account(70.0, [cross(8)])._replace(orders=(limit_order(BUY, 2, 96),))
    [market] = data.markets
    lots = data._replace(markets=(market._replace(max_market_lots=3),))
    money = data._replace(markets=(market._replace(max_market_quote=300.0),))
    assert (*_sizes(lots, given, 0, 100.0),) == (3, 3, 3, 1)
    assert (*_sizes(money, given, 0, 100.0),) == (2, 2, 2, 2, 2)


def test_what_cannot_be_closed_at_once_has_no_answer() -> None:
    data = examples.market_data(PLAIN)
    [market] = data.markets
    tiny, world = (
        data._replace(markets=(market._replace(max_market_lots=1),)),
        spec.World((account(70.0, [cross(800)]),)),
    )
    with pytest.raises(StopIteration) as over:
        next(last_exit(tiny, world, 0, [100.0], 0, S, 7 * S))
    assert over.value.value is None


def test_a_span_is_parted_evenly() -> None:
    assert _parted(0, 4) == [1, 2, 3]
    assert len(_parted(0, 100_000)) == 64
    assert _parted(3, 4) == []
