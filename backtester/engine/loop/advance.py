"""The one loop that ties everything together: records in, due times between them, and all that they wake (RULES 1).

All progress is in `control` and the arrays. A full buffer, the end of a chunk and a resume are the same thing: the
kernel returns an `Advance` code, the shell feeds, drains or doubles, and calls again.
"""

from __future__ import annotations

import numpy as np

from backtester.engine.jit import kernel
from backtester.engine.loop.due import (
    begin_clocks,
    work_agenda,
    work_funding,
    work_guards,
    work_margin,
    work_mark_triggers,
    work_marks,
)
from backtester.engine.loop.replay import replay
from backtester.engine.loop.woken import work_checks, work_fills, work_record_triggers
from backtester.engine.reference import by_reference
from backtester.engine.time.stages import (
    AGENDA_CHECKS,
    CHECKS,
    FILLS,
    FUNDING,
    GUARDS,
    IDLE,
    MARGIN,
    MARK_TRIGGERS,
    MARKS,
    TRIGGERS,
    lacking,
)
from backtester.engine.waterfall.liquidation import end_waiting
from backtester.enums import Advance


@kernel
def advance(market, worlds, events: np.ndarray, control: np.ndarray) -> int:
    """Work `events` (EVENT[n]) from where `control` stands; returns an Advance code.

    market, worlds  state.Market and state.Worlds, modified in place
    control         CONTROL[1], modified in place; `next` is the first record not yet applied
    """
    m, w, c = by_reference(market), by_reference(worlds), control[0]
    if c["begun"] == 0 and len(events) > 0:
        begin_clocks(m, w, c, events[0]["ts"])
    while True:
        stage = c["stage"]
        if stage == IDLE:
            code = replay(m, w, events, c)
            if code == Advance.CHUNK_DONE and c["finishing"] != 0:
                missing = end_waiting(m, w, c, c["now"])
                code = lacking(missing) if missing != 0 else code
        elif stage == FILLS:
            code = work_fills(m, w, c)
        elif stage in (CHECKS, AGENDA_CHECKS):
            code = work_checks(m, w, c)
        elif stage == TRIGGERS:
            code = work_record_triggers(m, w, c)
        elif stage == MARKS:
            code = work_marks(m, w, c)
        elif stage == FUNDING:
            code = work_funding(m, w, c)
        elif stage == MARGIN:
            code = work_margin(m, w, c)
        elif stage == GUARDS:
            code = work_guards(m, w, c)
        elif stage == MARK_TRIGGERS:
            code = work_mark_triggers(m, w, c)
        else:
            code = work_agenda(m, w, c)
        if code >= 0:
            return code
