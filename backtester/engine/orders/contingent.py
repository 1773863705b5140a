"""How orders end, and what that does to others: groups, children, plans (RULES 4.6, 4.7)."""

from __future__ import annotations

import numpy as np

from backtester.engine.jit import helper
from backtester.engine.orders.queue import unrest
from backtester.engine.state import DECISION
from backtester.engine.time.agenda import schedule
from backtester.enums import After, OrderReason, OrderStatus, OrderType


@helper
def unfollow(w, h: int, order: int) -> None:
    """Take a trailing order out of the list of heap `h`, if it is in it."""
    o = w.orders[order]
    if o["prev"] == 0:
        return
    heap = w.heaps[h]
    if heap["followers"] == order + 1:
        heap["followers"] = o["next"]
        if o["next"] != 0:
            w.orders[o["next"] - 1]["prev"] = o["prev"]
    else:
        w.orders[o["prev"] - 1]["next"] = o["next"]
        if o["next"] != 0:
            w.orders[o["next"] - 1]["prev"] = o["prev"]
        else:
            w.orders[heap["followers"] - 1]["prev"] = o["prev"]
    o["prev"] = 0


@helper
def _end(m, w, ts: int, order: int, status: int, reason: int) -> None:
    """End one order, wherever it is, and tell its plan."""
    o = w.orders[order]
    if o["status"] == OrderStatus.RESTING:
        unrest(m, w, order)
    elif o["type"] == OrderType.TRAILING_STOP:
        unfollow(w, o["heap"], order)
    if o["plan"] >= 0:
        plan = w.plans[o["plan"]]
        i = m.instruments[o["instrument"]]
        if o["decision_ts"] >= 0:
            plan["committed"] -= o["lots"] - o["filled"]
        plan["end_ts"] = ts
        plan["end_mid2"] = i["mid2"]
        plan["end_traded"] = i["traded"]
        plan["end_value"] = i["traded_value"]
    o["status"] = status
    o["reason"] = reason
    o["done_ts"] = ts


@helper
def _lets_go(parent: np.void, after: int) -> bool:
    """Whether what became of `parent` lets its child go."""
    if after == After.ALL:
        return parent["status"] == OrderStatus.FILLED
    return after == After.END or parent["filled"] > 0


@helper
def _release(m, w, c: np.void, ts: int, first: int, last: int) -> None:
    """See to the children of orders that have ended: they are decided, or end as well, and so on down the tree.

    first, last: number + 1 of the ends of a list of them, 0 for none. It is threaded by `ended_next` and grows on the
    way, because a kernel cannot call itself.
    """
    while first != 0:
        parent = w.orders[first - 1]
        child = parent["child"]
        while child != 0:
            o = w.orders[child - 1]
            if o["status"] == OrderStatus.PENDING and not _lets_go(parent, o["after"]):
                _end(m, w, ts, np.int64(child - 1), OrderStatus.CANCELLED, OrderReason.PARENT_ENDED)
                if o["child"] != 0:
                    w.orders[last - 1]["ended_next"] = child
                    last = child
            elif o["status"] == OrderStatus.PENDING and o["after"] != After.FIRST:  # such a one went with the fill
                schedule(w, c, np.int64(child - 1), ts, DECISION)
            child = o["sibling"]
        first = parent["ended_next"]


@helper
def finish_order(m, w, c: np.void, ts: int, order: int, status: int, reason: int) -> None:
    """End an order and see to its children."""
    _end(m, w, ts, order, status, reason)
    if w.orders[order]["child"] != 0:
        _release(m, w, c, ts, order + 1, order + 1)


@helper
def cancel_others(m, w, c: np.void, ts: int, order: int) -> None:
    """An order of a group fired or filled: the others of the group end, then their children are seen to."""
    i = w.orders[order]["oco_next"]
    first, last = np.int64(0), np.int64(0)
    while i != 0 and i != order + 1:
        o = w.orders[i - 1]
        if o["status"] < OrderStatus.FILLED:
            _end(m, w, ts, np.int64(i - 1), OrderStatus.CANCELLED, OrderReason.OCO)
            if o["child"] != 0 and first == 0:
                first, last = i, i
            elif o["child"] != 0:
                w.orders[last - 1]["ended_next"] = i
                last = i
        i = o["oco_next"]
    _release(m, w, c, ts, first, last)


@helper
def note_fill(m, w, c: np.void, ts: int, order: int, lots: int) -> None:
    """An order filled `lots`: the others of its group end; at its first fill, children that wait for it are decided."""
    cancel_others(m, w, c, ts, order)
    if w.orders[order]["filled"] != lots:
        return
    child = w.orders[order]["child"]
    while child != 0:
        o = w.orders[child - 1]
        if o["status"] == OrderStatus.PENDING and o["after"] == After.FIRST:
            schedule(w, c, np.int64(child - 1), ts, DECISION)
        child = o["sibling"]
