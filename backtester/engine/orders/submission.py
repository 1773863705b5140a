"""Decisions of the user: what is sent and cancelled, and when it gets there (RULES 1.5, 4.6, 4.7)."""

from __future__ import annotations

import numpy as np

from backtester.engine.book.outage import CANCELS_REFUSED
from backtester.engine.jit import helper
from backtester.engine.orders.contingent import finish_order
from backtester.engine.orders.latency import CANCELLED, SENT, client_arrival, venue_arrival
from backtester.engine.orders.pausing import is_paused
from backtester.engine.orders.plans import take_peg, take_size
from backtester.engine.orders.triggers import arrival_phase, is_conditional, sent_by_venue, wait_for_trigger
from backtester.engine.state import CANCEL, CANCEL_DECISION
from backtester.engine.time.agenda import schedule
from backtester.enums import Held, OrderReason, OrderStatus, Peg


@helper
def decide(m, w, c: np.void, ts: int, order: int) -> None:
    """The moment an order is decided: it is sent, armed at the client, or there is nothing for it to do."""
    o = w.orders[order]
    o["decision_ts"] = ts
    o["decision_mid2"] = m.instruments[o["instrument"]]["mid2"]
    if not (take_size(m, w, ts, order) and (o["peg"] == Peg.NONE or take_peg(m, o))):
        finish_order(m, w, c, ts, order, OrderStatus.CANCELLED, OrderReason.NOTHING_DUE)
        return
    watched = is_conditional(o) and o["held"] == Held.CLIENT
    if is_paused(w, ts, o) and not watched and not sent_by_venue(o):
        finish_order(m, w, c, ts, order, OrderStatus.CANCELLED, OrderReason.PAUSED)
        return
    if o["cancel_after_ns"] > 0:
        schedule(w, c, order, ts + o["cancel_after_ns"], CANCEL_DECISION)
    if watched:
        wait_for_trigger(m, w, c, ts, order)
        return
    o["status"] = OrderStatus.IN_FLIGHT
    due = venue_arrival(m, w, o, ts) if sent_by_venue(o) else client_arrival(m, w, c, o, ts, o["reaction_ns"], SENT)
    schedule(w, c, order, due, arrival_phase(o))


@helper
def decide_cancel(m, w, c: np.void, ts: int, order: int) -> None:
    """The user cancels: at once what is still with the client, otherwise a message goes to the venue (RULES 1.5)."""
    o = w.orders[order]
    armed_at_client = is_armed_at_client(o)
    if o["status"] == OrderStatus.PENDING or (armed_at_client and is_live(o)):
        finish_order(m, w, c, ts, order, OrderStatus.CANCELLED, OrderReason.CANCEL_REQUEST)
    elif is_live(o):
        if o["cancelled_by"] == 0:
            o["cancelled_by"] = -1
        schedule(w, c, order, client_arrival(m, w, c, o, ts, np.int64(0), CANCELLED), CANCEL)


@helper
def is_armed_at_client(o: np.void) -> bool:
    """Whether the venue has not heard of an order whose trigger the client watches."""
    return is_conditional(o) and o["held"] == Held.CLIENT and o["trigger_ts"] < 0


@helper
def _reason(o: np.void) -> int:
    """Why an order ends whose cancel arrives: that of the first one on its way counts."""
    return OrderReason.GUARD if o["cancelled_by"] > 0 else OrderReason.CANCEL_REQUEST


@helper
def is_live(o: np.void) -> bool:
    """Whether an order is on its way, waits for its trigger or rests."""
    return o["status"] in (OrderStatus.IN_FLIGHT, OrderStatus.UNTRIGGERED, OrderStatus.RESTING)


@helper
def cancel(m, w, c: np.void, ts: int, order: int) -> None:
    """A cancel arrives (RULES 1.5, 1.7)."""
    o = w.orders[order]
    if not is_live(o):
        return
    if m.instruments[o["instrument"]]["outage"] & CANCELS_REFUSED:
        o["reason"] = OrderReason.OUTAGE
        o["cancelled_by"] = 0
    else:
        finish_order(m, w, c, ts, order, OrderStatus.CANCELLED, _reason(o))
