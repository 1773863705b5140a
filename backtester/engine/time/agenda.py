"""What is due: the schedule, known before the run, and the heap of what comes up in it (RULES 1.3).

Both hold WAITING entries in order of (due time, phase, order). The schedule is sorted once and read with a cursor, so
that very many orders cost no more each than few; it ends with an entry at NEVER_NS.
"""

from __future__ import annotations

import numpy as np

from backtester.engine.jit import helper
from backtester.engine.time.heap import before, pop, push


@helper
def schedule(w, c: np.void, order: int, due: int, phase: int) -> None:
    """Put `order` on the agenda."""
    push(w.waiting, w.heaps[0], due, phase, order)
    c["next_due"] = min(c["next_due"], due)


@helper
def _is_scheduled(w, c: np.void) -> bool:
    """Whether the first entry is one of the schedule."""
    return w.heaps[0]["size"] == 0 or before(w.schedule[c["scheduled"]], w.waiting[0])


@helper
def first_entry(w, c: np.void) -> np.void:
    """The entry that is due first."""
    return w.schedule[c["scheduled"]] if _is_scheduled(w, c) else w.waiting[0]


@helper
def drop_first(w, c: np.void) -> None:
    """It is done."""
    if _is_scheduled(w, c):
        c["scheduled"] += 1
    else:
        pop(w.waiting, w.heaps[0])
