"""One step of one instrument: the new map, the ladder as it now looks, and the flow that walks it first."""

from __future__ import annotations

import numpy as np

from backtester.engine.jit import helper
from backtester.engine.value import worth
from backtester.enums import EventKind
from backtester.scenario.levels import ASK, BID, next_tick
from backtester.scenario.mapping import put, shown_lots

SNAPSHOT, DELTA, TRADE = int(EventKind.SNAPSHOT), int(EventKind.DELTA), int(EventKind.TRADE)
INDEX, PATH_STEP = int(EventKind.INDEX), int(EventKind.PATH_STEP)


@helper
def outward_of(side: int) -> int:
    """Direction away from mid."""
    return -1 if side == BID else 1


@helper
def side_shift(s: np.void, side: int) -> int:
    """Translation in force."""
    return s["bid_shift"] if side == BID else s["ask_shift"]


@helper
def next_shifts(run: np.void, s: np.void, step: np.void, bid: int, ask: int) -> tuple[int, int]:
    """Translations (bids, asks) that a step asks for at the base touch, all in ticks (RULES 10.2, 10.5)."""
    mid = 0.5 * (bid + ask)
    shift = s["anchor"] * step["factor"] - mid if run["tiled"] else mid * (step["factor"] - 1.0)
    widening = int(np.rint((step["spread"] - 1.0) * 0.5 * (ask - bid)))
    return int(np.rint(shift)) - widening, int(np.rint(shift)) + widening


@helper
def is_resized(s: np.void, factors: np.ndarray, next_factors: np.ndarray, mid2: int) -> bool:
    """Whether a level may have another size under the next map: factors (2, 3) or the bands they hold for differ."""
    graded = False  # does a level's band matter at all?
    for side in range(2):
        for band in range(3):
            if factors[side, band] != next_factors[side, band]:
                return True
            graded = graded or factors[side, band] != factors[side, 0]
    return graded and mid2 != s["mid2"]


@helper
def set_map(s: np.void, factors: np.ndarray, shifts: tuple[int, int], next_factors: np.ndarray, mid2: int) -> None:
    """Put the next map in force."""
    s["bid_shift"] = shifts[0]
    s["ask_shift"] = shifts[1]
    s["mid2"] = mid2
    for side in range(2):
        for band in range(3):
            factors[side, band] = next_factors[side, band]


@helper
def walk_flow(
    lots: np.ndarray,
    pages: np.ndarray,
    s: np.void,
    factors: np.ndarray,
    level_side: np.void,
    side: int,
    flow_quote: float,
) -> tuple[int, int, float]:
    """Walk one side of the shown ladder: (last base tick touched or -1, lots left there, quote done).

    Sizes are floored to lots, so less than one lot of the flow is lost at the end.
    """
    outward = outward_of(side)
    shift = side_shift(s, side)
    done = 0.0
    last = -1
    rest = 0
    tick = level_side["best"]
    while tick >= 0 and rest == 0:
        shown = shown_lots(lots, level_side, tick, shift, factors, s["mid2"])
        if shown > 0:
            lot_quote = worth(1, s["unit"], (tick + shift) * s["tick_size"])
            wanted = int(min((flow_quote - done) / lot_quote, shown))
            if wanted == 0:
                break
            last = tick
            rest = max(0, shown - wanted)
            done += (shown - rest) * lot_quote
        tick = next_tick(lots, pages, level_side, outward, tick)
    return last, rest, done


@helper
def show_side(
    lots: np.ndarray,
    pages: np.ndarray,
    s: np.void,
    factors: np.ndarray,
    level_side: np.void,
    side: int,
    i: int,
    gone_to: int,
    rest: int,
    ts: int,
    out: np.ndarray,
    n: int,
) -> int:
    """Write one side of the step snapshot, best level first; flow has eaten up to base tick `gone_to` (-1: nothing)."""
    outward = outward_of(side)
    shift = side_shift(s, side)
    eating = gone_to >= 0
    tick = level_side["best"]
    while tick >= 0:
        shown = shown_lots(lots, level_side, tick, shift, factors, s["mid2"])
        if eating:
            eating = tick != gone_to
            shown = 0 if eating else rest
        if shown > 0:
            n = put(out, n, ts, SNAPSHOT, i, -outward, tick + shift, shown, 0.0)
        tick = next_tick(lots, pages, level_side, outward, tick)
    return n


