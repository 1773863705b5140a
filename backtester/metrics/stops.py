"""The audit of conditional orders: what became of each, and how far the market had gone when it fired (RULES 4)."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

from backtester.engine.state import NO_ASK, NO_BID
from backtester.enums import CONDITIONAL, TAKES_PROFIT, WITH_LIMIT, OrderReason, OrderStatus, OrderType
from backtester.metrics.names import Grid
from backtester.report.executions import BPS

#: Of an order that still waits, and of one that was cancelled.
_WAITING = {OrderReason.PRICE_PROTECTED: "protected", OrderReason.OUTAGE: "held_by_outage"}
_CANCELLED = {
    OrderReason.LIQUIDATION: "cancelled_by_liquidation",
    OrderReason.CANCEL_REQUEST: "cancelled",
    OrderReason.GUARD: "cancelled",
    OrderReason.PAUSED: "paused",
    OrderReason.BEYOND_VISIBLE_DEPTH: "beyond_depth",
    OrderReason.OCO: "oco",
    OrderReason.PARENT_ENDED: "parent_ended",
    OrderReason.SELF_TRADE: "self_trade",
    OrderReason.FOK_KILLED: "fok_killed",
    OrderReason.NOTHING_DUE: "nothing_due",
    OrderReason.INSUFFICIENT_MARGIN: "refused",  # at the match (RULES 3.6)
    OrderReason.REDUCE_ONLY_VOID: "reduce_only_void",
}


class Audit(NamedTuple):
    """The audit of one order; prices in quote currency. All None for an order without a trigger or a limit."""

    result: str | None
    stop_price: float | None
    gap_bps: float | None
    limit_price: float | None
    limit_gap_bps: float | None
    activation_price: float | None
    peak_price: float | None


def audit(order: Any, grid: Grid) -> Audit:
    """The audit of an ORDER record."""
    kind = OrderType(int(order["type"]))
    is_conditional, trails = kind in CONDITIONAL, kind is OrderType.TRAILING_STOP
    has_stop = is_conditional and not (trails and order["peak"] < 0)
    return Audit(
        result=stop_result(order) if is_conditional else None,
        stop_price=grid.price(int(order["trigger_tick"])) if has_stop else None,
        gap_bps=gap_bps(order) if is_conditional else None,
        limit_price=_tick(grid, order["limit_tick"]) if kind in WITH_LIMIT else None,
        limit_gap_bps=limit_gap_bps(order) if kind in WITH_LIMIT else None,
        activation_price=_tick(grid, order["activation_tick"]) if trails else None,
        peak_price=_tick(grid, order["peak"]) if trails else None,
    )


def stop_result(order: Any) -> str:
    """One word for the outcome of a conditional ORDER record.

    filled                     all of it (a reduce-only one: all that was left to reduce)
    partial                    its limit or the venue's bound ended it, or it rests at the end, after some fills
    gapped                     fired, but every displayed price was beyond its limit or the venue's bound; a stop with a
                               limit may rest there to the end
    resting                    fired and rests unfilled at a limit that was never meant to take
    beyond_depth               the ladder ended before the size was done
    reduce_only_void           fired with nothing left to reduce
    refused                    the venue did not take it
    fok_killed                 fill or kill, and not all of it could be had
    self_trade                 it met an order of its own account
    oco                        another order of its group went first
    parent_ended               the order that should have sent it ended otherwise
    nothing_due                its plan had nothing left for it to do
    cancelled                  the user's cancel came first, or that of a guard
    paused                     a guard had paused what opens
    protected                  its price came, but mark and last lay too far apart until the end
    held_by_outage             its price came, but an outage held it until the end
    cancelled_by_liquidation   the liquidation of its account came first
    in_flight_at_end           sent, not arrived when the tape ended
    not_sent                   its time or its parent had not come when the tape ended
    not_activated              trailing: its activation price never came
    not_triggered              its price never came
    """
    status, reason = OrderStatus(int(order["status"])), OrderReason(int(order["reason"]))
    if status is OrderStatus.FILLED:
        return "filled"
    if status is OrderStatus.REJECTED:
        return "reduce_only_void" if reason is OrderReason.REDUCE_ONLY_VOID else "refused"
    if status is OrderStatus.CANCELLED and reason in _CANCELLED:
        return _CANCELLED[reason]
    if status in (OrderStatus.CANCELLED, OrderStatus.RESTING):
        return _not_done(order)
    return _waits(order, status, reason)


def _not_done(order: Any) -> str:
    """Of one that fired and is not done, because of its price."""
    if order["filled"] > 0:
        return "partial"
    kind = OrderType(int(order["type"]))
    if kind not in WITH_LIMIT:
        return "gapped"
    is_to_take = int(order["side"]) * (int(order["limit_tick"]) - int(order["trigger_tick"])) >= 0
    return "gapped" if is_to_take and kind not in TAKES_PROFIT else "resting"


def _waits(order: Any, status: OrderStatus, reason: OrderReason) -> str:
    """Of one that has not been at the venue with a fired trigger."""
    if status is OrderStatus.PENDING:
        return "not_sent"
    if status is OrderStatus.IN_FLIGHT:
        return "in_flight_at_end"
    if order["type"] == OrderType.TRAILING_STOP and order["peak"] < 0:
        return "not_activated"
    return _WAITING.get(reason, "not_triggered")


def gap_bps(order: Any) -> float | None:
    """How far the mid had run through the stop price when the order fired, bps of the stop price; None if it never did.

    Gap and slippage add up: together they are the distance from the price the user set to the price the user got. A
    take-profit that fires with the mid on its better side has a gap below 0.
    Example: a stop to sell at 100 that fires with the mid at 99.5 has a gap of 50 bps.
    """
    if order["trigger_ts"] < 0:
        return None
    stop = int(order["trigger_tick"])
    return float(BPS * int(order["side"]) * (Fraction(int(order["decision_mid2"]), 2) - stop) / stop)


def limit_gap_bps(order: Any) -> float | None:
    """How far beyond its limit the best opposite price was when an order arrived, bps of the limit.

    None when it was not beyond, when none was shown, or when the order never arrived.
    Example: a stop to sell with a limit of 94 that arrives when the best bid is 90: 425.5 bps.
    """
    best, limit = int(order["arrival_best"]), int(order["limit_tick"])
    beyond = int(order["side"]) * (best - limit)
    if order["arrival_mid2"] == 0 or best in (NO_BID, NO_ASK) or limit <= 0 or beyond <= 0:
        return None
    return float(Fraction(BPS * beyond, limit))


def _tick(grid: Grid, tick: int) -> float | None:
    """The price of a tick, None for none."""
    return grid.price(int(tick)) if tick > 0 else None
