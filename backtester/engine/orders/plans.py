"""What is said of an order only when it is decided: its size, by a plan or its parent, and its peg (RULES 4.6, 4.7)."""

from __future__ import annotations

import math

import numpy as np

from backtester.engine.book.ladder import side_of
from backtester.engine.jit import helper
from backtester.engine.state import NO_ASK, NO_BID
from backtester.enums import Peg

#: Added to a share of lots before it is cut off: shares such as 3 / 30 are a hair off.
_HAIR = 1e-9


@helper
def _wanted(plan: np.void, target: float, traded: int) -> int:
    """Lots that should be done by now.

    Example: 100 lots, target 0.5 → 50; a rate of 10 % after 70 traded lots → 7.
    """
    if plan["rate"] > 0.0:
        return min(plan["lots"], math.floor(plan["rate"] * (traded - plan["start_traded"])))
    return min(plan["lots"], math.floor(target * plan["lots"] + _HAIR))


@helper
def _begin(i: np.void, plan: np.void, ts: int) -> None:
    """The first decision: what the plan is measured against."""
    plan["start_ts"] = ts
    plan["start_mid2"] = i["mid2"]
    plan["start_traded"] = i["traded"]
    plan["start_value"] = i["traded_value"]


@helper
def take_size(m, w, ts: int, order: int) -> bool:
    """Give an order the size that is said only now; False when there is nothing for it to do."""
    o = w.orders[order]
    if o["plan"] >= 0:
        return _take_share(m, w, ts, order)
    take_size_of_parent(w, o)
    return o["lots"] > 0


@helper
def take_size_of_parent(w, o: np.void) -> None:
    """Make an order as large as what its parent has filled by now, if that is its size."""
    if o["size_of_parent"] != 0 and o["plan"] < 0:
        o["lots"] = w.orders[o["parent"]]["filled"]


@helper
def _take_share(m, w, ts: int, order: int) -> bool:
    """Give a child order its size; False when there is nothing for it to do."""
    o = w.orders[order]
    plan = w.plans[o["plan"]]
    i = m.instruments[o["instrument"]]
    if plan["start_ts"] < 0:
        _begin(i, plan, ts)
    due = _wanted(plan, o["target"], i["traded"]) - plan["committed"]
    if plan["max_child_lots"] > 0:
        due = min(due, plan["max_child_lots"])
    o["lots"] = max(due, 0)
    plan["committed"] += o["lots"]
    return due > 0


@helper
def take_peg(m, o: np.void) -> bool:
    """Give an order the limit that it is pegged to; False when that price is not shown."""
    own = o["side"] if o["peg"] == Peg.PRIMARY else -o["side"]
    o["limit_tick"] = m.sides[side_of(o["instrument"], own)]["best"]
    return o["limit_tick"] != NO_BID and o["limit_tick"] != NO_ASK
