"""The waterfall of one margin pool: cancel, reduce or close through the order book, backstop, fund (RULES 6.4, 8)."""

from __future__ import annotations

import math

import numpy as np

from backtester.engine.book.ladder import side_of
from backtester.engine.book.outage import LIQUIDATION_SUSPENDED, is_halted
from backtester.engine.book.walk import bound_tick, measure, take
from backtester.engine.jit import helper, inlined
from backtester.engine.money.ledger import (
    NO_AGE,
    ROWS_OF_A_FILL,
    fill_position,
    fund_balance,
    lacks_rows,
    lacks_slots,
    post,
    post_fund,
    transfer,
    venue_of,
)
from backtester.engine.money.margin import bankruptcy_price, liquidation_distance, maintenance, pool_state
from backtester.engine.orders.contingent import finish_order
from backtester.engine.state import NO_ASK, NO_BID, NONE
from backtester.engine.value import walked, worth
from backtester.enums import (
    CloseOrder,
    Disposal,
    FillReason,
    ForcedPrice,
    Held,
    LedgerKind,
    LiquidationStage,
    Liquidity,
    OrderReason,
    OrderStatus,
    Party,
    PoolState,
)

#: A price this near to a tick, in ticks, stands on it.
HAIR = 1e-6


@helper
def _suspended(m, w, pool: int) -> bool:
    """Whether the venue liquidates nobody who holds what this pool holds (RULES 1.7)."""
    row = w.pools[pool]
    for i in range(row["position_first"], row["position_first"] + row["position_count"]):
        x = w.positions[i]
        outage = m.instruments[m.markets[x["market"]]["instrument"]]["outage"]
        if x["lots"] != 0 and outage & LIQUIDATION_SUSPENDED:
            return True
    return False


@inlined
def evaluate(m, w, ts: int, pool: int) -> tuple[bool, float, float]:
    """Measure a pool (RULES 6.4): (whether it is to be liquidated, equity, maintenance)."""
    row = w.pools[pool]
    equity, needed, count = pool_state(m, w, pool)
    if count == 0:
        row["round_ts"] = -1
        return False, equity, needed
    buffer = equity - needed
    if buffer < row["buffer_min"]:
        row["buffer_min"] = buffer
        row["buffer_min_ts"] = ts
    row["margin_ratio_max"] = max(row["margin_ratio_max"], needed / equity if equity > 0.0 else np.inf)
    for i in range(row["position_first"], row["position_first"] + row["position_count"]):
        x = w.positions[i]
        if x["lots"] != 0:
            x["distance_min"] = min(x["distance_min"], liquidation_distance(m, w, i, buffer))
    if buffer >= 0.0:
        row["state"] = PoolState.HEALTHY
        row["round_ts"] = -1
        return False, equity, needed
    if row["breach_ts"] < 0:
        row["breach_ts"] = ts
    return w.worlds[row["world"]]["liquidation"] != 0 and not _suspended(m, w, pool), equity, needed


@helper
def settle(w, c: np.void, ts: int, pool: int) -> None:
    """A flat pool owes nothing and keeps nothing isolated (RULES 8.3). Needs 2 rows."""
    row = w.pools[pool]
    row["round_ts"] = -1
    if row["balance"] < 0.0:
        owed = -row["balance"]
        paid = min(owed, max(0.0, fund_balance(w, row["world"], venue_of(w, pool))))
        row["deficit"] += owed
        if paid > 0.0:
            post(w, c, ts, pool, NONE, LedgerKind.DEFICIT, Party.INSURANCE_FUND, paid)
        if paid < owed:
            post(w, c, ts, pool, NONE, LedgerKind.DEFICIT, Party.RESERVE, owed - paid)
        row["balance"] = 0.0
    elif row["isolated"] != 0 and row["balance"] > 0.0:
        transfer(w, c, ts, pool, w.accounts[row["account"]]["pool_first"], row["position_first"], row["balance"])
        row["balance"] = 0.0


