"""The kernel that turns a base tape into a stressed tape (RULES 10): one pass, resumable at every row.

The ladder moves only at steps. Between two steps the map of an instrument is constant:

    tick' = tick + bid_shift (bids) or + ask_shift (asks)      lots' = floor(lots · factor(side, band) + u(tick))

`band` is the distance of the base level from the base mid of the last step: [0, 10), [10, 100), [100, ∞) bps. `u` is a
fixed number in [0, 1) per base tick, so that many small levels thin out evenly and every delta stays one delta.
Example: ten levels of 1 lot at factor 0.3 leave three of them; one level of 10 lots leaves 3 lots or 4.
"""

from __future__ import annotations

import numpy as np

from backtester.engine.jit import helper, kernel
from backtester.enums import EventKind
from backtester.scenario.levels import ASK, BID, set_level, wipe
from backtester.scenario.mapping import band_of, copies, thin
from backtester.scenario.records import COARSE_BASE_NS, COARSE_NS, FOREVER, Status
from backtester.scenario.step import outward_of, side_shift, take_step

SNAPSHOT, DELTA, TRADE = int(EventKind.SNAPSHOT), int(EventKind.DELTA), int(EventKind.TRADE)
MARK, INDEX = int(EventKind.MARK), int(EventKind.INDEX)
OPEN_INTEREST, STATUS = int(EventKind.OPEN_INTEREST), int(EventKind.STATUS)
DONE, NEED_INPUT, NEED_ROOM = int(Status.DONE), int(Status.NEED_INPUT), int(Status.NEED_ROOM)


@helper
def take_level(
    s: np.void,
    depth: np.ndarray,
    lots: np.ndarray,
    pages: np.ndarray,
    level_side: np.void,
    side: int,
    row: np.void,
    ts: int,
    out: np.ndarray,
    n: int,
) -> int:
    """Set one level of the private ladder and, if the ladder is shown, write it through the map."""
    tick = row["tick"]
    set_level(lots, pages, level_side, outward_of(side), tick, row["lots"])
    shift = side_shift(s, side)
    if s["live"] == 0 or tick + shift < 1:
        return n
    out[n] = row
    out[n]["ts"] = ts
    out[n]["tick"] = tick + shift
    out[n]["lots"] = thin(row["lots"], depth[row["instrument"], side, band_of(tick, s["mid2"])], tick)
    return n + 1


@helper
def take_marker(s: np.void, row: np.void, ts: int, out: np.ndarray, n: int) -> int:
    """A row of side 0 begins a message: it stands as it is."""
    if s["live"] == 0:
        return n
    out[n] = row
    out[n]["ts"] = ts
    return n + 1


@helper
def take_trade(run: np.void, s: np.void, row: np.void, ts: int, out: np.ndarray, n: int) -> int:
    """A trade through the map of the side it hit, repeated by the intensity; none while the ladder is hidden."""
    tick = row["tick"]
    buys = row["side"] > 0 or (row["side"] == 0 and 2 * tick >= s["mid2"])
    shifted = tick + (s["ask_shift"] if buys else s["bid_shift"])
    number = s["trades"]
    s["trades"] = number + 1
    if shifted < 1 or s["live"] == 0:
        return n
    lots = max(1, thin(row["lots"], s["volume"], tick))
    for _ in range(copies(s["intensity"], number, run["seed"])):
        out[n] = row
        out[n]["ts"] = ts
        out[n]["tick"] = shifted
        out[n]["lots"] = lots
        n += 1
    return n


@helper
def take_other(run: np.void, s: np.void, row: np.void, ts: int, out: np.ndarray, n: int) -> int:
    """Index, mark, funding, status and the like. A tiled base gives only ladder and trades."""
    kind = row["kind"]
    if kind == INDEX and (run["tiled"] == 0 or np.isnan(s["index"])):
        s["index"] = row["value"]
    scaled = kind == MARK and s["drop_marks"] == 0
    if run["tiled"] or not (scaled or kind in (STATUS, OPEN_INTEREST)):
        return n
    out[n] = row
    out[n]["ts"] = ts
    if scaled:
        out[n]["value"] = row["value"] * s["factor"]
    return n + 1


