"""Own orders in the order book: their lists, their queues, and how they fill (RULES 3.2–3.5)."""

from __future__ import annotations

import numpy as np

from backtester.engine.jit import helper
from backtester.engine.ladder import beyond, outward
from backtester.engine.ledger import ROWS_OF_A_FILL, fill_position, lacks_rows, lacks_slots
from backtester.engine.margin import free_margin, opening_lots
from backtester.engine.state import NO_ASK, NO_BID, NONE
from backtester.engine.walk import measure, take
from backtester.enums import FillReason, Liquidity, OrderReason, OrderStatus


@helper
def side_of(instrument: int, side: int) -> int:
    """Number of the ladder side on which an order of `side` rests."""
    return 2 * instrument if side > 0 else 2 * instrument + 1


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


@helper
def _delist(w, order: int) -> None:
    o = w.orders[order]
    if o["account_prev"] != 0:
        w.orders[o["account_prev"] - 1]["account_next"] = o["account_next"]
    else:
        w.accounts[o["account"]]["resting"] = o["account_next"]
    if o["account_next"] != 0:
        w.orders[o["account_next"] - 1]["account_prev"] = o["account_prev"]


@helper
def rest(m, w, order: int) -> None:
    """Append an order to the list of its level, behind what is displayed there."""
    o = w.orders[order]
    k = side_of(o["instrument"], o["side"])
    side = m.sides[k]
    tick = o["limit_tick"]
    cell = m.cells[side["offset"] + tick]
    o["status"] = OrderStatus.RESTING
    o["reason"] = OrderReason.NONE
    o["queue"] = cell["lots"]
    o["next"] = 0
    head = cell["head"]
    if head == 0:
        cell["head"] = order + 1
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
    """Take an order out of the list of its level."""
    o = w.orders[order]
    k = side_of(o["instrument"], o["side"])
    side = m.sides[k]
    tick = o["limit_tick"]
    cell = m.cells[side["offset"] + tick]
    head = cell["head"]
    if head == order + 1:
        cell["head"] = o["next"]
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
    elif cell["head"] == 0 and tick == side["own_best"]:
        while m.cells[side["offset"] + tick]["head"] == 0:
            tick += outward(k)
        side["own_best"] = tick


@helper
def finish_order(m, w, ts: int, order: int, status: int, reason: int) -> None:
    """End an order, wherever it is."""
    o = w.orders[order]
    if o["status"] == OrderStatus.RESTING:
        unrest(m, w, order)
    o["status"] = status
    o["reason"] = reason
    o["done_ts"] = ts


@helper
def clamp_queues(orders: np.ndarray, head: int, lots: int) -> None:
    """Nobody is ahead of us who is not displayed (RULES 3.3)."""
    while head != 0:
        o = orders[head - 1]
        o["queue"] = min(o["queue"], lots)
        head = o["next"]


@helper
def reducible(w, o: np.void, lots: int) -> int:
    """Lots of an order that may still trade: a reduce-only one never exceeds the opposite position."""
    if o["reduce_only"] == 0:
        return lots
    against = -o["side"] * w.positions[o["position"]]["lots"]
    return min(lots, max(against, 0))


@helper
def _allowed(m, w, ts: int, order: int, lots: int) -> int:
    """Lots of a fill of `lots` that may happen; 0 cancels the order (RULES 3.5, 3.6)."""
    o = w.orders[order]
    x = w.positions[o["position"]]
    part = reducible(w, o, lots)
    if part == 0:
        finish_order(m, w, ts, order, OrderStatus.CANCELLED, OrderReason.REDUCE_ONLY_VOID)
        return part
    checked = m.rules[m.markets[o["market"]]["rules"]]["margin_at_match"] != 0
    if checked and opening_lots(x, o["side"], part) > 0 and free_margin(m, w, o["account"]) < 0.0:
        finish_order(m, w, ts, order, OrderStatus.CANCELLED, OrderReason.INSUFFICIENT_MARGIN)
        return 0
    return part


@helper
def _fill_resting(m, w, c: np.void, ts: int, order: int, lots: int, reason: int) -> None:
    """Fill a resting order at its limit, as maker."""
    o = w.orders[order]
    tick = o["limit_tick"]
    price = tick * m.instruments[o["instrument"]]["tick_size"]
    o["filled"] += lots
    o["maker_lots"] += lots
    o["fill_value"] += lots * tick
    d = lots * o["side"]
    o["fee"] += fill_position(m, w, c, ts, o["position"], order, d, tick, price, reason, Liquidity.MAKER)
    if o["filled"] == o["lots"]:
        finish_order(m, w, ts, order, OrderStatus.FILLED, OrderReason.NONE)


@helper
def _fill_by_trade(m, w, c: np.void, order: int) -> None:
    """Offer one resting order what is left of the trade being worked (RULES 3.2)."""
    o = w.orders[order]
    world = w.worlds[o["world"]]
    if world["used_step"] != c["step"]:
        world["used_step"] = c["step"]
        world["used"] = 0
    lots = c["trade_lots"]
    left = o["lots"] - o["filled"]
    reason = FillReason.TRADE_THROUGH
    offered = lots - world["used"]
    if o["limit_tick"] == c["trade_tick"]:
        reason = FillReason.TRADE_AT_LEVEL
        offered = max(0, lots - o["queue"] - world["used"])
        o["queue"] = max(0, o["queue"] - lots)
    offered = min(left, offered)
    if offered > 0:
        part = _allowed(m, w, c["now"], order, offered)
        if part > 0:
            world["used"] += part
            _fill_resting(m, w, c, c["now"], order, part, reason)


@helper
def _fill_by_cross(m, w, c: np.void, order: int, reason: int) -> bool:
    """Let one resting order take what the opposite side shows at its price or better; False = no room yet."""
    o = w.orders[order]
    k = side_of(o["instrument"], o["side"]) ^ 1
    rules = m.markets[o["market"]]["rules"]
    limit = o["limit_tick"]
    ts = c["now"]
    got, _, levels, _ = measure(m, w, ts, o["world"], k, rules, limit, o["lots"] - o["filled"])
    if lacks_slots(w, c, levels):
        return False
    if got > 0:
        part = _allowed(m, w, ts, order, got)
        if part > 0:
            take(m, w, c, ts, o["world"], k, rules, limit, part, NONE, NONE, reason)
            _fill_resting(m, w, c, ts, order, part, reason)
    return True


@helper
def work_resting(m, w, c: np.void, k: int, limit: int, reason: int) -> int:
    """Offer every own order on side `k` from the best to `limit` its part of this step, once.

    Returns 0 when done, 1 when records, 2 when overlay slots are lacking; orders served are stamped, so that a
    second call goes on where the first stopped.
    """
    side = m.sides[k]
    step = outward(k)
    tick = side["own_best"]
    while side["own_count"] > 0 and not beyond(k, tick, limit):
        order = m.cells[side["offset"] + tick]["head"] - 1
        while order >= 0:
            o = w.orders[order]
            following = o["next"] - 1
            if o["seen"] != c["step"]:
                if lacks_rows(w, c, ROWS_OF_A_FILL):
                    return 1
                if reason == FillReason.TRADE_AT_LEVEL:
                    _fill_by_trade(m, w, c, order)
                elif not _fill_by_cross(m, w, c, order, reason):
                    return 2
                o["seen"] = c["step"]
            order = following
        tick += step
    return 0
