"""Whether a condition holds: steps on a stack, in Kleene's logic (RULES 11.3). 1 true, 0 false, NaN unknown."""

from __future__ import annotations

import numpy as np

from backtester.engine.guards.metrics import metric
from backtester.engine.jit import helper
from backtester.engine.state import NEVER_NS
from backtester.enums import GuardOp


@helper
def judge(m, w, t: int, g: np.void, first: int, count: int) -> float:
    """Work the steps of a condition of guard `g` at `t`; it keeps both sides of the first comparison that is true."""
    s, top = w.stack, 0
    for n in range(first, first + count):
        op = w.guard_ops[n]
        code = op["code"]
        if code == GuardOp.NUMBER:
            s[top] = op["value"]
            top += 1
        elif code == GuardOp.METRIC:
            s[top] = metric(m, w, t, g["account"], op)
            top += 1
        elif code == GuardOp.SHARE:
            s[top - 1] *= op["value"]
        elif code == GuardOp.NOT:
            s[top - 1] = 1.0 - s[top - 1]
        elif code == GuardOp.FOR:
            s[top - 1] = _lasts(op, t, s[top - 1])
        else:
            top -= 1
            left, right = s[top - 1], s[top]
            s[top - 1] = _joined(code, left, right) if code >= GuardOp.AND else _compared(code, left, right)
            if code < GuardOp.AND and s[top - 1] == 1.0 and np.isnan(g["seen"]):
                g["seen"], g["bound"] = left, right
    return s[0]


@helper
def _compared(code: int, left: float, right: float) -> float:
    if np.isnan(left) or np.isnan(right):
        return np.nan
    if code == GuardOp.BELOW:
        return 1.0 if left < right else 0.0
    if code == GuardOp.AT_MOST:
        return 1.0 if left <= right else 0.0
    if code == GuardOp.ABOVE:
        return 1.0 if left > right else 0.0
    return 1.0 if left >= right else 0.0


@helper
def _joined(code: int, left: float, right: float) -> float:
    """Both, or one: false and unknown is false, true or unknown is true."""
    decides = 0.0 if code == GuardOp.AND else 1.0
    if left == decides or right == decides:
        return decides
    return np.nan if np.isnan(left) or np.isnan(right) else 1.0 - decides


@helper
def _lasts(op: np.void, t: int, truth: float) -> float:
    """Whether what is judged has been true at every look of the last `ns`; the first that is not begins anew.

    Example (6 s): true at 0, 3, 6, unknown at 9, true at 12, 15, 18 s: 0 0 1 NaN 0 0 1.
    """
    if truth != 1.0:
        op["since_ts"] = NEVER_NS
        return truth
    op["since_ts"] = min(op["since_ts"], t)
    return 1.0 if op["since_ts"] <= t - op["ns"] else 0.0
