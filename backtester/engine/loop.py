"""The one loop: records in, due times between them, and everything they wake (RULES 1).

All progress is in `control` and the arrays. A full buffer, the end of a chunk and a resume are the same thing: the
kernel returns an `Advance` code, the shell feeds, drains or doubles, and calls again.
"""

from __future__ import annotations

import numpy as np

from backtester.engine.clock import next_multiple, note_market, payment_price, premium_rate, sample_premium, set_mark
from backtester.engine.heap import pop
from backtester.engine.jit import helper, kernel
from backtester.engine.ladder import beyond, outward, set_level
from backtester.engine.ledger import ROWS_OF_A_FILL, cross_pool, lacks_rows, post
from backtester.engine.liquidation import evaluate, liquidate, settle
from backtester.engine.margin import pool_state
from backtester.engine.orders import (
    DECISION,
    INDEX,
    LAST,
    MARK,
    arrival_phase,
    decide,
    execute,
    schedule,
    triggers_of,
    wait_for_trigger,
    work_triggers,
)
from backtester.engine.resting import clamp_queues, work_resting
from backtester.engine.state import NEVER_NS, NO_ASK, NO_BID, NONE, PATH_BUCKETS
from backtester.enums import (
    Advance,
    EventFlag,
    EventKind,
    Fault,
    FillReason,
    LedgerKind,
    OrderStatus,
    OrderType,
    Party,
    TradingStatus,
)

# Stages: what is being worked. 1–3 follow a step, 4–8 belong to a due time (RULES 1.2, 1.3).
IDLE, FILLS, CHECKS, TRIGGERS, MARKS, FUNDING, MARGIN, MARK_TRIGGERS, AGENDA = map(np.int64, range(9))
# Answers of helpers beside Advance codes.
OK, WOKEN, DUE = -1, -2, -3
# What a step was.
MESSAGE, TRADE, INDEX_RECORD = map(np.int64, range(3))


@helper
def _lacking(code: int) -> int:
    """The Advance code for what a step reported as lacking (1 rows, 2 slots)."""
    return Advance.NEED_RECORD if code == 1 else Advance.NEED_OVERLAY


@helper
def _fault(c: np.void, fault: int, item: int) -> int:
    c["fault"] = fault
    c["fault_item"] = item
    return Advance.FAULT


# --- records -------------------------------------------------------------------------------------------------------


@helper
def _end_snapshot(m, w, instrument: int) -> None:
    """Delete what the snapshot did not name: it is the whole ladder."""
    message = m.instruments[instrument]["message"]
    for k in (2 * instrument, 2 * instrument + 1):
        side = m.sides[k]
        tick, edge = side["best"], side["edge"]
        side["best"] = NO_ASK if k & 1 else NO_BID
        side["edge"] = NO_BID if k & 1 else NO_ASK
        while not beyond(k, tick, edge):
            cell = m.cells[side["offset"] + tick]
            if cell["lots"] > 0:
                if cell["message"] == message:
                    if beyond(k, side["best"], tick):
                        side["best"] = tick
                    side["edge"] = tick
                else:
                    cell["lots"] = 0
                    cell["message"] = message
                    clamp_queues(w.orders, cell["head"], cell["lots"])
            tick += outward(k)


@helper
def _apply_message(m, w, events: np.ndarray, c: np.void, i: int) -> int:
    """Apply the depth records of one message from record `i`; returns the next record, or -1 - i if the ladder is
    too short for record `i` (RULES 1.1)."""
    first = events[i]
    ts = first["ts"]
    n = np.int64(first["instrument"])
    row = m.instruments[n]
    if c["message_open"] == 0:
        row["message"] += 1
        c["message_snapshot"] = 0
        c["message_step"] = 0
    message = row["message"]
    capacity = row["capacity"]
    fresh = c["message_open"] == 0
    while i < len(events):
        e = events[i]
        if e["kind"] > EventKind.DELTA or e["ts"] != ts or e["instrument"] != n:
            break
        if e["side"] == 0:
            if not fresh:
                break
            c["message_snapshot"] = 1
        else:
            tick = e["tick"]
            if tick >= capacity:
                c["message_open"] = 1
                c["need"] = tick + 1
                return -1 - i
            k = 2 * n + (0 if e["side"] > 0 else 1)
            head = set_level(m.cells, m.sides[k], k, tick, e["lots"], message)
            if head != 0:
                clamp_queues(w.orders, head, e["lots"])
            if e["kind"] == EventKind.SNAPSHOT:
                c["message_snapshot"] = 1
        if e["flags"] & EventFlag.STEP:
            c["message_step"] = 1
        fresh = False
        i += 1
    c["message_open"] = 0
    return i


