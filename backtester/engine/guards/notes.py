"""What guards write down."""

from __future__ import annotations

import numpy as np

from backtester.engine.jit import helper
from backtester.engine.state import NONE
from backtester.enums import Hold, Limit


@helper
def note(w, c: np.void, t: int, i: int, event: int, held: int) -> None:
    """Keep what a guard did that is about no order, if its world records."""
    number = c["guard_events"]
    note_order(w, c, t, i, event, Limit.NONE, NONE, NONE, 0, 0)
    if c["guard_events"] > number:
        w.guard_events[number]["held"] = held


@helper
def note_order(
    w, c: np.void, t: int, i: int, event: int, limit: int, order: int, position: int, wanted: int, lots: int
) -> None:
    """Keep what became of an order that a guard wanted for a position: `lots` of it, no more because of `limit`."""
    g = w.guards[i]
    world = w.accounts[g["account"]]["world"]
    if w.worlds[world]["record"] != 0:
        row = w.guard_events[c["guard_events"]]
        row["ts"] = t
        row["world"] = world
        row["account"] = g["account"]
        row["guard"] = i
        row["event"] = event
        row["held"] = Hold.MAX_ORDERS if limit == Limit.MAX_ORDERS else Hold.NONE
        row["limit"] = limit
        row["order"] = order
        row["position"] = position
        row["wanted"] = wanted
        row["lots"] = lots
        row["seen"] = g["seen"]
        row["bound"] = g["bound"]
        c["guard_events"] += 1
