"""Funding payments and liquidations find what is theirs, whatever happened at the same moment."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backtester.engine.spec import Step
from backtester.enums import Disposal, EventKind, ForcedAction
from backtester.metrics.names import Names
from backtester.metrics.trades import funding_payments, liquidation_reports
from backtester.run.result import RunResult
from tests.oracle.examples import (
    BUY,
    PLAIN,
    SECOND,
    SELL,
    delta,
    ladder,
    limit_order,
    mark,
    market_order,
    record,
    trade,
)
from tests.oracle.forced import rows
from tests.unit.report_runs import account, cross, finished, isolated

RULES = PLAIN._replace(funding_interval_ns=4 * SECOND)
START = [mark(1.0, 100.0), ladder(1.0, {99: 90}, {101: 90})]
END = [delta(9.0, BUY, 10, 1)]


def payments(result: RunResult) -> list[tuple[float, float]]:
    return [(each.size, each.amount) for each in funding_payments(result, Names(result))]


def test_each_payment_names_its_position() -> None:
    tape = [*START, record(4.0, EventKind.FUNDING, 0.01, 4), record(8.0, EventKind.FUNDING, -0.01, 4), *END]
    accounts = [account(400.0, [cross(8)]), account(400.0, [isolated(-3, 300.0)], name="short")]
    found = list(funding_payments(result := finished(accounts, tape, RULES), Names(result)))
    assert {each.position for each in found} == {"X"}
    assert [(each.account, each.size, each.amount) for each in found] == [
        ("main", 8.0, -8.0),
        ("short", -3.0, 3.0),
        ("main", 8.0, 8.0),
        ("short", -3.0, -3.0),
    ]
    assert [(each.rate, each.price, each.notional) for each in found[:2]] == [
        (0.01, 100.0, 800.0),
        (0.01, 100.0, 300.0),
    ]
    assert [each.rate for each in found[2:]] == [-0.01, -0.01]


def test_the_notional_of_a_payment_counts_the_multiplier_of_its_contract() -> None:
    tape = [*START, record(4.0, EventKind.FUNDING, 0.01, 4), *END]
    result = finished([account(400.0, [cross(-8)])], tape, RULES)
    doubled = result.instruments[0]._replace(tape=result.instruments[0].tape._replace(multiplier=2.0))
    result = replace(result, instruments=(doubled,))
    assert [each.notional for each in funding_payments(result, Names(result))] == [1_600.0, 1_600.0]


def test_a_trade_at_the_same_moment_comes_before_an_arrival_after() -> None:
    # At 4 s a trade fills the resting 2 before the funding time, the market order arrives behind it.
    orders = [limit_order(SELL, 2, 105), market_order(SELL, 3, at_s=4.0)]
    tape = [*START, trade(4.0, BUY, 106, 9), record(4.0, EventKind.FUNDING, 0.01, 4)]
    tape += [record(8.0, EventKind.FUNDING, 0.01, 4), *END]
    result = finished([account(400.0, [cross(8)], orders)], tape, RULES)
    assert [size for size, _ in payments(result)] == [6.0, 3.0]


def test_orders_of_one_moment_have_the_worst_price_of_their_own() -> None:
    """At 89 equity is 12 and maintenance above it: a quarter at the best bid, the rest of it at the next."""
    quarter, rest = Step(ForcedAction.ORDER, share=0.25, bound=0.5), Step(ForcedAction.ORDER, bound=0.5)
    tape = [*START, ladder(2.5, {89: 2, 88: 90}, {90: 9}), mark(3.0, 89.0), *END]
    result = finished([account(100.0, [cross(8)])], tape, PLAIN._replace(liquidation=(quarter, rest)))
    found = [*liquidation_reports(result, Names(result))]
    assert [(each.ts.ts_ns, each.filled_size, each.worst_price) for each in found] == [
        (3 * SECOND, 2.0, 89.0),
        (3 * SECOND, 6.0, 88.0),
    ]


def test_after_a_takeover_there_is_nothing_to_charge_until_a_new_position() -> None:
    rules = RULES._replace(liquidation=rows(below=0.9, disposal=Disposal.HOLD))
    places, orders = [isolated(8, 100.0)], [market_order(BUY, 1, at_s=5.0)]
    tape = [*START, ladder(2.5, {89: 1}, {90: 1}), mark(3.0, 89.5), record(4.0, EventKind.FUNDING, 0.01, 4)]
    tape += [record(8.0, EventKind.FUNDING, 0.01, 4), *END]
    result = finished([account(400.0, places, orders)], tape, rules)
    [payment] = payments(result)
    assert payment == pytest.approx((1.0, -0.895))
