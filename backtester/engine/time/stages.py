"""Where the engine can stand, and how its parts answer the loop."""

from __future__ import annotations

import numpy as np

from backtester.engine.jit import helper
from backtester.enums import Advance

#: What is being worked. FILLS to TRIGGERS follow a step, MARKS to AGENDA belong to a due time (RULES 1.2, 1.3).
IDLE, FILLS, CHECKS, TRIGGERS, MARKS, FUNDING, MARGIN, GUARDS, MARK_TRIGGERS, AGENDA_CHECKS, AGENDA = map(
    np.int64, range(11)
)
#: What a step was.
MESSAGE, TRADE, INDEX_RECORD = map(np.int64, range(3))
#: Answers that mean "go on", beside the Advance codes, which are not negative.
OK, WOKEN, DUE = -1, -2, -3


@helper
def lacking(code: int) -> int:
    """The Advance code for what a step reported as lacking (1 rows, 2 slots)."""
    return Advance.NEED_RECORD if code == 1 else Advance.NEED_OVERLAY


@helper
def fault(c: np.void, code: int, item: int) -> int:
    """Note why the pass stops, and at which instrument or market."""
    c["fault"] = code
    c["fault_item"] = item
    return Advance.FAULT
