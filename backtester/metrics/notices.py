"""What came out otherwise than a portfolio's words suggest, and would stay unsaid: each with order, size and time.

Told by three rooms: `old_books` (fills and triggers that no market would give), `unprotected` (positions whose stops
were not there, or that were turned) and `undone` (orders and plans that did less than they should, or too much).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from backtester.metrics.names import Names
from backtester.metrics.old_books import stale_fills, triggers_behind_gaps
from backtester.metrics.undone import (
    left_open,
    orders_not_sent,
    plans_not_started,
    stuck_liquidations,
    too_large_orders,
    too_large_plans,
    unfinished_plans,
    unjudged_plans,
)
from backtester.metrics.unprotected import flips, half_done_groups, refused_stops, trailing_from_start
from backtester.report.executions import OrderReport, PlanReport
from backtester.report.records import Notice
from backtester.run.result import RunResult


def notices(
    result: RunResult, names: Names, orders: Sequence[OrderReport], plans: Sequence[PlanReport]
) -> Iterator[Notice]:
    """All of them, the gravest kind first, each kind in the order of the portfolio or of time."""
    return chain(
        stale_fills(result, names),
        triggers_behind_gaps(result, names),
        left_open(result, names, orders),
        stuck_liquidations(result, names),
        flips(result, names),
        refused_stops(result, orders),
        half_done_groups(result, names),
        orders_not_sent(result, orders),
        plans_not_started(result, plans),
        unfinished_plans(result, orders, plans),
        too_large_plans(result, plans),
        too_large_orders(result, names, orders),
        unjudged_plans(plans),
        trailing_from_start(result, names),
    )
