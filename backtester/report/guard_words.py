"""What guards did, in words."""

from __future__ import annotations

from backtester.enums import GuardEvent
from backtester.report.guarded import ActionReport
from backtester.report.records import Cell
from backtester.report.text import money

_DID = {
    GuardEvent.ALERT: "alerts",
    GuardEvent.HELD: "is held back",
    GuardEvent.PASSED: "lets it pass, it is over",
    GuardEvent.ORDER: "sends",
    GuardEvent.NOTHING: "has nothing to send",
}


def guard_words(cell: Cell, each: ActionReport) -> str:
    """Example: guard low-buffer alerts: buffer < 10_000, sees 8,432.10."""
    condition = next(guard.when for guard in cell.guards if (guard.account, guard.id) == (each.account, each.guard))
    did = f"{_DID[each.event]} {each.order}".rstrip()
    return f"guard {each.guard} {did}: {condition}{_sees(each)}"


def _sees(each: ActionReport) -> str:
    if each.seen is None:
        return ""
    figure = money(each.seen) if abs(each.seen) >= 10.0 else f"{each.seen:.4g}".replace("-", "−")
    return f", sees {figure}"
