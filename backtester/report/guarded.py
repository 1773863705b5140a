"""What guards saw and did."""

from __future__ import annotations

from typing import NamedTuple

from backtester.config.values import Instant
from backtester.enums import GuardEvent, Hold, Limit


class ActionReport(NamedTuple):
    """What a guard did, or that it was held back: of an uninterrupted stretch of that, the beginning."""

    ts: Instant
    account: str
    guard: str
    event: GuardEvent
    held: Hold  # what holds the guard back
    limit: Limit  # what holds an order of it back, or makes it smaller
    order: str  # id of the order that it sent, or ""
    position: str  # that it is for, or ""
    wanted: float | None  # size of an order that it wanted, and what of it went out: all, or what a limit left
    size: float | None
    seen: float | None  # both sides of the first comparison of its condition that was true
    bound: float | None


class BlockedReport(NamedTuple):
    """Orders of a guard that limits on its automation held back or made smaller, by the name of the limit."""

    halted: int
    stale: int
    collar: int
    max_order: int
    max_notional: int
    max_orders: int


class GuardReport(NamedTuple):
    """A guard over the whole run."""

    account: str
    id: str
    when: str  # its condition as it is written
    fires: int
    first_ts: Instant | None
    lead_s: float | None  # from its first fire to the first liquidation order of its account, or breach without guards
    false_fires: int  # alerts behind which none came within an hour
    blocked: BlockedReport
    blind: int  # looks at which its condition was unknown, the first and the last of them
    blind_first_ts: Instant | None
    blind_last_ts: Instant | None
