"""Money: every change of a balance has two sides and a row (RULES 9); what a fill does to a position (RULES 5, 6.5)."""

from __future__ import annotations

import numpy as np

from backtester.engine.jit import helper
from backtester.engine.money.calm import disturb
from backtester.engine.state import NONE
from backtester.engine.value import worth
from backtester.enums import FillReason, LedgerKind, Liquidity, Party

#: Rows that one fill, settlement or payment writes at most.
ROWS_OF_A_FILL = np.int64(6)
#: Age of the order book at a fill that takes nothing of what it displays.
NO_AGE = np.int64(0)


@helper
def lacks_rows(w, c: np.void, rows: int) -> bool:
    """Whether fewer than `rows` free rows are left in any record; if so the shell is told how many."""
    c["need"] = rows
    return (
        c["fills"] + rows > len(w.fills)
        or c["ledger"] + rows > len(w.ledger)
        or c["liquidations"] + rows > len(w.liquidations)
        or c["payments"] + rows > len(w.payments)
    )


@helper
def lacks_slots(w, c: np.void, slots: int) -> bool:
    """Whether the overlay would become more than half full."""
    c["need"] = slots
    return 2 * (c["overlay"] + slots) > len(w.overlay)


@helper
def venue_of(w, pool: int) -> int:
    """Number of the venue at which a pool is."""
    return w.accounts[w.pools[pool]["account"]]["venue"]


@helper
def fund_balance(w, world: int, venue: int) -> float:
    """What a venue's insurance fund has (RULES 9.1), quote: parties keep changes, so that no cent drowns."""
    return w.insurance[world, venue] + w.parties[world, venue, Party.INSURANCE_FUND]


@helper
def _write(
    w, c, ts: int, world: int, venue: int, pool: int, position: int, kind: int, party: int, amount: float
) -> None:
    w.worlds[world]["turnover"] += abs(amount)
    if w.worlds[world]["record"] == 0:
        return
    row = w.ledger[c["ledger"]]
    c["ledger"] += 1
    row["ts"] = ts
    row["world"] = world
    row["account"] = w.pools[pool]["account"] if pool >= 0 else NONE
    row["pool"] = pool
    row["position"] = position
    row["kind"] = kind
    row["venue"] = venue
    row["party"] = party
    row["amount"] = amount
    row["balance"] = w.pools[pool]["balance"] if pool >= 0 else fund_balance(w, world, venue)


@helper
def post(w, c: np.void, ts: int, pool: int, position: int, kind: int, party: int, amount: float) -> None:
    """Credit `amount` (quote, signed) to a pool and debit it to a party."""
    world, venue = w.pools[pool]["world"], venue_of(w, pool)
    disturb(w, c, w.pools[pool]["account"])
    w.pools[pool]["balance"] += amount
    if party != Party.OWN_MARGIN:
        w.parties[world, venue, party] -= amount
    _write(w, c, ts, world, venue, pool, position, kind, party, amount)


@helper
def post_fund(w, c: np.void, ts: int, world: int, venue: int, kind: int, party: int, amount: float) -> None:
    """Credit `amount` to a venue's insurance fund and debit it to a party."""
    w.parties[world, venue, Party.INSURANCE_FUND] += amount
    w.parties[world, venue, party] -= amount
    _write(w, c, ts, world, venue, NONE, NONE, kind, party, amount)


@helper
def transfer(w, c: np.void, ts: int, source: int, target: int, position: int, amount: float) -> None:
    """Move `amount` between two pools of one account."""
    post(w, c, ts, source, position, LedgerKind.MARGIN_TRANSFER, Party.OWN_MARGIN, -amount)
    post(w, c, ts, target, position, LedgerKind.MARGIN_TRANSFER, Party.OWN_MARGIN, amount)


@helper
def pay_funding(w, c: np.void, ts: int, pool: int, p: int, rate: float, price: float, amount: float) -> None:
    """Credit a funding payment of position `p` to `pool`, and record it."""
    x = w.positions[p]
    x["funding"] += amount
    post(w, c, ts, pool, p, LedgerKind.FUNDING, Party.FUNDING_POOL, amount)
    if w.worlds[x["world"]]["record"] == 0:
        return
    row = w.payments[c["payments"]]
    c["payments"] += 1
    row["ts"] = ts
    row["world"] = x["world"]
    row["account"] = x["account"]
    row["position"] = p
    row["lots"] = x["lots"]
    row["rate"] = rate
    row["price"] = price
    row["amount"] = amount


@helper
def touch(w, c: np.void, pool: int) -> None:
    """Queue a pool whose position changed for its check, behind those that changed before."""
    if w.pools[pool]["next_dirty"] != 0:
        return
    w.pools[pool]["next_dirty"] = -1
    if c["dirty_head"] == 0:
        c["dirty_head"] = pool + 1
    else:
        w.pools[c["dirty_tail"] - 1]["next_dirty"] = pool + 1
    c["dirty_tail"] = pool + 1


