"""The map of one base level or trade: what is left of its size, and how it is written."""

from __future__ import annotations

import numpy as np

from backtester.bounds import MOST_LOTS
from backtester.engine.jit import helper

WEYL = 0x9E3779B1  # 2^32 / golden ratio: multiples spread evenly over [0, 2^32)
MASK = 0xFFFFFFFF
UNIT = 2.0**-32


@helper
def dither(tick: int) -> float:
    """A fixed number in [0, 1) per tick: frac(tick / golden ratio), in integers."""
    return ((tick * WEYL) & MASK) * UNIT


@helper
def thin(lots: int, factor: float, tick: int) -> int:
    """floor(lots · factor + dither(tick)), at most MOST_LOTS; 0 stays 0 and a factor of 1 changes nothing."""
    if lots == 0 or factor == 1.0:
        return lots
    return int(min(lots * factor + dither(tick), MOST_LOTS))


@helper
def band_of(tick: int, mid2: int) -> int:
    """0, 1, 2 for [0, 10), [10, 100), [100, ∞) bps from the mid `mid2` (half ticks); exact."""
    distance2 = abs(2 * tick - mid2)
    if distance2 * 1000 < mid2:
        return 0
    return 1 if distance2 * 100 < mid2 else 2


@helper
def copies(intensity: float, number: int, seed: int) -> int:
    """How often trade `number` is repeated: floor(intensity), and once more for the fraction of all numbers."""
    whole = int(intensity)
    start = ((seed & MASK) * 0x6C8E9CF5) & MASK
    draw = (((number + 1) * WEYL + start) & MASK) * UNIT
    return whole + (1 if draw < intensity - whole else 0)


@helper
def put(
    out: np.ndarray,
    n: int,
    ts: int,
    kind: int,
    instrument: int,
    side: int,
    tick: int,
    lots: int,
    value: float,
) -> int:
    """Write one event; return the next free row."""
    row = out[n]
    row["ts"] = ts
    row["kind"] = kind
    row["instrument"] = instrument
    row["side"] = side
    row["tick"] = tick
    row["lots"] = lots
    row["value"] = value
    return n + 1


@helper
def shown_lots(lots: np.ndarray, level_side: np.void, tick: int, shift: int, factors: np.ndarray, mid2: int) -> int:
    """Size of a base level through a map: thinned; 0 when its price would be below one tick.

    level_side: LADDER_SIDE record. The map: shift (ticks), factors (3,) by band, mid2 of the base (half ticks).
    """
    if tick + shift < 1:
        return 0
    return thin(lots[level_side["offset"] + tick], factors[band_of(tick, mid2)], tick)
