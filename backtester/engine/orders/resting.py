"""How own resting orders fill: by trades and by crosses (RULES 3.2, 3.4–3.6)."""

from __future__ import annotations

import numpy as np

from backtester.engine.book.ladder import beyond, outward, side_of
from backtester.engine.book.walk import measure, take
from backtester.engine.jit import helper
from backtester.engine.money.ledger import NO_AGE, ROWS_OF_A_FILL, fill_position, lacks_rows, lacks_slots
from backtester.engine.money.margin import free_margin, opening_lots
from backtester.engine.orders.contingent import finish_order, note_fill
from backtester.engine.orders.queue import note_resting, unprinted
from backtester.engine.state import NONE
from backtester.enums import FillReason, Liquidity, OrderReason, OrderStatus


@helper
def reducible(w, o: np.void, lots: int) -> int:
    """Lots of an order that may still trade: a reduce-only one never exceeds the opposite position."""
    if o["reduce_only"] == 0:
        return lots
    against = -o["side"] * w.positions[o["position"]]["lots"]
    return min(lots, max(against, 0))


@helper
def _allowed(m, w, c: np.void, ts: int, order: int, lots: int) -> int:
    """Lots of a fill of `lots` that may happen; 0 cancels the order (RULES 3.5, 3.6)."""
    o = w.orders[order]
    x = w.positions[o["position"]]
    part = reducible(w, o, lots)
    if part == 0:
        finish_order(m, w, c, ts, order, OrderStatus.CANCELLED, OrderReason.REDUCE_ONLY_VOID)
        return part
    checked = m.rules[m.markets[o["market"]]["rules"]]["margin_at_match"] != 0
    if checked and opening_lots(x, o["side"], part) > 0 and free_margin(m, w, o["account"], NONE, 0, 0) < 0.0:
        finish_order(m, w, c, ts, order, OrderStatus.CANCELLED, OrderReason.INSUFFICIENT_MARGIN)
        return 0
    return part


@helper
def _fill_resting(m, w, c: np.void, ts: int, order: int, lots: int, reason: int) -> None:
    """Fill a resting order at its limit, as maker."""
    o = w.orders[order]
    tick = o["limit_tick"]
    price = tick * m.instruments[o["instrument"]]["tick_size"]
    o["filled"] += lots
    note_resting(w, order, -lots)
    o["maker_lots"] += lots
    o["fill_value"] += float(lots) * tick
    d = lots * o["side"]
    o["fee"] += fill_position(m, w, c, ts, o["position"], order, d, tick, price, reason, Liquidity.MAKER, NO_AGE)
    note_fill(m, w, c, ts, order, lots)
    if o["filled"] == o["lots"]:
        finish_order(m, w, c, ts, order, OrderStatus.FILLED, OrderReason.NONE)


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
        fresh = unprinted(o, c["now"], lots)
        offered = max(0, fresh - o["queue"] - world["used"])
        o["queue"] = max(0, o["queue"] - fresh)
        o["traded"] += lots
    offered = min(left, offered)
    if offered > 0:
        part = _allowed(m, w, c, c["now"], order, offered)
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
        part = _allowed(m, w, c, ts, order, got)
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
    nearest = NONE
    while side["own_count"] > 0 and not beyond(k, tick, limit):
        order = w.levels[k, tick] - 1
        while order >= 0:
            o = w.orders[order]
            following = o["next"] - 1
            # An order of this level may have been cancelled by a fill of another one (RULES 4.6).
            if o["seen"] != c["step"] and o["status"] == OrderStatus.RESTING:
                if lacks_rows(w, c, ROWS_OF_A_FILL):
                    return 1
                if reason == FillReason.TRADE_AT_LEVEL:
                    _fill_by_trade(m, w, c, order)
                elif not _fill_by_cross(m, w, c, order, reason):
                    return 2
                o["seen"] = c["step"]
            order = following
        if nearest == NONE and w.levels[k, tick] != 0:
            nearest = tick
        tick += step
    if side["own_count"] > 0:
        side["own_best"] = tick if nearest == NONE else nearest
    return 0
