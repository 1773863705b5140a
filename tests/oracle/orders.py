"""Orders on their way: agenda entries, decisions, cancels and what arrives (RULES 1.4, 1.5, 1.7)."""

from __future__ import annotations

from backtester.engine import spec
from backtester.enums import OrderReason, OrderStatus, Outage, Peg
from tests.oracle import arrival, latency, links, plans, triggers
from tests.oracle.account import Order, Phase


def schedule(order: Order, start_ns: int) -> None:
    """Put an order and its cancel on the agenda when its world opens (RULES 1.4, 1.5)."""
    given = order.spec
    if given.cancel_at_ns != -1:
        order.is_due(max(given.cancel_at_ns, start_ns), Phase.CANCEL_DECISION)
    if given.parent >= 0:
        return
    if given.at_ns == spec.START_NS and order.plan is None and given.peg == Peg.NONE:
        order.status = OrderStatus.IN_FLIGHT  # decided already, so a cancel finds it under way
        order.is_due(start_ns, order.arrival_phase)
        _note_decision(order, start_ns)
    else:
        order.is_due(max(given.at_ns, start_ns), Phase.DECISION)


def work(order: Order, phase: Phase, t: int) -> None:
    """Work the agenda entry of an order (RULES 1.3.7)."""
    order.agenda.remove((t, phase))
    match phase:
        case Phase.DECISION:
            _decide(order, t)
        case Phase.CANCEL_DECISION:
            _decide_cancel(order, t)
        case Phase.CANCEL_ARRIVAL:
            _arrive_cancel(order, t)
        case Phase.SECOND_LOOK:
            triggers.look_again(order, t)
        case _:
            _arrive(order, t)


def _note_decision(order: Order, t: int) -> None:
    order.decided = True
    order.decision_mid_half_ticks = order.position.market.tape.mid_half_ticks
    if order.spec.cancel_after_ns > 0:
        order.is_due(t + order.spec.cancel_after_ns, Phase.CANCEL_DECISION)


def _decide(order: Order, t: int) -> None:
    """It is told what to do, and sent; one whose trigger the client watches is armed there."""
    if not plans.tell(order):
        links.end(order, OrderStatus.CANCELLED, OrderReason.NOTHING_DUE, t)
        return
    _note_decision(order, t)
    if order.with_client:
        triggers.place(order, t)
        return
    order.status = OrderStatus.IN_FLIGHT
    if order.sent_by_venue:
        order.is_due(latency.arrival_at_venue(order, t), order.arrival_phase)
    else:
        at = latency.arrival_of_message(order, order.spec.reaction_ns, latency.ORDER_DRAW, t)
        order.is_due(at, order.arrival_phase)


def _arrive(order: Order, t: int) -> None:
    """It reaches the venue; at the start this is where one begins to wait whose trigger the client watches."""
    if order.with_client:
        triggers.place(order, t)
        return
    order.arrival_ns = t
    if not order.sent_by_venue and order.position.market.tape.takes_away(Outage.ORDERS_REFUSED):
        links.end(order, OrderStatus.REJECTED, OrderReason.VENUE_REFUSED, t)
    elif order.has_to_fire:
        triggers.place(order, t)
    else:
        arrival.arrive(order, t)


# -- cancels (RULES 1.5, 1.7) ------------------------------------------------------------------------------------------


def _decide_cancel(order: Order, t: int) -> None:
    """What is still with the client ends at once; about what has gone to the venue a message is sent."""
    if order.ended:
        return
    if order.status == OrderStatus.PENDING or order.with_client:
        links.end(order, OrderStatus.CANCELLED, OrderReason.CANCEL_REQUEST, t)
    else:
        order.is_due(latency.arrival_of_message(order, 0, latency.CANCEL_DRAW, t), Phase.CANCEL_ARRIVAL)


def _arrive_cancel(order: Order, t: int) -> None:
    if order.ended:
        return
    if order.position.market.tape.takes_away(Outage.CANCELS_REFUSED):
        order.reason = OrderReason.OUTAGE
    else:
        links.end(order, OrderStatus.CANCELLED, OrderReason.CANCEL_REQUEST, t)