@helper
def take_rows(
    run: np.void,
    state: np.ndarray,
    depth: np.ndarray,
    sides: np.ndarray,
    lots: np.ndarray,
    pages: np.ndarray,
    base: np.ndarray,
    limit: int,
    out: np.ndarray,
    n: int,
) -> tuple[int, bool]:
    """Take base rows up to the time `limit`, as far as the chunk and the room go: (rows in out, room was missing).

    The loop is flat because a call with this many arrays costs more than a row.
    """
    cursor = run["cursor"]
    clock = run["clock_ns"]
    full = False
    while cursor < base.size:
        row = base[cursor]
        ts = row["ts"] + clock
        if ts > limit:
            break
        i = row["instrument"]
        s = state[i]
        kind = row["kind"]
        room = int(s["intensity"]) + 1 if kind == TRADE else 1
        if n + room > out.size:
            full = True
            break
        if s["driven"] == 0:
            out[n] = row
            out[n]["ts"] = ts
            n += 1
        elif kind in (SNAPSHOT, DELTA):
            if kind == SNAPSHOT and (row["side"] == 0 or s["message_ts"] != ts or run["message_of"] != i):
                wipe(lots, pages, sides[i, BID], -1)
                wipe(lots, pages, sides[i, ASK], 1)
            s["message_ts"] = ts if kind == SNAPSHOT else -1
            if row["side"] == 0:
                n = take_marker(s, row, ts, out, n)
            else:
                side = BID if row["side"] > 0 else ASK
                n = take_level(s, depth, lots, pages, sides[i, side], side, row, ts, out, n)
        elif kind == TRADE:
            n = take_trade(run, s, row, ts, out, n)
        else:
            n = take_other(run, s, row, ts, out, n)
        run["message_of"] = i if kind == SNAPSHOT else -1
        cursor += 1
    run["cursor"] = cursor
    return n, full


@kernel
def seam(
    runs: np.ndarray, state: np.ndarray, which: np.ndarray, sides: np.ndarray, lots: np.ndarray, pages: np.ndarray
) -> None:
    """Begin the base of these instruments again: forget every ladder and hide it until its next step.

    which: (n,) bool.
    """
    for i in range(state.size):
        if which[i]:
            wipe(lots, pages, sides[i, BID], -1)
            wipe(lots, pages, sides[i, ASK], 1)
            state[i]["live"] = 0
    runs[0]["message_of"] = -1


@kernel
def transform(
    runs: np.ndarray,
    state: np.ndarray,
    depth: np.ndarray,
    sides: np.ndarray,
    lots: np.ndarray,
    pages: np.ndarray,
    step_ns: np.ndarray,
    steps: np.ndarray,
    step_depth: np.ndarray,
    control: np.ndarray,
    base: np.ndarray,
    out: np.ndarray,
) -> int:
    """Write stressed events to `out` until the base chunk, the room or the window ends; return a Status.

    runs (1,) RUN; state (n,) STATE; depth (n, 2, 3) factors in force; sides, lots, pages: the private ladder
    (`levels.Ladder`); step_ns (k,) absolute; steps (k, n) STEP; step_depth (k, n, 2, 3); control (m,) EVENT sorted by
    ts; base EVENT chunk, cut where ts changes; out EVENT. Modified in place: runs, state, depth, the ladder, out.
    At one ts: base rows, then control events, then the step of each instrument. After a coarse step the base's clock
    leaps to COARSE_BASE_NS before the next one.
    """
    run = runs[0]
    n = run["rows"]
    while True:
        control_ts = control[run["control"]]["ts"] if run["control"] < control.size else FOREVER
        step_ts = step_ns[run["step"]] if run["step"] < step_ns.size else FOREVER
        limit = min(control_ts, step_ts, run["end_ns"])
        n, full = take_rows(run, state, depth, sides, lots, pages, base, limit, out, n)
        run["rows"] = n
        if full:
            return NEED_ROOM
        if run["cursor"] == base.size and run["final"] == 0:
            return NEED_INPUT
        if control_ts == FOREVER and step_ts == FOREVER:
            return DONE
        i = run["step_instrument"]
        room = 1 if control_ts <= step_ts else 4 + 2 * (sides[i, 0]["count"] + sides[i, 1]["count"])
        if n + room > out.size:
            return NEED_ROOM
        if control_ts <= step_ts:
            out[n] = control[run["control"]]
            n += 1
            run["control"] += 1
            continue
        k = run["step"]
        gap = (step_ns[k + 1] if k + 1 < step_ns.size else run["end_ns"]) - step_ts
        coarse = run["tiled"] != 0 and gap >= COARSE_NS
        if state[i]["driven"]:
            n = take_step(
                run, state[i], depth, sides, lots, pages, steps[k, i], step_depth[k, i], i, step_ts, coarse, out, n
            )
        run["step_instrument"] = i + 1 if i + 1 < state.size else 0
        if run["step_instrument"] == 0:
            run["step"] += 1
            if coarse:
                run["clock_ns"] += gap - COARSE_BASE_NS
