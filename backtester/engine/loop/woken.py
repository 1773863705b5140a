"""What a record or message of the tape wakes: fills of resting orders, checks of pools, triggers (RULES 1.2)."""

from __future__ import annotations

import numpy as np

from backtester.engine.book.outage import is_halted
from backtester.engine.jit import helper
from backtester.engine.money.ledger import ROWS_OF_A_FILL, lacks_rows
from backtester.engine.money.margin import pool_state
from backtester.engine.orders.resting import work_resting
from backtester.engine.orders.triggers import INDEX, LAST, work_triggers
from backtester.engine.state import NONE
from backtester.engine.time.stages import AGENDA, CHECKS, IDLE, INDEX_RECORD, OK, TRADE, TRIGGERS, lacking
from backtester.engine.waterfall.liquidation import evaluate, liquidate, settle
from backtester.enums import Advance, FillReason


@helper
def work_fills(m, w, c: np.void) -> int:
    """Stage FILLS: own resting orders that it reaches."""
    n = c["instrument"]
    code = 0
    if is_halted(m.instruments[n]):
        pass
    elif c["sub"] == TRADE:
        if c["trade_side"] != 0:
            k = 2 * n + (1 if c["trade_side"] > 0 else 0)
            limit = min(c["trade_tick"], m.instruments[n]["capacity"] - 1)
            code = work_resting(m, w, c, k, limit, FillReason.TRADE_AT_LEVEL)
    else:
        reason = FillReason.PATH_STEP if c["message_step"] != 0 else FillReason.BBO_CROSS
        for k in (2 * n, 2 * n + 1):
            if code == 0:
                code = work_resting(m, w, c, k, m.sides[k ^ 1]["best"], reason)
    if code != 0:
        return lacking(code)
    c["stage"] = CHECKS
    return OK


@helper
def work_checks(m, w, c: np.void) -> int:
    """Stages CHECKS and AGENDA_CHECKS: every pool whose position changed (RULES 1.2c, 1.3.7)."""
    ts = c["now"] if c["stage"] == CHECKS else c["due"]
    while c["dirty_head"] != 0:
        pool = c["dirty_head"] - 1
        _, _, count = pool_state(m, w, pool)
        if count == 0:
            if lacks_rows(w, c, ROWS_OF_A_FILL):
                return Advance.NEED_RECORD
            settle(w, c, ts, pool)
        elif evaluate(m, w, ts, pool)[0]:
            code = liquidate(m, w, c, ts, pool)
            if code != 0:
                return lacking(code)
        following = w.pools[pool]["next_dirty"]
        w.pools[pool]["next_dirty"] = 0
        c["dirty_head"] = max(following, 0)
    c["stage"] = TRIGGERS if c["stage"] == CHECKS else AGENDA
    return OK


@helper
def work_record_triggers(m, w, c: np.void) -> int:
    """Stage TRIGGERS: those on the series that the record changed."""
    if c["sub"] == TRADE:
        work_triggers(m, w, c, c["now"], LAST, c["instrument"], NONE)
    elif c["sub"] == INDEX_RECORD:
        for i in range(len(m.markets)):
            if m.markets[i]["instrument"] == c["instrument"]:
                work_triggers(m, w, c, c["now"], INDEX, c["instrument"], np.int64(i))
    c["stage"] = IDLE
    return OK