@helper
def cross_pool(w, position: int) -> int:
    """The cross pool of the position's account."""
    return w.accounts[w.positions[position]["account"]]["pool_first"]


@helper
def change_position(x: np.void, unit: float, d: int, price: float) -> tuple[float, int]:
    """Apply d signed lots at `price`; returns (realised quote, lots closed) (RULES 5.1).

    Example: long 3 with cost 300, sell 2 at 110 → realised 20, cost 100.
    """
    lots = x["lots"]
    size = abs(lots)
    closing = 0
    if lots != 0 and (lots > 0) != (d > 0):
        closing = min(abs(d), size)
    realised = 0.0
    if closing > 0:
        share = x["cost"] if closing == size else x["cost"] * (closing / size)
        closed = closing if lots > 0 else -closing
        realised = worth(closed, unit, price) - share
        x["cost"] = 0.0 if closing == size else x["cost"] - share
    opening = d + closing if d < 0 else d - closing
    x["cost"] += worth(opening, unit, price)
    x["lots"] = lots + d
    x["realised"] += realised
    return realised, closing


@helper
def _pays_fee(m, w, pool: int, reason: int) -> bool:
    """Whether a fill of this reason pays the trading fee (RULES 5.2)."""
    if reason == FillReason.LIQUIDATION:
        return m.steps[w.pools[pool]["step"]]["taker_fee"] != 0
    return reason != FillReason.TAKEOVER


@helper
def fill_position(
    m, w, c, ts: int, p: int, order: int, d: int, tick: int, price: float, reason: int, liquidity: int, age_ns: int
) -> float:
    """Book a fill of d signed lots at `price`: position, PnL, fee, isolated margin, records. Returns the fee.

    `tick` is -1 when the price lies on none, `order` -1 when no order of the user was filled; `age_ns` of the
    order book that was taken from (RULES 2.6), else 0. Needs ROWS_OF_A_FILL.
    """
    x = w.positions[p]
    k = m.markets[x["market"]]
    r = m.rules[k["rules"]]
    pool = x["pool"]
    disturb(w, c, x["account"])
    before = w.pools[pool]["balance"]
    size = abs(x["lots"])
    realised, closed = change_position(x, k["unit"], d, price)
    if closed > 0:
        post(w, c, ts, pool, p, LedgerKind.REALISED_PNL, Party.MARKET, realised)
    fee = 0.0
    if _pays_fee(m, w, pool, reason):
        rate = r["maker_fee"] if liquidity == Liquidity.MAKER else r["taker_fee"]
        fee = worth(rate * abs(d), k["unit"], price)
        from_wallet = r["isolated_fee_from_margin"] == 0 and reason != FillReason.LIQUIDATION
        payer = cross_pool(w, p) if x["isolated"] != 0 and from_wallet else pool
        x["fee"] -= fee
        post(w, c, ts, payer, p, LedgerKind.FEE, Party.VENUE_FEES, -fee)
    if order >= 0:
        touch(w, c, pool)
        if x["isolated"] != 0:
            _move_isolated(w, c, ts, p, abs(d) - closed, closed, size, worth(1, k["unit"], price), before, realised)
    _write_fill(w, c, ts, p, order, d, tick, price, reason, liquidity, fee, realised, age_ns)
    return fee


@helper
def _move_isolated(
    w, c, ts: int, p: int, opened: int, closed: int, size: int, lot_quote: float, before: float, realised: float
) -> None:
    """Margin follows the size of an isolated position (RULES 6.5): its share out when it closes, in when it opens."""
    x = w.positions[p]
    pool = x["pool"]
    if closed > 0:
        share = w.pools[pool]["balance"]
        if closed < size:
            share = min(max(0.0, before * (closed / size) + realised), share)
        if share > 0.0:
            transfer(w, c, ts, pool, cross_pool(w, p), p, share)
    if opened > 0:
        transfer(w, c, ts, cross_pool(w, p), pool, p, opened * lot_quote / x["leverage"])


@helper
def _write_fill(
    w, c, ts: int, p: int, order: int, d: int, tick: int, price, reason, liquidity, fee, realised, age: int
) -> None:
    x = w.positions[p]
    if w.worlds[x["world"]]["record"] == 0:
        return
    row = w.fills[c["fills"]]
    c["fills"] += 1
    row["ts"] = ts
    row["world"] = x["world"]
    row["account"] = x["account"]
    row["position"] = p
    row["order"] = order
    row["side"] = 1 if d > 0 else -1
    row["reason"] = reason
    row["liquidity"] = liquidity
    row["lots"] = abs(d)
    row["tick"] = tick
    row["price"] = price
    row["fee"] = fee
    row["realised"] = realised
    row["age_ns"] = age
