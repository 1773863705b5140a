"""Guards from `spec` to arrays: their conditions one after the other, and what they look at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backtester.engine import spec
from backtester.engine.guards.drills import TIMES_SENT
from backtester.engine.guards.tables import AUTOMATION, GUARD, GUARD_ACTION, GUARD_OP, VIEW, VIEWER
from backtester.engine.state import NEVER_NS
from backtester.enums import Drill, GuardDo, GuardMetric, GuardOp, GuardScope

#: What sends orders, and what cancels those of the account.
_SENDING = (GuardDo.REDUCE_SHARE, GuardDo.REDUCE_AMOUNT, GuardDo.REDUCE_TO)
_CANCELLING = (GuardDo.CANCEL, GuardDo.PAUSE)
#: More than a condition of the greatest depth puts on the stack.
STACK = 64


#: Drills of what is seen of the markets: a world with one has views of its own.
OF_VIEWS = (Drill.BAD_TICK, Drill.STALE_VIEW)
#: Drills in which each order goes out several times.
REPEATED = (Drill.TRIPLE, Drill.FLIP)


def viewer_numbers(worlds: Sequence[spec.World]) -> list[int]:
    """Whose views each world has: 0 is shared by all without a drill of what is seen."""
    broken = [n for n, world in enumerate(worlds) if world.drill.kind in OF_VIEWS]
    own = {n: viewer for viewer, n in enumerate(broken, 1)}
    return [own.get(n, 0) for n in range(len(worlds))]


def allocate_viewers(worlds: Sequence[spec.World]) -> np.ndarray:
    """VIEWER[n]: the one who sees everything, and those with a drill."""
    drills = [spec.Drill(), *(world.drill for world in worlds if world.drill.kind in OF_VIEWS)]
    return np.array([tuple(drill) for drill in drills], VIEWER)


def allocate_views(data: spec.MarketData, viewers: int) -> np.ndarray:
    """VIEW[viewer, market]: nothing seen yet."""
    views = np.zeros((viewers, len(data.markets)), VIEW)
    views["ts"] = -1
    for name in ("mark", "index", "last", "bid", "ask", "funding"):
        views[name] = np.nan
    return views


def allocate_marks(data: spec.MarketData, worlds: Sequence[spec.World]) -> np.ndarray:
    """f8[market, slot]: room for the marks that the longest return reaches back to which a guard looks at."""
    guards = (guard for world in worlds for account in world.accounts for guard in account.guards)
    ops = (op for guard in guards for op in (*guard.when, *guard.rearm_when))
    returns = (op for op in ops if op.code == GuardOp.METRIC and op.metric == GuardMetric.RETURN)
    back = (op.ns // data.rules[data.markets[op.place].rules].mark_interval_ns for op in returns)
    return np.zeros((len(data.markets), max(back, default=0) + 1))


def allocate_guards(
    owners: Sequence[spec.Account], accounts: np.ndarray, positions: Sequence[Sequence[int]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(GUARD of each guard of `owners`, GUARD_OP of their conditions, GUARD_ACTION of what they do).

    accounts   ACCOUNT of each owner
    positions  number of each of its positions
    """
    guards: list[tuple[int, spec.Guard]] = [(n, each) for n, owner in enumerate(owners) for each in owner.guards]
    rows, ops = np.zeros(len(guards), GUARD), list[tuple[int, spec.GuardOp]]()
    actions: list[tuple[int, spec.GuardAction]] = []
    for row, (account, guard) in zip(rows, guards, strict=True):
        row["account"] = account
        row["op_first"], row["op_count"] = len(ops), len(guard.when)
        row["rearm_first"], row["rearm_count"] = len(ops) + len(guard.when), len(guard.rearm_when)
        ops += [(account, op) for op in (*guard.when, *guard.rearm_when)]
        row["action_first"], row["action_count"] = len(actions), len(guard.do)
        actions += [(account, action) for action in guard.do]
        for name in ("rearm", "cool_down_ns", "confirm_ns", "max_fires", "reaction_ns", "key"):
            row[name] = getattr(guard, name)
    rows["armed"], rows["confirm_ts"] = 1, NEVER_NS
    for name in ("first_ts", "blind_first", "blind_last"):
        rows[name] = -1
    op_rows = _placed(ops, GUARD_OP, accounts, positions)
    op_rows["since_ts"] = NEVER_NS
    return rows, op_rows, _placed(actions, GUARD_ACTION, accounts, positions)


def _placed(
    said: Sequence[tuple[int, spec.GuardOp | spec.GuardAction]],
    kind: np.dtype,
    accounts: np.ndarray,
    positions: Sequence[Sequence[int]],
) -> np.ndarray:
    """Rows of `kind` of what is said for accounts, their pools and positions by number."""
    rows = np.zeros(len(said), kind)
    for row, (account, each) in zip(rows, said, strict=True):
        for name in each._fields:
            row[name] = getattr(each, name)
        if each.scope == GuardScope.POOL:
            row["place"] += accounts[account]["pool_first"]
        elif each.scope == GuardScope.POSITION:
            row["place"] = positions[account][each.place]
    return rows


def orders_at_a_time(owner: spec.Account, drill: Drill) -> int:
    """How many orders the guards of an account can send at a time."""
    sending = sum(action.do in _SENDING for guard in owner.guards for action in guard.do)
    return sending * len(owner.positions) * (TIMES_SENT if drill in REPEATED else 1)


def cancels_at_a_time(owner: spec.Account) -> int:
    """How many cancels of its orders can be under way at a time that its guards have sent."""
    return len(owner.orders) if any(action.do in _CANCELLING for g in owner.guards for action in g.do) else 0


def rows_at_a_time(owner: spec.Account, drill: Drill) -> int:
    """How many rows they can write: of each guard, of each action, three of an order, one of a cancel.

    Two limits can make an order smaller before it goes out; a cancel is under way but once.
    """
    actions = sum(len(guard.do) for guard in owner.guards)
    return len(owner.guards) + actions + 3 * orders_at_a_time(owner, drill) + cancels_at_a_time(owner)


def allocate_automations(owners: Sequence[spec.Account]) -> np.ndarray:
    """AUTOMATION of each of `owners`; no rows where none has guards."""
    if not any(owner.guards for owner in owners):
        return np.zeros(0, AUTOMATION)
    rows = np.zeros(len(owners), AUTOMATION)
    for name in spec.Automation._fields:
        rows[name] = [getattr(owner.automation, name) for owner in owners]
    slots = np.array([owner.automation.max_orders if owner.guards else 0 for owner in owners])
    rows["recent_first"] = np.cumsum(slots) - slots
    asks = [owner.automation.asks for owner in owners]
    rows["stale_ns"] = np.where(asks & (rows["stale_ns"] == 0), NEVER_NS, rows["stale_ns"])
    return rows


def allocate_recent(owners: Sequence[spec.Account]) -> np.ndarray:
    """i8[slot]: those of each account with guards, one behind the other; nothing was sent."""
    return np.zeros(sum(owner.automation.max_orders for owner in owners if owner.guards), np.int64)
