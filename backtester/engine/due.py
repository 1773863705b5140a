"""What is due: marks, premium samples, funding, margin, triggers on the mark, and the agenda (RULES 1.3)."""

from __future__ import annotations

import numpy as np

from backtester.engine.clock import next_multiple, payment_price, premium_rate, sample_premium, set_mark
from backtester.engine.heap import pop
from backtester.engine.jit import helper
from backtester.engine.ledger import ROWS_OF_A_FILL, cross_pool, lacks_rows, post
from backtester.engine.liquidation import evaluate, liquidate
from backtester.engine.orders import DECISION, MARK, decide, execute, wait_for_trigger, work_triggers
from backtester.engine.path import note_account, note_market
from backtester.engine.stages import AGENDA, FUNDING, IDLE, MARGIN, MARK_TRIGGERS, MARKS, OK, fault, lacking
from backtester.engine.state import NEVER_NS, PATH_BUCKETS
from backtester.engine.step import check_changed
from backtester.enums import Advance, Fault, LedgerKind, OrderStatus, OrderType, Party


@helper
def begin_clocks(m, c: np.void, ts: int) -> None:
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
def note_next_due(m, w, c: np.void) -> None:
    """Keep the earliest time at which anything is due where the replay sees it."""
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
    note_next_due(m, w, c)


@helper
def _work_marks(m, w, c: np.void) -> int:
    """Stage MARKS: marks, premium samples, and the start once everything is known (RULES 1.3, 1.4)."""
    t = c["due"]
    ready = True
    if c["started"] != 0:
        c["bucket"] = (t - c["start_ts"]) // c["path_width"]
        if c["bucket"] >= PATH_BUCKETS:
            return Advance.NEED_PATH
    for i in range(len(m.markets)):
        k = m.markets[i]
        r = m.rules[k["rules"]]
        if r["next_mark"] == t:
            set_mark(m, i)
            if c["started"] != 0:
                note_market(m, c, i, c["bucket"])
        ready = ready and k["has_mark"] != 0 and m.instruments[k["instrument"]]["mid2"] > 0
    for i in range(len(m.markets)):  # all marks first: an index made from mid serves every sample of this time
        if m.rules[m.markets[i]["rules"]]["next_sample"] == t:
            sample_premium(m, i)
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
                return fault(c, Fault.MISSING_FUNDING, x["market"])
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
        note_account(w, a["path"], c["bucket"], equity, needed, tightest)
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
                    return lacking(code)
                w.pools[pool]["breach"] = 0
        c["item"] += 1
    c["stage"] = MARK_TRIGGERS
    return OK


@helper
def _work_agenda(m, w, c: np.void) -> int:
    """Stage AGENDA: what was scheduled for now, each with the check of what it changed (RULES 1.3.7)."""
    t = c["due"]
    while True:
        code = check_changed(m, w, c, t)
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
            missing = execute(m, w, c, t, order)
            if missing != 0:
                return lacking(missing)
            pop(w.waiting, w.heaps[0])


@helper
def work_due(m, w, c: np.void) -> int:
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
