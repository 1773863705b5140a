"""Arithmetic whose last bit does not depend on the machine's math library."""

from __future__ import annotations

import math

from backtester.engine.jit import helper

LN2 = 0.6931471805599453
LOG2_E = 1.4426950408889634


@helper
def exp2(x: float) -> float:
    """2**x by a Taylor series on the fraction, exact at integers; 0 below 2**-1000.

    exp2(-1) = 0.5, exp2(0.5) = 1.4142135623730951.
    """
    if x < -1000.0:
        return 0.0
    whole = math.floor(x + 0.5)
    y = (x - whole) * LN2
    term = 1.0
    total = 1.0
    for n in range(1, 16):
        term = term * y / n
        total += term
    return math.ldexp(total, int(whole))


@helper
def median3(a: float, b: float, c: float) -> float:
    """The middle one of three."""
    return max(min(a, b), min(max(a, b), c))


@helper
def clamp(x: float, low: float, high: float) -> float:
    """`x` moved into [low, high]."""
    return min(max(x, low), high)
