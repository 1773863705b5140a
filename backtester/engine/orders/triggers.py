"""Conditional orders: the three price series, armed triggers, held ones, trailing ones, and firing (RULES 4)."""

from __future__ import annotations

import math

import numpy as np

from backtester.engine.book.outage import FEED_FROZEN, MATCHING_HALTED, ORDERS_REFUSED
from backtester.engine.jit import helper
from backtester.engine.orders.contingent import cancel_others, finish_order, unfollow
from backtester.engine.orders.latency import SENT, client_arrival, venue_arrival
from backtester.engine.orders.pausing import is_paused
from backtester.engine.state import ARRIVAL, DECISION, NO_ASK, NO_BID, NONE, POST_ONLY_ARRIVAL, SECOND_LOOK
from backtester.engine.time.agenda import schedule
from backtester.engine.time.heap import pop, push
from backtester.enums import Held, OrderReason, OrderStatus, OrderType, PriceSeries, TimeInForce, TriggerRounding

#: Added to a price in ticks before it is cut off: to the nearest, or down but for the error of a division.
HALF, HAIR = 0.5, 1e-6
MARK, LAST, INDEX = np.int64(PriceSeries.MARK), np.int64(PriceSeries.LAST), np.int64(PriceSeries.INDEX)


@helper
def is_conditional(o: np.void) -> bool:
    """Whether an order has a trigger."""
    return o["type"] >= OrderType.STOP_MARKET


@helper
def sent_by_venue(o: np.void) -> bool:
    """Whether the venue itself sends the order: for a trigger, a parent or a plan that it holds."""
    return o["held"] == Held.VENUE and (o["trigger_ts"] >= 0 or o["parent"] >= 0 or o["plan"] >= 0)


@helper
def waits_for_rise(o: np.void) -> bool:
    """Whether the trigger of a conditional order is reached from below: stops to buy, take-profits to sell."""
    takes_profit = o["type"] == OrderType.TAKE_PROFIT_MARKET or o["type"] == OrderType.TAKE_PROFIT_LIMIT
    return (o["side"] > 0) != takes_profit


@helper
def arrival_phase(o: np.void) -> np.int64:
    """Post-only orders come before others that arrive at the same time."""
    return POST_ONLY_ARRIVAL if o["tif"] == TimeInForce.POST_ONLY else ARRIVAL


@helper
def nearest(w, h: int) -> int:
    """Tick of the nearest armed trigger of heap `h` (even: up); NO_ASK (up) or NO_BID (down) when none waits."""
    heap = w.heaps[h]
    up = h & 1 == 0
    if heap["size"] == 0:
        return NO_ASK if up else NO_BID
    key = w.waiting[heap["first"]]["key"]
    return key if up else -key


@helper
def triggers_of(m, by: int, instrument: int, market: int) -> int:
    """Heap of the down triggers of a price series; those up are in the next one (allocate_orders.series_numbers)."""
    series = len(m.instruments) + market
    if by == LAST:
        series = instrument
    elif by == MARK:
        series += len(m.markets)
    return 1 + 2 * series


@helper
def series_price(m, by: int, instrument: int, market: int) -> tuple[float, int]:
    """(price, price in ticks) of a series now; ticks = -1 when it has no value yet (RULES 4.1)."""
    i = m.instruments[instrument]
    if by == LAST:
        return i["last_tick"] * i["tick_size"], i["last_tick"]
    k = m.markets[market]
    known = i["has_index"] if by == INDEX else k["has_mark"]
    if known == 0:
        return 0.0, -1
    price = i["index"] if by == INDEX else k["mark"]
    rounding = HALF if m.rules[k["rules"]]["trigger_rounding"] == TriggerRounding.NEAREST else HAIR
    return price, math.floor(price / i["tick_size"] + rounding)


@helper
def note_last_triggers(m, w, instrument: int) -> None:
    """Keep the LAST triggers nearest to the market where the replay sees them; followers want to see every trade."""
    h = triggers_of(m, LAST, instrument, NONE)
    followed = w.heaps[h]["followers"] != 0
    m.instruments[instrument]["last_down"] = NO_ASK if followed else nearest(w, h)
    m.instruments[instrument]["last_up"] = nearest(w, h + 1)


