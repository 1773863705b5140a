"""What guards did, in words."""

from __future__ import annotations

from backtester.enums import GuardEvent, Limit
from backtester.report.guarded import ActionReport
from backtester.report.records import Cell
from backtester.report.text import money, size

_DID = {
    GuardEvent.ALERT: "alerts",
    GuardEvent.HELD: "is held back",
    GuardEvent.PASSED: "lets it pass, it is over",
    GuardEvent.ORDER: "sends",
    GuardEvent.NOTHING: "has nothing to send",
    GuardEvent.CANCEL: "cancels",
    GuardEvent.PAUSE: "pauses what opens",
}


#: Limits on what the guards of an account send, in words.
LIMITS = {
    Limit.HALTED: "all are halted",
    Limit.STALE: "what it sees is stale",
    Limit.COLLAR: "the mark is off its collar",
    Limit.MAX_ORDER: "the order is too large",
    Limit.MAX_NOTIONAL: "as much was sent as may be",
    Limit.MAX_ORDERS: "as many were sent as may be",
}


def guard_words(cell: Cell, each: ActionReport) -> str:
    """Example: guard low-buffer alerts: buffer < 10_000, sees 8,432.10."""
    if each.limit in LIMITS:
        return f"guard {each.guard} {_limited(each)}: {LIMITS[each.limit]}"
    condition = next(guard.when for guard in cell.guards if (guard.account, guard.id) == (each.account, each.guard))
    did = f"{_DID[each.event]} {each.order}".rstrip()
    return f"guard {each.guard} {did}: {condition}{_sees(each)}"


def _limited(each: ActionReport) -> str:
    """Example: may send 2 of 5 BTC."""
    if each.wanted is None:
        return "may cancel nothing"
    return f"may send {size(each.size) if each.size else 'nothing'} of {size(each.wanted)} {each.position}"


def _sees(each: ActionReport) -> str:
    if each.seen is None:
        return ""
    figure = money(each.seen) if abs(each.seen) >= 10.0 else f"{each.seen:.4g}".replace("-", "−")
    return f", sees {figure}"
