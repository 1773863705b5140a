"""Maintenance, initial margin, equity of pools and the prices at which they break (RULES 6).

Sources of the worked examples: Hyperliquid margin tiers and liquidation pages, mirrored at
github.com/dzmbs/hyperliquid-docs, docs/trading.
"""

from __future__ import annotations

import numpy as np

from backtester.engine.book.ladder import side_of
from backtester.engine.jit import helper, inlined
from backtester.engine.state import NO_ASK, NO_BID
from backtester.engine.value import walked, worth
from backtester.enums import OrderMargin, OrderMarginPrice
from backtester.formulas import margin

requirement = inlined(margin.requirement)
pool_share = inlined(margin.pool_share)
buffer_slope = inlined(margin.buffer_slope)
breaks_at = inlined(margin.bankruptcy_price)


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
    """Maintenance margin of a notional in the tier that it reaches, quote (RULES 6.3)."""
    tier = tiers[tier_of(tiers, k, notional)]
    return requirement(notional, tier["rate"], tier["deduction"])


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
            value = worth(lots, k["unit"], k["mark"])
            equity += value - x["cost"]
            needed += maintenance(m.tiers, k, abs(value))
            count += 1
    return equity, needed, count


@inlined
def tier_room(tiers: np.ndarray, k: np.void, notional: float) -> float:
    """How far a notional may move before it reaches another tier, a fraction of it.

    Example: 120 in the tier from 100 to 200: it may fall by 20, a sixth.
    """
    row = tier_of(tiers, k, notional)
    room = np.inf if row == k["tier_first"] else notional - tiers[row]["floor"]
    if row + 1 < k["tier_first"] + k["tier_count"]:
        room = min(room, tiers[row + 1]["floor"] - notional)
    return room / notional


@inlined
def _buffer_slope(m, x: np.void) -> float:
    """What its pool's buffer gains while the mark of position `x` doubles, at the tier of now, quote."""
    k = m.markets[x["market"]]
    value = worth(x["lots"], k["unit"], k["mark"])
    return buffer_slope(value, m.tiers[tier_of(m.tiers, k, abs(value))]["rate"])


@inlined
def exposure(m, w, p: int) -> float:
    """What the buffer gains while the mark of position `p` doubles, both legs of a hedge together, quote."""
    slope = _buffer_slope(m, w.positions[p])
    if w.positions[p]["twin"] != 0:
        slope += _buffer_slope(m, w.positions[p + w.positions[p]["twin"]])
    return slope


@inlined
def liquidation_distance(m, w, p: int, buffer: float) -> float:
    """How far the mark of position `p` may move until `buffer` is gone, a fraction of it (RULES 6.4), or infinite.

    Other contracts held fixed, at the tier of now, both legs of a hedge together: buffer / |Σ(N − |N|·rate)|, unless
    the price there, mark · (1 − buffer / Σ), is not above 0.
    Examples: long 1 BTC at 100,000 with 2,500 margin, 1.25 %: buffer 1,250 → 1.2658 %, that is 98,734.18. Long 2 and
    short 1 at 100,000 with 20,000, 0.4 %: 18,800 / (100,000 − 1,200) → 19.03 %; with 100,000 of margin none.
    """
    slope = exposure(m, w, p)
    if slope == 0.0 or buffer / slope >= 1.0:
        return np.inf
    return buffer / abs(slope)


@inlined
def bankruptcy_price(m, w, p: int) -> float:
    """The mark at which nothing is left of position `p`'s part of its pool's equity (RULES 8.3), quote."""
    x = w.positions[p]
    k = m.markets[x["market"]]
    equity, needed, _ = pool_state(m, w, x["pool"])
    share = pool_share(maintenance(m.tiers, k, abs(worth(x["lots"], k["unit"], k["mark"]))), needed)
    return breaks_at(k["mark"], equity, share, x["lots"] * k["unit"])


@inlined
def max_leverage(tiers: np.ndarray, k: np.void, notional: float) -> float:
    """The largest leverage of a notional (quote): a tier's cap belongs to that tier (RULES 6.1).

    Example: Binance BTC, 150x up to 300,000: 300,000 allows 150x, 300,000.1 only 100x.
    """
    row = k["tier_first"]
    last = row + k["tier_count"] - 1
    while row < last and tiers[row + 1]["floor"] < notional:
        row += 1
    return tiers[row]["max_leverage"]


@helper
def opening_lots(x: np.void, side: int, lots: int) -> int:
    """Part of an order on position `x` that opens rather than closes."""
    against = -side * x["lots"]
    return lots - min(lots, max(against, 0))


@helper
def _margin_price(m, o: np.void, limit: int) -> float:
    """What a lot of an order counts as for initial margin, per unit (RULES 6.1); `limit`: its tick, 0 without one."""
    k = m.markets[o["market"]]
    r = m.rules[k["rules"]]
    if r["order_margin_price"] == OrderMarginPrice.MARK:
        return k["mark"]
    if limit > 0:
        return limit * k["tick_size"]
    best = m.sides[side_of(o["instrument"], -o["side"])]["best"]
    if best in (NO_ASK, NO_BID):
        return k["mark"]
    price = best * k["tick_size"]
    return price * (1.0 + r["order_margin_markup"]) if o["side"] > 0 else max(price, k["mark"])


