"""The stop audit: what became of each conditional order, and how far the market had gone when it fired (RULES 4)."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from backtester.enums import OrderReason, OrderStatus
from backtester.report.slippage import BPS

#: Of an order that still waits, and of one that was cancelled.
_WAITING = {OrderReason.PRICE_PROTECTED: "protected", OrderReason.OUTAGE: "held_by_outage"}
_CANCELLED = {
    OrderReason.LIQUIDATION: "cancelled_by_liquidation",
    OrderReason.CANCEL_REQUEST: "cancelled",
    OrderReason.BEYOND_VISIBLE_DEPTH: "beyond_depth",
}


def stop_result(order: Any) -> str:
    """One word for the outcome of a conditional ORDER record.

    filled                     all of it (a reduce-only one: all that was left to reduce)
    partial                    the venue's bound ended it after some fills
    gapped                     fired, but every displayed price was beyond the venue's bound
    beyond_depth               the ladder ended before the size was done
    reduce_only_void           fired with nothing left to reduce
    refused                    the venue did not take it
    cancelled                  the user's cancel came first
    protected                  its price came, but mark and last lay too far apart until the end
    held_by_outage             its price came, but an outage held it until the end
    cancelled_by_liquidation   the liquidation of its account came first
    in_flight_at_end           sent, not arrived when the tape ended
    not_triggered              its price never came
    """
    status, reason = OrderStatus(int(order["status"])), OrderReason(int(order["reason"]))
    if status is OrderStatus.FILLED:
        return "filled"
    if status is OrderStatus.REJECTED:
        return "reduce_only_void" if reason is OrderReason.REDUCE_ONLY_VOID else "refused"
    if status is OrderStatus.IN_FLIGHT:
        return "in_flight_at_end"
    if status is not OrderStatus.CANCELLED:
        return _WAITING.get(reason, "not_triggered")
    if reason in _CANCELLED:
        return _CANCELLED[reason]
    return "partial" if order["filled"] > 0 else "gapped"


def gap_bps(order: Any) -> float | None:
    """How far the mid had run through the stop price when the order fired, bps of the stop price; None if it never did.

    Gap and slippage add up: together they are the distance from the price the user set to the price the user got.
    Example: a stop to sell at 100 that fires with the mid at 99.5 has a gap of 50 bps.
    """
    if order["trigger_ts"] < 0:
        return None
    stop = int(order["trigger_tick"])
    return float(BPS * int(order["side"]) * (Fraction(int(order["decision_mid2"]), 2) - stop) / stop)
