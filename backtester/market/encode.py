"""Rows of a tape to event records: the border where floats become ticks and lots.

A row that breaks a rule is not encoded but marked with a `RowFault`; the caller knows the file and says it in words.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from backtester.bounds import FIRST_NS, LARGEST_PRICE, LAST_NS, LONGEST_HELD_NS, MOST_LOTS, MOST_TICKS
from backtester.engine.jit import helper, kernel
from backtester.enums import EventKind, TradingStatus

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: A price or size is on its grid when it is this close to a multiple of the step, in steps (plus rounding).
GRID_TOLERANCE = 1e-6
_ROUNDING = 4 * 2.0**-52
_LARGEST = 2.0**52  # more steps than this have no exact float
_LONGEST_INTERVAL_S = LONGEST_HELD_NS // 1_000_000_000
_FIRST_STATUS, _LAST_STATUS = float(min(TradingStatus)), float(max(TradingStatus))
#: Stands for a null `ts`.
NO_TIME = np.iinfo(np.int64).min


class RowFault(IntEnum):
    """What is wrong with a row; the first that applies, in this order."""

    NONE = 0
    NO_TIME = 1
    TIME_OUT_OF_BOUNDS = 2
    TIME_BACKWARDS = 3
    UNKNOWN_KIND = 4
    UNKNOWN_SYMBOL = 5
    BAD_SIDE = 6
    NOT_FINITE = 7
    NOT_POSITIVE = 8
    NEGATIVE_SIZE = 9
    OFF_TICK = 10
    OFF_LOT = 11
    TOO_MANY_TICKS = 12
    TOO_MANY_LOTS = 13
    BAD_MARKER = 14
    BAD_INTERVAL = 15
    BAD_STATUS = 16
    TOO_LARGE = 17


@helper
def is_on_grid(steps: float) -> bool:
    """Whether a price in ticks (or a size in lots) is a whole number, within GRID_TOLERANCE."""
    return abs(steps) < _LARGEST and abs(steps - np.rint(steps)) <= GRID_TOLERANCE + _ROUNDING * abs(steps)


@helper
def _depth_fault(kind: int, side: int, ticks: float, lots: float) -> int:
    """The fault of a snapshot or delta row; a snapshot row of side 0 and size 0 is the marker that begins one."""
    if side == 0:
        if kind != EventKind.SNAPSHOT:
            return RowFault.BAD_SIDE
        return RowFault.NONE if lots == 0.0 else RowFault.BAD_MARKER
    return _grid_fault(ticks, lots, lots >= 0.0, RowFault.NEGATIVE_SIZE)


@helper
def _grid_fault(ticks: float, lots: float, is_size_valid: bool, size_fault: int) -> int:
    """The fault of a price in ticks and a size in lots."""
    if not (np.isfinite(ticks) and np.isfinite(lots)):
        return RowFault.NOT_FINITE
    if ticks <= 0.0:
        return RowFault.NOT_POSITIVE
    if not is_size_valid:
        return size_fault
    if not is_on_grid(ticks):
        return RowFault.OFF_TICK
    if not is_on_grid(lots):
        return RowFault.OFF_LOT
    if ticks > MOST_TICKS:
        return RowFault.TOO_MANY_TICKS
    return RowFault.NONE if lots <= MOST_LOTS else RowFault.TOO_MANY_LOTS


@helper
def _value_fault(kind: int, side: int, price: float, size: float) -> int:
    """The fault of a row that is neither depth nor trade: those have no side."""
    if side != 0:
        return RowFault.BAD_SIDE
    if kind == EventKind.STATUS:
        known = _FIRST_STATUS <= size <= _LAST_STATUS and size == np.rint(size)
        return RowFault.NONE if known else RowFault.BAD_STATUS
    if kind == EventKind.OPEN_INTEREST:
        if not np.isfinite(size):
            return RowFault.NOT_FINITE
        return RowFault.NONE if size >= 0.0 else RowFault.NEGATIVE_SIZE
    if not np.isfinite(price):
        return RowFault.NOT_FINITE
    if kind == EventKind.MARK or kind == EventKind.INDEX:
        if price <= 0.0:
            return RowFault.NOT_POSITIVE
        return RowFault.NONE if price <= LARGEST_PRICE else RowFault.TOO_LARGE
    if kind == EventKind.FUNDING and not (0.0 < size <= _LONGEST_INTERVAL_S and size == np.rint(size)):
        return RowFault.BAD_INTERVAL
    return RowFault.NONE if abs(price) <= 1.0 else RowFault.TOO_LARGE


@kernel
def encode(
    ts: NDArray[np.int64],
    kind_index: NDArray[np.int32],
    kind_codes: NDArray[np.int8],
    symbol_index: NDArray[np.int32],
    ranks: NDArray[np.int32],
    side: NDArray[np.int8],
    price: NDArray[np.float64],
    size: NDArray[np.float64],
    tick_size: NDArray[np.float64],
    lot_size: NDArray[np.float64],
    previous_ts: int,
    events: NDArray[Any],
    faults: NDArray[np.uint8],
) -> int:
    """Encode n rows in one pass; return how many have a fault.

    Parameters
    ----------
    ts : i8[n], ns; NO_TIME for a null
    kind_index, symbol_index : i4[n], positions in `kind_codes` and `ranks`; -1 for a null
    kind_codes : i1[k], EventKind of each dictionary word, -1 unknown
    ranks : i4[s], instrument of each dictionary word, -1 unknown
    side : i1[n]
    price, size : f8[n], NaN for a null
    tick_size, lot_size : f8[m], per instrument
    previous_ts : ts of the row before the first
    events : EVENT[n], written (a row with a fault is written as far as it is known)
    faults : u1[n], written, RowFault of each row
    """
    count = 0
    for i in range(len(ts)):
        kind = kind_codes[kind_index[i]] if kind_index[i] >= 0 else np.int8(-1)
        instrument = ranks[symbol_index[i]] if symbol_index[i] >= 0 else np.int32(-1)
        event = events[i]
        event["ts"] = ts[i]
        event["tick"] = 0
        event["lots"] = 0
        event["value"] = 0.0
        event["instrument"] = instrument
        event["kind"] = kind
        event["side"] = side[i]
        fault = RowFault.NONE
        if ts[i] == NO_TIME:
            fault = RowFault.NO_TIME
        elif ts[i] < FIRST_NS or ts[i] >= LAST_NS:
            fault = RowFault.TIME_OUT_OF_BOUNDS
        elif ts[i] < previous_ts:
            fault = RowFault.TIME_BACKWARDS
        elif kind < 0:
            fault = RowFault.UNKNOWN_KIND
        elif instrument < 0:
            fault = RowFault.UNKNOWN_SYMBOL
        elif side[i] < -1 or side[i] > 1:
            fault = RowFault.BAD_SIDE
        elif kind <= EventKind.TRADE:
            ticks = price[i] / tick_size[instrument]
            lots = size[i] / lot_size[instrument]
            if kind == EventKind.TRADE:
                fault = _grid_fault(ticks, lots, lots > 0.0, RowFault.NOT_POSITIVE)
            else:
                fault = _depth_fault(kind, side[i], ticks, lots)
            if fault == RowFault.NONE and (side[i] != 0 or kind == EventKind.TRADE):
                event["tick"] = np.int64(np.rint(ticks))
                event["lots"] = np.int64(np.rint(lots))
        else:
            fault = _value_fault(kind, side[i], price[i], size[i])
            if fault == RowFault.NONE:
                event["value"] = price[i] if kind != EventKind.STATUS and kind != EventKind.OPEN_INTEREST else 0.0
                if kind == EventKind.FUNDING or kind == EventKind.STATUS:
                    event["lots"] = np.int64(size[i])
        faults[i] = fault
        count += fault != RowFault.NONE
        if ts[i] > previous_ts and fault != RowFault.TIME_OUT_OF_BOUNDS:
            previous_ts = ts[i]
    return count


@kernel
def is_in_order(events: NDArray[Any], seq: NDArray[np.int64]) -> bool:
    """Whether EVENT[n] with seq i8[n] stands in the order (ts, instrument, seq)."""
    for i in range(1, len(events)):
        a, b = events[i - 1], events[i]
        if a["ts"] > b["ts"]:
            return False
        if a["ts"] == b["ts"]:
            if a["instrument"] > b["instrument"]:
                return False
            if a["instrument"] == b["instrument"] and seq[i - 1] > seq[i]:
                return False
    return True


def off_grid(values: NDArray[np.float64], step: float) -> NDArray[np.bool_]:
    """Which finite values are no multiple of `step`: `is_on_grid` for arrays of any shape."""
    steps = values / step
    finite = np.isfinite(steps)
    whole = np.rint(np.where(finite, steps, 0.0))
    off = np.abs(np.where(finite, steps, 0.0) - whole) > GRID_TOLERANCE + _ROUNDING * np.abs(whole)
    return finite & (off | (np.abs(whole) >= _LARGEST))