@helper
def fire(m, w, c: np.void, ts: int, order: int, price: float) -> None:
    """A trigger was reached: send the order behind it."""
    o = w.orders[order]
    o["status"] = OrderStatus.IN_FLIGHT
    o["reason"] = OrderReason.NONE
    o["trigger_ts"] = ts
    o["trigger_price"] = price
    o["decision_ts"] = ts
    o["decision_mid2"] = m.instruments[o["instrument"]]["mid2"]
    if o["held"] == Held.VENUE:
        due = venue_arrival(m, w, o, ts)
    else:
        due = client_arrival(m, w, c, o, ts, o["reaction_ns"], SENT)
    schedule(w, c, order, due, arrival_phase(o))
    cancel_others(m, w, c, ts, order)


@helper
def _reached(o: np.void, tick: int) -> bool:
    """Whether a series that stands at `tick` (-1: no value yet) is at the trigger or beyond it."""
    if tick < 0 or (o["type"] == OrderType.TRAILING_STOP and o["peak"] < 0):
        return False
    return tick >= o["trigger_tick"] if waits_for_rise(o) else tick <= o["trigger_tick"]


@helper
def _is_asleep(o: np.void, tick: int) -> bool:
    """Whether a trailing order that was never active is not so either when its series stands at `tick` (RULES 4.5)."""
    return o["activation_tick"] != 0 and o["side"] * (tick - o["activation_tick"]) > 0


@helper
def _is_breached(o: np.void, tick: int) -> bool:
    """Whether a new order's series, at `tick` (-1: no value yet), is at the price it is to wait for (RULES 4.2).

    Example: trailing to sell from 101: not at 100, but at 101 and at 102.
    """
    if o["type"] == OrderType.TRAILING_STOP:
        return tick >= 0 and o["activation_tick"] != 0 and not _is_asleep(o, tick)
    return _reached(o, tick)


@helper
def _trail(o: np.void, tick: int) -> None:
    """Move the peak of a trailing order, and its trigger with it (RULES 4.5).

    Example: to sell, 1 %: peak 103 → floor(101.97) = 101.
    """
    side = o["side"]
    if o["peak"] < 0:
        if _is_asleep(o, tick):
            return
        o["peak"] = tick
    elif side * (tick - o["peak"]) < 0:
        o["peak"] = tick
    if o["callback_rate"] == 0.0:
        o["trigger_tick"] = o["peak"] + side * o["callback_ticks"]
    elif side < 0:
        o["trigger_tick"] = math.floor(o["peak"] * (1.0 - o["callback_rate"]) + HAIR)
    else:
        o["trigger_tick"] = math.ceil(o["peak"] * (1.0 + o["callback_rate"]) - HAIR)


@helper
def _follow(w, h: int, order: int) -> None:
    """Append a trailing order to the followers of heap `h`."""
    o = w.orders[order]
    heap = w.heaps[h]
    o["heap"] = h
    o["next"] = 0
    if heap["followers"] == 0:
        heap["followers"] = order + 1
        o["prev"] = order + 1
    else:
        first = w.orders[heap["followers"] - 1]
        w.orders[first["prev"] - 1]["next"] = order + 1
        o["prev"] = first["prev"]
        first["prev"] = order + 1


@helper
def _arm(m, w, order: int, tick: int) -> None:
    """Let an order wait among the triggers of its series, which stands at `tick` (-1: no value yet)."""
    o = w.orders[order]
    o["status"] = OrderStatus.UNTRIGGERED
    o["reason"] = OrderReason.NONE
    h = triggers_of(m, o["trigger_by"], o["instrument"], o["market"])
    if o["type"] == OrderType.TRAILING_STOP:
        if tick >= 0:
            _trail(o, tick)
        _follow(w, h, order)
    else:
        up = waits_for_rise(o)
        push(w.waiting, w.heaps[h + 1 if up else h], o["trigger_tick"] if up else -o["trigger_tick"], DECISION, order)
    if o["trigger_by"] == LAST:
        note_last_triggers(m, w, o["instrument"])


@helper
def _holds(m, o: np.void) -> int:
    """Why a reached trigger does not fire, or NONE (RULES 4.4)."""
    i = m.instruments[o["instrument"]]
    k = m.markets[o["market"]]
    bound = m.rules[k["rules"]]["trigger_protect"]
    knows = o["price_protect"] != 0 and bound > 0.0 and k["has_mark"] != 0 and i["last_tick"] >= 0
    if knows and abs(k["mark"] - i["last_tick"] * i["tick_size"]) > bound * k["mark"]:
        return OrderReason.PRICE_PROTECTED
    stops_it = MATCHING_HALTED if o["held"] == Held.VENUE else FEED_FROZEN
    return OrderReason.OUTAGE if i["outage"] & stops_it else OrderReason.NONE


