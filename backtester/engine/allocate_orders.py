"""From the orders and plans of `spec` to arrays, and what is known of them before the run: links, heaps, the schedule.

All accounts at once: there may be tens of thousands of orders.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, groupby

import numpy as np

from backtester import enums
from backtester.engine import spec
from backtester.engine.state import (
    ARRIVAL,
    CANCEL_DECISION,
    DECISION,
    HEAP,
    NEVER_NS,
    ORDER,
    PLAN,
    POST_ONLY_ARRIVAL,
    WAITING,
    Market,
)


def build_orders(
    market: Market,
    accounts: np.ndarray,
    positions: np.ndarray,
    numbers: Sequence[Sequence[int]],
    orders: Sequence[Sequence[spec.Order]],
    plans: Sequence[Sequence[spec.Plan]],
) -> tuple[np.ndarray, np.ndarray]:
    """(ORDER[n], PLAN[p]) of all accounts; numbers[account][spec position], orders and plans [account]."""
    table = _order_table(orders)
    rows = np.zeros(len(table), ORDER)
    for name in table.dtype.names or ():
        rows[name] = table[name]
    counts = list(map(len, orders))
    rows["account"] = np.repeat(np.arange(len(accounts)), counts)
    rows["world"] = accounts["world"][rows["account"]]
    first_position = np.cumsum([0, *map(len, numbers)])
    flat = np.array(list(chain.from_iterable(numbers)), np.int64)
    rows["position"] = flat[first_position[rows["account"]] + rows["position"]]
    rows["market"] = positions["market"][rows["position"]]
    rows["instrument"] = market.markets["instrument"][rows["market"]]
    rows["status"] = enums.OrderStatus.PENDING
    for name in ("peak", "decision_ts", "hold_ts", "trigger_ts", "arrive_ts", "done_ts"):
        rows[name] = -1
    first_plan = np.cumsum([0, *map(len, plans)])
    _shift(rows, "plan", first_plan)
    _shift(rows, "parent", np.cumsum([0, *counts]))
    _link(rows)
    return rows, _build_plans(plans, numbers)


def _order_table(accounts: Sequence[Sequence[spec.Order]]) -> np.ndarray:
    """ORDER_ROW of the orders of all accounts; tables are taken as they are, neighbours that are none become one."""
    tables: list[np.ndarray] = []
    for is_table, run in groupby(accounts, lambda orders: isinstance(orders, spec.Orders)):
        if is_table:
            tables += [orders.table for orders in run if isinstance(orders, spec.Orders)]
        else:
            tables.append(spec.order_table(chain.from_iterable(run)))
    return tables[0] if len(tables) == 1 else np.concatenate([np.zeros(0, spec.ORDER_ROW), *tables])


def _shift(rows: np.ndarray, name: str, first: np.ndarray) -> None:
    """Places in an account become numbers."""
    linked = rows[name] >= 0
    rows[name][linked] += first[rows["account"][linked]]


def _link(rows: np.ndarray) -> None:
    """Children of each order in order, and the ring of each group of which one cancels the others."""
    for child in np.flatnonzero(rows["parent"] >= 0)[::-1]:
        parent = rows[rows[child]["parent"]]
        rows[child]["sibling"], parent["child"] = parent["child"], child + 1
    rings: dict[tuple[int, int], list[int]] = {}
    for number in np.flatnonzero(rows["oco"] >= 0).tolist():
        rings.setdefault((int(rows[number]["account"]), int(rows[number]["oco"])), []).append(number)
    for ring in rings.values():
        for number, following in zip(ring, [*ring[1:], ring[0]], strict=True):
            rows[number]["oco_next"] = following + 1 if len(ring) > 1 else 0


def _build_plans(plans: Sequence[Sequence[spec.Plan]], numbers: Sequence[Sequence[int]]) -> np.ndarray:
    rows = np.zeros(sum(map(len, plans)), PLAN)
    number = 0
    for account, owned in enumerate(plans):
        for plan in owned:
            row = rows[number]
            row["account"], row["position"] = account, numbers[account][plan.position]
            row["side"], row["lots"], row["max_child_lots"] = plan.side, plan.lots, plan.max_child_lots
            row["rate"], row["start_ts"], row["end_ts"] = plan.rate, -1, -1
            number += 1
    return rows


def series_number(by: int, instrument: int, market: int, instruments: int, markets: int) -> int:
    """Number of a price series: LAST of each instrument, INDEX of each market, MARK of each market."""
    if by == enums.PriceSeries.LAST:
        return instrument
    return instruments + market if by == enums.PriceSeries.INDEX else instruments + markets + market


def allocate_heaps(orders: np.ndarray, instruments: int, markets: int) -> tuple[np.ndarray, np.ndarray]:
    """(HEAP[h], WAITING[e]) with room for all that can ever wait at a time."""
    heaps = np.zeros(1 + 2 * (instruments + 2 * markets), HEAP)
    sizes = np.zeros(len(heaps), np.int64)
    cancels = (orders["cancel_at_ns"] >= 0).sum() + (orders["cancel_after_ns"] > 0).sum()
    sizes[0] = len(orders) + cancels
    kind = orders["type"]
    for order in orders[(kind >= enums.OrderType.STOP_MARKET) & (kind != enums.OrderType.TRAILING_STOP)]:
        series = series_number(order["trigger_by"], order["instrument"], order["market"], instruments, markets)
        takes_profit = order["type"] in (enums.OrderType.TAKE_PROFIT_MARKET, enums.OrderType.TAKE_PROFIT_LIMIT)
        sizes[1 + 2 * series + ((order["side"] > 0) != takes_profit)] += 1
    heaps["first"] = np.cumsum(sizes) - sizes
    return heaps, np.zeros(int(sizes.sum()) + 1, WAITING)


def enter(market: Market, orders: np.ndarray, start_ts: int) -> np.ndarray:
    """Send what works from the start; WAITING[n], sorted: when each other order is decided and when it is cancelled.

    An order with a parent waits for that alone (RULES 1.4, 4.6).
    """
    at_ns, cancel_at_ns, after_ns = orders["at_ns"], orders["cancel_at_ns"], orders["cancel_after_ns"]
    waits = orders["parent"] >= 0
    working = (at_ns == spec.START_NS) & ~waits & (orders["plan"] < 0) & (orders["peg"] == enums.Peg.NONE)
    passive = orders["tif"] == enums.TimeInForce.POST_ONLY
    orders["status"][working] = enums.OrderStatus.IN_FLIGHT
    orders["decision_ts"][working] = start_ts
    orders["decision_mid2"][working] = market.instruments["mid2"][orders["instrument"][working]]
    cancelled = np.flatnonzero(cancel_at_ns >= 0)
    timed = np.flatnonzero(working & (after_ns > 0))
    cancel_order = np.concatenate([cancelled, timed])
    cancel_due = np.concatenate([cancel_at_ns[cancelled], start_ts + after_ns[timed]])
    by_order = np.argsort(cancel_order, kind="stable") if len(timed) else slice(None)
    decided = np.flatnonzero(~working & ~waits)
    first, second = np.flatnonzero(working & passive), np.flatnonzero(working & ~passive)
    parts = (  # in order of their phases, then of their numbers
        _entries(DECISION, np.maximum(at_ns[decided], start_ts), decided),
        _entries(CANCEL_DECISION, np.maximum(cancel_due[by_order], start_ts), cancel_order[by_order]),
        _entries(POST_ONLY_ARRIVAL, start_ts, first),
        _entries(ARRIVAL, start_ts, second),
        _entries(0, NEVER_NS, np.zeros(1, np.int64)),
    )
    entries = np.concatenate(parts)
    return entries[np.argsort(entries["key"], kind="stable")]


def _entries(phase: int, due: np.ndarray | int, orders: np.ndarray) -> np.ndarray:
    """WAITING[n] of one phase."""
    rows = np.zeros(len(orders), WAITING)
    rows["key"], rows["phase"], rows["order"] = due, phase, orders
    return rows