@helper
def _end_message(m, w, c: np.void, n: int) -> int:
    """Judge a message that is complete: OK, WOKEN (own orders are crossed) or a fault."""
    if c["message_snapshot"] != 0:
        _end_snapshot(m, w, n)
    bids = m.sides[2 * n]
    asks = m.sides[2 * n + 1]
    bid = bids["best"]
    ask = asks["best"]
    if bid >= ask:
        return _fault(c, Fault.CROSSED, n)
    if bid != NO_BID and ask != NO_ASK:
        m.instruments[n]["mid2"] = bid + ask
    if bids["own_best"] >= ask or asks["own_best"] <= bid:
        _wake(c, FILLS, MESSAGE, n)
        return WOKEN
    return OK


@helper
def _wake(c: np.void, stage: int, sub: int, instrument: int) -> None:
    c["stage"] = stage
    c["sub"] = sub
    c["instrument"] = instrument


@helper
def _trade(m, c: np.void, e: np.void) -> int:
    """Note a trade; WOKEN when it reaches an own order or a trigger on the last price."""
    n = np.int64(e["instrument"])
    row = m.instruments[n]
    tick = e["tick"]
    row["last_tick"] = tick
    hits = False
    if e["side"] > 0:
        hits = m.sides[2 * n + 1]["own_best"] <= tick
    elif e["side"] < 0:
        hits = m.sides[2 * n]["own_best"] >= tick
    if hits or tick <= row["last_down"] or tick >= row["last_up"]:
        _wake(c, FILLS, TRADE, n)
        c["trade_tick"] = tick
        c["trade_lots"] = e["lots"]
        c["trade_side"] = e["side"]
        return WOKEN
    return OK


@helper
def _note_record(m, w, c: np.void, e: np.void) -> int:
    """Take up a record that is neither depth nor trade (RULES 1.2a)."""
    kind = e["kind"]
    n = np.int64(e["instrument"])
    row = m.instruments[n]
    if kind == EventKind.INDEX:
        row["index"] = e["value"]
        row["has_index"] = 1
        h = triggers_of(m, INDEX, n, NONE)
        if w.heaps[h]["size"] + w.heaps[h + 1]["size"] > 0:
            _wake(c, TRIGGERS, INDEX_RECORD, n)
            return WOKEN
    elif kind == EventKind.MARK:
        row["tape_mark"] = e["value"]
        row["has_tape_mark"] = 1
    elif kind == EventKind.FUNDING:
        row["funding_ts"] = e["ts"]
        row["funding_rate"] = e["value"]
        for i in range(len(m.markets)):
            k = m.markets[i]
            if k["instrument"] == n and e["ts"] % m.rules[k["rules"]]["funding_interval_ns"] != 0:
                return _fault(c, Fault.FUNDING_OFF_GRID, n)
    elif kind == EventKind.STATUS:
        row["status"] = e["lots"]
    elif kind == EventKind.PATH_STEP:
        m.sides[2 * n]["shift"] = e["tick"]
        m.sides[2 * n + 1]["shift"] = e["lots"]
    elif kind == EventKind.LATENCY:
        row["extra_latency_ns"] = int(e["value"])
    elif kind == EventKind.REFILL:
        row["half_life_ns"] = int(e["value"] * 1e9)
    return OK