@helper
def print_flow(
    lots: np.ndarray,
    pages: np.ndarray,
    s: np.void,
    factors: np.ndarray,
    level_side: np.void,
    side: int,
    i: int,
    gone_to: int,
    rest: int,
    ts: int,
    out: np.ndarray,
    n: int,
) -> int:
    """Write the trades of the flow that ate the levels up to base tick `gone_to`, one per level."""
    outward = outward_of(side)
    shift = side_shift(s, side)
    tick = level_side["best"] if gone_to >= 0 else -1
    while tick >= 0:
        shown = shown_lots(lots, level_side, tick, shift, factors, s["mid2"])
        if tick == gone_to:
            shown -= rest
        if shown > 0:
            n = put(out, n, ts, TRADE, i, outward, tick + shift, shown, 0.0)
        tick = -1 if tick == gone_to else next_tick(lots, pages, level_side, outward, tick)
    return n


@helper
def show_whole(
    lots: np.ndarray,
    pages: np.ndarray,
    s: np.void,
    depth: np.ndarray,
    sides: np.ndarray,
    i: int,
    flow: float,
    ts: int,
    out: np.ndarray,
    n: int,
) -> int:
    """Write PATH_STEP, the snapshot of the moved ladder less what `flow` takes, then the flow's trades."""
    hit = BID if flow < 0.0 else ASK
    gone_to, rest, done = -1, 0, 0.0
    if flow != 0.0:
        gone_to, rest, done = walk_flow(lots, pages, s, depth[i, hit], sides[i, hit], hit, abs(flow))
        s["flow_asked"] += abs(flow)
        s["flow_done"] += done
    n = put(out, n, ts, PATH_STEP, i, 0, s["bid_shift"], s["ask_shift"], 0.0)
    n = put(out, n, ts, SNAPSHOT, i, 0, 0, 0, 0.0)
    for side in range(2):
        eaten_to = gone_to if side == hit else -1
        n = show_side(lots, pages, s, depth[i, side], sides[i, side], side, i, eaten_to, rest, ts, out, n)
    s["eaten"] = 1 if gone_to >= 0 else 0
    s["live"] = 1
    return print_flow(lots, pages, s, depth[i, hit], sides[i, hit], hit, i, gone_to, rest, ts, out, n)


@helper
def show_resized(
    lots: np.ndarray,
    pages: np.ndarray,
    level_side: np.void,
    side: int,
    i: int,
    shift: int,
    factors: np.ndarray,
    mid2: int,
    next_shift: int,
    next_factors: np.ndarray,
    next_mid2: int,
    ts: int,
    out: np.ndarray,
    n: int,
) -> int:
    """Write the levels of one side that are more than moved: those of another size, and those back above tick 1."""
    outward = outward_of(side)
    tick = level_side["best"]
    while tick >= 0:
        before = shown_lots(lots, level_side, tick, shift, factors, mid2)
        shown = shown_lots(lots, level_side, tick, next_shift, next_factors, next_mid2)
        if shown != before and tick + next_shift >= 1:
            n = put(out, n, ts, DELTA, i, -outward, tick + next_shift, shown, 0.0)
        tick = next_tick(lots, pages, level_side, outward, tick)
    return n


@helper
def falls_below_one(level_side: np.void, side: int, shift: int) -> bool:
    """Whether a translation brings a level of the side below tick 1."""
    lowest = level_side["outermost"] if side == BID else level_side["best"]
    return lowest + shift < 1


