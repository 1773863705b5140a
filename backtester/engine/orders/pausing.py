"""Orders that open, and guards that pause them (RULES 11.5)."""

from __future__ import annotations

import numpy as np

from backtester.engine.jit import helper


@helper
def opens(w, o: np.void) -> bool:
    """Whether an order can make a position larger: it is not reduce-only, and there are no lots on the other side."""
    return o["reduce_only"] == 0 and w.positions[o["position"]]["lots"] * o["side"] >= 0


@helper
def is_paused(w, ts: int, o: np.void) -> bool:
    """Whether an order opens while guards of its account have paused that."""
    return len(w.automations) > 0 and ts < w.automations[o["account"]]["paused_until"] and opens(w, o)
