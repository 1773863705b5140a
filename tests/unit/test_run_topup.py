"""What would have saved an account, seen to save it: by worlds with that much more, and with a little less."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from backtester.engine import spec
from backtester.run.result import TopUp
from tests.oracle.examples import BUY, PLAIN, SELL, delta, ladder, limit_order, mark, market_order, trade
from tests.unit.report_runs import Tape, account, cross, finished, isolated

START = [mark(1.0, 100.0), ladder(1.0, {99: 90}, {101: 90})]
END = [delta(20.0, BUY, 10, 1)]


def topup(accounts: Sequence[spec.Account], tape: Tape, rules: spec.Rules = PLAIN) -> TopUp | None:
    """Of the first account."""
    return finished(accounts, tape, rules).saved[0].topup


def survives(given: spec.Account, tape: Tape, rules: spec.Rules = PLAIN) -> bool:
    return topup([given], tape, rules) is None


def test_nothing_for_an_account_that_lives() -> None:
    assert topup([account(400.0, [cross(8)])], [*START, mark(3.0, 90.0), *END]) is None


def test_a_position_alone_needs_what_it_lacked() -> None:
    """Long 8 from 100 at a mark of 90: loss 80, maintenance 22.50; 50 are 52.50 short."""
    found = topup([account(50.0, [cross(8)])], [*START, mark(3.0, 90.0), *END])
    assert found is not None
    assert (found.amounts, found.equity_end, found.limit) == ((52.5,), 50.0 - 80.0, 800.0)
    assert 0.99 * 52.5 - 1e-9 <= found.too_little < 52.5


def test_each_pool_gets_its_own_part() -> None:
    """Fenced 8 with 50: at 95 equity 10, maintenance 23.75; at 90 −30 and 22.5: 52.5. Cross 8 with 100: 2.5."""
    tape = [*START, ladder(2.5, {95: 90}, {97: 90}), mark(3.0, 95.0), mark(6.0, 90.0), *END]
    found = topup([account(150.0, [cross(8), isolated(8, 50.0)])], tape)
    assert found is not None and found.amounts == (2.5, 52.5)


def resting_bid(balance: float) -> spec.Account:
    """Long 4 with a bid for 40 more at 96, which is refused unless there is margin for it (leverage 10)."""
    return account(balance, [cross(4)], [limit_order(BUY, 40, 96)])


FALL = [*START, ladder(3.0, {97: 90}, {98: 90}), trade(4.0, SELL, 95, 90), mark(5.0, 80.0), *END]


def test_money_that_lets_a_refused_order_fill_is_part_of_the_need() -> None:
    """Without the bid 4 · 20 + 10 = 90 would do; with it 44 · 2.5 of maintenance and 40 · 16 of loss come on top."""
    rules = PLAIN._replace(margin_at_match=True)
    lost = topup([resting_bid(30.0)], FALL, rules)
    assert lost is not None and lost.amounts is not None
    needed = lost.amounts[0]
    assert survives(resting_bid(30.0 + needed), FALL, rules)
    assert not survives(resting_bid(30.0 + 0.99 * needed), FALL, rules)
    assert survives(resting_bid(30.0 + 1.0001 * needed), FALL, rules)
    assert needed > 500.0  # what was missing without the fill: 60


def test_money_that_a_partial_close_hands_back_is_part_of_the_need() -> None:
    """Half of the isolated position is sold before the low: half of what was added goes back to the cross pool."""
    order = market_order(SELL, 4, at_s=3.0, reduce_only=True)
    tape = [*START, mark(6.0, 85.0), *END]
    lost = topup([account(1_000.0, [isolated(8, 40.0)], [order])], tape)
    assert lost is not None and lost.amounts is not None
    extra = lost.amounts[1]

    def fenced(more: float) -> spec.Account:
        return account(1_000.0 + more, [isolated(8, 40.0 + more)], [order])

    assert survives(fenced(extra), tape) and not survives(fenced(0.99 * extra), tape)
    assert extra == 2 * (4 * 15 + 4 * 85 / 32 - 20)


def test_two_passes_are_enough_where_buffers_grow_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backtester.run.topup.PASSES", 2)
    test_money_that_a_partial_close_hands_back_is_part_of_the_need()
    test_each_pool_gets_its_own_part()


def test_an_account_that_nothing_saves_says_so() -> None:
    """Two lots short against a mark that rises fivefold lose more than they are worth."""
    found = topup([account(50.0, [cross(-2)])], [*START, ladder(2.0, {499: 90}, {501: 90}), mark(3.0, 500.0), *END])
    assert found == TopUp(None, 200.0, None, 200.0)


def test_the_answer_is_the_same_whatever_else_runs() -> None:
    tape = [*START, mark(3.0, 90.0), *END]
    alone = topup([account(50.0, [cross(8)])], tape)
    beside = topup([account(50.0, [cross(8)]), account(20.0, [cross(-3)], name="hedge")], tape)
    assert alone == beside


@pytest.mark.parametrize("balance", [0.5, 50.0, 5e6])
def test_an_amount_is_as_fine_as_the_account(balance: float) -> None:
    lots = 8 * round(balance / 50.0) or 1
    price = 80.0 if lots > 1 else 99.75
    found = topup([account(balance, [cross(lots)])], [*START, ladder(2.0, {60: 90}, {99: 90}), mark(3.0, price), *END])
    assert found is not None and found.amounts is not None
    exact = lots * (100.0 - price) + lots * price / 32 - balance
    assert 0.0 <= found.amounts[0] - exact < min(0.02, 2e-6 * max(balance, 1.0))
    assert not math.isnan(found.limit)
