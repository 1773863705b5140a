"""The one loop that ties everything together: records in, due times between them, and all that they wake (RULES 1).

All progress is in `control` and the arrays. A full buffer, the end of a chunk and a resume are the same thing: the
kernel returns an `Advance` code, the shell feeds, drains or doubles, and calls again.
"""

from __future__ import annotations

import numpy as np

from backtester.engine.due import begin_clocks, note_next_due, work_due
from backtester.engine.jit import kernel
from backtester.engine.orders import DECISION, arrival_phase, schedule
from backtester.engine.replay import replay
from backtester.engine.stages import DUE, IDLE, MARKS
from backtester.engine.step import work_step
from backtester.enums import OrderStatus


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
        begin_clocks(m, c, events[0]["ts"])
        note_next_due(m, w, c)
    while True:
        if c["stage"] >= MARKS:
            code = work_due(m, w, c)
        elif c["stage"] != IDLE:
            code = work_step(m, w, c)
        else:
            code = replay(m, w, events, c)
            if code == DUE:
                c["due"] = c["next_due"]
                c["stage"] = MARKS
        if code >= 0:
            return code