@helper
def _fire_or_hold(m, w, c: np.void, ts: int, order: int, price: float) -> None:
    """What becomes of an order whose trigger is reached: it fires, or it is looked at again at the next mark."""
    o = w.orders[order]
    why = _holds(m, o)
    if why == OrderReason.NONE and o["held"] == Held.CLIENT and is_paused(w, ts, o):
        finish_order(m, w, c, ts, order, OrderStatus.CANCELLED, OrderReason.PAUSED)
        return
    if why == OrderReason.NONE:
        fire(m, w, c, ts, order, price)
        return
    o["status"] = OrderStatus.UNTRIGGERED
    o["reason"] = why
    if o["hold_ts"] < 0:
        o["hold_ts"] = ts
    grid = m.rules[m.markets[o["market"]]["rules"]]["mark_interval_ns"]
    schedule(w, c, order, (ts // grid + 1) * grid, SECOND_LOOK)


@helper
def look_again(m, w, c: np.void, ts: int, order: int) -> None:
    """The second look at an order that was held: it fires, is held again, or waits as before (RULES 4.4)."""
    o = w.orders[order]
    price, tick = series_price(m, o["trigger_by"], o["instrument"], o["market"])
    if _reached(o, tick):
        _fire_or_hold(m, w, c, ts, order, price)
    else:
        _arm(m, w, order, tick)


@helper
def _refuses(m, w, o: np.void, tick: int) -> int:
    """Why the venue does not take an order, or NONE: it never sees one that the client watches (RULES 1.7, 4.2)."""
    if o["held"] == Held.CLIENT:
        return OrderReason.NONE
    if not sent_by_venue(o) and m.instruments[o["instrument"]]["outage"] & ORDERS_REFUSED:
        return OrderReason.VENUE_REFUSED
    rejects = m.rules[w.accounts[o["account"]]["rules"]]["reject_breached_trigger"] != 0
    return OrderReason.TRIGGER_BREACHED if rejects and _is_breached(o, tick) else OrderReason.NONE


@helper
def wait_for_trigger(m, w, c: np.void, ts: int, order: int) -> None:
    """Arm a conditional order, unless the venue refuses it or its trigger is reached already (RULES 4.2)."""
    o = w.orders[order]
    o["arrive_ts"] = ts
    price, tick = series_price(m, o["trigger_by"], o["instrument"], o["market"])
    why = _refuses(m, w, o, tick)
    if why != OrderReason.NONE:
        finish_order(m, w, c, ts, order, OrderStatus.REJECTED, why)
    elif _reached(o, tick):
        _fire_or_hold(m, w, c, ts, order, price)
    else:
        _arm(m, w, order, tick)


@helper
def _work_followers(m, w, c: np.void, ts: int, h: int, price: float, tick: int) -> None:
    """Move the peaks of the trailing orders of a series; fire those it has fallen back from far enough."""
    order = w.heaps[h]["followers"] - 1
    while order >= 0:
        o = w.orders[order]
        following = o["next"] - 1
        if o["prev"] != 0:  # an order of this list may have been cancelled by one that fired (RULES 4.6)
            _trail(o, tick)
            if _reached(o, tick):
                unfollow(w, h, order)
                _fire_or_hold(m, w, c, ts, order, price)
        order = following


@helper
def work_triggers(m, w, c: np.void, ts: int, by: int, instrument: int, market: int) -> None:
    """Fire every order whose trigger the series has reached (RULES 4.1)."""
    price, tick = series_price(m, by, instrument, market)
    down = triggers_of(m, by, instrument, market)
    for h in (down, down + 1):
        while w.heaps[h]["size"] > 0 and (tick <= nearest(w, h) if h == down else tick >= nearest(w, h)):
            order = w.waiting[w.heaps[h]["first"]]["order"]
            pop(w.waiting, w.heaps[h])
            if w.orders[order]["status"] == OrderStatus.UNTRIGGERED:
                _fire_or_hold(m, w, c, ts, order, price)
    if w.heaps[down]["followers"] != 0:
        _work_followers(m, w, c, ts, down, price, tick)
    if by == LAST:
        note_last_triggers(m, w, instrument)