@helper
def _replay(m, w, events: np.ndarray, c: np.void) -> int:
    """Apply records until something is woken or due, or the chunk ends."""
    i = c["next"]
    due = c["next_due"]
    now = c["now"]
    answer = OK
    while i < len(events):
        e = events[i]
        ts = e["ts"]
        if ts > due and c["message_open"] == 0:
            answer = DUE
            break
        if ts < now:
            answer = _fault(c, Fault.TIME_BACKWARDS, np.int64(e["instrument"]))
            break
        now = ts
        if c["message_open"] == 0:
            c["step"] += 1
        if e["kind"] <= EventKind.DELTA:
            n = np.int64(e["instrument"])
            i = _apply_message(m, w, events, c, i)
            if i < 0:
                i = -1 - i
                answer = Advance.NEED_LADDER
                break
            answer = _end_message(m, w, c, n)
        else:
            answer = _trade(m, c, e) if e["kind"] == EventKind.TRADE else _note_record(m, w, c, e)
            i += 1
        if answer != OK:
            break
    c["next"] = i
    c["now"] = now
    if answer != OK:
        return answer
    return DUE if c["finishing"] != 0 and due <= now else Advance.CHUNK_DONE


# --- what a step wakes ---------------------------------------------------------------------------------------------


@helper
def _work_fills(m, w, c: np.void) -> int:
    """Stage FILLS: own resting orders that the step reaches."""
    n = c["instrument"]
    if m.instruments[n]["status"] == TradingStatus.HALTED:
        return OK
    code = 0
    if c["sub"] == TRADE:
        if c["trade_side"] != 0:
            k = 2 * n + (1 if c["trade_side"] > 0 else 0)
            limit = min(c["trade_tick"], m.instruments[n]["capacity"] - 1)
            code = work_resting(m, w, c, k, limit, FillReason.TRADE_AT_LEVEL)
    else:
        reason = FillReason.PATH_STEP if c["message_step"] != 0 else FillReason.BBO_CROSS
        for k in (2 * n, 2 * n + 1):
            if code == 0:
                code = work_resting(m, w, c, k, m.sides[k ^ 1]["best"], reason)
    return OK if code == 0 else _lacking(code)


@helper
def _check_changed(m, w, c: np.void, ts: int) -> int:
    """Check every pool whose position changed (RULES 1.2c)."""
    while c["dirty_head"] != 0:
        pool = c["dirty_head"] - 1
        _, _, count = pool_state(m, w, pool)
        if count == 0:
            if lacks_rows(w, c, ROWS_OF_A_FILL):
                return Advance.NEED_RECORD
            settle(w, c, ts, pool)
        elif evaluate(m, w, ts, pool):
            code = liquidate(m, w, c, ts, pool)
            if code != 0:
                return _lacking(code)
        following = w.pools[pool]["next_dirty"]
        w.pools[pool]["next_dirty"] = 0
        c["dirty_head"] = max(following, 0)
    return OK


@helper
def _work_step(m, w, c: np.void) -> int:
    """Stages FILLS, CHECKS, TRIGGERS of the step that was just applied."""
    if c["stage"] == FILLS:
        code = _work_fills(m, w, c)
        if code != OK:
            return code
        c["stage"] = CHECKS
    if c["stage"] == CHECKS:
        code = _check_changed(m, w, c, c["now"])
        if code != OK:
            return code
        c["stage"] = TRIGGERS
    if c["sub"] == TRADE:
        work_triggers(m, w, c, c["now"], LAST, c["instrument"], NONE)
    elif c["sub"] == INDEX_RECORD:
        work_triggers(m, w, c, c["now"], INDEX, c["instrument"], NONE)
    c["stage"] = IDLE
    return OK


# --- what is due ---------------------------------------------------------------------------------------------------


@helper
def _begin_clocks(m, c: np.void, ts: int) -> None:
    """Set every clock to its first time that is not before the first record."""
    for i in range(len(m.rules)):
        r = m.rules[i]
        r["next_mark"] = next_multiple(ts, r["mark_interval_ns"])
        r["next_sample"] = next_multiple(ts, r["funding_sample_ns"]) if r["funding_premium"] != 0 else NEVER_NS
        r["next_funding"] = next_multiple(ts, r["funding_interval_ns"])
    c["begun"] = 1
    c["now"] = ts


