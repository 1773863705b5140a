"""What guards look at (RULES 11.2): pools and positions at the marks that are seen, and markets. NaN: unknown."""

from __future__ import annotations

import numpy as np

from backtester.engine.guards.drills import is_broken, seen_cost, seen_lots
from backtester.engine.guards.view import view_of
from backtester.engine.jit import helper
from backtester.engine.money.margin import maintenance
from backtester.engine.value import worth
from backtester.enums import Drill, GuardMetric, GuardScope

DAY_NS = 86_400_000_000_000


@helper
def metric(m, w, t: int, account: int, op: np.void) -> float:
    """The metric that a step of a condition names, at `t`."""
    name = op["metric"]
    if name >= GuardMetric.MARK:
        return _of_market(m, t, w.worlds[w.accounts[account]["world"]]["viewer"], op)
    if name == GuardMetric.DISTANCE:
        return _distance(m, w, op["place"])
    if name >= GuardMetric.LOSS:
        return _of_account(m, w, account, name)
    if name >= GuardMetric.NOTIONAL:
        first, behind = positions_meant(m, w, account, op)
        return _of_positions(m, w, first, behind, name) if first <= behind else np.nan
    first, behind = pools_meant(m, w, account, op)
    return _of_pools(m, w, first, behind, name) if first < behind else np.nan


@helper
def pool_seen(m, w, pool: int) -> tuple[float, float]:
    """(equity, maintenance) of a pool at the marks that are seen, quote."""
    row = w.pools[pool]
    equity, needed = row["balance"], 0.0
    for p in range(row["position_first"], row["position_first"] + row["position_count"]):
        if seen_lots(w, p) != 0:
            value = seen_value(m, w, p)
            equity += value - seen_cost(w, p)
            needed += maintenance(m.tiers, m.markets[w.positions[p]["market"]], abs(value))
    return row["kept_equity"] if is_broken(w, row["account"], Drill.FROZEN_EQUITY) else equity, needed


@helper
def keep_seen(m, w, account: int) -> None:
    """Keep what is seen of an account, for a drill that begins at this look."""
    a = w.accounts[account]
    for pool in range(a["pool_first"], a["pool_first"] + a["pool_count"]):
        row = w.pools[pool]
        for p in range(row["position_first"], row["position_first"] + row["position_count"]):
            x = w.positions[p]
            x["kept_lots"], x["kept_cost"] = x["lots"], x["cost"]
        row["kept_equity"], _ = pool_seen(m, w, pool)


@helper
def account_seen(m, w, account: int) -> float:
    """Equity of an account at the marks that are seen, quote."""
    a = w.accounts[account]
    total = 0.0
    for pool in range(a["pool_first"], a["pool_first"] + a["pool_count"]):
        equity, _ = pool_seen(m, w, pool)
        total += equity
    return total


@helper
def _ratio(needed: float, equity: float) -> float:
    """Maintenance or notional over equity; without equity infinite."""
    return needed / equity if equity > 0.0 else np.nan if np.isnan(equity) else np.inf


@helper
def pools_meant(m, w, account: int, op: np.void) -> tuple[int, int]:
    """(first, behind the last) pool that is meant, that of a position; none where no pool has lots to be the worst."""
    a = w.accounts[account]
    first, behind = a["pool_first"], a["pool_first"] + a["pool_count"]
    if op["scope"] == GuardScope.POSITION:
        pool = w.positions[op["place"]]["pool"]
        return pool, pool + 1
    if op["scope"] == GuardScope.POOL:
        return op["place"], op["place"] + 1
    if op["scope"] == GuardScope.ACCOUNT:
        return first, behind
    worst, chosen = -1.0, behind
    for pool in range(first, behind):
        equity, needed = pool_seen(m, w, pool)
        if needed > 0.0 and _ratio(needed, equity) > worst:
            worst, chosen = _ratio(needed, equity), pool
    return chosen, min(chosen + 1, behind)


@helper
def positions_meant(m, w, account: int, op: np.void) -> tuple[int, int]:
    """(first, behind the last) position that is meant; (0, -1) where no pool has lots to be the worst."""
    if op["scope"] == GuardScope.POSITION:
        return op["place"], op["place"] + 1
    first, behind = pools_meant(m, w, account, op)
    if first == behind:
        return 0, -1
    last = w.pools[behind - 1]
    return w.pools[first]["position_first"], last["position_first"] + last["position_count"]


@helper
def _of_pools(m, w, first: int, behind: int, name: int) -> float:
    equity, needed, notional = 0.0, 0.0, 0.0
    for pool in range(first, behind):
        row = w.pools[pool]
        if name == GuardMetric.EQUITY_START:
            equity += _equity_start(m, w, row)
        else:
            has, needs = pool_seen(m, w, pool)
            equity += has
            needed += needs
            notional += _of_positions(
                m, w, row["position_first"], row["position_first"] + row["position_count"], GuardMetric.NOTIONAL
            )
    return figure(name, equity, needed, notional)


@helper
def figure(name: int, equity: float, needed: float, notional: float) -> float:
    """A metric of pools that have so much equity, maintenance and notional."""
    if name == GuardMetric.MAINTENANCE:
        return needed
    if name == GuardMetric.BUFFER:
        return equity - needed
    if name == GuardMetric.LEVERAGE:
        return _ratio(notional, equity)
    if name == GuardMetric.MARGIN_RATIO:
        return _ratio(needed, equity)
    return equity


@helper
def _equity_start(m, w, row: np.void) -> float:
    equity = row["balance_start"]
    for i in range(row["position_first"], row["position_first"] + row["position_count"]):
        x = w.positions[i]
        equity += worth(x["lots_start"], m.markets[x["market"]]["unit"], x["mark_start"]) - x["cost_start"]
    return equity


