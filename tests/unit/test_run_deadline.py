"""By when a top-up saves: at that moment it does, a little later it does not."""

from __future__ import annotations

import pytest

from backtester.engine import spec
from backtester.engine.state import DEFAULT_CAPACITIES
from backtester.run.deadline import _between, _moments
from backtester.run.edge import Edge
from backtester.run.result import TopUp
from backtester.run.tries import Fared, Payment, Question, Search, Trial, answers
from tests.oracle import examples
from tests.oracle.examples import BUY, PLAIN, SELL, delta, ladder, limit_order, mark, market_order, trade
from tests.unit.report_runs import Tape, account, cross, finished, isolated

S = 1_000_000_000
START = [mark(1.0, 100.0), ladder(1.0, {99: 90}, {101: 90})]
END = [delta(20.0, BUY, 10, 1)]


def topup(given: spec.Account, tape: Tape, rules: spec.Rules = PLAIN) -> TopUp:
    found = finished([given], tape, rules).saved[0].topup
    assert found is not None
    return found


def paid(given: spec.Account, tape: Tape, *payments: Payment, rules: spec.Rules = PLAIN) -> Fared:
    """How an account fares that is paid on the way."""
    data, world = examples.market_data(rules), spec.World((given,))
    inputs = examples.case(data, (world,), tape)

    def once() -> Search[Fared]:
        [fared] = yield [Trial(world, payments)]
        return fared

    [fared] = answers([Question(0, once())], data, lambda: [inputs.events], DEFAULT_CAPACITIES)
    return fared


def test_a_pool_is_saved_until_the_check_at_which_it_breaks() -> None:
    """Long 8 from 100 with 50: at 3 s the mark is 90, loss 80, maintenance 22.50: 52.50 short."""
    given, tape = account(50.0, [cross(8)]), [*START, mark(3.0, 90.0), *END]
    assert topup(given, tape).by == (3 * S,)
    assert paid(given, tape, Payment(3 * S, 0, 52.5)).survived
    assert not paid(given, tape, Payment(3 * S, 0, 52.49)).survived
    assert not paid(given, tape, Payment(3 * S + 1, 0, 52.5)).survived


def test_each_pool_has_a_moment_of_its_own() -> None:
    """Fenced 8 with 50 breaks at 95, at 3 s: equity 10, maintenance 23.75. Cross 8 with 100 at 90, at 6 s."""
    given = account(150.0, [cross(8), isolated(8, 50.0)])
    tape = [*START, ladder(2.5, {95: 90}, {97: 90}), mark(3.0, 95.0), mark(6.0, 90.0), *END]
    found = topup(given, tape)
    assert (found.amounts, found.by) == ((2.5, 52.5), (6 * S, 3 * S))
    assert paid(given, tape, Payment(6 * S, 0, 2.5), Payment(3 * S, 1, 52.5)).survived


def test_what_is_handed_on_has_to_be_there_by_then() -> None:
    """Fenced 8 with 40, of which 4 are sold at 3 s: half of what it has goes to the cross pool, a long 8 with 90.

    At 85 the cross pool needs 120 + 21.25, and has 90 + 20: it lives on half of the 101.25 that the fenced one needs.
    """
    order = market_order(SELL, 4, at_s=3.0, reduce_only=True)._replace(position=1)
    given, tape = account(130.0, [cross(8), isolated(8, 40.0)], [order]), [*START, mark(6.0, 85.0), *END]
    found = topup(given, tape)
    assert (found.amounts, found.by) == ((0.0, 101.25), (None, 3 * S))
    assert paid(given, tape, Payment(3 * S, 1, 101.25)).survived
    assert not paid(given, tape, Payment(4 * S, 1, 101.25)).survived


def test_the_end_is_that_of_money_paid_at_the_last_moment() -> None:
    """A bid for 40 at 96 is refused for lack of margin: with the money from the start it fills at 4 s and loses."""
    given = account(30.0, [cross(4)], [limit_order(BUY, 40, 96)])
    tape = [*START, ladder(3.0, {97: 90}, {98: 90}), trade(4.0, SELL, 95, 90), mark(5.0, 80.0), *END]
    found = topup(given, tape, PLAIN._replace(margin_at_match=True))
    assert found.by == (5 * S,)
    assert found.equity_end == 30.0 - 4 * 20.0


def test_nothing_saves_at_no_moment() -> None:
    lost = topup(account(50.0, [cross(-2)]), [*START, ladder(2.0, {499: 90}, {501: 90}), mark(3.0, 500.0), *END])
    assert (lost.amounts, lost.by) == (None, None)


@pytest.mark.parametrize("ts", [1 * S + 1, 2 * S, 3 * S, 3 * S + 1, 4 * S + S // 2, 19 * S])
def test_a_payment_of_nothing_changes_nothing(ts: int) -> None:
    orders = [limit_order(BUY, 4, 97), market_order(SELL, 4, at_s=4.0)]
    given = account(900.0, [cross(8)], orders)
    tape = [*START, ladder(3.0, {97: 9}, {98: 9}), trade(4.0, SELL, 96, 12), mark(5.0, 80.0), *END]
    assert paid(given, tape, Payment(ts, 0, 0.0)) == paid(given, tape)


def test_moments_come_nearer_to_a_breach_and_go_on_behind_it() -> None:
    assert _moments(0, 5 * S)[:8] == [0, 1 * S, 3 * S, 4 * S, 5 * S, 5 * S + 1, 6 * S, 7 * S]
    assert _moments(0, 0)[:3] == [0, 1, S]
    assert _moments(S // 2, 5 * S)[:2] == [S, 3 * S]


def test_a_span_is_parted_evenly_once() -> None:
    assert _between(Edge(4 * S, None, 8 * S)) == [5 * S, 6 * S, 7 * S]
    assert len(_between(Edge(0, None, 1000 * S))) == 16
    assert _between(Edge(5 * S, None, 5 * S + 1)) == []
    assert _between(Edge(5 * S, None, None)) == ()
