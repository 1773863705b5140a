"""What guards saw and did."""

from __future__ import annotations

from typing import NamedTuple

from backtester.config.values import Instant
from backtester.enums import GuardEvent, Hold


class ActionReport(NamedTuple):
    """What a guard did, or that it was held back: of an uninterrupted stretch of that, the beginning."""

    ts: Instant
    account: str
    guard: str
    event: GuardEvent
    held: Hold  # what holds it back
    order: str  # id of the order that it sent, or ""
    seen: float | None  # both sides of the first comparison of its condition that was true
    bound: float | None


class GuardReport(NamedTuple):
    """A guard over the whole run."""

    account: str
    id: str
    when: str  # its condition as it is written
    fires: int
    first_ts: Instant | None
    lead_s: float | None  # from its first fire to the first liquidation order of its account, or breach without guards
    false_fires: int  # alerts behind which none came within an hour
    blind: int  # looks at which its condition was unknown, the first and the last of them
    blind_first_ts: Instant | None
    blind_last_ts: Instant | None
