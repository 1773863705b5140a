"""Limits on what the guards of an account send (RULES 11.6)."""

from __future__ import annotations

import math

import numpy as np

from backtester.engine.guards.notes import note_order
from backtester.engine.guards.sizes import notional_seen
from backtester.engine.guards.view import view_of
from backtester.engine.jit import helper
from backtester.engine.state import NEVER_NS, NONE
from backtester.engine.value import walked, worth
from backtester.enums import GuardEvent, Limit, OrderReason, OrderStatus, PriceSeries

#: The limits in the order in which they are judged.
_FIRST, _LAST = int(Limit.HALTED), int(Limit.MAX_ORDERS)
#: More lots than there are.
_ANY = 1 << 60
_HAIR = 1e-9


@helper
def settle(m, w, t: int, account: int) -> None:
    """Count what became of the orders that were sent; those that have ended leave the list. It may halt them all."""
    a = w.automations[account]
    before, number = np.int64(0), a["sent"]
    while number != 0:
        o = w.orders[number - 1]
        if o["status"] < OrderStatus.FILLED:
            before = number
        elif before == 0:
            a["sent"] = o["account_next"]
        else:
            w.orders[before - 1]["account_next"] = o["account_next"]
        if o["status"] >= OrderStatus.FILLED:
            _count(m, w, a, o)
        number = o["account_next"]
    _halt(w, a, t, account)


@helper
def _count(m, w, a: np.void, o: np.void) -> None:
    """What an order lost against the mark that was seen when it was decided, and whether it filled at all."""
    g = w.guards[o["guard"]]
    if o["filled"] > 0:
        unit, tick_size = m.markets[o["market"]]["unit"], m.instruments[o["instrument"]]["tick_size"]
        paid = walked(o["fill_value"], unit, tick_size) - worth(o["filled"], unit, o["guard_mark"])
        a["loss"] += o["side"] * paid + o["fee"]
        g["empty"] = 0
    elif o["reason"] != OrderReason.VENUE_REFUSED and o["reason"] != OrderReason.REDUCE_ONLY_VOID:
        g["empty"] += 1


@helper
def _halt(w, a: np.void, t: int, account: int) -> None:
    """Halt what loses too much, or does not fill; when that is over it begins anew."""
    owner = w.accounts[account]
    guards = w.guards[owner["guard_first"] : owner["guard_first"] + owner["guard_count"]]
    if a["halted_until"] != 0 and t >= a["halted_until"]:
        a["halted_until"] = 0
        a["loss"] = 0.0
        for g in guards:
            g["empty"] = 0
    if a["halted_until"] == 0:
        is_over = a["loss"] > a["kill_loss"]
        for g in guards:
            is_over = is_over or 0 < a["kill_empty"] <= g["empty"]
        if is_over:
            a["halted_until"] = t + a["resume_ns"] if a["resume_ns"] > 0 else NEVER_NS


@helper
def allowed(m, w, c: np.void, t: int, i: int, p: int, lots: int) -> int:
    """Lots of those that guard `i` wants to close of position `p` that may go out; a row of each limit that lets fewer.

    Example: 300 of 500 may be sent: a row HELD by MAX_NOTIONAL, 500 wanted, 300 left.
    """
    if w.worlds[w.positions[p]["world"]]["limits"] == 0:
        return lots
    for limit in range(_FIRST, _LAST + 1):
        left = min(lots, _most(m, w, t, w.guards[i]["account"], p, limit))
        if left < lots:
            note_order(w, c, t, i, GuardEvent.HELD, limit, NONE, p, lots, left)
        lots = left
        if lots == 0:
            break
    return lots


@helper
def remember(w, account: int, number: int) -> None:
    """An order was sent: it is the last one of its account, and one of those that still live."""
    a = w.automations[account]
    w.recent[_oldest(a)] = number + 1
    a["count"] += 1
    before, following = np.int64(0), a["sent"]
    while following != 0:
        before, following = following, w.orders[following - 1]["account_next"]
    if before == 0:
        a["sent"] = number + 1
    else:
        w.orders[before - 1]["account_next"] = number + 1


@helper
def _oldest(a: np.void) -> int:
    """Slot of the order that is the longest ago of those that are remembered."""
    return a["recent_first"] + a["count"] % a["max_orders"]


@helper
def _most(m, w, t: int, account: int, p: int, limit: int) -> int:
    """The most lots of position `p` that a limit lets go out in one order."""
    a = w.automations[account]
    x = w.positions[p]
    k, v = m.markets[x["market"]], view_of(m, w, x)
    if limit == Limit.HALTED:
        return 0 if a["halted_until"] != 0 else _ANY
    if limit == Limit.STALE:
        return 0 if a["stale_ns"] > 0 and (np.isnan(v["mark"]) or t - v["ts"] > a["stale_ns"]) else _ANY
    if limit == Limit.COLLAR:
        other = v["last"] if a["collar_by"] == PriceSeries.LAST else v["index"]
        return _ANY if a["collar"] == np.inf or abs(v["mark"] / other - 1.0) <= a["collar"] else 0
    if limit == Limit.MAX_ORDER:
        return _fitting(worth(1, k["unit"], v["mark"]), a["max_order"])
    if limit == Limit.MAX_NOTIONAL:
        return _fitting(worth(1, k["unit"], v["mark"]), _budget(m, w, t, account))
    number = w.recent[_oldest(a)]
    return 0 if number != 0 and t - w.orders[number - 1]["decision_ts"] < a["window_ns"] else _ANY


@helper
def _fitting(lot: float, quote: float) -> int:
    """Whole lots that are worth no more than so much; none where that is not known."""
    if quote == np.inf:
        return _ANY
    return math.floor(min(quote / lot + _HAIR, float(_ANY))) if quote > 0.0 else 0


@helper
def _budget(m, w, t: int, account: int) -> float:
    """Notional that may still be sent within the window: of orders that have ended what they filled counts.

    Example: of 40 % of 1,000,000 after 300,000 that have filled 0.4 · (700,000 + 300,000) - 300,000 = 100,000.
    """
    a = w.automations[account]
    if a["max_notional"] == np.inf and a["max_share"] == np.inf:
        return np.inf
    sent, closed = 0.0, 0.0
    for slot in range(a["recent_first"], a["recent_first"] + a["max_orders"]):
        if w.recent[slot] != 0:
            o = w.orders[w.recent[slot] - 1]
            if t - o["decision_ts"] < a["window_ns"]:
                lots = o["filled"] if o["status"] >= OrderStatus.FILLED else o["lots"]
                value = worth(lots, m.markets[o["market"]]["unit"], o["guard_mark"])
                sent += value
                closed += value if o["status"] >= OrderStatus.FILLED else 0.0
    if a["max_share"] == np.inf:
        return a["max_notional"] - sent
    owner = w.accounts[account]
    last = w.pools[owner["pool_first"] + owner["pool_count"] - 1]
    behind = last["position_first"] + last["position_count"]
    gross = notional_seen(m, w, w.pools[owner["pool_first"]]["position_first"], behind)
    return min(a["max_notional"], a["max_share"] * (gross + closed)) - sent
