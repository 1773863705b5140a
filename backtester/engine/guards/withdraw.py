"""Guards that cancel orders of their account, and pause what opens (RULES 11.5)."""

from __future__ import annotations

import numpy as np

from backtester.engine.guards.notes import note, note_order
from backtester.engine.jit import helper
from backtester.engine.orders.contingent import finish_order
from backtester.engine.orders.latency import CANCELLED, client_arrival
from backtester.engine.orders.pausing import opens
from backtester.engine.orders.submission import is_armed_at_client, is_live
from backtester.engine.state import CANCEL, NONE
from backtester.engine.time.agenda import schedule
from backtester.enums import GuardDo, GuardEvent, GuardScope, Hold, Limit, OrderReason, OrderStatus, Withdraw


@helper
def withdraw(m, w, c: np.void, t: int, i: int, action: np.void) -> None:
    """Cancel orders of the account of guard `i`, and pause those to come; nothing of it while all are halted."""
    g = w.guards[i]
    owner, automation = w.accounts[g["account"]], w.automations[g["account"]]
    if automation["halted_until"] != 0:
        note_order(w, c, t, i, GuardEvent.HELD, Limit.HALTED, NONE, NONE, 0, 0)
        return
    pauses = action["do"] == GuardDo.PAUSE
    if pauses:
        automation["paused_until"] = max(automation["paused_until"], t + action["ns"])
        note(w, c, t, i, GuardEvent.PAUSE, Hold.NONE)
    cancelled = 0
    for number in range(owner["order_first"], owner["order_first"] + owner["order_count"]):
        o = w.orders[number]
        if is_live(o) and o["cancelled_by"] == 0 and _is_meant(w, o, action):
            note_order(w, c, t, i, GuardEvent.CANCEL, Limit.NONE, number, o["position"], 0, 0)
            _cancel(m, w, c, t, i, number)
            cancelled += 1
    if cancelled == 0 and not pauses:
        note(w, c, t, i, GuardEvent.NOTHING, Hold.NONE)


@helper
def _cancel(m, w, c: np.void, t: int, i: int, order: int) -> None:
    """Cancel an order: at once what is still with the client, otherwise a message goes to the venue (RULES 1.5)."""
    o, reaction_ns = w.orders[order], w.guards[i]["reaction_ns"]
    if is_armed_at_client(o):
        finish_order(m, w, c, t, order, OrderStatus.CANCELLED, OrderReason.GUARD)
    else:
        o["cancelled_by"] = i + 1
        schedule(w, c, order, client_arrival(m, w, c, o, t, reaction_ns, CANCELLED), CANCEL)


@helper
def _is_meant(w, o: np.void, action: np.void) -> bool:
    """Whether an action is about an order; a PAUSE about those that open."""
    if action["scope"] == GuardScope.MARKET and o["market"] != action["place"]:
        return False
    if action["orders"] == Withdraw.RESTING:
        return o["status"] == OrderStatus.RESTING
    return action["orders"] == Withdraw.ALL or opens(w, o)
