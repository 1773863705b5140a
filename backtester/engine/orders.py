"""The life of an order: decided, sent, armed, fired, arrived, refused, walked, rested (RULES 1.5, 3.1, 4)."""

from __future__ import annotations

import math

import numpy as np

from backtester.engine.agenda import schedule
from backtester.engine.heap import pop, push
from backtester.engine.jit import helper
from backtester.engine.ledger import ROWS_OF_A_FILL, lacks_rows, lacks_slots
from backtester.engine.margin import free_margin, opening_lots, tier_of
from backtester.engine.outage import CANCELS_REFUSED, FEED_FROZEN, MATCHING_HALTED, ORDERS_REFUSED
from backtester.engine.resting import finish_order, reducible, rest, side_of
from backtester.engine.state import ARRIVAL, CANCEL, DECISION, NO_ASK, NO_BID, NONE, POST_ONLY_ARRIVAL, SECOND_LOOK
from backtester.engine.walk import bound_tick, measure, take
from backtester.enums import (
    FillReason,
    Held,
    OrderReason,
    OrderStatus,
    OrderType,
    PriceSeries,
    TimeInForce,
    TradingStatus,
    TriggerRounding,
)

DONE, LACKS_ROWS, LACKS_SLOTS = 0, 1, 2
#: Added to a price in ticks before it is cut off: to the nearest, or down but for the error of a division.
HALF, HAIR = 0.5, 1e-6
MARK, LAST, INDEX = np.int64(PriceSeries.MARK), np.int64(PriceSeries.LAST), np.int64(PriceSeries.INDEX)


