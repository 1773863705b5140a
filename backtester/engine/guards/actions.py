"""What guards do (RULES 11.5): alerts, and orders that make positions smaller."""

from __future__ import annotations

import math

import numpy as np

from backtester.engine.guards.metrics import pools_meant, positions_meant, seen_value
from backtester.engine.guards.tables import SENT_WITHIN_NS
from backtester.engine.jit import helper
from backtester.engine.money.margin import maintenance
from backtester.engine.orders.latency import SENT, client_arrival, mixed
from backtester.engine.state import ARRIVAL, NONE
from backtester.engine.time.agenda import schedule
from backtester.engine.value import worth
from backtester.enums import (
    GuardDo,
    GuardEvent,
    GuardMetric,
    Held,
    Hold,
    OrderStatus,
    OrderType,
    PriceSeries,
    TimeInForce,
)

#: A position is made smaller in steps of so many parts, when a metric shall come within a bound.
PARTS = 10_000
_HAIR = 1e-9


@helper
def act(m, w, c: np.void, t: int, i: int) -> None:
    """Do all that guard `i` does, in order. There is room for the orders and for a row of each."""
    g = w.guards[i]
    place = np.int64(0)
    for n in range(g["action_first"], g["action_first"] + g["action_count"]):
        action = w.guard_actions[n]
        if action["do"] == GuardDo.ALERT:
            note(w, c, t, i, GuardEvent.ALERT, Hold.NONE, NONE)
        else:
            place = _reduce(m, w, c, t, i, action, place)


@helper
def note(w, c: np.void, t: int, i: int, event: int, held: int, order: int) -> None:
    """Keep what a guard did, if its world records."""
    g = w.guards[i]
    world = w.accounts[g["account"]]["world"]
    if w.worlds[world]["record"] != 0:
        row = w.guard_events[c["guard_events"]]
        row["ts"] = t
        row["world"] = world
        row["account"] = g["account"]
        row["guard"] = i
        row["event"] = event
        row["held"] = held
        row["order"] = order
        row["seen"] = g["seen"]
        row["bound"] = g["bound"]
        c["guard_events"] += 1


