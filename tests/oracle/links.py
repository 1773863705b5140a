"""Orders that depend on one another: what an end, a fire and a fill set off (RULES 4.6)."""

from __future__ import annotations

from backtester.enums import After, OrderReason, OrderStatus
from tests.oracle.account import Order, Phase


def end(order: Order, status: OrderStatus, reason: OrderReason, t: int) -> None:
    """Filled, cancelled or rejected; then the orders that wait for it. A cancel of it may still be under way."""
    _close(order, status, reason)
    _let_go(order, t)


def filled(order: Order, lots: int, t: int) -> None:
    """So many lots of it were filled, perhaps the first ones, perhaps the last ones."""
    if order.remaining == 0:
        _close(order, OrderStatus.FILLED, OrderReason.NONE)
    cancelled = fired(order, t, and_let_go=False)
    for ended in ([order] if order.ended else []) + cancelled:
        _let_go(ended, t)
    if order.filled == lots:
        _let_go_first(order, t)


def fired(order: Order, t: int, and_let_go: bool = True) -> list[Order]:
    """It went first of its group: the others are cancelled. Returns these."""
    if order.spec.oco < 0:
        return []
    others = [
        other
        for other in order.account.orders
        if other is not order and other.spec.oco == order.spec.oco and not other.ended
    ]
    for other in others:
        _close(other, OrderStatus.CANCELLED, OrderReason.OCO)
    if and_let_go:
        for other in others:
            _let_go(other, t)
    return others


def _close(order: Order, status: OrderStatus, reason: OrderReason) -> None:
    order.status, order.reason = status, reason
    cancels = (Phase.CANCEL_DECISION, Phase.CANCEL_ARRIVAL)
    order.agenda = [(due_ns, phase) for due_ns, phase in order.agenda if phase in cancels]


def _let_go(parent: Order, t: int) -> None:
    """Its children are decided at this time, or never."""
    for child in parent.children:
        if child.ended:
            continue
        after = child.spec.after
        if after == After.FIRST and parent.filled > 0:
            continue  # it went with the first fill
        if parent.status == OrderStatus.FILLED or (after == After.ANY and parent.filled > 0) or after == After.END:
            child.account.world.note(after)
            child.is_due(t, Phase.DECISION)
        else:
            end(child, OrderStatus.CANCELLED, OrderReason.PARENT_ENDED, t)


def _let_go_first(parent: Order, t: int) -> None:
    """Those of its children that wait for its first fill only."""
    for child in parent.children:
        if child.spec.after == After.FIRST and not child.ended:
            child.account.world.note(After.FIRST, not parent.ended)
            child.is_due(t, Phase.DECISION)
