"""The outcome of a cell in one word, and what else its reader should look at."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from backtester.enums import CONDITIONAL, FillReason, GuardEvent, LiquidationStage, OrderReason, OrderStatus, Verdict
from backtester.metrics.reconcile import account_equity, uncovered
from backtester.report.flags import Flag
from backtester.run.result import ACTUAL, RunResult

#: Share of an account's equity at the start that counts as nothing.
DUST = 1e-9


def account_verdict(result: RunResult, account: int) -> Verdict:
    """The worst that happened to one account of ACTUAL; the first that holds.

    insolvent   its equity is below 0 at the end, or nothing is left of it and others bear what a pool lost beyond 0
    liquidated  the venue sent a liquidation order for it or took a position over, filled or not
    reduced     a conditional or a reduce-only order of the user made a position smaller
    alerted     a guard of it alerted
    survived    none of these
    """
    left = account_equity(result, account)
    if left < 0.0 or (account_deficit(result, account) > 0.0 and left <= DUST * account_equity(result, account, True)):
        return Verdict.INSOLVENT
    if (result.liquidations["account"] == account).any():
        return Verdict.LIQUIDATED
    if _was_reduced(result, account):
        return Verdict.REDUCED
    return Verdict.ALERTED if _was_alerted(result, account) else Verdict.SURVIVED


def _was_alerted(result: RunResult, account: int) -> bool:
    events = result.guard_events
    return bool(((events["account"] == account) & (events["event"] == GuardEvent.ALERT)).any())


def cell_verdict(result: RunResult) -> Verdict:
    """The worst of all accounts."""
    return min(account_verdict(result, account) for account in range(len(result.world.accounts)))


def account_deficit(result: RunResult, account: int) -> float:
    """Losses of an account that others bear, quote: what its pools were below 0 when settled or taken over, and what
    isolated ones are below 0 at the end."""
    pools = result.state.pools
    return math.fsum((*pools["deficit"][pools["account"] == account], uncovered(result, account)))


def _lost(result: RunResult, account: int) -> bool:
    """Whether an account lost as large a part of its equity as the portfolio calls severe, by whoever's orders."""
    before, after = (account_equity(result, account, at_start) for at_start in (True, False))
    return before > 0.0 and before - after >= result.portfolio.severe_loss.fraction * before


def _was_reduced(result: RunResult, account: int) -> bool:
    held = result.state.positions["lots_start"].tolist()
    for fill in result.fills[result.fills["account"] == account]:
        position, number, lots = int(fill["position"]), int(fill["order"]), int(fill["side"] * fill["lots"])
        smaller = held[position] * lots < 0
        held[position] += lots
        if number >= 0 and smaller:
            order = result.state.orders[number]
            if order["reduce_only"] or order["type"] in CONDITIONAL:
                return True
    return False


def flags(result: RunResult, exits: bool) -> Iterator[Flag]:
    """What deserves a second look, in this order. `exits`: whether the final order book takes what is left."""
    orders = result.state.orders[result.state.orders["world"] == ACTUAL]
    forced = result.liquidations[result.liquidations["world"] == ACTUAL]
    fills = result.fills[result.fills["world"] == ACTUAL]
    short = (orders["status"] == OrderStatus.CANCELLED) & np.isin(
        orders["reason"], (OrderReason.PRICE_BOUND, OrderReason.BEYOND_VISIBLE_DEPTH)
    )
    found = {
        Flag.SEVERE_LOSS: any(_lost(result, account) for account in range(len(result.world.accounts))),
        Flag.DEFICIT: any(account_deficit(result, account) > 0.0 for account in range(len(result.world.accounts))),
        Flag.TAKEN_OVER: (forced["stage"] == LiquidationStage.TAKEOVER).any(),
        Flag.ORDER_CUT_SHORT: short.any(),
        Flag.ORDER_REFUSED: (orders["status"] == OrderStatus.REJECTED).any(),
        Flag.ORDER_CANCELLED_BY_LIQUIDATION: (orders["reason"] == OrderReason.LIQUIDATION).any(),
        Flag.IN_FLIGHT_AT_END: (orders["status"] == OrderStatus.IN_FLIGHT).any(),
        Flag.FILLED_IN_A_PATH_STEP: (fills["reason"] == FillReason.PATH_STEP).any(),
        Flag.NO_EXIT_AT_END: not exits,
    }
    yield from (flag for flag, holds in found.items() if holds)