@helper
def _reduce(m, w, c: np.void, t: int, i: int, action: np.void, place: int) -> int:
    """Send an order for every position that is meant and has lots; returns the place of the next order of this fire."""
    g = w.guards[i]
    first, behind = positions_meant(m, w, g["account"], action)
    k = _parts(m, w, g["account"], action, first, behind)
    for p in range(first, behind):
        x = w.positions[p]
        if x["lots"] == 0:
            continue
        size = abs(x["lots"])
        wanted = -(-k * size // PARTS)
        if action["do"] == GuardDo.REDUCE_SHARE:
            wanted = math.ceil(action["value"] * size - _HAIR)
        elif action["do"] == GuardDo.REDUCE_AMOUNT:
            notional = _notional(m, w, first, behind)
            wanted = 0 if np.isnan(notional) else math.ceil(min(1.0, action["value"] / notional) * size - _HAIR)
        lots = min(_taken(m, x, wanted), size) - _under_way(w, g["account"], p)
        if lots <= 0:
            note(w, c, t, i, GuardEvent.NOTHING, Hold.NONE, NONE)
        elif t - w.recent[g["account"], _oldest(w, g["account"])] < SENT_WITHIN_NS:
            note(w, c, t, i, GuardEvent.HELD, Hold.MAX_ORDERS, NONE)
        else:
            note(w, c, t, i, GuardEvent.ORDER, Hold.NONE, _send(m, w, c, t, i, p, lots, action["bound"], place))
            place += 1
    return place


@helper
def _notional(m, w, first: int, behind: int) -> float:
    total = 0.0
    for p in range(first, behind):
        total += abs(seen_value(m, w.positions[p]))
    return total


@helper
def _taken(m, x: np.void, lots: int) -> int:
    """The lots of an order that the venue takes."""
    k = m.markets[x["market"]]
    if k["max_market_lots"] > 0:
        lots = min(lots, k["max_market_lots"])
    lot = worth(1, k["unit"], m.views[x["market"]]["mark"])
    if k["max_market_quote"] > 0.0 and not np.isnan(lot):
        lots = min(lots, math.floor(k["max_market_quote"] / lot))
    return lots


@helper
def _under_way(w, account: int, p: int) -> int:
    """Lots that orders of guards may still close of a position; those that have ended leave the list."""
    a = w.accounts[account]
    lots, before, number = 0, np.int64(0), a["sent"]
    while number != 0:
        o = w.orders[number - 1]
        if o["status"] >= OrderStatus.FILLED:
            if before == 0:
                a["sent"] = o["account_next"]
            else:
                w.orders[before - 1]["account_next"] = o["account_next"]
        else:
            lots += o["lots"] - o["filled"] if o["position"] == p else 0
            before = number
        number = o["account_next"]
    return lots


@helper
def _oldest(w, account: int) -> int:
    """Slot of the order that is the longest ago of those that are remembered."""
    oldest = 0
    for slot in range(1, w.recent.shape[1]):
        if w.recent[account, slot] < w.recent[account, oldest]:
            oldest = slot
    return oldest


@helper
def _send(m, w, c: np.void, t: int, i: int, p: int, lots: int, bound: float, place: int) -> int:
    """Decide a reduce-only market order for position `p`; returns its number."""
    g, x = w.guards[i], w.positions[p]
    a, number = w.accounts[g["account"]], c["orders"]
    c["orders"] += 1
    o = w.orders[number]
    for_market = m.markets[x["market"]]
    o["world"], o["account"], o["position"], o["market"] = a["world"], g["account"], p, x["market"]
    o["instrument"] = for_market["instrument"]
    o["type"], o["tif"], o["held"] = OrderType.MARKET, TimeInForce.IOC, Held.CLIENT
    o["trigger_by"] = PriceSeries.MARK
    o["side"] = -1 if x["lots"] > 0 else 1
    o["reduce_only"], o["status"] = 1, OrderStatus.IN_FLIGHT
    o["lots"], o["bound"], o["reaction_ns"], o["target"] = lots, bound, g["reaction_ns"], 1.0
    o["parent"], o["plan"], o["guard"] = -1, -1, i
    o["peak"], o["hold_ts"], o["trigger_ts"], o["arrive_ts"], o["done_ts"] = -1, -1, -1, -1, -1
    o["key"] = mixed(g["key"] + 65536 * (g["fires"] - 1) + place)
    o["decision_ts"] = t
    o["decision_mid2"] = m.instruments[o["instrument"]]["mid2"]
    o["account_next"], a["sent"] = a["sent"], number + 1
    w.recent[g["account"], _oldest(w, g["account"])] = t
    schedule(w, c, number, client_arrival(m, w, c, o, t, o["reaction_ns"], SENT), ARRIVAL)
    return number


@helper
def _parts(m, w, account: int, action: np.void, first: int, behind: int) -> int:
    """The smallest k at which closing k/PARTS of the positions brings a metric within its bound; all if none does, none
    where it is not known.

    By bisection. Example: long 10 at 100,000 in lots of 0.001, equity 50,000, fee 5 bps, to a leverage of 10: 5,026.
    """
    if action["do"] != GuardDo.REDUCE_TO or first >= behind:
        return 0
    pool, behind_pools = pools_meant(m, w, account, action)
    places = (pool, behind_pools, first, behind)
    value, bound = _compared(m, w, action, places, 0)
    if np.isnan(value) or np.isnan(bound) or _is_met(m, w, action, places, 0):
        return 0
    low, high = 0, PARTS
    while high - low > 1:
        middle = (low + high) // 2
        if _is_met(m, w, action, places, middle):
            high = middle
        else:
            low = middle
    return high


@helper
def _is_met(m, w, action: np.void, places: tuple[int, int, int, int], k: int) -> bool:
    value, bound = _compared(m, w, action, places, k)
    return value >= bound if action["metric"] == GuardMetric.BUFFER else value <= bound


@helper
def _compared(m, w, action: np.void, places: tuple[int, int, int, int], k: int) -> tuple[float, float]:
    """(metric, its bound) after k/PARTS were closed."""
    bound = action["value"]
    if action["share_of"] >= 0:
        bound *= _after(m, w, places, action["share_of"], k)
    return _after(m, w, places, action["metric"], k), bound


@helper
def _after(m, w, places: tuple[int, int, int, int], metric: int, k: int) -> float:
    """A metric after k/PARTS of positions `first` … were closed at the marks that are seen, with the taker fee.

    Equity and maintenance are those of the pools that are meant; notional is their own.
    """
    first_pool, behind_pools, first, behind = places
    equity, needed, own, gross = 0.0, 0.0, 0.0, 0.0
    for pool in range(first_pool, behind_pools):
        row = w.pools[pool]
        equity += row["balance"]
        for p in range(row["position_first"], row["position_first"] + row["position_count"]):
            x = w.positions[p]
            if x["lots"] != 0:
                market = m.markets[x["market"]]
                value, size = seen_value(m, x), abs(x["lots"])
                closed = -(-k * size // PARTS) if first <= p < behind else 0
                left = abs(value) * ((size - closed) / size)
                equity += value - x["cost"] - (abs(value) - left) * m.rules[market["rules"]]["taker_fee"]
                needed += maintenance(m.tiers, market, left)
                gross += left
                own += left if first <= p < behind else 0.0
    if metric == GuardMetric.NOTIONAL:
        return own
    if metric == GuardMetric.BUFFER:
        return equity - needed
    if equity <= 0.0:
        return np.inf
    return gross / equity if metric == GuardMetric.LEVERAGE else needed / equity
