"""Arrival: an order is refused, walks the ladder, rests (RULES 3.1)."""

from __future__ import annotations

import numpy as np

from backtester.engine.book.ladder import side_of
from backtester.engine.book.outage import MATCHING_HALTED, ORDERS_REFUSED
from backtester.engine.book.walk import bound_tick, measure, take
from backtester.engine.guards.drills import drill_refuses
from backtester.engine.jit import helper
from backtester.engine.money.ledger import ROWS_OF_A_FILL, lacks_rows, lacks_slots
from backtester.engine.money.margin import free_margin, lots_to_open, max_leverage, need
from backtester.engine.orders.contingent import finish_order, note_fill
from backtester.engine.orders.plans import take_size_of_parent
from backtester.engine.orders.queue import rest
from backtester.engine.orders.resting import reducible
from backtester.engine.orders.self_trade import cancel_met, nearest_met, walk_limit
from backtester.engine.orders.triggers import is_conditional, sent_by_venue
from backtester.engine.state import NO_ASK, NO_BID, NONE
from backtester.engine.value import worth
from backtester.enums import (
    FillReason,
    OrderMargin,
    OrderReason,
    OrderStatus,
    OrderType,
    PostOnly,
    SelfTrade,
    TimeInForce,
    TradingStatus,
)

DONE, LACKS_ROWS, LACKS_SLOTS = 0, 1, 2
#: So much less than the smallest notional, as a share, is that notional.
HAIR = 1e-9


@helper
def _has_limit(o: np.void) -> bool:
    """Whether an order has a limit of its own."""
    return o["type"] == OrderType.LIMIT or o["type"] == OrderType.STOP_LIMIT or o["type"] == OrderType.TAKE_PROFIT_LIMIT


@helper
def _status_refuses(m, o: np.void) -> bool:
    """Whether the venue takes no such order now (RULES 1.6, 1.7)."""
    i = m.instruments[o["instrument"]]
    status = i["status"]
    if status != TradingStatus.TRADING and (status != TradingStatus.POST_ONLY or o["tif"] != TimeInForce.POST_ONLY):
        return True
    stops_it = MATCHING_HALTED if sent_by_venue(o) else MATCHING_HALTED | ORDERS_REFUSED
    return i["outage"] & stops_it != 0


@helper
def _is_too_small(k: np.void, o: np.void) -> bool:
    """Whether the venue takes no order of so little. What it sends itself it has taken before."""
    least = k["min_close_quote"] if o["reduce_only"] != 0 else k["min_order_quote"]
    price = o["limit_tick"] * k["tick_size"] if _has_limit(o) else k["mark"]
    return not sent_by_venue(o) and abs(worth(o["lots"], k["unit"], price)) < least * (1.0 - HAIR)


@helper
def _is_too_large(k: np.void, priced: bool, lots: int) -> bool:
    """Whether the venue takes no order of that size."""
    most = k["max_limit_lots"] if priced else k["max_market_lots"]
    most_quote = k["max_limit_quote"] if priced else k["max_market_quote"]
    return (most > 0 and lots > most) or (most_quote > 0.0 and abs(worth(lots, k["unit"], k["mark"])) > most_quote)


@helper
def _is_beyond_band(m, o: np.void, limit: int) -> bool:
    """Whether a limit lies further beyond the reference than the venue takes."""
    band = m.rules[m.markets[o["market"]]["rules"]]["limit_band"]
    return band > 0.0 and o["side"] * (limit - bound_tick(m, o["market"], o["side"], band)) > 0


@helper
def _lacks_margin(m, w, order: int, lots: int, limit: int) -> int:
    """Why initial margin refuses an order of `lots`, or NONE (RULES 6.1)."""
    o = w.orders[order]
    if o["reduce_only"] != 0 or lots_to_open(m, w, order, lots) == 0:
        return OrderReason.NONE
    x = w.positions[o["position"]]
    k = m.markets[o["market"]]
    free = free_margin(m, w, o["account"], order, lots, limit if _has_limit(o) else 0)
    largest = abs(worth(x["lots"] + o["side"] * lots, k["unit"], k["mark"]))
    if m.rules[k["rules"]]["order_margin"] == OrderMargin.LARGER_SIDE:
        largest = need(m, x)
    if x["leverage"] > max_leverage(m.tiers, k, largest):
        return OrderReason.LEVERAGE_TIER
    return OrderReason.INSUFFICIENT_MARGIN if free < 0.0 else OrderReason.NONE


@helper
def _crosses(m, o: np.void, limit: int) -> bool:
    """Whether a limit reaches the best displayed opposite price."""
    opposite = m.sides[side_of(o["instrument"], -o["side"])]["best"]
    return limit >= opposite if o["side"] > 0 else limit <= opposite


