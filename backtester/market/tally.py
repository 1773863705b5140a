"""What a tape holds: its messages, ladders and gaps, counted in one pass without the rest of the engine."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from backtester.engine.book.feed import GAP_NS, GAPS, hear_answer, weigh_trade
from backtester.engine.book.ladder import beyond, delete_unnamed, next_level, set_level
from backtester.engine.jit import helper, kernel
from backtester.engine.orders.queue import PRINTS_WITHIN_NS
from backtester.enums import EventKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Bins of a histogram of positive integers: exact below 256, then 128 bins per doubling (0.4 % around the middle).
EXACT, PER_DOUBLING = 256, 128
BINS = EXACT + 55 * PER_DOUBLING

#: What is known of one instrument while rows go by.
TRACK = np.dtype(
    [
        ("ts", "i8"),  # of the open message, or of the last one
        ("row", "i8"),  # its last row
        ("seq", "i8"),  # of the last row
        ("seq_ts", "i8"),
        ("messages", "i8"),
        ("message", "i4"),  # stamp of the cells it touched
        ("is_open", "i1"),
        ("is_snapshot", "i1"),
        ("trades", "i8"),  # since that message
        ("trade_ts", "i8"),  # of the last trade
        ("trade_lots", "i8"),  # of every trade; -1 = they differ
        ("trade_grid", "i8"),  # largest time that divides every time between two trades, ns; 0 = none yet
        ("trade_count", "i8"),
        ("sided", "i8"),  # trades whose aggressor is known
        ("late", "i8"),  # of these: what they took had been shown by messages before their row
        ("timely", "i8"),  # of these: what they took was shown by a message after them
        ("run_side", "i8"),  # of the trades since the last one at another level, without those that found their cut:
        ("run_tick", "i8"),
        ("run_lots", "i8"),  # sum
        ("run_count", "i8"),
        ("next_cut", "i8"),  # places in the rings of CHANGE
        ("next_print", "i8"),
    ],
    align=True,
)

#: What went at a level and has no counterpart yet: a message that cut its size, or a trade that hit it.
CHANGE = np.dtype([("ts", "i8"), ("side", "i8"), ("tick", "i8"), ("lots", "i8")], align=True)
CUT, PRINT = 0, 1  # each instrument has a ring of either
CHANGES = 64


class Noted(IntEnum):
    """What a NOTE is about."""

    CROSSED = 0  # a = best bid, b = best ask, in ticks
    GAP = 1  # a = ns without a message before this row, b = trades meanwhile
    SEQ_BACKWARDS = 2


NOTE = np.dtype([("row", "i8"), ("a", "i8"), ("b", "i8"), ("instrument", "i4"), ("code", "i4")], align=True)


class Measure(IntEnum):
    """The histograms of an instrument, over its messages."""

    SPREAD_TICKS = 0
    BID_LOTS = 1  # displayed at the best price
    ASK_LOTS = 2


@helper
def bin_of(value: int) -> int:
    """The bin of a positive integer. Example: 255 is bin 255; 256 and 257 are bin 256; 258 is bin 257."""
    shift = 0
    while value >> shift >= EXACT:
        shift += 1
    return value if shift == 0 else EXACT + (shift - 1) * PER_DOUBLING + (value >> shift) - PER_DOUBLING


@helper
def _close_message(
    cells: NDArray[Any],
    sides: NDArray[Any],
    tracks: NDArray[Any],
    feeds: NDArray[Any],
    i: int,
    bins: NDArray[np.int64],
    note: Any,
) -> bool:
    """End the open message of instrument i and measure its ladder; True when `note` says that it is crossed."""
    track, bid, ask = tracks[i], sides[2 * i], sides[2 * i + 1]
    if not track["is_open"]:
        return False
    if track["is_snapshot"]:
        delete_unnamed(cells, bid, 2 * i, track["message"])
        delete_unnamed(cells, ask, 2 * i + 1, track["message"])
    track["is_open"] = 0
    track["messages"] += 1
    best_bid = next_level(cells, bid, 2 * i, bid["best"])
    best_ask = next_level(cells, ask, 2 * i + 1, ask["best"])
    hear_answer(feeds, sides, np.int64(i), np.int64(0))
    if beyond(2 * i, best_bid, bid["edge"]) or beyond(2 * i + 1, best_ask, ask["edge"]):
        return False
    if best_bid >= best_ask:
        note["row"], note["instrument"], note["code"] = track["row"], i, Noted.CROSSED
        note["a"], note["b"] = best_bid, best_ask
        return True
    bins[i, Measure.SPREAD_TICKS, bin_of(best_ask - best_bid)] += 1
    bins[i, Measure.BID_LOTS, bin_of(cells[bid["offset"] + best_bid]["lots"])] += 1
    bins[i, Measure.ASK_LOTS, bin_of(cells[ask["offset"] + best_ask]["lots"])] += 1
    return False


@helper
def _note_trade(track: Any, ts: int, lots: int) -> None:
    """Count a trade; keep whether all are of one size, and the grid that their times lie on (Euclid)."""
    if track["trade_count"] == 0:
        track["trade_lots"] = lots
    elif track["trade_lots"] != lots:
        track["trade_lots"] = -1
    if track["trade_count"] > 0:
        a, b = track["trade_grid"], ts - track["trade_ts"]
        while b != 0:
            a, b = b, a % b
        track["trade_grid"] = a
    track["trade_ts"] = ts
    track["trade_count"] += 1
    track["trades"] += 1


@helper
def _keep(changes: NDArray[Any], place: int, k: int, tick: int, lots: int, ts: int) -> int:
    """Keep a change in place of the oldest one; the place of the next."""
    change = changes[place]
    change["ts"], change["side"], change["tick"], change["lots"] = ts, k, tick, lots
    return (place + 1) % len(changes)


@helper
def _claim(changes: NDArray[Any], k: int, tick: int, lots: int, ts: int) -> bool:
    """Take out a change of exactly `lots` at a level that is less than PRINTS_WITHIN_NS old; whether there was one."""
    for n in range(len(changes)):
        change = changes[n]
        found = change["lots"] == lots and change["tick"] == tick and change["side"] == k
        if found and ts - change["ts"] < PRINTS_WITHIN_NS:
            change["lots"] = 0
            return True
    return False


@helper
def _note_cut(track: Any, changes: NDArray[Any], k: int, tick: int, lots: int, ts: int) -> None:
    """A message took `lots` from a level: it shows a trade, or some in a row, before it, or waits for one."""
    if lots <= 0:
        return
    if _claim(changes[PRINT], k, tick, lots, ts):
        track["timely"] += 1
    elif track["run_side"] == k and track["run_tick"] == tick and track["run_lots"] == lots:
        track["timely"] += track["run_count"]
        track["run_lots"], track["run_count"] = 0, 0
    else:
        track["next_cut"] = _keep(changes[CUT], track["next_cut"], k, tick, lots, ts)


@helper
def _note_print(track: Any, changes: NDArray[Any], k: int, tick: int, lots: int, ts: int) -> None:
    """Count a trade that hits side k, and whether it, or it and those before it at the level, had been shown.

    Example: a message takes 75 from a level, trades of 50 and 25 at it follow: both are late.
    """
    track["sided"] += 1
    if track["run_side"] != k or track["run_tick"] != tick:
        track["run_side"], track["run_tick"], track["run_lots"], track["run_count"] = k, tick, 0, 0
    if _claim(changes[CUT], k, tick, lots, ts):
        track["late"] += 1
        return
    track["run_lots"] += lots
    track["run_count"] += 1
    if _claim(changes[CUT], k, tick, track["run_lots"], ts):
        track["late"] += track["run_count"]
        track["run_lots"], track["run_count"] = 0, 0
    else:
        track["next_print"] = _keep(changes[PRINT], track["next_print"], k, tick, lots, ts)


@kernel
def survey(
    events: NDArray[Any],
    faults: NDArray[np.uint8],
    seq: NDArray[np.int64],
    first_row: int,
    gap_ns: int,
    cells: NDArray[Any],
    sides: NDArray[Any],
    tracks: NDArray[Any],
    changes: NDArray[Any],
    feeds: NDArray[Any],
    gaps: NDArray[np.int64],
    kinds: NDArray[np.int64],
    bins: NDArray[np.int64],
    notes: NDArray[Any],
) -> int:
    """Take rows in the order of their file; return the number of notes written.

    Parameters
    ----------
    events : EVENT[n]
    faults : u1[n], rows with a fault are passed over
    seq : i8[n]
    first_row : number of the first row
    gap_ns : a longer time without a message is noted
    cells : CELL, both sides of each instrument; every tick fits. Modified
    sides : SIDE[2·instruments], modified
    tracks : TRACK[instruments], modified
    changes : CHANGE[instruments, 2, CHANGES], modified
    feeds : FEED[2·instruments], modified
    gaps : i8[instruments, GAPS], times between messages, added to
    kinds : i8[instruments, 9], rows by kind, added to
    bins : i8[instruments, 3, BINS], histograms by Measure, added to
    notes : NOTE[≥ 3·n], written
    """
    count = 0
    for row in range(len(events)):
        if faults[row]:
            continue
        event = events[row]
        i, ts, kind = event["instrument"], event["ts"], event["kind"]
        track = tracks[i]
        kinds[i, kind] += 1
        if track["seq_ts"] == ts and seq[row] < track["seq"]:
            note = notes[count]
            note["row"], note["instrument"], note["code"] = first_row + row, i, Noted.SEQ_BACKWARDS
            count += 1
        track["seq"], track["seq_ts"] = seq[row], ts
        is_depth = kind <= EventKind.DELTA
        if not is_depth and (kind == EventKind.OPEN_INTEREST or kind == EventKind.FUNDING_PREDICTED):
            continue
        is_marker = is_depth and event["side"] == 0
        if (track["ts"] != ts or not is_depth or is_marker) and _close_message(
            cells, sides, tracks, feeds, i, bins, notes[count]
        ):
            count += 1
        if kind == EventKind.TRADE:
            _note_trade(track, ts, event["lots"])
            if event["side"] != 0:
                _note_print(track, changes[i], 2 * i + (event["side"] > 0), event["tick"], event["lots"], ts)
            weigh_trade(feeds, sides, np.int64(i), np.int64(event["side"]), event["tick"], ts)
        if not is_depth:
            continue
        if not track["is_open"]:
            if track["message"] > 0:
                gaps[i, min((ts - track["ts"]) // GAP_NS, GAPS - 1)] += 1
            if track["message"] > 0 and ts - track["ts"] > gap_ns:
                note = notes[count]
                note["row"], note["instrument"], note["code"] = first_row + row, i, Noted.GAP
                note["a"], note["b"] = ts - track["ts"], track["trades"]
                count += 1
            track["is_open"], track["is_snapshot"] = 1, 0
            track["message"] += 1
            track["trades"] = 0
        track["ts"], track["row"] = ts, first_row + row
        if kind == EventKind.SNAPSHOT:
            track["is_snapshot"] = 1
        if not is_marker:
            k = 2 * i + (event["side"] < 0)
            shown = cells[sides[k]["offset"] + event["tick"]]["lots"]
            _note_cut(track, changes[i], k, event["tick"], shown - event["lots"], ts)
            set_level(cells, sides[k], k, event["tick"], event["lots"], track["message"])
    return count


@kernel
def close_messages(
    cells: NDArray[Any],
    sides: NDArray[Any],
    tracks: NDArray[Any],
    feeds: NDArray[Any],
    bins: NDArray[np.int64],
    notes: NDArray[Any],
) -> int:
    """End the messages that the end of a file ends; return the number of notes written to NOTE[instruments]."""
    count = 0
    for i in range(len(tracks)):
        if _close_message(cells, sides, tracks, feeds, i, bins, notes[count]):
            count += 1
    return count