@helper
def _cancel_orders(m, w, c: np.void, ts: int, pool: int) -> None:
    """Cancel what the venue holds on the pool's positions (RULES 8.2.1)."""
    a = w.accounts[w.pools[pool]["account"]]
    for i in range(a["order_first"], a["order_first"] + a["order_count"]):
        o = w.orders[i]
        if w.positions[o["position"]]["pool"] != pool:
            continue
        fired = o["status"] == OrderStatus.IN_FLIGHT and o["trigger_ts"] >= 0
        waits = o["status"] == OrderStatus.UNTRIGGERED or fired
        if o["status"] == OrderStatus.RESTING or (waits and o["held"] == Held.VENUE):
            finish_order(m, w, c, ts, i, OrderStatus.CANCELLED, OrderReason.LIQUIDATION)


@helper
def _order_size(m, w, ts: int, x: np.void) -> tuple[int, int]:
    """(lots, stage) of the liquidation order for a position (RULES 8.2.2).

    Example: 500,000 of notional, share 20 % above 100,000 → 100,000 first; within the window all of it.
    """
    k = m.markets[x["market"]]
    r = m.rules[k["rules"]]
    size = abs(x["lots"])
    large = abs(worth(size, k["unit"], k["mark"])) > r["liquidation_partial_above_quote"]
    share = math.ceil(r["liquidation_partial_share"] * size)
    if large and share < size and ts >= w.accounts[x["account"]]["full_size_until"]:
        return share, LiquidationStage.PARTIAL
    return size, LiquidationStage.FULL


@helper
def _exit_side(m, x: np.void) -> int:
    """Ladder side that an order closing a position by force takes from."""
    return side_of(m.markets[x["market"]]["instrument"], 1 if x["lots"] > 0 else -1)


@helper
def _exit_limit(m, w, p: int) -> int:
    """Worst tick of the liquidation order of position `p` (RULES 8.2.2).

    Example: long 1 at 100,000 with 2,500 of margin: nothing is sold below 97,500 where the limit is the bankruptcy
    price.
    """
    x = w.positions[p]
    k = m.markets[x["market"]]
    r = m.rules[k["rules"]]
    side = -1 if x["lots"] > 0 else 1
    if r["liquidation_price"] == ForcedPrice.BANKRUPTCY:
        ticks = bankruptcy_price(m, w, p) / k["tick_size"]
        return math.floor(ticks + HAIR) if side > 0 else max(1, math.ceil(ticks - HAIR))
    return bound_tick(m, x["market"], side, r["liquidation_bound"])


@helper
def _has_room(m, w, c: np.void, ts: int, pool: int) -> int:
    """0 when a whole round fits the buffers whatever happens in it, 1 rows, 2 slots lacking.

    Levels are counted without a limit: that of a later order depends on what the earlier ones filled.
    """
    row = w.pools[pool]
    levels = 0
    for i in range(row["position_first"], row["position_first"] + row["position_count"]):
        x = w.positions[i]
        if x["lots"] != 0:
            k = _exit_side(m, x)
            far = NO_ASK if k & 1 else NO_BID
            _, _, found, _ = measure(m, w, ts, row["world"], k, m.markets[x["market"]]["rules"], far, abs(x["lots"]))
            levels += found + 1
    if lacks_slots(w, c, levels):
        return 2
    return 1 if lacks_rows(w, c, ROWS_OF_A_FILL * (levels + row["position_count"] + 1)) else 0


@helper
def _note(m, w, c: np.void, ts: int, p: int, stage: int, lots: int) -> None:
    """Open the record of a liquidation step; `_close_note` completes it."""
    x = w.positions[p]
    k = m.markets[x["market"]]
    pool = w.pools[x["pool"]]
    row = w.liquidations[c["liquidations"]]
    row["ts"] = ts
    row["world"] = x["world"]
    row["account"] = x["account"]
    row["pool"] = x["pool"]
    row["position"] = p
    row["stage"] = stage
    row["side"] = -1 if x["lots"] > 0 else 1
    row["lots"] = lots
    row["filled"] = 0
    row["value"] = 0.0
    row["levels"] = 0
    row["fee"] = 0.0
    row["takeover_price"] = 0.0
    row["mark"] = k["mark"]
    row["mid2"] = m.instruments[k["instrument"]]["mid2"]
    equity, needed, _ = pool_state(m, w, x["pool"])
    row["equity"] = equity
    row["maintenance"] = needed
    row["bankruptcy"] = bankruptcy_price(m, w, p)
    pool["state"] = PoolState.LIQUIDATING


