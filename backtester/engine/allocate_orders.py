"""From the orders and plans of `spec` to arrays, and what is known of them before the run: links, heaps, the schedule.

All accounts at once: there may be tens of thousands of orders.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, groupby
from typing import NamedTuple

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

#: What an order is told; the rest of its row comes about in the run.
_TOLD = [name for name in spec.ORDER_ROW.names or () if name in (ORDER.names or ())]
#: Columns of an ORDER whose -1 says that it has not happened.
_NEVER = ("peak", "decision_ts", "hold_ts", "trigger_ts", "arrive_ts", "done_ts")
#: Rows that are filled together. They are wide: column by column, all of them would go through memory as often.
_TOGETHER = 1 << 10


class Entered(NamedTuple):
    """Orders and plans, and what waits."""

    orders: np.ndarray  # ORDER[n]
    plans: np.ndarray  # PLAN[p]
    heaps: np.ndarray  # HEAP[h], empty
    waiting: np.ndarray  # WAITING[e], room for all that can ever wait at a time
    schedule: np.ndarray  # WAITING[s], sorted


def enter_orders(
    market: Market,
    accounts: np.ndarray,
    positions: np.ndarray,
    places: Sequence[Sequence[int]],
    orders: Sequence[Sequence[spec.Order]],
    plans: Sequence[Sequence[spec.Plan]],
    start_ts: int,
    cancels: int,
) -> Entered:
    """The orders and plans of all accounts as they stand at `start_ts`.

    accounts, positions  ACCOUNT[a], POSITION[p]
    places               number of each position, [account][place in the spec]
    orders, plans        [account]
    cancels              that guards can have under way
    """
    table = _order_table(orders)
    account = np.repeat(np.arange(len(accounts)), list(map(len, orders)))
    rows = _build_orders(market, table, account, positions, places)
    rows["world"] = accounts["world"][account]
    _number(rows, "plan", account, plans)
    _number(rows, "parent", account, orders)
    _link(rows, table["oco"])
    working = _is_working(table)
    rows["status"][working] = enums.OrderStatus.IN_FLIGHT
    rows["decision_ts"][working] = start_ts
    rows["decision_mid2"][working] = market.instruments["mid2"][rows["instrument"][working]]
    schedule = _schedule(table, working, start_ts)
    later = cancels + int(np.count_nonzero(table["parent"] >= 0) + np.count_nonzero(table["cancel_after_ns"] > 0))
    heaps, waiting = _allocate_heaps(rows, len(schedule) + later, len(market.instruments), len(market.markets))
    return Entered(rows, _build_plans(plans, places, accounts["world"]), heaps, waiting, schedule)


def _order_table(accounts: Sequence[Sequence[spec.Order]]) -> np.ndarray:
    """ORDER_ROW of the orders of all accounts; tables are taken as they are, neighbours that are none become one."""
    tables: list[np.ndarray] = []
    for is_table, run in groupby(accounts, lambda orders: isinstance(orders, spec.Orders)):
        if is_table:
            tables += [orders.table for orders in run if isinstance(orders, spec.Orders)]
        else:
            tables.append(spec.order_table(chain.from_iterable(run)))
    return tables[0] if len(tables) == 1 else np.concatenate([np.zeros(0, spec.ORDER_ROW), *tables])


def _build_orders(
    market: Market, table: np.ndarray, account: np.ndarray, positions: np.ndarray, places: Sequence[Sequence[int]]
) -> np.ndarray:
    """ORDER of each row of `table`, whose account is `account`."""
    rows = np.zeros(len(table), ORDER)
    numbers = np.array(list(chain.from_iterable(places)), np.int64)
    position = numbers[_first(places)[account] + table["position"]]
    of_market = positions["market"][position]
    columns = {name: table[name] for name in _TOLD} | {
        "account": account,
        "position": position,
        "market": of_market,
        "instrument": market.markets["instrument"][of_market],
        "status": np.full(len(table), enums.OrderStatus.PENDING),
    }
    columns |= {name: np.full(len(table), -1) for name in (*_NEVER, "guard")}
    for begin in range(0, len(table), _TOGETHER):
        part = slice(begin, begin + _TOGETHER)
        for name, column in columns.items():
            rows[name][part] = column[part]
    return rows


def _first(accounts: Sequence[Sequence[object]]) -> np.ndarray:
    """How many of them come before each account."""
    return np.cumsum([0, *map(len, accounts)])


def _number(rows: np.ndarray, name: str, account: np.ndarray, owned: Sequence[Sequence[object]]) -> None:
    """Turn places in an account into numbers; -1 stays."""
    linked = rows[name] >= 0
    rows[name][linked] += _first(owned)[account[linked]]


def _link(rows: np.ndarray, oco: np.ndarray) -> None:
    """Children of each order in order, and the ring of each group `oco` of which one cancels the others."""
    for child in np.flatnonzero(rows["parent"] >= 0)[::-1]:
        parent = rows[rows[child]["parent"]]
        rows[child]["sibling"], parent["child"] = parent["child"], child + 1
    rings: dict[tuple[int, int], list[int]] = {}
    for number in np.flatnonzero(oco >= 0).tolist():
        rings.setdefault((int(rows[number]["account"]), int(oco[number])), []).append(number)
    for ring in rings.values():
        for number, following in zip(ring, [*ring[1:], ring[0]], strict=True):
            rows[number]["oco_next"] = following + 1 if len(ring) > 1 else 0


def _build_plans(
    plans: Sequence[Sequence[spec.Plan]], places: Sequence[Sequence[int]], worlds: np.ndarray
) -> np.ndarray:
    """PLAN of each plan; worlds[account]."""
    rows = np.zeros(sum(map(len, plans)), PLAN)
    numbered = ((account, plan) for account, owned in enumerate(plans) for plan in owned)
    for row, (account, plan) in zip(rows, numbered, strict=True):
        row["world"], row["account"], row["position"] = worlds[account], account, places[account][plan.position]
        row["side"], row["lots"], row["max_child_lots"] = plan.side, plan.lots, plan.max_child_lots
        row["rate"], row["start_ts"], row["end_ts"] = plan.rate, -1, -1
    return rows


def series_numbers(orders: np.ndarray, instruments: int, markets: int) -> np.ndarray:
    """i8[n]: the price series that triggers each order: LAST of each instrument, INDEX and MARK of each market."""
    by, market = orders["trigger_by"], instruments + orders["market"]
    series = [enums.PriceSeries.LAST, enums.PriceSeries.INDEX, enums.PriceSeries.MARK]
    return np.select([by == each for each in series], [orders["instrument"], market, market + markets])


def _allocate_heaps(orders: np.ndarray, agenda: int, instruments: int, markets: int) -> tuple[np.ndarray, np.ndarray]:
    """Heap 0 has room for `agenda` entries, the others for the triggers of their series."""
    heaps = np.zeros(1 + 2 * (instruments + 2 * markets), HEAP)
    kind = orders["type"]
    armed = orders[np.isin(kind, list(enums.CONDITIONAL)) & (kind != enums.OrderType.TRAILING_STOP)]
    up = (armed["side"] > 0) != np.isin(armed["type"], list(enums.TAKES_PROFIT))
    sizes = np.bincount(1 + 2 * series_numbers(armed, instruments, markets) + up, minlength=len(heaps))
    sizes[0] = agenda
    heaps["first"] = np.cumsum(sizes) - sizes
    return heaps, np.zeros(int(sizes.sum()) + 1, WAITING)


def _is_working(table: np.ndarray) -> np.ndarray:
    """b1[n]: what is due to arrive at the start, because nothing is left to be decided (RULES 1.4)."""
    alone = (table["parent"] < 0) & (table["plan"] < 0) & (table["peg"] == enums.Peg.NONE)
    return alone & (table["at_ns"] == spec.START_NS)


def _schedule(table: np.ndarray, working: np.ndarray, start_ts: int) -> np.ndarray:
    """WAITING[n], in order: when each order is decided (or arrives at the start), and when it is cancelled.

    An order with a parent waits for that alone (RULES 4.6).
    """
    at_ns, cancel_at_ns, after_ns = table["at_ns"], table["cancel_at_ns"], table["cancel_after_ns"]
    passive = table["tif"] == enums.TimeInForce.POST_ONLY
    groups = (  # in order of their phases
        (DECISION, at_ns, ~working & (table["parent"] < 0)),
        (CANCEL_DECISION, cancel_at_ns, cancel_at_ns >= 0),
        (CANCEL_DECISION, start_ts + after_ns, working & (after_ns > 0)),
        (POST_ONLY_ARRIVAL, at_ns, working & passive),
        (ARRIVAL, at_ns, working & ~passive),
    )
    order = np.concatenate([np.flatnonzero(chosen) for _, _, chosen in groups])
    phase = np.repeat([number for number, _, _ in groups], [np.count_nonzero(chosen) for _, _, chosen in groups])
    due = np.maximum(np.concatenate([at[chosen] for _, at, chosen in groups]), start_ts)
    twice = groups[2][2].any()  # else the order of the groups is that of phases and numbers
    by_time = np.lexsort((order, phase, due)) if twice else np.argsort(due, kind="stable")
    entries = np.zeros(len(order) + 1, WAITING)
    entries[-1]["key"] = NEVER_NS
    for name, values in (("key", due), ("phase", phase), ("order", order)):
        entries[name][:-1] = values[by_time]
    return entries