@helper
def _refusal(m, w, ts: int, order: int, limit: int, lots: int) -> int:
    """Why the venue refuses an arriving order of `lots`, or NONE (RULES 3.1, steps 1–6)."""
    o = w.orders[order]
    k = m.markets[o["market"]]
    if _status_refuses(m, o):
        return OrderReason.VENUE_REFUSED
    drilled = drill_refuses(w, o, ts)
    if drilled != OrderReason.NONE:
        return drilled
    if lots == 0:
        return OrderReason.REDUCE_ONLY_VOID
    if _is_too_small(k, o):
        return OrderReason.MIN_SIZE
    if _is_too_large(k, _has_limit(o), lots):
        return OrderReason.MAX_SIZE
    if _has_limit(o) and _is_beyond_band(m, o, o["limit_tick"]):
        return OrderReason.PRICE_BAND
    if o["tif"] == TimeInForce.POST_ONLY and (_crosses(m, o, limit) or limit < 1):
        return OrderReason.POST_ONLY_WOULD_CROSS
    return _lacks_margin(m, w, order, lots, limit)


@helper
def _limit_of(m, w, o: np.void) -> int:
    """Worst tick an arriving order may trade at; of a post-only one that is repriced, its new limit."""
    r = m.rules[m.markets[o["market"]]["rules"]]
    if _has_limit(o):
        if o["tif"] == TimeInForce.POST_ONLY and r["post_only"] == PostOnly.REPRICE and _crosses(m, o, o["limit_tick"]):
            return m.sides[side_of(o["instrument"], -o["side"])]["best"] - o["side"]
        return o["limit_tick"]
    fraction = r["stop_bound"] if is_conditional(o) else r["market_bound"]
    return bound_tick(m, o["market"], o["side"], o["bound"] if o["bound"] > 0.0 else fraction)


@helper
def _note_arrival(m, w, ts: int, o: np.void, k: int, rules: int, limit: int) -> None:
    """Keep what the audit compares with: mid, best and the sweep of the displayed ladder on arrival."""
    o["arrive_ts"] = ts
    o["arrival_mid2"] = m.instruments[o["instrument"]]["mid2"]
    o["arrival_best"] = m.sides[k]["best"]
    if o["tif"] == TimeInForce.POST_ONLY:  # never takes
        return
    far = NO_ASK if o["side"] > 0 else NO_BID
    got, value, _, _ = measure(m, w, ts, NONE, k, rules, far, o["lots"])
    o["sweep_lots"] = got
    o["sweep_value"] = value


@helper
def _shrink(w, o: np.void, lots: int) -> None:
    """A reduce-only order becomes as large as what it may close; its plan gets back the rest."""
    if o["plan"] >= 0:
        w.plans[o["plan"]]["committed"] -= o["lots"] - lots
    o["lots"] = lots


@helper
def _settle_rest(m, w, c: np.void, ts: int, order: int, limit: int, why: int) -> None:
    """What becomes of an order that arrived: filled, resting, or cancelled because of `why` (RULES 3.1.10)."""
    o = w.orders[order]
    if o["filled"] == o["lots"]:
        finish_order(m, w, c, ts, order, OrderStatus.FILLED, OrderReason.NONE)
    elif why != OrderReason.SELF_TRADE and _has_limit(o) and o["tif"] in (TimeInForce.GTC, TimeInForce.POST_ONLY):
        o["limit_tick"] = limit
        rest(m, w, order)
    else:
        finish_order(m, w, c, ts, order, OrderStatus.CANCELLED, why)


@helper
def execute(m, w, c: np.void, ts: int, order: int) -> int:
    """Work an arriving order whole, or say what is lacking and change nothing (RULES 3.1)."""
    o = w.orders[order]
    take_size_of_parent(w, o)
    k = side_of(o["instrument"], -o["side"])
    rules = m.markets[o["market"]]["rules"]
    own_rule = m.rules[rules]["self_trade"]
    limit = _limit_of(m, w, o)
    lots = reducible(w, o, o["lots"])
    refused = _refusal(m, w, ts, order, limit, lots)
    got, value, levels, ended, met, end = 0, 0.0, 0, OrderReason.NONE, NONE, limit
    if refused == OrderReason.NONE and o["tif"] != TimeInForce.POST_ONLY:
        if own_rule != SelfTrade.NONE:
            met = nearest_met(m, w, ts, order, k, limit, lots)
            end = walk_limit(own_rule, k, limit, met)
        got, value, levels, ended = measure(m, w, ts, o["world"], k, rules, end, lots)
        if end != limit:
            ended = OrderReason.SELF_TRADE
    killed = o["tif"] == TimeInForce.FOK and refused == OrderReason.NONE and got < lots
    if not killed and lacks_slots(w, c, levels):
        return LACKS_SLOTS
    if not killed and lacks_rows(w, c, ROWS_OF_A_FILL * levels):
        return LACKS_ROWS
    _note_arrival(m, w, ts, o, k, rules, limit)
    if refused != OrderReason.NONE:
        finish_order(m, w, c, ts, order, OrderStatus.REJECTED, refused)
        return DONE
    _shrink(w, o, lots)
    if killed:
        finish_order(m, w, c, ts, order, OrderStatus.CANCELLED, OrderReason.FOK_KILLED)
        return DONE
    cancel_met(m, w, c, ts, order, own_rule, k, limit, lots, met)
    o["filled"] = got
    o["fill_value"] = value
    o["levels"] = levels
    if got > 0:
        o["fee"] += take(m, w, c, ts, o["world"], k, rules, end, got, o["position"], order, FillReason.TAKER_WALK)
        note_fill(m, w, c, ts, order, got)
    _settle_rest(m, w, c, ts, order, limit, ended)
    return DONE
