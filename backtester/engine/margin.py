"""Maintenance, initial margin, equity of pools and the prices at which they break (RULES 6).

Sources of the worked examples: Hyperliquid margin tiers and liquidation pages, mirrored at
github.com/dzmbs/hyperliquid-docs, docs/trading.
"""

from __future__ import annotations

import numpy as np

from backtester.engine.jit import helper, inlined


@inlined
def tier_of(tiers: np.ndarray, k: np.void, notional: float) -> int:
    """Row of the tier with the highest floor that is not above `notional` (quote)."""
    row = k["tier_first"]
    last = row + k["tier_count"] - 1
    while row < last and tiers[row + 1]["floor"] <= notional:
        row += 1
    return row


@inlined
def maintenance(tiers: np.ndarray, k: np.void, notional: float) -> float:
    """Maintenance margin (quote) = notional · rate − deduction (RULES 6.3).

    Example: Hyperliquid BTC at 200 M → 200 M · 2.5 % − 1,875,000 = 3,125,000.
    """
    tier = tiers[tier_of(tiers, k, notional)]
    return notional * tier["rate"] - tier["deduction"]


@inlined
def pool_state(m, w, pool: int) -> tuple[float, float, int]:
    """(equity, maintenance, open positions) of a pool at the marks of now (RULES 6.4)."""
    row = w.pools[pool]
    equity = row["balance"]
    needed = 0.0
    count = 0
    for i in range(row["position_first"], row["position_first"] + row["position_count"]):
        x = w.positions[i]
        lots = x["lots"]
        if lots != 0:
            k = m.markets[x["market"]]
            value = lots * k["unit"] * k["mark"]
            equity += value - x["cost"]
            needed += maintenance(m.tiers, k, abs(value))
            count += 1
    return equity, needed, count


@inlined
def _buffer_slope(m, x: np.void) -> float:
    """What its pool's buffer gains while the mark of position `x` doubles, at the tier of now, quote."""
    k = m.markets[x["market"]]
    value = x["lots"] * k["unit"] * k["mark"]
    return value - abs(value) * m.tiers[tier_of(m.tiers, k, abs(value))]["rate"]


@inlined
def liquidation_distance(m, w, p: int, buffer: float) -> float:
    """How far the mark of position `p` may move until `buffer` is gone, a fraction of it (RULES 6.4), or infinite.

    Other contracts held fixed, at the tier of now, both legs of a hedge together: buffer / |Σ(N − |N|·rate)|.
    Examples: long 1 BTC at 100,000 with 2,500 margin, 1.25 %: buffer 1,250 → 1.2658 %, that is 98,734.18. Long 2 and
    short 1 at 100,000 with 20,000, 0.4 %: 18,800 / (100,000 − 1,200) → 19.03 %.
    """
    slope = _buffer_slope(m, w.positions[p])
    if w.positions[p]["twin"] != 0:
        slope += _buffer_slope(m, w.positions[p + w.positions[p]["twin"]])
    return buffer / abs(slope) if slope != 0.0 else np.inf


@inlined
def bankruptcy_price(m, w, p: int) -> float:
    """The mark at which nothing is left of position `p`'s part of its pool's equity (RULES 8.3), quote.

    Example: long 1 at 100,000, mark 98,000, margin 2,500: equity 500, so 97,500.
    """
    x = w.positions[p]
    k = m.markets[x["market"]]
    equity, needed, _ = pool_state(m, w, x["pool"])
    share = maintenance(m.tiers, k, abs(x["lots"]) * k["unit"] * k["mark"]) / needed if needed > 0.0 else 1.0
    return k["mark"] - equity * share / (x["lots"] * k["unit"])


@helper
def opening_lots(x: np.void, side: int, lots: int) -> int:
    """Part of an order on position `x` that opens rather than closes."""
    against = -side * x["lots"]
    return lots - min(lots, max(against, 0))


@helper
def free_margin(m, w, account: int) -> float:
    """Cross equity less what positions and resting orders tie up (RULES 6.1), quote; below 0 when that is more."""
    a = w.accounts[account]
    pool = w.pools[a["pool_first"]]
    equity, _, _ = pool_state(m, w, a["pool_first"])
    for i in range(pool["position_first"], pool["position_first"] + pool["position_count"]):
        x = w.positions[i]
        k = m.markets[x["market"]]
        equity -= abs(x["lots"]) * k["unit"] * k["mark"] / x["leverage"]
    i = a["resting"]
    while i != 0:
        order = w.orders[i - 1]
        if order["reduce_only"] == 0:
            x = w.positions[order["position"]]
            k = m.markets[x["market"]]
            lots = opening_lots(x, order["side"], order["lots"] - order["filled"])
            equity -= lots * k["unit"] * k["mark"] / x["leverage"]
        i = order["account_next"]
    return equity