@helper
def _close_note(w, c: np.void, p: int, filled: int, value: float, levels: int, fee: float) -> None:
    row = w.liquidations[c["liquidations"]]
    row["filled"] = filled
    row["value"] = value
    row["levels"] = levels
    row["fee"] = fee
    if w.worlds[w.positions[p]["world"]]["record"] != 0:
        c["liquidations"] += 1


@helper
def _send(m, w, c: np.void, ts: int, p: int, stage: int) -> int:
    """One liquidation order through the order book of this world; returns the lots filled."""
    x = w.positions[p]
    market = m.markets[x["market"]]
    k = _exit_side(m, x)
    limit = _exit_limit(m, w, p)
    rules = market["rules"]
    lots = x["send_lots"]
    got, value, levels = 0, 0.0, 0
    if not is_halted(m.instruments[market["instrument"]]):
        got, value, levels, _ = measure(m, w, ts, x["world"], k, rules, limit, lots)
    _note(m, w, c, ts, p, stage, lots)
    fee = take(m, w, c, ts, x["world"], k, rules, limit, got, p, NONE, FillReason.LIQUIDATION) if got > 0 else 0.0
    rate = market["liquidation_fee"]
    if rate > 0.0 and got > 0:
        equity, _, _ = pool_state(m, w, x["pool"])
        charge = min(walked(rate * value, market["unit"], market["tick_size"]), max(0.0, equity))
        x["liquidation_fee"] -= charge
        post(w, c, ts, x["pool"], p, LedgerKind.LIQUIDATION_FEE, Party.INSURANCE_FUND, -charge)
        fee += charge
    _close_note(w, c, p, got, value, levels, fee)
    return got


@helper
def _next_to_close(m, w, pool: int) -> int:
    """Position whose order goes out next (RULES 8.2.2), -1 when all are out."""
    row = w.pools[pool]
    largest = m.rules[w.accounts[row["account"]]["rules"]]["liquidation_close_order"] == CloseOrder.LARGEST_MAINTENANCE
    chosen = -1
    most = -1.0
    for i in range(row["position_first"], row["position_first"] + row["position_count"]):
        x = w.positions[i]
        if x["send_lots"] > 0:
            if not largest:
                return i
            k = m.markets[x["market"]]
            needed = maintenance(m.tiers, k, abs(worth(x["lots"], k["unit"], k["mark"])))
            if needed > most:
                chosen, most = i, needed
    return chosen


@helper
def _through_the_market(m, w, c: np.void, ts: int, pool: int) -> int:
    """Send the orders of a round; returns the lots filled."""
    row = w.pools[pool]
    a = w.accounts[row["account"]]
    r = m.rules[a["rules"]]
    for i in range(row["position_first"], row["position_first"] + row["position_count"]):
        x = w.positions[i]
        x["send_lots"] = _order_size(m, w, ts, x)[0] if x["lots"] != 0 else 0
    filled = 0
    window = a["full_size_until"]
    while True:
        p = _next_to_close(m, w, pool)
        if p < 0:
            break
        _, stage = _order_size(m, w, ts, w.positions[p])
        filled += _send(m, w, c, ts, p, stage)
        w.positions[p]["send_lots"] = 0
        if stage == LiquidationStage.PARTIAL:
            window = ts + r["liquidation_full_window_ns"]
        if r["liquidation_close_order"] != CloseOrder.ALL:
            equity, needed, _ = pool_state(m, w, pool)
            if equity >= needed:
                break
    a["full_size_until"] = window
    return filled


@helper
def _dispose(m, w, c: np.void, ts: int, p: int, lots: int, price: float) -> None:
    """The backstop sells at once what it took at `price`, or keeps it (RULES 8.5). `lots` signed, as the user held."""
    x = w.positions[p]
    world = x["world"]
    market = m.markets[x["market"]]
    rules = market["rules"]
    held = w.inventory[world, x["market"]]
    kept = lots
    halted = is_halted(m.instruments[market["instrument"]])
    if m.rules[rules]["takeover_disposal"] == Disposal.WALK and not halted:
        selling = lots > 0
        k = side_of(market["instrument"], 1 if selling else -1)
        limit = bound_tick(m, x["market"], -1 if selling else 1, m.rules[rules]["liquidation_bound"])
        got, value, _, _ = measure(m, w, ts, world, k, rules, limit, abs(lots))
        if got > 0:
            take(m, w, c, ts, world, k, rules, limit, got, NONE, NONE, FillReason.TAKEOVER)
            paid = walked(value, market["unit"], market["tick_size"]) - worth(got, market["unit"], price)
            post_fund(
                w,
                c,
                ts,
                world,
                venue_of(w, x["pool"]),
                LedgerKind.REALISED_PNL,
                Party.MARKET,
                paid if selling else -paid,
            )
            kept = lots - got if selling else lots + got
    held["lots"] += kept
    held["cost"] += worth(kept, market["unit"], price)


