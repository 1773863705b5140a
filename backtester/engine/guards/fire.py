"""When guards fire, and what becomes of it (RULES 11.4)."""

from __future__ import annotations

import numpy as np

from backtester.engine.guards.actions import act
from backtester.engine.guards.conditions import judge
from backtester.engine.guards.drills import is_broken, note_drill
from backtester.engine.guards.limits import settle
from backtester.engine.guards.metrics import account_seen, keep_seen
from backtester.engine.guards.notes import note
from backtester.engine.jit import helper
from backtester.engine.state import NEVER_NS
from backtester.enums import Drill, GuardEvent, Hold, OrderStatus, Rearm


@helper
def work_account(m, w, c: np.void, t: int, account: int) -> None:
    """Look at the guards of an account, in order; there is a row for each of them. At the start nothing is judged."""
    a = w.accounts[account]
    if t <= w.worlds[a["world"]]["drill_from"]:
        keep_seen(m, w, account)
    note_drill(w, account, t)
    a["equity_high"] = max(a["equity_high"], account_seen(m, w, account))
    if t <= c["start_ts"]:
        return
    settle(m, w, t, account)
    guards = w.guards[a["guard_first"] : a["guard_first"] + a["guard_count"]]
    if not _is_exposed(w, account):
        for g in guards:
            _clear_clocks(w, g)
        return
    for i in range(a["guard_first"], a["guard_first"] + a["guard_count"]):
        _look(m, w, c, t, i)


@helper
def _is_exposed(w, account: int) -> bool:
    """Whether an account holds lots, or has orders that have not ended and was not liquidated."""
    a = w.accounts[account]
    was_liquidated = False
    for pool in w.pools[a["pool_first"] : a["pool_first"] + a["pool_count"]]:
        was_liquidated = was_liquidated or pool["rounds"] > 0
        for x in w.positions[pool["position_first"] : pool["position_first"] + pool["position_count"]]:
            if x["lots"] != 0:
                return True
    if was_liquidated:
        return False
    live = 1 if w.automations[account]["sent"] != 0 else 0
    for o in w.orders[a["order_first"] : a["order_first"] + a["order_count"]]:
        live += 1 if o["status"] < OrderStatus.FILLED else 0
    return live > 0


@helper
def _clear_clocks(w, g: np.void) -> None:
    for op in w.guard_ops[g["op_first"] : g["op_first"] + g["op_count"] + g["rearm_count"]]:
        op["since_ts"] = NEVER_NS


@helper
def _look(m, w, c: np.void, t: int, i: int) -> None:
    """Judge a guard; it fires, is confirmed, is held back, or nothing of it."""
    g = w.guards[i]
    g["seen"] = np.nan
    g["bound"] = np.nan
    truth = judge(m, w, t, g, g["op_first"], g["op_count"])
    seen, bound = g["seen"], g["bound"]
    again = judge(m, w, t, g, g["rearm_first"], g["rearm_count"]) if g["rearm"] == Rearm.WHEN else 0.0
    g["seen"] = seen
    g["bound"] = bound
    if np.isnan(truth):
        g["blind"] += 1
        g["blind_last"] = t
        if g["blind_first"] < 0:
            g["blind_first"] = t
    if is_broken(w, g["account"], Drill.LOOP):
        g["fires"] += 1
        act(m, w, c, t, i)
        return
    if g["confirm_ts"] != NEVER_NS:
        _confirm(m, w, c, t, i, truth)
        return
    if g["armed"] == 0 and (
        g["rearm"] == Rearm.ALWAYS or again == 1.0 or (g["rearm"] == Rearm.WHEN_FALSE and truth == 0.0)
    ):
        g["armed"] = 1
    if g["armed"] != 0 and truth == 1.0:
        _fire(m, w, c, t, i)
    else:
        g["held"] = Hold.NONE


@helper
def _fire(m, w, c: np.void, t: int, i: int) -> None:
    """Fire, unless something holds it back: the beginning of an uninterrupted stretch of that is kept."""
    g = w.guards[i]
    before = g["held"]
    if g["max_fires"] > 0 and g["fires"] >= g["max_fires"]:
        g["held"] = Hold.MAX_FIRES
    elif t < g["ready_ts"]:
        g["held"] = Hold.COOL_DOWN
    else:
        g["held"] = Hold.NONE
        g["armed"] = 0
        g["ready_ts"] = t + g["cool_down_ns"]
        g["fires"] += 1
        if g["first_ts"] < 0:
            g["first_ts"] = t
        if g["confirm_ns"] > 0:
            g["confirm_ts"] = t + g["confirm_ns"]
        else:
            act(m, w, c, t, i)
    if g["held"] != Hold.NONE and g["held"] != before:
        note(w, c, t, i, GuardEvent.HELD, g["held"])


@helper
def _confirm(m, w, c: np.void, t: int, i: int, truth: float) -> None:
    """Somebody looks at a fire, and acts on it unless its condition is false by then."""
    g = w.guards[i]
    if t >= g["confirm_ts"] and not is_broken(w, g["account"], Drill.NO_HUMAN):
        g["confirm_ts"] = NEVER_NS
        if truth == 0.0:
            note(w, c, t, i, GuardEvent.PASSED, Hold.NONE)
        else:
            act(m, w, c, t, i)
