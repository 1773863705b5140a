"""How much guards want to close (RULES 11.5)."""

from __future__ import annotations

import math

import numpy as np

from backtester.engine.guards.drills import is_broken, seen_cost, seen_lots
from backtester.engine.guards.metrics import figure, pools_meant, seen_value
from backtester.engine.guards.view import view_of
from backtester.engine.jit import helper
from backtester.engine.money.margin import maintenance
from backtester.engine.value import worth
from backtester.enums import Drill, GuardDo, GuardMetric

#: A position is made smaller in steps of so many parts, when a metric shall come within a bound.
PARTS = 10_000
_HAIR = 1e-9


@helper
def share_wanted(m, w, account: int, action: np.void, first: int, behind: int) -> float:
    """The share of each position `first` … that an action closes; PARTS of it where a metric shall come within a bound.

    0 where what it takes is not seen.
    """
    if action["do"] == GuardDo.REDUCE_TO:
        return float(_parts(m, w, account, action, first, behind))
    if action["do"] == GuardDo.REDUCE_AMOUNT:
        notional = notional_seen(m, w, first, behind)
        return 0.0 if np.isnan(notional) else min(1.0, action["value"] / notional)
    return action["value"]


@helper
def lots_wanted(m, w, p: int, action: np.void, share: float) -> int:
    """Lots that an action closes of a position, as one order that the venue takes."""
    size = abs(seen_lots(w, p))
    if action["do"] == GuardDo.REDUCE_TO:
        return min(taken(m, w, p, -(-np.int64(share) * size // PARTS)), size)
    return min(taken(m, w, p, math.ceil(share * size - _HAIR)), size)


@helper
def notional_seen(m, w, first: int, behind: int) -> float:
    """Σ|N| of positions `first` … at the marks that are seen."""
    total = 0.0
    for p in range(first, behind):
        total += abs(seen_value(m, w, p))
    return total


@helper
def taken(m, w, p: int, lots: int) -> int:
    """The lots of an order for position `p` that the venue takes."""
    x = w.positions[p]
    k = m.markets[x["market"]]
    if k["max_market_lots"] > 0:
        lots = min(lots, k["max_market_lots"])
    lot = worth(1, k["unit"], view_of(m, w, x)["mark"])
    if k["max_market_quote"] > 0.0 and not np.isnan(lot):
        lots = min(lots, math.floor(k["max_market_quote"] / lot))
    return lots


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
        frozen = is_broken(w, row["account"], Drill.FROZEN_EQUITY)
        equity += row["kept_equity"] if frozen else row["balance"]
        for p in range(row["position_first"], row["position_first"] + row["position_count"]):
            if seen_lots(w, p) != 0:
                market = m.markets[w.positions[p]["market"]]
                value, size = seen_value(m, w, p), abs(seen_lots(w, p))
                closed = -(-k * size // PARTS) if first <= p < behind else 0
                left = abs(value) * ((size - closed) / size)
                fee = (abs(value) - left) * m.rules[market["rules"]]["taker_fee"]
                equity += (0.0 if frozen else value - seen_cost(w, p)) - fee
                needed += maintenance(m.tiers, market, left)
                gross += left
                own += left if first <= p < behind else 0.0
    if metric == GuardMetric.NOTIONAL:
        return own
    return figure(metric, equity, needed, gross)
