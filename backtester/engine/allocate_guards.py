"""Guards from `spec` to arrays: their conditions one after the other, and what they look at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backtester.engine import spec
from backtester.engine.state import GUARD, GUARD_OP, NEVER_NS, VIEW
from backtester.enums import GuardScope

#: For how long back a return can be asked for.
LONGEST_RETURN_NS = 3600 * 10**9
#: More than a condition of the greatest depth puts on the stack.
STACK = 64


def allocate_views(data: spec.MarketData) -> tuple[np.ndarray, np.ndarray]:
    """(VIEW[market], marks[market, slot]): nothing seen yet, room for the marks of an hour."""
    views = np.zeros(len(data.markets), VIEW)
    views["ts"] = -1
    for name in ("mark", "index", "last", "bid", "ask", "funding"):
        views[name] = np.nan
    slots = max((LONGEST_RETURN_NS // rules.mark_interval_ns for rules in data.rules), default=0) + 1
    return views, np.zeros((len(data.markets), slots))


def allocate_guards(
    owners: Sequence[spec.Account], accounts: np.ndarray, positions: Sequence[Sequence[int]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(GUARD of each guard of `owners`, GUARD_OP of their conditions, the stack).

    accounts   ACCOUNT of each owner
    positions  number of each of its positions
    """
    guards: list[tuple[int, spec.Guard]] = [(n, each) for n, owner in enumerate(owners) for each in owner.guards]
    rows, ops = np.zeros(len(guards), GUARD), list[tuple[int, spec.GuardOp]]()
    for row, (account, guard) in zip(rows, guards, strict=True):
        row["account"] = account
        row["op_first"], row["op_count"] = len(ops), len(guard.when)
        row["rearm_first"], row["rearm_count"] = len(ops) + len(guard.when), len(guard.rearm_when)
        ops += [(account, op) for op in (*guard.when, *guard.rearm_when)]
        for name in ("rearm", "cool_down_ns", "confirm_ns", "max_fires"):
            row[name] = getattr(guard, name)
    rows["armed"], rows["confirm_ts"] = 1, NEVER_NS
    for name in ("first_ts", "blind_first", "blind_last"):
        rows[name] = -1
    return rows, _op_rows(ops, accounts, positions), np.zeros(STACK)


def _op_rows(
    ops: Sequence[tuple[int, spec.GuardOp]], accounts: np.ndarray, positions: Sequence[Sequence[int]]
) -> np.ndarray:
    rows = np.zeros(len(ops), GUARD_OP)
    for row, (account, op) in zip(rows, ops, strict=True):
        for name in ("code", "metric", "scope", "place", "value", "ns"):
            row[name] = getattr(op, name)
        if op.scope == GuardScope.POOL:
            row["place"] += accounts[account]["pool_first"]
        elif op.scope == GuardScope.POSITION:
            row["place"] = positions[account][op.place]
    rows["since_ts"] = NEVER_NS
    return rows
