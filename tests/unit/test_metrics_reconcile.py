"""The money adds up, and a report refuses to be made when it does not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from backtester.engine import spec
from backtester.enums import LedgerKind, OrderType, Party, TimeInForce
from backtester.errors import BacktesterError, ExitCode
from backtester.metrics.reconcile import reconcile
from backtester.run.result import RunResult
from tests.oracle.examples import BUY, PLAIN, delta, ladder, mark
from tests.unit.report_runs import account, build_report, cross, finished, isolated


def crash() -> RunResult:
    """A cross and an isolated long that go under; a fund that cannot pay for all of it."""
    tape = [
        mark(1.0, 100.0),
        ladder(1.0, {99: 90}, {101: 90}),
        ladder(2.5, {60: 90}, {62: 90}),
        mark(3.0, 61.0),
        delta(5.0, BUY, 10, 1),
    ]
    rules = PLAIN._replace(taker_fee=0.0005)
    accounts = [account(300.0, [cross(8)]), account(250.0, [isolated(8, 200.0)], name="fenced")]
    return finished(accounts, tape, rules, insurance=50.0, liquidation_fee=0.005)


def test_an_honest_run_passes_with_next_to_no_error() -> None:
    result = crash()
    assert len(result.liquidations) == 2
    assert (result.ledger["kind"] == LedgerKind.DEFICIT).any()
    assert max(reconcile(result)) < 1e-9


def tampered_amount(result: RunResult) -> None:
    result.ledger["amount"][0] += 1.0


def dropped_row(result: RunResult) -> None:
    result.ledger["amount"][result.ledger["kind"] == LedgerKind.FEE] = 0.0


def other_party(result: RunResult) -> None:
    result.ledger["party"][result.ledger["kind"] == LedgerKind.FEE] = Party.MARKET


def pool_balance(result: RunResult) -> None:
    result.state.pools["balance"][0] += 0.01


def party_balance(result: RunResult) -> None:
    result.state.parties[0, 0, Party.VENUE_FEES] -= 0.01


def lost_cost(result: RunResult) -> None:
    result.state.positions["cost_start"][0] += 1.0


def lost_pnl(result: RunResult) -> None:
    result.fills["realised"][0] += 0.01


def lost_fill(result: RunResult) -> None:
    result.fills["lots"][0] -= 1


def equity_at_start(result: RunResult) -> None:
    result.state.accounts["equity_start"][0] += 0.01


def not_a_number(result: RunResult) -> None:
    result.ledger["balance"][0] = np.nan


TAMPERINGS = [
    tampered_amount,
    dropped_row,
    other_party,
    pool_balance,
    party_balance,
    lost_cost,
    lost_pnl,
    lost_fill,
    equity_at_start,
    not_a_number,
]


@pytest.mark.parametrize("tamper", TAMPERINGS)
def test_any_tampering_is_an_engine_fault(tamper: Callable[[RunResult], None]) -> None:
    result = crash()
    tamper(result)
    with pytest.raises(BacktesterError) as caught:
        build_report([result])
    assert caught.value.exit_code is ExitCode.ENGINE


def test_all_that_is_wrong_is_said_at_once() -> None:
    result = crash()
    pool_balance(result)
    party_balance(result)
    with pytest.raises(BacktesterError) as caught:
        reconcile(result)
    text = str(caught.value)
    assert "pool 0" in text
    assert "venue_fees" in text


@pytest.mark.parametrize("collateral", [1e2, 1e5, 1e7, 1e10])
@pytest.mark.parametrize("fund", [0.0, 1.04e9, 1e12])
def test_large_balances_do_not_make_small_amounts_wrong(collateral: float, fund: float) -> None:
    """A cent more or less beside a billion is no fault of the books; a cent that is gone is."""
    rules = PLAIN._replace(taker_fee=0.00045)
    tape = [mark(1.0, 100.0), ladder(1.0, {99: 90}, {101: 90}), mark(3.0, 100.0), delta(5.0, BUY, 10, 1)]
    order = spec.Order("in", 0, OrderType.MARKET, TimeInForce.IOC, BUY, 1)
    fenced = account(collateral, [isolated(8, 1.1)], name="fenced")  # liquidated, and the fund pays
    result = finished([account(collateral, [cross(0)], [order]), fenced], tape, rules, insurance=fund)
    reconcile(result)
    for number in range(len(result.ledger)):
        honest = result.ledger["amount"][number]
        result.ledger["amount"][number] = honest + 0.01
        with pytest.raises(BacktesterError):
            reconcile(result)
        result.ledger["amount"][number] = honest