@helper
def seen_value(m, w, p: int) -> float:
    """What position `p` is worth at the mark that is seen, signed; nothing where it has no lots."""
    x, lots = w.positions[p], seen_lots(w, p)
    return worth(lots, m.markets[x["market"]]["unit"], view_of(m, w, x)["mark"]) if lots != 0 else 0.0


@helper
def _of_positions(m, w, first: int, behind: int, name: int) -> float:
    total = 0.0
    for i in range(first, behind):
        x = w.positions[i]
        if seen_lots(w, i) == 0 and name != GuardMetric.NET_NOTIONAL:
            continue
        if name == GuardMetric.NOTIONAL:
            total += abs(seen_value(m, w, i))
        elif name == GuardMetric.NET_NOTIONAL:
            total += _net_of_base(m, w, first, behind, i)
        else:
            k = m.markets[x["market"]]
            a_day = DAY_NS / m.clocks[k["funding_clock"]]["interval_ns"]
            total += seen_value(m, w, i) * view_of(m, w, x)["funding"] * a_day
    return total


@helper
def _net_of_base(m, w, first: int, behind: int, i: int) -> float:
    """|Σ value| of the positions whose base is that of position `i`; 0 unless it is the first of them."""
    base = m.markets[w.positions[i]["market"]]["base"]
    net = 0.0
    for j in range(first, behind):
        if m.markets[w.positions[j]["market"]]["base"] == base:
            if j < i:
                return 0.0
            net += seen_value(m, w, j)
    return abs(net)


@helper
def _of_account(m, w, account: int, name: int) -> float:
    """Loss since the start, or since the highest equity, as a fraction of it."""
    a = w.accounts[account]
    most = a["equity_start"] if name == GuardMetric.LOSS else a["equity_high"]
    return 1.0 - account_seen(m, w, account) / most if most > 0.0 else np.nan


@helper
def _of_market(m, t: int, viewer: int, op: np.void) -> float:
    name, v, k = op["metric"], m.views[viewer, op["place"]], m.markets[op["place"]]
    if name == GuardMetric.MARK:
        return v["mark"]
    if name == GuardMetric.INDEX:
        return v["index"]
    if name == GuardMetric.LAST:
        return v["last"]
    if name == GuardMetric.BASIS:
        return v["mark"] / v["index"] - 1.0
    if name == GuardMetric.SPREAD:
        return 2.0 * (v["ask"] - v["bid"]) / (v["ask"] + v["bid"])
    if name == GuardMetric.RETURN:
        return _return(m, viewer, op)
    if name == GuardMetric.FUNDING:
        return v["funding"]
    if name == GuardMetric.TIME_TO_FUNDING:
        clock = m.clocks[k["funding_clock"]]
        left = clock["next"] - t if clock["next"] > t else clock["interval_ns"]
        return left * 1e-9
    return (t - v["ts"]) * 1e-9 if v["ts"] >= 0 else np.nan


@helper
def _return(m, viewer: int, op: np.void) -> float:
    """Mark that is seen over the mark of so long before it, less 1."""
    v = m.views[viewer, op["place"]]
    back = op["ns"] // m.rules[m.markets[op["place"]]["rules"]]["mark_interval_ns"]
    place = v["seen"] - 1 - back
    if place < 0:
        return np.nan
    return v["mark"] / m.seen_marks[viewer, op["place"], place % m.seen_marks.shape[2]] - 1.0


@helper
def _distance(m, w, p: int) -> float:
    """How far the mark of position `p` may go against it until its pool breaches, a fraction of it, or infinite.

    Other contracts stay where they are; the contract's other leg in the pool moves with it (hedge mode). On the way the
    tiers change: from border to border the buffer is a straight line (RULES 6.3).
    Example: long 1 at 100,000 with 2,500 at 1.25 %: breach at 98,734.18, 1.27 % away.
    """
    x, held = w.positions[p], seen_lots(w, p)
    k, mark = m.markets[x["market"]], view_of(m, w, x)["mark"]
    equity, needed = pool_seen(m, w, x["pool"])
    twin = seen_lots(w, p + x["twin"]) if x["twin"] != 0 else 0
    if held == 0 or np.isnan(equity):
        return np.nan
    way = -1.0 if held > 0 else 1.0
    price, buffer = mark, equity - needed
    while buffer > 0.0:
        loss, border = 0.0, 0.0 if way < 0.0 else np.inf
        for lots in (held, twin):
            if lots != 0:
                rate, farther = _stretch(m.tiers, k, abs(lots) * k["unit"], price, way)
                loss += way * (abs(lots) * rate - lots) * k["unit"]
                border = max(border, farther) if way < 0.0 else min(border, farther)
        at = price + way * buffer / loss if loss > 0.0 else way * np.inf
        if way * (at - border) <= 0.0:
            price = at
            break
        if border == 0.0 or border == np.inf:
            return np.inf
        buffer -= loss * abs(border - price)
        price = border
    return (price - mark) * way / mark


@helper
def _stretch(tiers: np.ndarray, k: np.void, units: float, price: float, way: float) -> tuple[float, float]:
    """(rate of the tier in force from `price` on, price at which the next one begins), for a size in units."""
    row, last = k["tier_first"], k["tier_first"] + k["tier_count"] - 1
    while row < last and (
        tiers[row + 1]["floor"] / units < price or (way > 0.0 and tiers[row + 1]["floor"] / units <= price)
    ):
        row += 1
    if way < 0.0:
        return tiers[row]["rate"], tiers[row]["floor"] / units
    return tiers[row]["rate"], tiers[row + 1]["floor"] / units if row < last else np.inf
