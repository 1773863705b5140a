"""The order book of one market as that of another: on its own ticks and lots, a share as deep, so many bps wide.

A tape says what stands at a price. Where several prices of the lender fall on one tick of the market, what stands there
is their sum; so the ladder of the lender is remembered, price by price, and each row that changes it says what the tick
then holds. Bids move down to a tick and asks up, after both were moved apart by half of the stated spread: what was not
crossed is not crossed. A tick that holds anything shows one lot at least, a trade is of one lot at least.

Example: ETH at 4,000 in ticks of 0.1 lends SOL at 200 with ticks of 0.01 a share of a tenth; 1 ETH is 20 SOL, so 1 ETH
of depth is 2 SOL. Asks of 1, 2 and 3 ETH at 4,000.1, 4,000.2 and 4,000.3 are 200.005, 200.010 and 200.015: with no
spread to add 6 SOL at 200.01 (of 1 and 2 ETH) and 6 at 200.02. When the ask at 4,000.1 goes, 4 SOL are left at 200.01.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from backtester.bounds import MOST_LOTS, MOST_TICKS
from backtester.engine.events import EVENT
from backtester.enums import EventKind
from backtester.market.move import Move, moved_events, too_large_error

#: A price this close to a tick, in ticks, stands on it.
ON_TICK = 1e-9


class _Ladder(NamedTuple):
    """What the lender shows: `lots` at (side, tick). `ts`: of its snapshot while that may go on, else -1."""

    rows: NDArray[Any]  # EVENT[n]
    ts: int


class Mover:
    """Moves the chunks of a tape, one after the other (market.move), and scales the markets that are stated."""

    def __init__(self, moves: Sequence[Move]) -> None:
        self._moves = moves
        self._ladders = {n: _Ladder(np.empty(0, EVENT), -1) for n, move in enumerate(moves) if move.stated is not None}

    def moved(self, events: NDArray[Any]) -> NDArray[Any]:
        """EVENT[n] in the prices of the moves, which come in the order of the tape. Raises a data error like them."""
        if not self._moves:
            return events
        out = moved_events(events, self._moves)
        for number, ladder in self._ladders.items():
            mine = out["instrument"] == number
            out[mine], self._ladders[number] = _scaled(out[mine], self._moves[number], ladder)
        return out


def _scaled(rows: NDArray[Any], move: Move, ladder: _Ladder) -> tuple[NDArray[Any], _Ladder]:
    """EVENT[n] of one instrument, and the ladder of the lender behind them."""
    if not len(rows):
        return rows, ladder
    out, share = rows.copy(), move.stated.share if move.stated else 1.0
    grid = move.moved
    lots = share / move.factor * move.written.lot_size / grid.lot_size  # of the market, per lot of the lender
    priced = (rows["kind"] <= EventKind.TRADE) & ((rows["side"] != 0) | (rows["kind"] == EventKind.TRADE))
    depth = priced & (rows["kind"] != EventKind.TRADE)
    ticks, held = _ticks(rows, move), rows["lots"].astype(np.float64)
    held[depth], after = _held(rows, depth, ticks, move, ladder)
    sizes = np.where(held > 0, np.maximum(1.0, np.floor(held * lots + 0.5)), 0.0)
    if (ticks[priced] > MOST_TICKS).any() or (sizes[priced] > MOST_LOTS).any():
        raise too_large_error(move)
    out["tick"][priced], out["lots"][priced] = ticks[priced], sizes[priced]
    return out, after


def _ticks(rows: NDArray[Any], move: Move) -> NDArray[np.float64]:
    """Ticks of the market, f8[n]: bids and what sells into them down, asks and what buys from them up, 1 at least."""
    is_trade = rows["kind"] == EventKind.TRADE
    outward = np.where(is_trade, rows["side"], -rows["side"].astype(np.int64))  # +1 on the ask side
    exact = rows["tick"] * (move.written.tick_size * move.factor / move.moved.tick_size)
    exact = exact * (1.0 + move.half_spread * outward)
    up, down = np.ceil(exact - ON_TICK), np.floor(exact + ON_TICK)
    found: NDArray[np.float64] = np.where(outward > 0, up, np.where(outward < 0, down, np.floor(exact + 0.5)))
    return np.maximum(1.0, found)


def _held(
    rows: NDArray[Any], depth: NDArray[np.bool_], ticks: NDArray[np.float64], move: Move, ladder: _Ladder
) -> tuple[NDArray[np.float64], _Ladder]:
    """What the tick of each depth row holds after it, in lots of the lender, f8[m]; and the ladder behind all rows."""
    known = ladder.rows
    started = _starts(rows, ladder.ts)
    book = np.concatenate([np.zeros(len(known), np.int64), np.cumsum(started)[depth]])  # a snapshot begins a new one
    levels = np.concatenate([known, rows[depth]])
    placed = np.concatenate([_ticks(known, move), ticks[depth]])
    order = np.arange(len(levels))
    change = levels["lots"] - _before(levels["lots"], (book, levels["side"], levels["tick"]), order)
    total = _sums(change, (book, levels["side"], placed), order)
    ts = int(rows["ts"][-1]) if rows["kind"][-1] == EventKind.SNAPSHOT else -1
    last = _latest(levels[book == np.count_nonzero(started)])
    return total[len(known) :].astype(np.float64), _Ladder(last, ts)


def _starts(rows: NDArray[Any], ts: int) -> NDArray[np.bool_]:
    """Which rows begin a snapshot, (n,): its marker, or its first level. `ts`: of one that the rows before end in."""
    snapshot = rows["kind"] == EventKind.SNAPSHOT
    going_on = np.concatenate([[ts], np.where(snapshot, rows["ts"], -1)[:-1]])[: len(rows)] == rows["ts"]
    found: NDArray[np.bool_] = snapshot & ((rows["side"] == 0) | ~going_on)
    return found


def _grouped(keys: Sequence[NDArray[Any]], order: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Positions sorted by keys, then by order, i8[n]; and where among them a group begins, (n,)."""
    at = np.lexsort((order, *keys))
    first = np.ones(len(at), np.bool_)
    first[1:] = np.logical_or.reduce([key[at][1:] != key[at][:-1] for key in keys]) if len(at) else False
    return at, first


def _before(values: NDArray[np.int64], keys: Sequence[NDArray[Any]], order: NDArray[np.int64]) -> NDArray[np.int64]:
    """What each value replaces, i8[n]: the one before it of the same keys, 0 for the first."""
    at, first = _grouped(keys, order)
    before = np.zeros(len(values), np.int64)
    before[at[1:]] = np.where(first[1:], 0, values[at[:-1]])
    return before


def _sums(values: NDArray[np.int64], keys: Sequence[NDArray[Any]], order: NDArray[np.int64]) -> NDArray[np.int64]:
    """The sum of each value and all before it of the same keys, i8[n]."""
    at, first = _grouped(keys, order)
    running = np.cumsum(values[at])
    begins = running - values[at]
    sums = np.empty(len(values), np.int64)
    sums[at] = running - begins[np.maximum.accumulate(np.where(first, np.arange(len(at)), 0))] if len(at) else 0
    return sums


def _latest(levels: NDArray[Any]) -> NDArray[Any]:
    """The last row of each (side, tick) that shows anything."""
    at, first = _grouped((levels["side"], levels["tick"]), np.arange(len(levels)))
    last = at[np.append(first[1:], True)] if len(at) else at
    latest: NDArray[Any] = levels[last]
    return latest[latest["lots"] > 0]
