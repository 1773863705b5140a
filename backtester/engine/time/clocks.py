"""The venue's clocks: marks, premium samples, funding (RULES 1.3)."""

from __future__ import annotations

import numpy as np

from backtester.engine.jit import helper
from backtester.engine.state import NEVER_NS


@helper
def set_clocks(clocks: np.ndarray, ts: int) -> None:
    """Set each clock to its first time that is not before `ts`; one without an interval never strikes."""
    for clock in clocks:
        interval = clock["interval_ns"]
        clock["next"] = clock["next"] - (clock["next"] - ts) // interval * interval if interval > 0 else NEVER_NS


@helper
def set_clock(clock: np.void, c: np.void, ts: int, interval_ns: int) -> None:
    """A record says when a clock strikes next, and at what intervals from then on."""
    clock["next"] = ts
    clock["interval_ns"] = interval_ns
    c["next_clock"] = min(c["next_clock"], ts)
    c["next_due"] = min(c["next_due"], ts)


@helper
def strikes(m, clock: int, ts: int) -> bool:
    """Whether clock number `clock` strikes at `ts`."""
    return m.clocks[clock]["next"] == ts


@helper
def wind(clocks: np.ndarray, ts: int) -> None:
    """Move the clocks that struck at `ts` on by their intervals."""
    for clock in clocks:
        if clock["next"] == ts:
            clock["next"] += clock["interval_ns"]


@helper
def next_strike(clocks: np.ndarray) -> int:
    """When the first of them strikes."""
    earliest = NEVER_NS
    for clock in clocks:
        earliest = min(earliest, clock["next"])
    return earliest
