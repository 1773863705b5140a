"""What breaks for the guards of a world, on purpose (RULES 12)."""

from __future__ import annotations

import numpy as np

from backtester.engine.jit import helper
from backtester.enums import Drill, OrderReason

#: A bad tick shows marks times this.
BAD_TICK = 0.5
#: A wrong unit makes sizes so many times too large.
WRONG_UNIT = 1_000
#: How often the same order goes out when it goes out too often.
TIMES_SENT = 3
#: So much later than its reaction a late automation sends.
LATE_NS = 10 * 10**9
#: How long an order that is lost counts as on its way, and how far apart a rate-limited venue takes orders.
LOST_NS, RATE_NS = 10 * 10**9, 10 * 10**9


@helper
def broken_view(m, viewer: int, ts: int) -> int:
    """What is broken of what somebody sees of the markets at `ts`, if anything."""
    v = m.viewers[viewer]
    return v["drill"] if v["from_ts"] <= ts < v["to_ts"] else Drill.NONE


@helper
def note_drill(w, account: int, t: int) -> None:
    """Note whether something is broken for the guards of an account at `t`."""
    world = w.worlds[w.accounts[account]["world"]]
    world["drilled"] = 1 if world["drill_from"] <= t < world["drill_to"] else 0


@helper
def is_broken(w, account: int, drill: int) -> bool:
    """Whether this is broken for the guards of an account, as at the last look."""
    world = w.worlds[w.accounts[account]["world"]]
    return world["drilled"] != 0 and world["drill"] == drill


@helper
def times_sent(w, account: int) -> int:
    """How often the guards of an account send each of their orders."""
    return TIMES_SENT if is_broken(w, account, Drill.TRIPLE) or is_broken(w, account, Drill.FLIP) else 1


@helper
def seen_lots(w, p: int) -> int:
    """The lots of position `p` as guards see them."""
    x = w.positions[p]
    return x["kept_lots"] if is_broken(w, x["account"], Drill.BLIND) else x["lots"]


@helper
def seen_cost(w, p: int) -> float:
    """What they cost as guards see it, quote."""
    x = w.positions[p]
    return x["kept_cost"] if is_broken(w, x["account"], Drill.BLIND) else x["cost"]


@helper
def drill_refuses(w, o: np.void, ts: int) -> int:
    """Why a drill keeps an order of a guard that arrives at `ts` from the venue, or NONE (RULES 12.2)."""
    if o["guard"] < 0:
        return OrderReason.NONE
    world = w.worlds[o["world"]]
    drill = world["drill"]
    if drill == Drill.LOST and world["drill_from"] <= o["decision_ts"] < world["drill_to"]:
        return OrderReason.LOST
    if not world["drill_from"] <= ts < world["drill_to"]:
        return OrderReason.NONE
    if drill == Drill.REFUSED:
        return OrderReason.VENUE_REFUSED
    if drill == Drill.RATE_LIMITED:
        a = w.accounts[o["account"]]
        if ts < a["passed_ts"] + RATE_NS:
            return OrderReason.RATE_LIMIT
        a["passed_ts"] = ts
    return OrderReason.NONE
