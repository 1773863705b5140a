"""Self-trade prevention: own resting orders that an arriving one would meet (RULES 3.7)."""

from __future__ import annotations

import numpy as np

from backtester.engine.book.ladder import beyond, outward
from backtester.engine.book.walk import measure
from backtester.engine.jit import helper
from backtester.engine.orders.contingent import finish_order
from backtester.engine.state import NONE
from backtester.enums import OrderReason, OrderStatus, SelfTrade, TimeInForce


@helper
def _meets(m, w, ts: int, o: np.void, other: np.void, k: int, limit: int, lots: int) -> bool:
    """Whether arriving `o`, for `lots` up to `limit` on side `k`, comes to the price of resting `other` of its account.

    Example: asks 10×3, 11×5, an own sell at 11: 4 lots come to it, 3 do not.
    """
    if other["instrument"] != o["instrument"] or other["side"] == o["side"] or beyond(k, other["limit_tick"], limit):
        return False
    better = other["limit_tick"] - outward(k)
    got, _, _, _ = measure(m, w, ts, o["world"], k, m.markets[o["market"]]["rules"], better, lots)
    return got < lots


@helper
def nearest_met(m, w, ts: int, order: int, k: int, limit: int, lots: int) -> np.int64:
    """Best tick of an own order that is met, or NONE."""
    o = w.orders[order]
    best = NONE
    side = m.sides[k]
    if side["own_count"] == 0 or beyond(k, side["own_best"], limit) or o["tif"] == TimeInForce.POST_ONLY:
        return best
    i = w.accounts[o["account"]]["resting"]
    while i != 0:
        other = w.orders[i - 1]
        if _meets(m, w, ts, o, other, k, limit, lots) and (best == NONE or beyond(k, best, other["limit_tick"])):
            best = other["limit_tick"]
        i = other["account_next"]
    return best


@helper
def walk_limit(rule: int, k: int, limit: int, met: np.int64) -> int:
    """Where the walk of an order ends that meets an own one at tick `met`."""
    stops = met != NONE and (rule == SelfTrade.CANCEL_TAKER or rule == SelfTrade.CANCEL_BOTH)
    return int(met) - outward(k) if stops else limit


@helper
def cancel_met(m, w, c: np.void, ts: int, order: int, rule: int, k: int, limit: int, lots: int, met: int) -> None:
    """Cancel the resting orders that the rule lets go: all that are met, or those at tick `met`."""
    o = w.orders[order]
    if met == NONE or rule == SelfTrade.CANCEL_TAKER or rule == SelfTrade.NONE:
        return
    i = w.accounts[o["account"]]["resting"]
    while i != 0:
        other = w.orders[i - 1]
        following = other["account_next"]
        goes = other["limit_tick"] == met or rule == SelfTrade.CANCEL_MAKER
        if goes and _meets(m, w, ts, o, other, k, limit, lots):
            finish_order(m, w, c, ts, np.int64(i - 1), OrderStatus.CANCELLED, OrderReason.SELF_TRADE)
        i = following
