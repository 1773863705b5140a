"""Where own orders rest: the list of a level, the list of an account, and the queue ahead (RULES 3.1–3.3)."""

from __future__ import annotations

import math

import numpy as np

from backtester.engine.arith import log2, power
from backtester.engine.book.ladder import beyond, shown_lots, side_of
from backtester.engine.jit import helper
from backtester.engine.money.margin import side_index
from backtester.engine.state import NO_ASK, NO_BID, UNKNOWN_QUEUE
from backtester.enums import OrderReason, OrderStatus, QueueModel

#: A trade is printed at most so long after a message that shows it.
PRINTS_WITHIN_NS = 1_000_000_000


@helper
def note_resting(w, order: int, lots: int) -> None:
    """Add what begins to rest of an order to the sums of its position; negative lots fill or end (RULES 6.1)."""
    o = w.orders[order]
    if o["reduce_only"] != 0:
        return
    x = w.positions[o["position"]]
    s = side_index(o)
    better = x["resting_lots"][s] == 0 or o["side"] * (o["limit_tick"] - x["resting_best"][s]) > 0
    x["resting_lots"][s] += lots
    x["resting_value"][s] += float(lots) * o["limit_tick"]
    if x["resting_lots"][s] == 0:
        x["resting_value"][s] = 0.0
        x["resting_largest"][s] = 0
    elif lots > 0:
        x["resting_largest"][s] = max(x["resting_largest"][s], lots)
        if better:
            x["resting_best"][s] = o["limit_tick"]


@helper
def _enlist(w, order: int) -> None:
    """Put an order that begins to rest into its account's list."""
    o = w.orders[order]
    a = w.accounts[o["account"]]
    o["account_prev"] = 0
    o["account_next"] = a["resting"]
    if a["resting"] != 0:
        w.orders[a["resting"] - 1]["account_prev"] = order + 1
    a["resting"] = order + 1
    note_resting(w, order, o["lots"] - o["filled"])


@helper
def _delist(w, order: int) -> None:
    o = w.orders[order]
    note_resting(w, order, o["filled"] - o["lots"])
    if o["account_prev"] != 0:
        w.orders[o["account_prev"] - 1]["account_next"] = o["account_next"]
    else:
        w.accounts[o["account"]]["resting"] = o["account_next"]
    if o["account_next"] != 0:
        w.orders[o["account_next"] - 1]["account_prev"] = o["account_prev"]


@helper
def _is_in_view(m, k: int, tick: int) -> bool:
    """Whether what is displayed at a level is all there is (RULES 1.1)."""
    side = m.sides[k]
    if not beyond(k, tick, side["view"]) or beyond(k, side["best"], tick):
        return True
    row = m.instruments[k >> 1]
    base = tick - side["shift"]
    return base >= 0 and base < row["capacity"] and m.cells[side["offset"] + tick]["message"] >= row["snapshot"]


@helper
def rest(m, w, order: int) -> None:
    """Append an order to the list of its level, behind what is displayed there."""
    o = w.orders[order]
    k = side_of(o["instrument"], o["side"])
    side = m.sides[k]
    tick = o["limit_tick"]
    shown = shown_lots(m.cells, side, k, tick)
    o["status"] = OrderStatus.RESTING
    o["reason"] = OrderReason.NONE
    o["queue"] = shown if _is_in_view(m, k, tick) else UNKNOWN_QUEUE
    o["shown"] = shown
    o["traded"] = 0
    o["early"] = 0
    o["next"] = 0
    head = w.levels[k, tick]
    if head == 0:
        w.levels[k, tick] = order + 1
        o["prev"] = order + 1
    else:
        tail = w.orders[head - 1]["prev"]
        w.orders[tail - 1]["next"] = order + 1
        o["prev"] = tail
        w.orders[head - 1]["prev"] = order + 1
    _enlist(w, order)
    side["own_count"] += 1
    if side["own_count"] == 1 or beyond(k, side["own_best"], tick):
        side["own_best"] = tick


@helper
def unrest(m, w, order: int) -> None:
    """Take an order out of the list of its level.

    `own_best` stays: it is a bound, and the next own order may be far away. `work_resting` tightens it.
    """
    o = w.orders[order]
    k = side_of(o["instrument"], o["side"])
    side = m.sides[k]
    tick = o["limit_tick"]
    head = w.levels[k, tick]
    if head == order + 1:
        w.levels[k, tick] = o["next"]
        if o["next"] != 0:
            w.orders[o["next"] - 1]["prev"] = o["prev"]
    else:
        w.orders[o["prev"] - 1]["next"] = o["next"]
        if o["next"] != 0:
            w.orders[o["next"] - 1]["prev"] = o["prev"]
        else:
            w.orders[head - 1]["prev"] = o["prev"]
    _delist(w, order)
    side["own_count"] -= 1
    if side["own_count"] == 0:
        side["own_best"] = NO_ASK if k & 1 else NO_BID


@helper
def _weight(lots: float, model: int, exponent: float) -> float:
    """How likely it is that a cancel comes out of that many lots."""
    return log2(1.0 + lots) if model == QueueModel.PROB_LOG else power(lots, exponent)


@helper
def cancelled_ahead(queue: int, behind: int, cancels: int, model: int, exponent: float) -> int:
    """How many of `cancels` lots stood among the `queue` ahead of us, the others among those behind (RULES 3.3).

    Example: 60 ahead, 40 behind, 20 go → 12 by a power of 1, 10 by the logarithm, 0 for a pessimist.
    """
    if model == QueueModel.PESSIMISTIC or queue == 0:
        return 0
    ahead = _weight(float(queue), model, exponent)
    all_of_it = ahead + _weight(float(behind), model, exponent)
    return min(max(math.floor(cancels * ahead / all_of_it), cancels - behind), queue)


@helper
def _forget_early(o: np.void, ts: int) -> None:
    if ts - o["early_ts"] >= PRINTS_WITHIN_NS:
        o["early"] = 0


@helper
def unprinted(o: np.void, ts: int, lots: int) -> int:
    """Lots of a trade at the level of an order that no message has shown before (RULES 3.3)."""
    _forget_early(o, ts)
    shown = min(lots, o["early"])
    o["early"] -= shown
    return lots - shown


@helper
def update_queues(m, orders: np.ndarray, head: int, lots: int, ts: int) -> int:
    """A message at `ts` sets a level with own orders to `lots`; returns how many orders rest there."""
    count = 0
    while head != 0:
        o = orders[head - 1]
        r = m.rules[m.markets[o["market"]]["rules"]]
        standing = o["shown"] - o["traded"]
        cancels = standing - lots
        before = min(o["queue"], o["shown"])  # an unknown queue that becomes known loses nothing
        o["shown"] = lots
        o["traded"] = 0
        if cancels > 0:
            behind = max(0, standing - o["queue"])
            o["queue"] -= cancelled_ahead(o["queue"], behind, cancels, r["queue_model"], r["queue_power"])
        o["queue"] = min(o["queue"], lots)
        if o["queue"] < before:
            _forget_early(o, ts)
            o["early"] += before - o["queue"]
            o["early_ts"] = ts
        head = o["next"]
        count += 1
    return count
