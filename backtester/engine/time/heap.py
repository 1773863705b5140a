"""One heap for both things that wait: what came up in the run (agenda.py) and armed triggers (RULES 1.3, 4.1).

A heap is entries[first : first + size], smallest (key, phase, order) first. Entries are cancelled lazily: whoever pops
one asks whether its order still waits.
"""

from __future__ import annotations

import numpy as np

from backtester.engine.jit import helper


@helper
def before(a: np.void, b: np.void) -> bool:
    """Whether entry `a` comes first."""
    if a["key"] != b["key"]:
        return a["key"] < b["key"]
    if a["phase"] != b["phase"]:
        return a["phase"] < b["phase"]
    return a["order"] < b["order"]


@helper
def _swap(a: np.void, b: np.void) -> None:
    key, phase, order = a["key"], a["phase"], a["order"]
    a["key"], a["phase"], a["order"] = b["key"], b["phase"], b["order"]
    b["key"], b["phase"], b["order"] = key, phase, order


@helper
def push(entries: np.ndarray, heap: np.void, key: int, phase: int, order: int) -> None:
    """Add an entry; the caller has seen to it that there is room."""
    first = heap["first"]
    i = heap["size"]
    heap["size"] += 1
    entry = entries[first + i]
    entry["key"], entry["phase"], entry["order"] = key, phase, order
    while i > 0 and before(entries[first + i], entries[first + (i - 1) // 2]):
        _swap(entries[first + i], entries[first + (i - 1) // 2])
        i = (i - 1) // 2


@helper
def pop(entries: np.ndarray, heap: np.void) -> None:
    """Drop the smallest entry."""
    first = heap["first"]
    size = heap["size"] - 1
    heap["size"] = size
    _swap(entries[first], entries[first + size])
    i = 0
    while 2 * i + 1 < size:
        child = 2 * i + 1
        if child + 1 < size and before(entries[first + child + 1], entries[first + child]):
            child += 1
        if not before(entries[first + child], entries[first + i]):
            break
        _swap(entries[first + i], entries[first + child])
        i = child
