"""What is due: marks, premium samples, funding, margin, triggers on the mark, and the agenda (RULES 1.3)."""

from __future__ import annotations

import numpy as np

from backtester.engine.guards.fire import work_account
from backtester.engine.guards.view import take_views
from backtester.engine.jit import helper, inlined
from backtester.engine.loop.recorder import note_margin, note_market
from backtester.engine.money.calm import begin_look, disturb, is_calm, narrow, pool_room
from backtester.engine.money.ledger import ROWS_OF_A_FILL, cross_pool, lacks_rows, pay_funding
from backtester.engine.orders.arrival import execute
from backtester.engine.orders.submission import cancel, decide, decide_cancel
from backtester.engine.orders.triggers import MARK, is_conditional, look_again, wait_for_trigger, work_triggers
from backtester.engine.prices.funding import count_missing_samples, payment_price, premium_rate, sample_premium
from backtester.engine.prices.marks import set_mark
from backtester.engine.records import PATH_BUCKETS
from backtester.engine.state import ARRIVAL, CANCEL, CANCEL_DECISION, DECISION, SECOND_LOOK
from backtester.engine.time.agenda import drop_first, first_entry, schedule
from backtester.engine.time.clocks import next_strike, set_clocks, strikes, wind
from backtester.engine.time.stages import (
    AGENDA_CHECKS,
    FUNDING,
    GUARDS,
    IDLE,
    MARGIN,
    MARK_TRIGGERS,
    OK,
    fault,
    lacking,
)
from backtester.engine.value import worth
from backtester.engine.waterfall.liquidation import evaluate, liquidate
from backtester.enums import Advance, Fault, OrderStatus, PriceReference
from backtester.formulas import funding

payment = helper(funding.payment)


@helper
def begin_clocks(m, w, c: np.void, ts: int) -> None:
    """Set every clock to its first time that is not before the first record."""
    set_clocks(m.clocks, ts)
    count_missing_samples(m, ts)
    c["begun"] = 1
    c["now"] = ts
    _note_next(m, w, c)


@helper
def _note_next(m, w, c: np.void) -> None:
    """Keep when a clock strikes next, and when anything is due."""
    c["next_clock"] = next_strike(m.clocks)
    c["next_due"] = min(c["next_clock"], first_entry(w, c)["key"])


@helper
def _end_due(m, w, c: np.void) -> None:
    """All that was due is done."""
    if c["next_clock"] == c["due"]:
        wind(m.clocks, c["due"])
    _note_next(m, w, c)
    c["stage"] = IDLE


@helper
def _is_mark_time(m, rules: int, ts: int) -> bool:
    """Whether `ts` is on the mark grid of `rules`."""
    return strikes(m, m.rules[rules]["mark_clock"], ts)


@helper
def work_marks(m, w, c: np.void) -> int:
    """Stage MARKS: marks, premium samples, and the start once everything is known (RULES 1.3, 1.4)."""
    t = c["due"]
    ready = True
    if c["started"] != 0:
        c["bucket"] = (t - c["start_ts"]) // c["path_width"]
        if c["bucket"] >= PATH_BUCKETS:
            return Advance.NEED_PATH
    for i in range(len(m.markets)):
        k = m.markets[i]
        if _is_mark_time(m, k["rules"], t):
            set_mark(m, i, t)
            if c["started"] != 0:
                note_market(m, c, i, c["bucket"])
        ready = ready and k["has_mark"] != 0 and m.instruments[k["instrument"]]["mid2"] > 0
    for i in range(len(m.markets)):  # all marks first: an index made from mid serves every sample of this time
        if strikes(m, m.rules[m.markets[i]["rules"]]["sample_clock"], t):
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
    if r["funding_premium"] != 0 and k["has_premium"] != 0 and k["premium_count"] > 0:
        return premium_rate(m, k, r), True
    return 0.0, False