@helper
def _next_entry_due(w) -> int:
    """Due time of the first agenda entry."""
    return w.waiting[0]["key"] if w.heaps[0]["size"] > 0 else NEVER_NS


@helper
def _note_next_due(m, w, c: np.void) -> None:
    due = _next_entry_due(w)
    for i in range(len(m.rules)):
        r = m.rules[i]
        due = min(due, min(r["next_mark"], min(r["next_sample"], r["next_funding"])))
    c["next_due"] = due


@helper
def _end_due(m, w, c: np.void) -> None:
    """Move the clocks that have struck."""
    t = c["due"]
    for i in range(len(m.rules)):
        r = m.rules[i]
        if r["next_mark"] == t:
            r["next_mark"] += r["mark_interval_ns"]
        if r["next_sample"] == t:
            r["next_sample"] += r["funding_sample_ns"]
        if r["next_funding"] == t:
            r["next_funding"] += r["funding_interval_ns"]
    c["stage"] = IDLE
    _note_next_due(m, w, c)


@helper
def _fold_paths(m, w, c: np.void) -> None:
    """Twice as wide buckets, half as many: a path of any length fits (the last look at a bucket is kept exactly)."""
    c["path_width"] *= 2
    for row in range(len(m.path)):
        for b in range(PATH_BUCKETS // 2):
            a, z, to = m.path[row, 2 * b], m.path[row, 2 * b + 1], m.path[row, b]
            first = a if a["count"] > 0 else z
            low, high = first["mark_min"], first["mark_max"]
            bids, asks, count = first["bid_depth_min"], first["ask_depth_min"], a["count"] + z["count"]
            if z["count"] > 0:
                low, high = min(low, z["mark_min"]), max(high, z["mark_max"])
                bids, asks = min(bids, z["bid_depth_min"]), min(asks, z["ask_depth_min"])
            to["count"], to["mark_min"], to["mark_max"] = count, low, high
            to["bid_depth_min"], to["ask_depth_min"] = bids, asks
        for b in range(PATH_BUCKETS // 2, PATH_BUCKETS):
            m.path[row, b]["count"] = 0
    for row in range(len(w.path)):
        for b in range(PATH_BUCKETS // 2):
            a, z, to = w.path[row, 2 * b], w.path[row, 2 * b + 1], w.path[row, b]
            first = a if a["count"] > 0 else z
            low, high, needed = first["equity_min"], first["equity_max"], first["maintenance_max"]
            buffer, count = first["buffer_min"], a["count"] + z["count"]
            if z["count"] > 0:
                low, high = min(low, z["equity_min"]), max(high, z["equity_max"])
                needed, buffer = max(needed, z["maintenance_max"]), min(buffer, z["buffer_min"])
            to["count"], to["equity_min"], to["equity_max"] = count, low, high
            to["maintenance_max"], to["buffer_min"] = needed, buffer
        for b in range(PATH_BUCKETS // 2, PATH_BUCKETS):
            w.path[row, b]["count"] = 0


@helper
def _work_marks(m, w, c: np.void) -> int:
    """Stage MARKS: marks, premium samples, and the start once everything is known (RULES 1.3, 1.4)."""
    t = c["due"]
    ready = True
    if c["started"] != 0:
        c["bucket"] = (t - c["start_ts"]) // c["path_width"]
        while c["bucket"] >= PATH_BUCKETS:
            _fold_paths(m, w, c)
            c["bucket"] = (t - c["start_ts"]) // c["path_width"]
    for i in range(len(m.markets)):
        k = m.markets[i]
        r = m.rules[k["rules"]]
        if r["next_mark"] == t:
            set_mark(m, i)
            if c["started"] != 0:
                note_market(m, c, i, c["bucket"])
        if r["next_sample"] == t:
            sample_premium(m, i)
        ready = ready and k["has_mark"] != 0 and m.instruments[k["instrument"]]["mid2"] > 0
    c["stage"] = FUNDING
    c["item"] = 0
    if ready and c["started"] == 0:
        c["started"] = 1
        c["start_ts"] = t
        return Advance.STARTED
    return OK


@helper
def _rate_due(m, c: np.void, market: int) -> tuple[float, bool]:
    """(rate, known) of a market whose funding time is now (RULES 7.2)."""
    k = m.markets[market]
    r = m.rules[k["rules"]]
    i = m.instruments[k["instrument"]]
    if i["funding_ts"] == c["due"]:
        return i["funding_rate"], True
    if r["assume_funding_zero"] != 0:
        return 0.0, True
    if r["funding_premium"] != 0 and k["premium_count"] > 0:
        return premium_rate(k, r), True
    return 0.0, False


@helper
def _work_funding(m, w, c: np.void) -> int:
    """Stage FUNDING: every open position pays (RULES 7.1)."""
    t = c["due"]
    while c["item"] < len(w.positions) and t > c["start_ts"]:
        p = c["item"]
        x = w.positions[p]
        k = m.markets[x["market"]]
        r = m.rules[k["rules"]]
        if x["lots"] != 0 and r["next_funding"] == t:
            if lacks_rows(w, c, ROWS_OF_A_FILL):
                return Advance.NEED_RECORD
            rate, known = _rate_due(m, c, x["market"])
            if not known:
                return _fault(c, Fault.MISSING_FUNDING, x["market"])
            amount = -x["lots"] * k["unit"] * payment_price(m, k, r["funding_price"]) * rate
            outside = x["isolated"] != 0 and r["isolated_funding_from_margin"] == 0
            payer = cross_pool(w, p) if outside else x["pool"]
            x["funding"] += amount
            post(w, c, t, payer, p, LedgerKind.FUNDING, Party.FUNDING_POOL, amount)
        c["item"] += 1
    for i in range(len(m.markets)):
        if m.rules[m.markets[i]["rules"]]["next_funding"] == t:
            m.markets[i]["premium_sum"] = 0.0
            m.markets[i]["premium_count"] = 0
    c["stage"] = MARGIN
    c["item"] = 0
    c["sub"] = 0
    return OK


@helper
def _measure_account(m, w, c: np.void, account: int) -> bool:
    """Measure the pools of one account; True when one is to be liquidated."""
    a = w.accounts[account]
    t = c["due"]
    equity = 0.0
    needed = 0.0
    tightest = np.inf
    breach = False
    for pool in range(a["pool_first"], a["pool_first"] + a["pool_count"]):
        row = w.pools[pool]
        hit = evaluate(m, w, t, pool)
        row["breach"] = hit
        breach = breach or hit
        equity += row["equity"]
        needed += row["maintenance"]
        if row["maintenance"] > 0.0:
            tightest = min(tightest, row["equity"] - row["maintenance"])
    if equity < a["equity_min"]:
        a["equity_min"] = equity
        a["equity_min_ts"] = t
    if a["path"] >= 0:
        row = w.path[a["path"], c["bucket"]]
        first = row["count"] == 0
        row["count"] += 1
        row["equity_min"] = equity if first else min(row["equity_min"], equity)
        row["equity_max"] = equity if first else max(row["equity_max"], equity)
        row["maintenance_max"] = needed if first else max(row["maintenance_max"], needed)
        row["buffer_min"] = tightest if first else min(row["buffer_min"], tightest)
    return breach


@helper
def _worst_breach(w, account: int) -> int:
    """Pool with the highest maintenance/equity among those in breach, -1 when none is left (RULES 8.1)."""
    a = w.accounts[account]
    chosen = -1
    worst = -1.0
    for pool in range(a["pool_first"], a["pool_first"] + a["pool_count"]):
        row = w.pools[pool]
        if row["breach"] != 0:
            ratio = row["maintenance"] / row["equity"] if row["equity"] > 0.0 else np.inf
            if ratio > worst:
                chosen, worst = pool, ratio
    return chosen


@helper
def _work_margin(m, w, c: np.void) -> int:
    """Stage MARGIN: every account on its venue's mark grid (RULES 1.3.5)."""
    t = c["due"]
    while c["item"] < len(w.accounts):
        account = c["item"]
        if m.rules[w.accounts[account]["rules"]]["next_mark"] == t:
            if c["sub"] == 0 and _measure_account(m, w, c, account):
                c["sub"] = 1
            while c["sub"] == 1:
                pool = _worst_breach(w, account)
                if pool < 0:
                    c["sub"] = 0
                    break
                code = liquidate(m, w, c, t, pool)
                if code != 0:
                    return _lacking(code)
                w.pools[pool]["breach"] = 0
        c["item"] += 1
    c["stage"] = MARK_TRIGGERS
    return OK


@helper
def _work_agenda(m, w, c: np.void) -> int:
    """Stage AGENDA: what was scheduled for now, each with the check of what it changed (RULES 1.3.7)."""
    t = c["due"]
    while True:
        code = _check_changed(m, w, c, t)
        if code != OK:
            return code
        if _next_entry_due(w) != t:
            return OK
        entry = w.waiting[0]
        order, phase = entry["order"], entry["phase"]
        o = w.orders[order]
        if o["status"] != OrderStatus.PENDING and o["status"] != OrderStatus.IN_FLIGHT:
            pop(w.waiting, w.heaps[0])
        elif phase == DECISION:
            pop(w.waiting, w.heaps[0])
            decide(m, w, c, t, order)
        elif o["type"] == OrderType.STOP_MARKET and o["trigger_ts"] < 0:
            pop(w.waiting, w.heaps[0])
            wait_for_trigger(m, w, c, t, order)
        else:
            lacking = execute(m, w, c, t, order)
            if lacking != 0:
                return _lacking(lacking)
            pop(w.waiting, w.heaps[0])


@helper
def _work_due(m, w, c: np.void) -> int:
    """Stages MARKS to AGENDA of one due time."""
    if c["stage"] == MARKS:
        code = _work_marks(m, w, c)
        if code != OK:
            return code
    if c["stage"] == FUNDING:
        code = _work_funding(m, w, c)
        if code != OK:
            return code
    if c["stage"] == MARGIN:
        code = _work_margin(m, w, c)
        if code != OK:
            return code
    if c["stage"] == MARK_TRIGGERS:
        for i in range(len(m.markets)):
            k = m.markets[i]
            if m.rules[k["rules"]]["next_mark"] == c["due"] and k["has_mark"] != 0:
                work_triggers(m, w, c, c["due"], MARK, k["instrument"], np.int64(i))
        c["stage"] = AGENDA
    code = _work_agenda(m, w, c)
    if code == OK:
        _end_due(m, w, c)
    return code


# --- entry points --------------------------------------------------------------------------------------------------


@kernel
def enter(m, w, control: np.ndarray) -> None:
    """Put the orders of worlds that were just attached on the agenda (RULES 1.4)."""
    c = control[0]
    start = c["start_ts"]
    for order in range(len(w.orders)):
        o = w.orders[order]
        if o["at_ns"] < 0:
            o["status"] = OrderStatus.IN_FLIGHT
            o["decision_ts"] = start
            o["decision_mid2"] = m.instruments[o["instrument"]]["mid2"]
            schedule(w, c, order, start, arrival_phase(o))
        else:
            schedule(w, c, order, max(o["at_ns"], start), DECISION)


@kernel
def advance(m, w, events: np.ndarray, control: np.ndarray) -> int:
    """Work `events` (EVENT[n]) from where `control` stands; returns an Advance code.

    m, w      state.Market and state.Worlds, modified in place
    control   CONTROL[1], modified in place; `next` is the first record not yet applied
    """
    c = control[0]
    if c["begun"] == 0 and len(events) > 0:
        _begin_clocks(m, c, events[0]["ts"])
        _note_next_due(m, w, c)
    while True:
        if c["stage"] >= MARKS:
            code = _work_due(m, w, c)
        elif c["stage"] != IDLE:
            code = _work_step(m, w, c)
        else:
            code = _replay(m, w, events, c)
            if code == DUE:
                c["due"] = c["next_due"]
                c["stage"] = MARKS
        if code == OK or code == WOKEN or code == DUE:
            continue
        return code
