"""What a world took and what has come back: one open-addressing table for all worlds (RULES 2.2)."""

from __future__ import annotations

import math

import numpy as np

from backtester.engine.arith import halved
from backtester.engine.jit import helper, kernel
from backtester.enums import RefillModel


@helper
def slot_of(table: np.ndarray, world: int, k: int, tick: int) -> int:
    """Slot of (world, side, base tick): the one that holds it, or the free one where it belongs."""
    mask = len(table) - 1
    mix = tick * 2654435761 + world * 40503 + k * 5501
    slot = (mix ^ (mix >> 17)) & mask
    while True:
        entry = table[slot]
        if entry["lots"] == 0 or (entry["tick"] == tick and entry["world"] == world and entry["side"] == k):
            return slot
        slot = (slot + 1) & mask


@helper
def consumed(entry: np.void, message: int, ts: int, model: int, half_life_ns: int) -> int:
    """Lots of `entry` that have not come back at `ts`, rounded up.

    Example: 4 lots, half-life 1 s → 4 at once, 2 after 1 s, 1 after 2 s and for a while longer.
    """
    if entry["lots"] == 0:
        return 0
    if model == RefillModel.NEVER:
        return entry["lots"]
    if model == RefillModel.NEXT_UPDATE:
        return entry["lots"] if message == entry["message"] else 0
    return math.ceil(halved(entry["lots"], (ts - entry["ts"]) / half_life_ns))


@kernel
def rehash(old: np.ndarray, new: np.ndarray) -> int:
    """Move every entry of `old` into the empty, larger `new`; returns how many there are."""
    count = 0
    for i in range(len(old)):
        entry = old[i]
        if entry["lots"] != 0:
            new[slot_of(new, entry["world"], entry["side"], entry["tick"])] = entry
            count += 1
    return count
