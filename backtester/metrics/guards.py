"""What guards saw and did, and how much earlier than the venue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from backtester.config.values import Instant
from backtester.enums import GuardEvent, Hold, Limit
from backtester.metrics.names import Names, known, moment, rows_of
from backtester.report.guarded import ActionReport, BlockedReport, GuardReport
from backtester.run.result import ACTUAL, RunResult

#: An alert behind which no liquidation comes for so long was a false one.
FALSE_AFTER_NS = 3600 * 10**9
_SECOND_NS = 1e9


def action_reports(result: RunResult, names: Names) -> Iterator[ActionReport]:
    """What guards of ACTUAL did, in order."""
    events = result.guard_events[result.guard_events["world"] == ACTUAL]
    for row in rows_of(events):
        is_wish = row["wanted"] > 0
        yield ActionReport(
            ts=Instant(row["ts"]),
            account=names.account(row["account"]),
            guard=names.guard(row["account"], row["guard"]),
            event=GuardEvent(row["event"]),
            held=Hold(row["held"]),
            limit=Limit(row["limit"]),
            order=names.order(row["order"]) if row["order"] >= 0 else "",
            position=names.position(row["position"]) if row["position"] >= 0 else "",
            wanted=names.grid(row["position"]).size(row["wanted"]) if is_wish else None,
            size=names.grid(row["position"]).size(row["lots"]) if is_wish else None,
            seen=known(row["seen"]),
            bound=known(row["bound"]),
        )


def guard_reports(result: RunResult, names: Names) -> Iterator[GuardReport]:
    """Every guard of ACTUAL: how often it fired, and how long before the first liquidation of its account."""
    events = result.guard_events
    for account, described in enumerate(result.portfolio.accounts):
        forced = _would_be_forced(result, account)
        for number, guard in zip(result.index.guards[account], described.guards, strict=True):
            row = result.state.guards[number]
            alerts = events["ts"][(events["guard"] == number) & (events["event"] == GuardEvent.ALERT)]
            yield GuardReport(
                account=names.account(account),
                id=guard.id,
                when=guard.when.text,
                fires=int(row["fires"]),
                first_ts=moment(row["first_ts"]),
                lead_s=_lead(int(row["first_ts"]), forced),
                false_fires=sum(not _is_followed(int(ts), forced) for ts in alerts),
                blocked=_blocked(events[events["guard"] == number]),
                blind=int(row["blind"]),
                blind_first_ts=moment(row["blind_first"]),
                blind_last_ts=moment(row["blind_last"]),
            )


def _blocked(events: np.ndarray) -> BlockedReport:
    """How often each limit on the automation held back an order of a guard, or made it smaller."""
    counts = Counter(events["limit"].tolist())
    return BlockedReport(*(counts[Limit[name.upper()]] for name in BlockedReport._fields))


def _would_be_forced(result: RunResult, account: int) -> np.ndarray:
    """When the venue liquidates an account, and when its pools would first be in breach if guards had sent nothing."""
    forced: np.ndarray = result.liquidations["ts"][result.liquidations["account"] == account]
    unguarded = result.saved[account].unguarded
    return forced if unguarded is None else np.append(forced, np.array(unguarded.breaches, np.int64))


def _lead(first_ts: int, forced: np.ndarray) -> float | None:
    """From its first fire to the first of them, s; below 0 where it came too late."""
    return (int(forced.min()) - first_ts) / _SECOND_NS if first_ts >= 0 and len(forced) else None


def _is_followed(ts: int, forced: np.ndarray) -> bool:
    return bool(((forced >= ts) & (forced <= ts + FALSE_AFTER_NS)).any())
