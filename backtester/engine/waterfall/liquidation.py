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
from backtester.engine.state import NEVER_NS, NO_ASK, NO_BID, NONE
from backtester.engine.value import walked, worth
from backtester.enums import (
    CloseOrder,
    Disposal,
    FillReason,
    ForcedAction,
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


@helper
def _note_breach(m, w, pool: int, ts: int) -> None:
    """Keep when a pool first falls below maintenance, and what each of its positions has won or lost by then."""
    row = w.pools[pool]
    row["breach_ts"] = ts
    for i in range(row["position_first"], row["position_first"] + row["position_count"]):
        x = w.positions[i]
        k = m.markets[x["market"]]
        won = worth(x["lots"], k["unit"], k["mark"]) - x["cost"] + x["realised"]
        x["breach_pnl"] = won + x["funding"] + x["fee"]


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
        _note_breach(m, w, pool, ts)
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
    """Cancel what the venue holds on the pool's positions (RULES 8.2)."""
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
def _order_size(m, w, ts: int, x: np.void, s: np.void) -> int:
    """Lots that row `s` sends of a position (RULES 8.2).

    Example: 500,000 of notional, share 20 % above 100,000 → 100,000 first; within the window all of it.
    """
    k = m.markets[x["market"]]
    size = abs(x["lots"])
    large = abs(worth(size, k["unit"], k["mark"])) > s["share_above_quote"]
    if large and ts >= w.accounts[x["account"]]["full_size_until"]:
        return math.ceil(s["share"] * size)
    return size


@helper
def _exit_side(m, x: np.void) -> int:
    """Ladder side that an order closing a position by force takes from."""
    return side_of(m.markets[x["market"]]["instrument"], 1 if x["lots"] > 0 else -1)


@helper
def _exit_limit(m, w, p: int, s: np.void) -> int:
    """Worst tick of the order that row `s` sends for position `p` (RULES 8.2).

    Example: long 1 at 100,000 with 2,500 of margin: nothing is sold below 97,500 where the limit is the bankruptcy
    price.
    """
    x = w.positions[p]
    k = m.markets[x["market"]]
    side = -1 if x["lots"] > 0 else 1
    if s["price"] == ForcedPrice.BANKRUPTCY:
        ticks = bankruptcy_price(m, w, p) / k["tick_size"]
        return math.floor(ticks + HAIR) if side > 0 else max(1, math.ceil(ticks - HAIR))
    return bound_tick(m, x["market"], side, s["bound"])


@helper
def _has_room(m, w, c: np.void, ts: int, pool: int) -> int:
    """0 when all rows of a round fit the buffers whatever happens in it, 1 rows, 2 slots lacking.

    Levels are counted without a limit: that of a later order depends on what the earlier ones filled.
    """
    row = w.pools[pool]
    steps = m.rules[w.accounts[row["account"]]["rules"]]["step_count"]
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
    return 1 if lacks_rows(w, c, ROWS_OF_A_FILL * (levels + steps * row["position_count"] + 1)) else 0


@helper
def _note(m, w, c: np.void, ts: int, p: int, stage: int, lots: int) -> None:
    """Open the record of what a row does to a position; `_close_note` completes it."""
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
def _send(m, w, c: np.void, ts: int, p: int, s: np.void) -> int:
    """One liquidation order through the order book of this world; returns the lots filled."""
    x = w.positions[p]
    market = m.markets[x["market"]]
    k = _exit_side(m, x)
    limit = _exit_limit(m, w, p, s)
    rules = market["rules"]
    lots = x["send_lots"]
    got, value, levels = 0, 0.0, 0
    if not is_halted(m.instruments[market["instrument"]]):
        got, value, levels, _ = measure(m, w, ts, x["world"], k, rules, limit, lots)
    stage = LiquidationStage.PARTIAL if lots < abs(x["lots"]) else LiquidationStage.FULL
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
def _next_to_close(m, w, pool: int, scope: int) -> int:
    """Position whose order goes out next (RULES 8.2), -1 when all are out."""
    row = w.pools[pool]
    chosen = -1
    most = -1.0
    for i in range(row["position_first"], row["position_first"] + row["position_count"]):
        x = w.positions[i]
        if x["send_lots"] > 0:
            if scope == CloseOrder.ALL:
                return i
            k = m.markets[x["market"]]
            needed = maintenance(m.tiers, k, abs(worth(x["lots"], k["unit"], k["mark"])))
            if needed > most:
                chosen, most = i, needed
    return chosen


@helper
def _send_orders(m, w, c: np.void, ts: int, pool: int, s: np.void) -> None:
    """Send the orders of row `s`; without a fill the pool is stuck (RULES 8.2)."""
    row = w.pools[pool]
    a = w.accounts[row["account"]]
    for i in range(row["position_first"], row["position_first"] + row["position_count"]):
        x = w.positions[i]
        x["send_lots"] = _order_size(m, w, ts, x, s) if x["lots"] != 0 else 0
    filled = 0
    window = a["full_size_until"]
    while True:
        p = _next_to_close(m, w, pool, s["scope"])
        if p < 0:
            break
        x = w.positions[p]
        if x["send_lots"] < abs(x["lots"]):
            window = ts + s["full_window_ns"]
        filled += _send(m, w, c, ts, p, s)
        x["send_lots"] = 0
        if s["scope"] != CloseOrder.ALL:
            equity, needed, _ = pool_state(m, w, pool)
            if equity >= needed:
                break
    a["full_size_until"] = window
    if filled == 0:
        row["state"] = PoolState.STUCK


@helper
def _dispose(m, w, c: np.void, ts: int, p: int, lots: int, price: float, s: np.void) -> None:
    """The backstop sells at once what it took at `price`, or keeps it (RULES 8.5). `lots` signed, as the user held."""
    x = w.positions[p]
    world = x["world"]
    market = m.markets[x["market"]]
    rules = market["rules"]
    held = w.inventory[world, x["market"]]
    kept = lots
    halted = is_halted(m.instruments[market["instrument"]])
    if s["disposal"] == Disposal.WALK and not halted:
        selling = lots > 0
        k = side_of(market["instrument"], 1 if selling else -1)
        limit = bound_tick(m, x["market"], -1 if selling else 1, s["bound"])
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
def _take_over(m, w, c: np.void, ts: int, pool: int, s: np.void) -> None:
    """The backstop takes the positions of a pool at row `s`'s price and all that is left of its margin (RULES 8.4)."""
    row = w.pools[pool]
    world = row["world"]
    at_mark = s["price"] == ForcedPrice.MARK
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
            _dispose(m, w, c, ts, i, lots, price, s)
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
def _act(m, w, c: np.void, ts: int, pool: int, s: np.void) -> None:
    """Do what row `s` says."""
    if s["do"] == ForcedAction.CANCEL:
        _cancel_orders(m, w, c, ts, pool)
    elif s["do"] == ForcedAction.ORDER:
        _send_orders(m, w, c, ts, pool, s)
    elif s["do"] == ForcedAction.TAKEOVER:
        _take_over(m, w, c, ts, pool, s)


@helper
def _is_low(s: np.void, equity: float, needed: float) -> bool:
    """Whether so little is left of a pool that row `s` acts; an infinite bound asks for nothing, also of 0."""
    return math.isinf(s["equity_below"]) or equity < s["equity_below"] * needed


@helper
def _try_rows(m, w, c: np.void, ts: int, pool: int, first: bool, shortest: int, longest: int) -> None:
    """Try the venue's rows in order, the pool measured anew before each (RULES 8.2).

    Those with an `after_ns` from `shortest` to `longest` do not wait. `first`: of the rounds of a breach.
    """
    row = w.pools[pool]
    r = m.rules[w.accounts[row["account"]]["rules"]]
    for n in range(r["step_first"], r["step_first"] + r["step_count"]):
        s = m.steps[n]
        equity, needed, count = pool_state(m, w, pool)
        waits = s["after_ns"] < shortest or s["after_ns"] > longest
        is_over = s["once"] != 0 and not first
        if count > 0 and not waits and not is_over and _is_low(s, equity, needed):
            row["step"] = n
            _act(m, w, c, ts, pool, s)
    _, _, count = pool_state(m, w, pool)
    if count == 0:
        settle(w, c, ts, pool)


@helper
def liquidate(m, w, c: np.void, ts: int, pool: int) -> int:
    """One round for a pool in breach (RULES 8.2). 0 done; 1 rows, 2 slots lacking and nothing changed."""
    lacking = _has_room(m, w, c, ts, pool)
    if lacking != 0:
        return lacking
    row = w.pools[pool]
    row["rounds"] += 1
    first = row["round_ts"] < 0
    if first:
        row["round_ts"] = ts
    _try_rows(m, w, c, ts, pool, first, np.int64(0), ts - row["round_ts"])
    return 0


@helper
def end_waiting(m, w, c: np.void, ts: int) -> int:
    """The end of the tape ends the wait of rows (RULES 8.4). 0 done; 1 rows, 2 slots lacking: call again."""
    for pool in range(len(w.pools)):
        if w.pools[pool]["round_ts"] < 0 or _suspended(m, w, pool):
            continue
        lacking = _has_room(m, w, c, ts, pool)
        if lacking != 0:
            return lacking
        _try_rows(m, w, c, ts, pool, False, np.int64(1), NEVER_NS)
        w.pools[pool]["round_ts"] = -1
    return 0
