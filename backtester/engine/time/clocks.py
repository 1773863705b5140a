"""The grids on which the venue's clocks strike (RULES 1.3)."""

from __future__ import annotations

from backtester.engine.jit import helper
from backtester.engine.state import NEVER_NS


@helper
def next_multiple(ts: int, interval_ns: int) -> int:
    """Smallest multiple of `interval_ns` that is not before `ts`; NEVER_NS without an interval."""
    return -(-ts // interval_ns) * interval_ns if interval_ns > 0 else NEVER_NS