@helper
def _margin_value(m, w, o: np.void, lots: int, limit: int) -> tuple[float, float]:
    """What an order of `lots` is worth for initial margin, and what it would lose at once at its price, quote."""
    k = m.markets[o["market"]]
    if m.rules[k["rules"]]["order_margin"] == OrderMargin.EACH:
        lots = opening_lots(w.positions[o["position"]], o["side"], lots)
    value = worth(lots, k["unit"], _margin_price(m, o, limit))
    return value, max(0.0, o["side"] * (value - worth(lots, k["unit"], k["mark"])))


@helper
def side_index(o: np.void) -> int:
    """Where the sums over an order's side stand in a position: 0 for buys, 1 for sells."""
    return 0 if o["side"] > 0 else 1


@helper
def _resting_one_by_one(m, w, account: int, position: int, s: int) -> tuple[float, float]:
    """What `_resting` says, order by order; its bounds are tight from now on."""
    x = w.positions[position]
    x["resting_largest"][s] = 0
    value, loss = 0.0, 0.0
    i = w.accounts[account]["resting"]
    while i != 0:
        o = w.orders[i - 1]
        if o["position"] == position and side_index(o) == s and o["reduce_only"] == 0:
            rest = o["lots"] - o["filled"]
            if x["resting_largest"][s] == 0 or o["side"] * (o["limit_tick"] - x["resting_best"][s]) > 0:
                x["resting_best"][s] = o["limit_tick"]
            x["resting_largest"][s] = max(x["resting_largest"][s], rest)
            counts, lost = _margin_value(m, w, o, rest, o["limit_tick"])
            value += counts
            loss += lost
        i = o["account_next"]
    return value, loss


@helper
def _resting(m, w, account: int, position: int, s: int) -> tuple[float, float]:
    """What the resting orders of side `s` of a position count, and what they would lose at once, quote (RULES 6.1).

    The sums answer it where each order opens all of its lots or none, and none is priced beyond the mark.
    """
    x = w.positions[position]
    k = m.markets[x["market"]]
    r = m.rules[k["rules"]]
    side = 1 - 2 * s
    against = max(0, -side * x["lots"]) if r["order_margin"] == OrderMargin.EACH else 0
    if x["resting_largest"][s] <= against:
        return 0.0, 0.0
    at_mark = r["order_margin_price"] == OrderMarginPrice.MARK
    loses = not at_mark and side * (x["resting_best"][s] * k["tick_size"] - k["mark"]) > 0.0
    if against > 0 or loses:
        return _resting_one_by_one(m, w, account, position, s)
    if at_mark:
        return worth(x["resting_lots"][s], k["unit"], k["mark"]), 0.0
    return walked(x["resting_value"][s], k["unit"], k["tick_size"]), 0.0


@helper
def need(m, x: np.void) -> float:
    """Notional that a position and the orders counted for it ask initial margin for, quote (RULES 6.1).

    Example (LARGER_SIDE): long 8 at a mark of 117,000, 8 bid at 114,660, 24 offered at 118,170:
    max(936,000 + 917,280, |936,000 − 2,836,080|) = 1,900,080.
    """
    k = m.markets[x["market"]]
    value = worth(x["lots"], k["unit"], k["mark"])
    if m.rules[k["rules"]]["order_margin"] == OrderMargin.EACH:
        return abs(value) + x["bids"] + x["asks"]
    return max(abs(value + x["bids"]), abs(value - x["asks"]))


@helper
def free_margin(m, w, account: int, arriving: int, lots: int, limit: int) -> float:
    """Cross equity less what positions and orders tie up (RULES 6.1), quote; below 0 when that is more.

    `arriving`: an order of `lots` that does not rest yet, with its limit in ticks (0 without one), or NONE.
    """
    a = w.accounts[account]
    cross = w.pools[a["pool_first"]]
    last = w.pools[a["pool_first"] + a["pool_count"] - 1]
    first, behind = cross["position_first"], last["position_first"] + last["position_count"]
    loss = 0.0
    for i in range(first, behind):
        bids, lost = _resting(m, w, account, i, 0)
        asks, lost_too = _resting(m, w, account, i, 1)
        w.positions[i]["bids"], w.positions[i]["asks"] = bids, asks
        loss += lost + lost_too
    if arriving >= 0:
        o = w.orders[arriving]
        value, lost = _margin_value(m, w, o, lots, limit)
        x = w.positions[o["position"]]
        if o["side"] > 0:
            x["bids"] += value
        else:
            x["asks"] += value
        loss += lost
    equity, _, _ = pool_state(m, w, a["pool_first"])
    for i in range(first, behind):
        x = w.positions[i]
        k = m.markets[x["market"]]
        own = abs(worth(x["lots"], k["unit"], k["mark"])) if x["isolated"] != 0 else 0.0
        equity -= max(0.0, need(m, x) - own) / x["leverage"]
    return equity - loss


@helper
def lots_to_open(m, w, order: int, lots: int) -> int:
    """What an arriving order of `lots` would open; where sides are netted, behind all resting ones of its side."""
    o = w.orders[order]
    if m.rules[m.markets[o["market"]]["rules"]]["order_margin"] == OrderMargin.LARGER_SIDE:
        lots += w.positions[o["position"]]["resting_lots"][side_index(o)]
    return opening_lots(w.positions[o["position"]], o["side"], lots)