@helper
def show_moved(
    lots: np.ndarray,
    pages: np.ndarray,
    s: np.void,
    factors: np.ndarray,
    level_sides: np.ndarray,
    i: int,
    shifts: tuple[int, int],
    next_factors: np.ndarray,
    mid2: int,
    ts: int,
    out: np.ndarray,
    n: int,
) -> int:
    """If the map changes, write PATH_STEP, with which the shown ladder moves, and what it leaves to be said."""
    resized = is_resized(s, factors, next_factors, mid2)
    if not resized and shifts[0] == s["bid_shift"] and shifts[1] == s["ask_shift"]:
        return n
    n = put(out, n, ts, PATH_STEP, i, 0, shifts[0], shifts[1], 0.0)
    for side in range(2):
        shift, level_side = side_shift(s, side), level_sides[side]
        if resized or falls_below_one(level_side, side, min(shift, shifts[side])):
            n = show_resized(
                lots, pages, level_side, side, i, shift, factors[side], s["mid2"], shifts[side], next_factors[side],
                mid2, ts, out, n,
            )  # fmt: skip
    return n


@helper
def shown_best(
    lots: np.ndarray, pages: np.ndarray, s: np.void, factors: np.ndarray, level_side: np.void, side: int
) -> int:
    """Tick of the best level that is shown, or -1."""
    shift = side_shift(s, side)
    tick = level_side["best"]
    while tick >= 0 and shown_lots(lots, level_side, tick, shift, factors, s["mid2"]) == 0:
        tick = next_tick(lots, pages, level_side, outward_of(side), tick)
    return tick + shift if tick >= 0 else -1


@helper
def watch_mid(lots: np.ndarray, pages: np.ndarray, s: np.void, depth: np.ndarray, sides: np.ndarray, i: int) -> int:
    """Keep the lowest and the highest mid shown at steps; return this step's, in half ticks, or -1."""
    bid = shown_best(lots, pages, s, depth[i, BID], sides[i, BID], BID)
    ask = shown_best(lots, pages, s, depth[i, ASK], sides[i, ASK], ASK)
    if bid < 0 or ask < 0:
        return -1
    s["low2"] = bid + ask if s["low2"] == 0 else min(s["low2"], bid + ask)
    s["high2"] = max(s["high2"], bid + ask)
    return bid + ask


@helper
def take_step(
    run: np.void,
    s: np.void,
    depth: np.ndarray,
    sides: np.ndarray,
    lots: np.ndarray,
    pages: np.ndarray,
    step: np.void,
    step_depth: np.ndarray,
    i: int,
    ts: int,
    coarse: bool,
    out: np.ndarray,
    n: int,
) -> int:
    """One step of one instrument: its index, then its ladder, moved if the map changed, or whole where it must be.

    Trades go by its volume and intensity from now on. A coarse one is hidden again at once; a print at its mid that
    hits nobody keeps the last price on the path.
    """
    bid, ask = sides[i, BID]["best"], sides[i, ASK]["best"]
    two_sided = bid >= 0 and ask >= 0
    if s["index_from_tape"] == 0 and two_sided and (run["tiled"] == 0 or np.isnan(s["index"])):
        s["index"] = 0.5 * (bid + ask) * s["tick_size"]
    s["volume"] = step["volume"]
    s["intensity"] = step["intensity"]
    s["factor"] = step["factor"]
    if not np.isnan(s["index"]):
        n = put(out, n, ts, INDEX, i, 0, 0, 0, s["index"] * step["ratio"])
    if two_sided:
        if run["tiled"] and s["anchor"] == 0.0:
            s["anchor"] = 0.5 * (bid + ask)
        shifts = next_shifts(run, s, step, bid, ask)
        anew = s["live"] == 0 or s["eaten"] != 0 or step["flow"] != 0.0
        if not anew:
            n = show_moved(lots, pages, s, depth[i], sides[i], i, shifts, step_depth, bid + ask, ts, out, n)
        set_map(s, depth[i], shifts, step_depth, bid + ask)
        if anew:
            n = show_whole(lots, pages, s, depth, sides, i, step["flow"], ts, out, n)
        mid2 = watch_mid(lots, pages, s, depth, sides, i)
        if coarse and mid2 > 0:
            n = put(out, n, ts, TRADE, i, 0, mid2 >> 1, 1, 0.0)
    elif step["flow"] != 0.0:
        s["flow_asked"] += abs(step["flow"])
    if coarse:
        s["live"] = 0
    return n