@helper
def _charge(m, w, c: np.void, p: int) -> int:
    """Position `p` pays; OK or an Advance code, and then nothing has changed (RULES 7.1)."""
    x = w.positions[p]
    k = m.markets[x["market"]]
    r = m.rules[k["rules"]]
    if lacks_rows(w, c, ROWS_OF_A_FILL):
        return Advance.NEED_RECORD
    rate, known = _rate_due(m, c, x["market"])
    if not known:
        return fault(c, Fault.MISSING_FUNDING, x["market"])
    if r["funding_price"] == PriceReference.INDEX and m.instruments[k["instrument"]]["has_index"] == 0:
        return fault(c, Fault.MISSING_INDEX, x["market"])
    price = payment_price(m, k, r["funding_price"])
    outside = x["isolated"] != 0 and r["isolated_funding_from_margin"] == 0
    payer = cross_pool(w, p) if outside else x["pool"]
    pay_funding(w, c, c["due"], payer, p, rate, price, payment(worth(x["lots"], k["unit"], price), rate))
    return OK


@helper
def _end_intervals(m, c: np.void) -> None:
    """Markets of which this is a funding time keep the rate, and sample premiums anew."""
    for i in range(len(m.markets)):
        k = m.markets[i]
        if strikes(m, k["funding_clock"], c["due"]):
            rate, known = _rate_due(m, c, np.int64(i))
            k["funding_charged"] = rate if known else 0.0
            k["premium_sum"] = 0.0
            k["premium_count"] = 0


@helper
def work_funding(m, w, c: np.void) -> int:
    """Stage FUNDING: at a funding time of its market every open position pays, then the next interval begins."""
    t = c["due"]
    charged = False
    for k in m.markets:
        charged = charged or strikes(m, k["funding_clock"], t)
    while charged and t > c["start_ts"] and c["item"] < len(w.positions):
        x = w.positions[c["item"]]
        if x["lots"] != 0 and strikes(m, m.markets[x["market"]]["funding_clock"], t):
            code = _charge(m, w, c, c["item"])
            if code != OK:
                return code
        c["item"] += 1
    _end_intervals(m, c)
    c["stage"] = MARGIN
    c["item"] = 0
    c["sub"] = 0
    return OK


@inlined
def _measure_account(m, w, c: np.void, account: int) -> bool:
    """Measure the pools of an account, keep what is kept of it; True when there is one to liquidate."""
    a = w.accounts[account]
    equity, needed, gross, tightest, room = 0.0, 0.0, 0.0, np.inf, np.inf
    breach = False
    for pool in range(a["pool_first"], a["pool_first"] + a["pool_count"]):
        row = w.pools[pool]
        hit, has, needs = evaluate(m, w, c["due"], pool)
        row["breach"] = (needs / has if has > 0.0 else np.inf) if hit else 0.0
        breach = breach or hit
        equity += max(0.0, has) if row["isolated"] != 0 else has
        needed += needs
        buffer = has - needs if needs > 0.0 else np.inf
        tightest = min(tightest, buffer)
        if row["path"] >= 0:
            note_margin(w, row["path"], c["bucket"], has, needs, buffer)
        if a["path"] < 0 and not breach:
            of_pool, notional = pool_room(m, w, row, has, needs)
            room = min(room, of_pool)
            gross += notional
    if equity < a["equity_min"]:
        a["equity_min"] = equity
        a["equity_min_ts"] = c["due"]
    if a["path"] >= 0:
        note_margin(w, a["path"], c["bucket"], equity, needed, tightest)
    if breach or a["path"] >= 0:
        disturb(w, c, account)
    elif gross > 0.0:
        narrow(m, w, c, account, min(room, (equity - a["equity_min"]) / gross))
    return breach


@helper
def _measure_accounts(m, w, c: np.void, first: int) -> int:
    """Measure accounts from `first` on; returns the first that has a pool to liquidate, or how many accounts there are.

    A loop of its own, because the arrays are looked up once a call, not once an account.
    """
    account = first
    while account < len(w.accounts):
        group = account // c["group"]
        behind = min(len(w.accounts), (group + 1) * c["group"])
        if account == group * c["group"]:
            if is_calm(m, w, group):
                account = behind
            else:
                begin_look(w, group)
        while account < behind:
            if not _is_mark_time(m, w.accounts[account]["rules"], c["due"]):
                disturb(w, c, account)
            elif _measure_account(m, w, c, account):
                return account
            account += 1
    return account