@helper
def _take_over(m, w, c: np.void, ts: int, pool: int) -> None:
    """The backstop takes the pool's positions at the venue's price and all that is left of its margin (RULES 8.4)."""
    row = w.pools[pool]
    world = row["world"]
    at_mark = m.rules[w.accounts[row["account"]]["rules"]]["takeover_price"] == ForcedPrice.MARK
    equity, _, _ = pool_state(m, w, pool)
    row["deficit"] += max(0.0, -equity)
    for i in range(row["position_first"], row["position_first"] + row["position_count"]):
        x = w.positions[i]
        lots = x["lots"]
        if lots != 0:
            price = m.markets[x["market"]]["mark"] if at_mark else bankruptcy_price(m, w, i)
            _note(m, w, c, ts, i, LiquidationStage.TAKEOVER, abs(lots))
            w.liquidations[c["liquidations"]]["takeover_price"] = price
            fill_position(m, w, c, ts, i, NONE, -lots, NONE, price, FillReason.TAKEOVER, Liquidity.TAKER, NO_AGE)
            _close_note(w, c, i, abs(lots), 0.0, np.int64(0), 0.0)
            _dispose(m, w, c, ts, i, lots, price)
    margin = row["balance"]
    row["takeover"] += margin
    post(w, c, ts, pool, NONE, LedgerKind.TAKEOVER, Party.INSURANCE_FUND, -margin)
    row["balance"] = 0.0
    row["state"] = PoolState.CLOSED
    row["round_ts"] = -1
    venue = venue_of(w, pool)
    fund = fund_balance(w, world, venue)
    if fund < 0.0:
        post_fund(w, c, ts, world, venue, LedgerKind.DEFICIT, Party.RESERVE, -fund)


@helper
def _is_taken_over(r: np.void, equity: float, needed: float) -> bool:
    """Whether so little is left of a pool that the backstop gets it (RULES 8.4)."""
    return r["takeover_threshold"] > 0.0 and equity < r["takeover_threshold"] * needed


@helper
def liquidate(m, w, c: np.void, ts: int, pool: int) -> int:
    """One round for a pool in breach (RULES 8.2). 0 done; 1 rows, 2 slots lacking and nothing changed."""
    lacking = _has_room(m, w, c, ts, pool)
    if lacking != 0:
        return lacking
    row = w.pools[pool]
    row["rounds"] += 1
    r = m.rules[w.accounts[row["account"]]["rules"]]
    if r["liquidation_cancels_orders"] != 0:
        _cancel_orders(m, w, c, ts, pool)
    sends = row["round_ts"] < 0 or r["takeover_delay_ns"] == 0
    if row["round_ts"] < 0:
        row["round_ts"] = ts
    filled = _through_the_market(m, w, c, ts, pool) if sends else 0
    equity, needed, count = pool_state(m, w, pool)
    waited = ts >= row["round_ts"] + r["takeover_delay_ns"]
    if count == 0:
        settle(w, c, ts, pool)
    elif waited and _is_taken_over(r, equity, needed):
        _take_over(m, w, c, ts, pool)
    elif sends and filled == 0:
        row["state"] = PoolState.STUCK
    return 0


@helper
def end_waiting(m, w, c: np.void, ts: int) -> int:
    """The end of the tape ends the wait for a takeover (RULES 8.4). 0 done; 1 rows, 2 slots lacking: call again."""
    for pool in range(len(w.pools)):
        row = w.pools[pool]
        r = m.rules[w.accounts[row["account"]]["rules"]]
        if row["round_ts"] < 0 or r["takeover_delay_ns"] == 0 or _suspended(m, w, pool):
            continue
        equity, needed, count = pool_state(m, w, pool)
        if count > 0 and _is_taken_over(r, equity, needed):
            lacking = _has_room(m, w, c, ts, pool)
            if lacking != 0:
                return lacking
            _take_over(m, w, c, ts, pool)
    return 0
