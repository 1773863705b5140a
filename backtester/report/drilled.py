"""What came of a drill."""

from __future__ import annotations

from typing import NamedTuple

from backtester.config.values import Instant
from backtester.enums import DrillVerdict, Limit


class DrillReport(NamedTuple):
    """A crash that was run again with something broken for the guards (`run.rehearse`).

    Equities are at the marks of the end, money in the account's currency. What it is compared with is the run as it
    was, and of a drill that changes the tape that tape without guards.
    """

    id: str
    ts: Instant  # when something breaks
    verdict: DrillVerdict
    limit: Limit  # the first limit on automation that held an order back, and when
    limit_ts: Instant | None
    equity_end: float
    loss: float  # equity at the end of what it is compared with, less its own
    harm: float  # that without guards, less its own
    share_60s: float | None  # most that guards closed within a minute, of the notional at the start
    false_notional: float  # that guards closed of accounts which live without them
    liquidated: str  # accounts, by their names
