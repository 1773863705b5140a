"""One side of an instrument's order book: cells by base tick, its best and its outermost level (RULES 1.1).

A path step moves a side by its offset alone. What else it does to every level, naming it, is written into a cell when
somebody looks at it: read `printed` and `message` of a displayed level through `up_to_date`.
"""

from __future__ import annotations

import numpy as np

from backtester.engine.jit import helper
from backtester.engine.state import NO_ASK, NO_BID
from backtester.formulas.distance import DISTANCES_BPS


@helper
def side_of(instrument: int, side: int) -> int:
    """Number of the ladder side on which an order of `side` rests."""
    return 2 * instrument if side > 0 else 2 * instrument + 1


@helper
def outward(k: int) -> int:
    """Direction away from mid on side `k`: -1 for bids (even), +1 for asks."""
    return -1 + 2 * (k & 1)


@helper
def beyond(k: int, tick: int, limit: int) -> bool:
    """Whether `tick` lies farther out on side `k` than `limit`."""
    return tick > limit if k & 1 else tick < limit


@helper
def next_level(cells: np.ndarray, side: np.void, k: int, tick: int) -> int:
    """First displayed tick from `tick` outward; NO_BID or NO_ASK when there is none."""
    step = outward(k)
    edge = side["edge"]
    while not beyond(k, tick, edge):
        if cells[side["offset"] + tick]["lots"] > 0:
            return tick
        tick += step
    return NO_ASK if k & 1 else NO_BID


@helper
def _name(cell: np.void, message: int) -> None:
    """A message names a level: what trades took of it before is in its size."""
    cell["printed"] = 0
    cell["message"] = message


@helper
def up_to_date(cells: np.ndarray, side: np.void, tick: int) -> np.void:
    """The cell of a displayed level, once the last path step has named it."""
    cell = cells[side["offset"] + tick]
    if cell["message"] < side["named"]:
        _name(cell, side["named"])
    return cell


@helper
def shown_lots(cells: np.ndarray, side: np.void, k: int, tick: int) -> int:
    """Displayed lots at any tick, on the ladder or off it."""
    if beyond(k, tick, side["edge"]) or beyond(k, side["best"], tick):
        return 0
    return cells[side["offset"] + tick]["lots"]


@helper
def set_level(cells: np.ndarray, side: np.void, k: int, tick: int, lots: int, message: int) -> None:
    """Set the displayed size of a level."""
    cell = cells[side["offset"] + tick]
    cell["lots"] = lots
    _name(cell, message)
    if lots > 0:
        if beyond(k, side["best"], tick):
            side["best"] = tick
        if beyond(k, tick, side["edge"]):
            side["edge"] = tick
    elif tick == side["best"]:
        side["best"] = next_level(cells, side, k, tick + outward(k))


@helper
def _empty(side: np.void, k: int) -> None:
    """Nothing is displayed on a side, and no edge of what was is left."""
    side["best"] = NO_ASK if k & 1 else NO_BID
    side["edge"] = NO_BID if k & 1 else NO_ASK


@helper
def _is_empty(side: np.void) -> bool:
    return side["best"] == NO_BID or side["best"] == NO_ASK


@helper
def _drop_below_one(cells: np.ndarray, side: np.void, k: int) -> None:
    """Levels that were moved below tick 1 are gone."""
    if k & 1:
        while side["best"] < 1:
            cells[side["offset"] + side["best"]]["lots"] = 0
            side["best"] = next_level(cells, side, k, side["best"] + 1)
        if side["best"] == NO_ASK:
            _empty(side, k)
    else:
        while side["edge"] < 1 and side["edge"] <= side["best"]:
            cells[side["offset"] + side["edge"]]["lots"] = 0
            side["edge"] += 1
        if side["edge"] > side["best"]:
            _empty(side, k)


@helper
def move_side(cells: np.ndarray, side: np.void, k: int, shift: int, message: int) -> None:
    """Begin a path step: every level of the side goes to its place under a new translation (RULES 1.1)."""
    d = shift - side["shift"]
    side["shift"] = shift
    side["offset"] -= d
    side["named"] = message
    if not _is_empty(side):
        side["best"] += d
        side["edge"] += d
        _drop_below_one(cells, side, k)


@helper
def end_step(cells: np.ndarray, side: np.void, k: int) -> None:
    """End a path step: draw the edge in; the side is shown as far as that, or all of it if it is empty."""
    if _is_empty(side):
        _empty(side, k)
        side["view"] = side["best"]
        return
    while cells[side["offset"] + side["edge"]]["lots"] == 0:
        side["edge"] -= outward(k)
    side["view"] = side["edge"]


@helper
def delete_unnamed(cells: np.ndarray, side: np.void, k: int, message: int) -> None:
    """End a snapshot: delete what it did not name; the side is shown as far as what is left, or all of it if empty."""
    tick, edge = side["best"], side["edge"]
    _empty(side, k)
    side["view"] = side["best"]
    while not beyond(k, tick, edge):
        cell = cells[side["offset"] + tick]
        if cell["lots"] > 0:
            if cell["message"] == message:
                if beyond(k, side["best"], tick):
                    side["best"] = tick
                side["edge"] = tick
                side["view"] = tick
            else:
                cell["lots"] = 0
        tick += outward(k)


@helper
def impact_price(cells: np.ndarray, side: np.void, k: int, quote_lots: float) -> float:
    """Average tick of taking levels until Σ tick · lots reaches `quote_lots`, the last one in part (RULES 7.3).

    All of the side when it holds less. The side must not be empty.
    Example: bids 100×2, 99×4; 299 → (200 + 99) / 3 lots = 99.667.
    """
    value = 0.0
    lots = 0.0
    tick = side["best"]
    step = outward(k)
    while not beyond(k, tick, side["edge"]):
        shown = cells[side["offset"] + tick]["lots"]
        if shown > 0:
            part = min(float(shown), (quote_lots - value) / tick)
            value += part * tick
            lots += part
            if part < shown:
                break
        tick += step
    return value / lots


@helper
def _reach(k: int, mid2: int, bps: int) -> int:
    """Outermost tick of side `k` that lies within `bps` of mid."""
    return mid2 * (10_000 + bps) // 20_000 if k & 1 else -(-mid2 * (10_000 - bps) // 20_000)


@helper
def note_depth(cells: np.ndarray, side: np.void, k: int, mid2: int, lots: np.ndarray) -> None:
    """Write the lots that a side displays within each of DISTANCES_BPS of mid, in one walk outward."""
    begin = side["best"]
    total = 0
    for i in range(len(DISTANCES_BPS)):
        end = _reach(k, mid2, DISTANCES_BPS[i])
        if beyond(k, end, side["edge"]):
            end = side["edge"]
        if not beyond(k, begin, end):
            first, last = min(begin, end), max(begin, end)
            for cell in cells[side["offset"] + first : side["offset"] + last + 1]:
                total += cell["lots"]
            begin = end + outward(k)
        lots[i] = total
