"""What guards do (RULES 11.5): alerts, orders that make positions smaller, and what they withdraw."""

from __future__ import annotations

import numpy as np

from backtester.engine.guards.drills import LATE_NS, LOST_NS, WRONG_UNIT, is_broken, seen_lots, times_sent
from backtester.engine.guards.limits import allowed, remember
from backtester.engine.guards.metrics import positions_meant
from backtester.engine.guards.notes import note, note_order
from backtester.engine.guards.sizes import lots_wanted, share_wanted, taken
from backtester.engine.guards.view import view_of
from backtester.engine.guards.withdraw import withdraw
from backtester.engine.jit import helper
from backtester.engine.orders.latency import SENT, client_arrival, mixed
from backtester.engine.state import ARRIVAL, NONE
from backtester.engine.time.agenda import schedule
from backtester.enums import (
    Drill,
    GuardDo,
    GuardEvent,
    Held,
    Hold,
    Limit,
    OrderStatus,
    OrderType,
    PriceSeries,
    TimeInForce,
)


@helper
def act(m, w, c: np.void, t: int, i: int) -> None:
    """Do all that guard `i` does, in order. There is room for the orders and for their rows."""
    g = w.guards[i]
    place = np.int64(0)
    for n in range(g["action_first"], g["action_first"] + g["action_count"]):
        action = w.guard_actions[n]
        if action["do"] == GuardDo.ALERT:
            note(w, c, t, i, GuardEvent.ALERT, Hold.NONE)
        elif action["do"] >= GuardDo.CANCEL:
            withdraw(m, w, c, t, i, action)
        else:
            place = _reduce(m, w, c, t, i, action, place)


@helper
def _reduce(m, w, c: np.void, t: int, i: int, action: np.void, place: int) -> int:
    """Send an order for every position that is meant and has lots; returns the place of the next order of this fire."""
    g = w.guards[i]
    first, behind = positions_meant(m, w, g["account"], action)
    share = share_wanted(m, w, g["account"], action, first, behind)
    for p in range(first, behind):
        if seen_lots(w, p) == 0:
            continue
        wanted = lots_wanted(m, w, p, action, share) - _under_way(w, g["account"], p)
        if is_broken(w, g["account"], Drill.UNIT):
            wanted = taken(m, w, p, WRONG_UNIT * wanted)
        if wanted <= 0:
            note_order(w, c, t, i, GuardEvent.NOTHING, Limit.NONE, NONE, p, 0, 0)
            continue
        for _ in range(times_sent(w, g["account"])):
            lots = allowed(m, w, c, t, i, p, wanted)
            if lots > 0:
                order = _send(m, w, c, t, i, p, lots, action["bound"], place)
                note_order(w, c, t, i, GuardEvent.ORDER, Limit.NONE, order, p, lots, lots)
                place += 1
    return place


@helper
def _under_way(w, account: int, p: int) -> int:
    """Lots that orders of guards may still close of a position; the blind see none."""
    if is_broken(w, account, Drill.BLIND):
        return 0
    lots, number = 0, w.automations[account]["sent"]
    while number != 0:
        o = w.orders[number - 1]
        lots += o["lots"] - o["filled"] if o["position"] == p else 0
        number = o["account_next"]
    return lots


@helper
def _send(m, w, c: np.void, t: int, i: int, p: int, lots: int, bound: float, place: int) -> int:
    """Decide a reduce-only market order for position `p`; returns its number."""
    g, x = w.guards[i], w.positions[p]
    a, number = w.accounts[g["account"]], c["orders"]
    c["orders"] += 1
    o = w.orders[number]
    for_market = m.markets[x["market"]]
    o["world"], o["account"], o["position"], o["market"] = a["world"], g["account"], p, x["market"]
    o["instrument"] = for_market["instrument"]
    o["type"], o["tif"], o["held"] = OrderType.MARKET, TimeInForce.IOC, Held.CLIENT
    o["trigger_by"] = PriceSeries.MARK
    o["side"] = -1 if seen_lots(w, p) > 0 else 1
    o["reduce_only"] = 0 if is_broken(w, g["account"], Drill.FLIP) else 1
    o["status"], o["lots"], o["bound"], o["target"] = OrderStatus.IN_FLIGHT, lots, bound, 1.0
    o["reaction_ns"] = g["reaction_ns"] + (LATE_NS if is_broken(w, g["account"], Drill.LATE) else 0)
    o["parent"], o["plan"], o["guard"] = -1, -1, i
    o["peak"], o["hold_ts"], o["trigger_ts"], o["arrive_ts"], o["done_ts"] = -1, -1, -1, -1, -1
    o["key"] = mixed(g["key"] + 65536 * (g["fires"] - 1) + place)
    o["decision_ts"] = t
    o["decision_mid2"] = m.instruments[o["instrument"]]["mid2"]
    o["guard_mark"] = view_of(m, w, x)["mark"]
    remember(w, g["account"], number)
    lost = is_broken(w, g["account"], Drill.LOST)
    schedule(w, c, number, t + LOST_NS if lost else client_arrival(m, w, c, o, t, o["reaction_ns"], SENT), ARRIVAL)
    return number