@helper
def _worst_breach(w, account: int) -> int:
    """Pool with the highest maintenance/equity among those in breach, -1 when none is left (RULES 8.1)."""
    a = w.accounts[account]
    chosen, worst = -1, 0.0
    for pool in range(a["pool_first"], a["pool_first"] + a["pool_count"]):
        if w.pools[pool]["breach"] > worst:
            chosen, worst = pool, w.pools[pool]["breach"]
    return chosen


@helper
def work_margin(m, w, c: np.void) -> int:
    """Stage MARGIN: every account on its venue's mark grid (RULES 1.3.5); sub = 1 while one is being liquidated."""
    while True:
        if c["sub"] == 0:
            c["item"] = _measure_accounts(m, w, c, c["item"])
            if c["item"] == len(w.accounts):
                c["stage"] = GUARDS
                c["item"] = 0
                return OK
            c["sub"] = 1
        pool = _worst_breach(w, c["item"])
        if pool < 0:
            c["item"] += 1
            c["sub"] = 0
            continue
        code = liquidate(m, w, c, c["due"], pool)
        if code != 0:
            return lacking(code)
        w.pools[pool]["breach"] = 0.0


@helper
def work_guards(m, w, c: np.void) -> int:
    """Stage GUARDS: accounts, and guards of each, on their venues' mark grids; sub = 1 once the views are taken."""
    t = c["due"]
    if len(w.guards) > 0 and c["started"] != 0:
        if c["sub"] == 0:
            take_views(m, t)
            c["sub"] = 1
        while c["item"] < len(w.guards):
            account = w.guards[c["item"]]["account"]
            a = w.accounts[account]
            if _is_mark_time(m, a["rules"], t):
                rows = a["guard_rows"]
                if c["guard_events"] + rows > len(w.guard_events):
                    c["need"] = rows
                    return Advance.NEED_RECORD
                if c["orders"] + a["guard_orders"] > len(w.orders):
                    c["need"] = a["guard_orders"]
                    return Advance.NEED_ORDER
                work_account(m, w, c, t, account)
            c["item"] += a["guard_count"]
    c["stage"] = MARK_TRIGGERS
    return OK


@helper
def work_mark_triggers(m, w, c: np.void) -> int:
    """Stage MARK_TRIGGERS: those on the marks whose grid this is (RULES 1.3.6)."""
    for i in range(len(m.markets)):
        k = m.markets[i]
        if _is_mark_time(m, k["rules"], c["due"]) and k["has_mark"] != 0:
            work_triggers(m, w, c, c["due"], MARK, k["instrument"], np.int64(i))
    c["stage"] = AGENDA_CHECKS
    return OK


@helper
def _work_entry(m, w, c: np.void, ts: int, order: int, phase: int) -> None:
    """Whatever an entry of the agenda asks for that trades nothing; nothing when its order has ended before."""
    status = w.orders[order]["status"]
    if phase == DECISION:
        if status == OrderStatus.PENDING:
            decide(m, w, c, ts, order)
    elif phase == CANCEL_DECISION:
        decide_cancel(m, w, c, ts, order)
    elif phase == CANCEL:
        cancel(m, w, c, ts, order)
    elif phase == SECOND_LOOK:
        if status == OrderStatus.UNTRIGGERED:
            look_again(m, w, c, ts, order)
    elif status == OrderStatus.IN_FLIGHT:
        wait_for_trigger(m, w, c, ts, order)


@helper
def work_agenda(m, w, c: np.void) -> int:
    """Stage AGENDA: the next entry that is due now, then the check of what it changed; or the end of this due time."""
    t = c["due"]
    entry = first_entry(w, c)
    if entry["key"] != t:
        _end_due(m, w, c)
        return OK
    order, phase = entry["order"], entry["phase"]
    o = w.orders[order]
    arrives = phase > CANCEL and phase <= ARRIVAL and o["status"] == OrderStatus.IN_FLIGHT
    drop_first(w, c)  # before it is worked, which may put others in front of it
    if arrives and (not is_conditional(o) or o["trigger_ts"] >= 0):
        missing = execute(m, w, c, t, order)
        if missing != 0:
            schedule(w, c, order, t, phase)
            return lacking(missing)
    else:
        _work_entry(m, w, c, t, order, phase)
    c["stage"] = AGENDA_CHECKS
    return OK
