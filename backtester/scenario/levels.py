"""The base ladder inside the transform: sizes by tick from tick 0, never re-based, pages that count their levels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from backtester.engine.jit import helper

BID, ASK = 0, 1
PAGE_BITS = 6

#: One side of one instrument: where its ticks and pages begin, its levels, its best tick (-1 = empty), and the
#: outermost tick set since it was last empty, where a walk may end.
LADDER_SIDE = np.dtype([("offset", "i8"), ("page_offset", "i8"), ("count", "i8"), ("best", "i8"), ("outermost", "i8")])


class Ladder(NamedTuple):
    """sides (n, 2) LADDER_SIDE; lots int64 by tick; pages int64, levels in each run of 64 ticks."""

    sides: np.ndarray
    lots: np.ndarray
    pages: np.ndarray


def make_ladder(max_ticks: np.ndarray) -> Ladder:
    """Empty ladders for ticks 0 … max_ticks[i]. The operating system gives memory only where a level was set."""
    sides = np.zeros((max_ticks.size, 2), LADDER_SIDE)
    page_counts = (max_ticks >> PAGE_BITS) + 1
    first_pages = np.concatenate(([0], np.cumsum(np.repeat(page_counts, 2))))
    sides["page_offset"] = first_pages[:-1].reshape(-1, 2)
    sides["offset"] = sides["page_offset"] << PAGE_BITS
    sides["best"] = -1
    pages = int(first_pages[-1])
    return Ladder(sides, np.zeros(pages << PAGE_BITS, np.int64), np.zeros(pages, np.int64))


@helper
def next_tick(lots: np.ndarray, pages: np.ndarray, s: np.void, outward: int, tick: int) -> int:
    """The next level of one side outward (-1 bids, +1 asks) from `tick`, or -1; empty pages are stepped over."""
    at = tick + outward
    while (s["outermost"] - at) * outward >= 0:
        page = at >> PAGE_BITS
        if pages[s["page_offset"] + page] == 0:
            at = (page << PAGE_BITS) - 1 if outward < 0 else (page + 1) << PAGE_BITS
        elif lots[s["offset"] + at] != 0:
            return at
        else:
            at += outward
    return -1


@helper
def set_level(lots: np.ndarray, pages: np.ndarray, s: np.void, outward: int, tick: int, size: int) -> None:
    """Set the absolute size of one level of the side `s`; 0 removes it."""
    old = lots[s["offset"] + tick]
    lots[s["offset"] + tick] = size
    if (old != 0) == (size != 0):
        return
    change = 1 if size != 0 else -1
    s["count"] += change
    pages[s["page_offset"] + (tick >> PAGE_BITS)] += change
    if size != 0:
        if s["best"] < 0:
            s["best"] = tick
            s["outermost"] = tick
        elif (s["best"] - tick) * outward > 0:
            s["best"] = tick
        elif (tick - s["outermost"]) * outward > 0:
            s["outermost"] = tick
    elif tick == s["best"]:
        s["best"] = next_tick(lots, pages, s, outward, tick) if s["count"] > 0 else -1


@helper
def wipe(lots: np.ndarray, pages: np.ndarray, s: np.void, outward: int) -> None:
    """Remove every level of one side."""
    while s["best"] >= 0:
        set_level(lots, pages, s, outward, s["best"], 0)