@helper
def _ceil_block(ts: int, block_ns: int) -> int:
    return ts if block_ns == 0 else -(-ts // block_ns) * block_ns


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
def client_arrival(m, w, o: np.void, ts: int, reaction_ns: int) -> int:
    """When a message decided at `ts` reaches the venue; becomes the account's last arrival (RULES 1.5)."""
    a = w.accounts[o["account"]]
    r = m.rules[a["rules"]]
    travel = r["feed_latency_ns"] + reaction_ns + r["order_latency_ns"]
    travel += m.instruments[o["instrument"]]["extra_latency_ns"]
    a["last_arrival"] = _ceil_block(max(ts + travel, a["last_arrival"]), r["block_ns"])
    return a["last_arrival"]


@helper
def triggers_of(m, by: int, instrument: int, market: int) -> int:
    """Heap of the down triggers of a price series; the up triggers are in the next one (allocate.series_numbers)."""
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
    """Keep the two LAST triggers nearest to the market where the replay loop sees them."""
    h = triggers_of(m, LAST, instrument, NONE)
    m.instruments[instrument]["last_down"] = nearest(w, h)
    m.instruments[instrument]["last_up"] = nearest(w, h + 1)


@helper
def fire(m, w, c: np.void, ts: int, order: int, price: float) -> None:
    """A trigger was reached: send the market order behind it."""
    o = w.orders[order]
    o["status"] = OrderStatus.IN_FLIGHT
    o["reason"] = OrderReason.NONE
    o["trigger_ts"] = ts
    o["trigger_price"] = price
    o["decision_ts"] = ts
    o["decision_mid2"] = m.instruments[o["instrument"]]["mid2"]
    r = m.rules[w.accounts[o["account"]]["rules"]]
    if o["held"] == Held.VENUE:
        due = _ceil_block(ts + r["engine_latency_ns"], r["block_ns"])
    else:
        due = client_arrival(m, w, o, ts, o["reaction_ns"])
    schedule(w, c, order, due, ARRIVAL)


@helper
def _reached(o: np.void, tick: int) -> bool:
    """Whether a series that stands at `tick` (-1: no value yet) is at the trigger or beyond it."""
    return tick >= 0 and (tick >= o["trigger_tick"] if o["side"] > 0 else tick <= o["trigger_tick"])


@helper
def _arm(m, w, order: int) -> None:
    """Let an order wait among the triggers of its series."""
    o = w.orders[order]
    up = o["side"] > 0
    o["status"] = OrderStatus.UNTRIGGERED
    o["reason"] = OrderReason.NONE
    h = triggers_of(m, o["trigger_by"], o["instrument"], o["market"])
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
        _arm(m, w, order)


@helper
def wait_for_trigger(m, w, c: np.void, ts: int, order: int) -> None:
    """Arm a conditional order; one that is already beyond its trigger is refused or fires (RULES 4.2)."""
    o = w.orders[order]
    o["arrive_ts"] = ts
    price, tick = series_price(m, o["trigger_by"], o["instrument"], o["market"])
    if o["held"] == Held.VENUE and m.instruments[o["instrument"]]["outage"] & ORDERS_REFUSED:
        finish_order(m, w, ts, order, OrderStatus.REJECTED, OrderReason.VENUE_REFUSED)
    elif not _reached(o, tick):
        _arm(m, w, order)
    elif m.rules[w.accounts[o["account"]]["rules"]]["reject_breached_trigger"] != 0:
        finish_order(m, w, ts, order, OrderStatus.REJECTED, OrderReason.TRIGGER_BREACHED)
    else:
        _fire_or_hold(m, w, c, ts, order, price)


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
    if by == LAST:
        note_last_triggers(m, w, instrument)


@helper
def decide_cancel(m, w, c: np.void, ts: int, order: int) -> None:
    """The user cancels: at once what is still with the client, otherwise a message goes to the venue (RULES 1.5)."""
    o = w.orders[order]
    armed_at_client = o["type"] == OrderType.STOP_MARKET and o["held"] == Held.CLIENT and o["trigger_ts"] < 0
    if o["status"] == OrderStatus.PENDING or (armed_at_client and is_live(o)):
        finish_order(m, w, ts, order, OrderStatus.CANCELLED, OrderReason.CANCEL_REQUEST)
    elif is_live(o):
        schedule(w, c, order, client_arrival(m, w, o, ts, np.int64(0)), CANCEL)


@helper
def is_live(o: np.void) -> bool:
    """Whether an order is on its way, waits for its trigger or rests."""
    return o["status"] in (OrderStatus.IN_FLIGHT, OrderStatus.UNTRIGGERED, OrderStatus.RESTING)


@helper
def cancel(m, w, ts: int, order: int) -> None:
    """A cancel arrives (RULES 1.5, 1.7)."""
    o = w.orders[order]
    if not is_live(o):
        return
    if m.instruments[o["instrument"]]["outage"] & CANCELS_REFUSED:
        o["reason"] = OrderReason.OUTAGE
    else:
        finish_order(m, w, ts, order, OrderStatus.CANCELLED, OrderReason.CANCEL_REQUEST)


@helper
def decide(m, w, c: np.void, ts: int, order: int) -> None:
    """The moment a scheduled order is decided: it is sent, or armed at the client."""
    o = w.orders[order]
    o["decision_ts"] = ts
    o["decision_mid2"] = m.instruments[o["instrument"]]["mid2"]
    if o["type"] == OrderType.STOP_MARKET and o["held"] == Held.CLIENT:
        wait_for_trigger(m, w, c, ts, order)
        return
    o["status"] = OrderStatus.IN_FLIGHT
    phase = POST_ONLY_ARRIVAL if o["tif"] == TimeInForce.POST_ONLY else ARRIVAL
    schedule(w, c, order, client_arrival(m, w, o, ts, o["reaction_ns"]), phase)


@helper
def _refusal(m, w, o: np.void, lots: int) -> int:
    """Why the venue refuses an arriving order of `lots`, or NONE (RULES 3.1, steps 1–4)."""
    i = m.instruments[o["instrument"]]
    status = i["status"]
    if status != TradingStatus.TRADING and (status != TradingStatus.POST_ONLY or o["tif"] != TimeInForce.POST_ONLY):
        return OrderReason.VENUE_REFUSED
    from_venue = o["held"] == Held.VENUE and o["trigger_ts"] >= 0
    stops_it = MATCHING_HALTED if from_venue else MATCHING_HALTED | ORDERS_REFUSED
    if i["outage"] & stops_it:
        return OrderReason.VENUE_REFUSED
    if lots == 0:
        return OrderReason.REDUCE_ONLY_VOID
    opposite = m.sides[side_of(o["instrument"], -o["side"])]["best"]
    if o["tif"] == TimeInForce.POST_ONLY:
        crosses = o["limit_tick"] >= opposite if o["side"] > 0 else o["limit_tick"] <= opposite
        if crosses:
            return OrderReason.POST_ONLY_WOULD_CROSS
    x = w.positions[o["position"]]
    opening = opening_lots(x, o["side"], lots)
    if opening == 0:
        return OrderReason.NONE
    k = m.markets[o["market"]]
    lot_quote = k["unit"] * k["mark"]
    after = abs(x["lots"] + o["side"] * lots) * lot_quote
    if x["leverage"] > m.tiers[tier_of(m.tiers, k, after)]["max_leverage"]:
        return OrderReason.LEVERAGE_TIER
    if opening * lot_quote / x["leverage"] > free_margin(m, w, o["account"]):
        return OrderReason.INSUFFICIENT_MARGIN
    return OrderReason.NONE


@helper
def _limit_of(m, w, o: np.void) -> int:
    """Worst tick an arriving order may trade at."""
    if o["type"] == OrderType.LIMIT:
        return o["limit_tick"]
    r = m.rules[m.markets[o["market"]]["rules"]]
    fraction = r["stop_bound"] if o["type"] == OrderType.STOP_MARKET else r["market_bound"]
    return bound_tick(m, o["market"], o["side"], fraction)


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
def execute(m, w, c: np.void, ts: int, order: int) -> int:
    """Work an arriving market or limit order whole, or say what is lacking and change nothing (RULES 3.1)."""
    o = w.orders[order]
    k = side_of(o["instrument"], -o["side"])
    rules = m.markets[o["market"]]["rules"]
    limit = _limit_of(m, w, o)
    lots = reducible(w, o, o["lots"])
    refused = _refusal(m, w, o, lots)
    got, value, levels, ended = 0, 0, 0, OrderReason.NONE
    if refused == OrderReason.NONE and o["tif"] != TimeInForce.POST_ONLY:
        got, value, levels, ended = measure(m, w, ts, o["world"], k, rules, limit, lots)
    if lacks_slots(w, c, levels):
        return LACKS_SLOTS
    if lacks_rows(w, c, ROWS_OF_A_FILL * levels):
        return LACKS_ROWS
    _note_arrival(m, w, ts, o, k, rules, limit)
    if refused != OrderReason.NONE:
        finish_order(m, w, ts, order, OrderStatus.REJECTED, refused)
        return DONE
    o["lots"] = lots
    o["filled"] = got
    o["fill_value"] = value
    o["levels"] = levels
    if got > 0:
        fees = take(m, w, c, ts, o["world"], k, rules, limit, got, o["position"], order, FillReason.TAKER_WALK)
        o["fee"] += fees
    if got == lots:
        finish_order(m, w, ts, order, OrderStatus.FILLED, OrderReason.NONE)
    elif o["type"] == OrderType.LIMIT and o["tif"] != TimeInForce.IOC:
        rest(m, w, order)
    else:
        finish_order(m, w, ts, order, OrderStatus.CANCELLED, ended)
    return DONE
