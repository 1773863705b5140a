"""Ladders that a message leaves crossed or locked, and which levels give way (`data check --repair`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from backtester.engine.book.ladder import beyond, delete_unnamed, outward, set_level
from backtester.engine.jit import helper, kernel
from backtester.enums import EventKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: The open message of an instrument.
MESSAGE = np.dtype([("number", "i4"), ("kind", "i1"), ("is_open", "i1"), ("is_snapshot", "i1")], align=True)
#: A level that is deleted before `row`, by a row of the message that left it in the way.
DELETION = np.dtype(
    [("row", "i8"), ("ts", "i8"), ("tick", "i8"), ("instrument", "i4"), ("side", "i1"), ("kind", "i1")], align=True
)


@helper
def _levels_in_the_way(cells: NDArray[Any], side: Any, k: int, opposite: int) -> int:
    """Levels of side `k` at or beyond the best price of the other side."""
    count, tick = 0, side["best"]
    while not beyond(k, tick, side["edge"]) and not beyond(k, tick, opposite):
        count += cells[side["offset"] + tick]["lots"] > 0
        tick += outward(k)
    return count


@helper
def _gives_way(cells: NDArray[Any], bid: Any, ask: Any, i: int) -> int:
    """The side, of two that are crossed or locked, whose best level goes: that with fewer levels in the other's way.

    Of equal ones the older level goes, of two of one message the smaller one. So a price far off the market goes, not
    the side that it passed; and a level whose deletion was lost goes as soon as the market has moved past it.
    """
    bids = _levels_in_the_way(cells, bid, 2 * i, ask["best"])
    asks = _levels_in_the_way(cells, ask, 2 * i + 1, bid["best"])
    if bids != asks:
        return 2 * i + (asks < bids)
    best_bid, best_ask = cells[bid["offset"] + bid["best"]], cells[ask["offset"] + ask["best"]]
    if best_bid["message"] != best_ask["message"]:
        return 2 * i + (best_ask["message"] < best_bid["message"])
    return 2 * i + (best_ask["lots"] <= best_bid["lots"])


@helper
def _close(
    cells: NDArray[Any],
    sides: NDArray[Any],
    messages: NDArray[Any],
    i: int,
    row: int,
    ts: int,
    deletions: NDArray[Any],
    count: int,
) -> int:
    """End the open message of instrument i before `row`; the number of deletions, -1 when there is no room for one."""
    message, bid, ask = messages[i], sides[2 * i], sides[2 * i + 1]
    message["is_open"] = 0
    if message["is_snapshot"]:
        delete_unnamed(cells, bid, 2 * i, message["number"])
        delete_unnamed(cells, ask, 2 * i + 1, message["number"])
    while bid["best"] >= ask["best"]:
        if count == len(deletions):
            return -1
        k = _gives_way(cells, bid, ask, i)
        tick = sides[k]["best"]
        set_level(cells, sides[k], k, tick, 0, message["number"])
        deletion = deletions[count]
        deletion["row"], deletion["ts"], deletion["tick"] = row, ts, tick
        deletion["instrument"], deletion["side"], deletion["kind"] = i, 1 - 2 * (k & 1), message["kind"]
        count += 1
    return count


@kernel
def uncross(
    events: NDArray[Any],
    cells: NDArray[Any],
    sides: NDArray[Any],
    messages: NDArray[Any],
    last_ts: int,
    is_last: bool,
    deletions: NDArray[Any],
) -> int:
    """Take rows in the order of their file; return the number of deletions written, -1 when there are too many.

    Parameters
    ----------
    events : EVENT[n], without faults
    cells : CELL, both sides of each instrument; every tick fits. Modified
    sides : SIDE[2·instruments], modified
    messages : MESSAGE[instruments], modified
    last_ts : of the row before the first
    is_last : whether the file ends with them
    deletions : DELETION, written
    """
    count = 0
    for row in range(len(events) + is_last):
        is_end = row == len(events)
        ts = last_ts + 1 if is_end else events[row]["ts"]
        if ts != last_ts:
            for i in range(len(messages)):
                if messages[i]["is_open"]:
                    count = _close(cells, sides, messages, i, row, last_ts, deletions, count)
                    if count < 0:
                        return -1
        if is_end:
            return count
        last_ts = ts
        event = events[row]
        i, kind = event["instrument"], event["kind"]
        message = messages[i]
        is_depth = kind <= EventKind.DELTA
        if message["is_open"] and (not is_depth or event["side"] == 0):
            count = _close(cells, sides, messages, i, row, ts, deletions, count)
            if count < 0:
                return -1
        if not is_depth:
            continue
        if not message["is_open"]:
            message["is_open"], message["is_snapshot"] = 1, 0
            message["number"] += 1
        message["kind"] = kind
        if kind == EventKind.SNAPSHOT:
            message["is_snapshot"] = 1
        if event["side"] != 0:
            k = 2 * i + (event["side"] < 0)
            set_level(cells, sides[k], k, event["tick"], event["lots"], message["number"])
    return count
