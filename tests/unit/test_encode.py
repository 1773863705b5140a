"""Rows to event records: what goes where, and every rule that a row can break."""

from __future__ import annotations

import math

import numpy as np
import pytest

from backtester.bounds import LAST_NS, MOST_LOTS, MOST_TICKS
from backtester.engine.events import EVENT
from backtester.enums import EventKind, Side
from backtester.market.encode import NO_TIME, RowFault, encode, is_in_order, is_on_grid, off_grid

TICK, LOT = 0.1, 0.001
on_grid = getattr(is_on_grid, "py_func", is_on_grid)


def encode_rows(
    rows: list[tuple[int, int, int, int, float, float]], previous_ts: int = NO_TIME
) -> tuple[np.ndarray, np.ndarray]:
    """Encode (ts, kind, symbol, side, price, size); kind and symbol are positions in the dictionaries below."""
    ts, kind, symbol, side, price, size = (np.array(column) for column in zip(*rows, strict=True))
    events, faults = np.empty(len(rows), EVENT), np.empty(len(rows), np.uint8)
    count = encode(
        ts.astype(np.int64),
        kind.astype(np.int32),
        np.append(np.arange(9, dtype=np.int8), np.int8(-1)),  # the tenth word is no kind
        symbol.astype(np.int32),
        np.array([0, -1], np.int32),  # the second symbol is not described
        side.astype(np.int8),
        price.astype(np.float64),
        size.astype(np.float64),
        np.array([TICK]),
        np.array([LOT]),
        previous_ts,
        events,
        faults,
    )
    assert count == np.count_nonzero(faults)
    return events, faults


@pytest.mark.parametrize(
    ("kind", "side", "price", "size", "tick", "lots", "value"),
    [
        (EventKind.SNAPSHOT, 0, math.nan, 0.0, 0, 0, 0.0),  # the marker
        (EventKind.SNAPSHOT, 1, 60_000.1, 0.005, 600_001, 5, 0.0),
        (EventKind.DELTA, -1, 60_000.2, 0.0, 600_002, 0, 0.0),  # deletes
        (EventKind.TRADE, -1, 0.3, 117.438, 3, 117_438, 0.0),
        (EventKind.TRADE, 0, 0.3, 0.001, 3, 1, 0.0),  # aggressor unknown
        (EventKind.MARK, 0, 60_000.123, math.nan, 0, 0, 60_000.123),  # a mark has no tick
        (EventKind.INDEX, 0, 60_000.123, 0.0, 0, 0, 60_000.123),
        (EventKind.FUNDING, 0, -0.0001, 28_800.0, 0, 28_800, -0.0001),
        (EventKind.FUNDING_PREDICTED, 0, 0.0001, 3_600.0, 0, 0, 0.0001),
        (EventKind.OPEN_INTEREST, 0, math.nan, 12.5, 0, 0, 0.0),
        (EventKind.STATUS, 0, math.nan, 2.0, 0, 2, 0.0),
    ],
)
def test_what_goes_where(
    kind: EventKind, side: int, price: float, size: float, tick: int, lots: int, value: float
) -> None:
    events, faults = encode_rows([(5, kind, 0, side, price, size)])
    assert not faults.any()
    assert events[0].item() == (5, tick, lots, value, 0, kind, side)


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ((NO_TIME, 1, 0, 1, 0.1, 1.0), RowFault.NO_TIME),
        ((9, 1, 0, 1, 0.1, 1.0), RowFault.TIME_BACKWARDS),
        ((10, 9, 0, 1, 0.1, 1.0), RowFault.UNKNOWN_KIND),
        ((10, -1, 0, 1, 0.1, 1.0), RowFault.UNKNOWN_KIND),
        ((10, 1, 1, 1, 0.1, 1.0), RowFault.UNKNOWN_SYMBOL),
        ((10, 1, -1, 1, 0.1, 1.0), RowFault.UNKNOWN_SYMBOL),
        ((10, 1, 0, 2, 0.1, 1.0), RowFault.BAD_SIDE),
        ((10, 1, 0, 0, 0.1, 1.0), RowFault.BAD_SIDE),
        ((10, 3, 0, 1, 0.1, 1.0), RowFault.BAD_SIDE),
        ((10, 1, 0, 1, math.nan, 1.0), RowFault.NOT_FINITE),
        ((10, 1, 0, 1, 0.1, math.inf), RowFault.NOT_FINITE),
        ((10, 3, 0, 0, math.inf, 0.0), RowFault.NOT_FINITE),
        ((10, 5, 0, 0, math.nan, 3600.0), RowFault.NOT_FINITE),
        ((10, 7, 0, 0, 0.0, math.nan), RowFault.NOT_FINITE),
        ((10, 1, 0, 1, 0.0, 1.0), RowFault.NOT_POSITIVE),
        ((10, 2, 0, 1, 0.1, 0.0), RowFault.NOT_POSITIVE),
        ((10, 4, 0, 0, -1.0, 0.0), RowFault.NOT_POSITIVE),
        ((10, 1, 0, 1, 0.1, -0.001), RowFault.NEGATIVE_SIZE),
        ((10, 7, 0, 0, 0.0, -1.0), RowFault.NEGATIVE_SIZE),
        ((10, 1, 0, 1, 0.15, 1.0), RowFault.OFF_TICK),
        ((10, 1, 0, 1, 1e300, 1.0), RowFault.OFF_TICK),
        ((10, 1, 0, 1, 0.1, 0.0015), RowFault.OFF_LOT),
        ((10, 1, 0, 1, TICK * (MOST_TICKS + 1), 1.0), RowFault.TOO_MANY_TICKS),
        ((10, 2, 0, 1, 0.1, LOT * (MOST_LOTS + 1)), RowFault.TOO_MANY_LOTS),
        ((LAST_NS, 1, 0, 1, 0.1, 1.0), RowFault.TIME_OUT_OF_BOUNDS),
        ((-1, 1, 0, 1, 0.1, 1.0), RowFault.TIME_OUT_OF_BOUNDS),
        ((10, 3, 0, 0, 2e12, 0.0), RowFault.TOO_LARGE),
        ((10, 5, 0, 0, 1.5, 3600.0), RowFault.TOO_LARGE),
        ((10, 5, 0, 0, 0.0001, 1e7), RowFault.BAD_INTERVAL),
        ((10, 0, 0, 0, 0.0, 1.0), RowFault.BAD_MARKER),
        ((10, 5, 0, 0, 0.0001, 0.0), RowFault.BAD_INTERVAL),
        ((10, 5, 0, 0, 0.0001, 0.5), RowFault.BAD_INTERVAL),
        ((10, 8, 0, 0, 0.0, 5.0), RowFault.BAD_STATUS),
        ((10, 8, 0, 0, 0.0, 1.5), RowFault.BAD_STATUS),
        ((10, 8, 0, 0, 0.0, math.nan), RowFault.BAD_STATUS),
    ],
)
def test_every_rule(row: tuple[int, int, int, int, float, float], fault: RowFault) -> None:
    good = (10, EventKind.DELTA, 0, Side.BUY, 0.1, 1.0)
    _, faults = encode_rows([good, row, good])
    assert list(faults) == [RowFault.NONE, fault, RowFault.NONE]


def test_time_goes_on_across_batches() -> None:
    row = (10, EventKind.DELTA, 0, Side.BUY, 0.1, 1.0)
    assert encode_rows([row], previous_ts=10)[1][0] == RowFault.NONE
    assert encode_rows([row], previous_ts=11)[1][0] == RowFault.TIME_BACKWARDS


@pytest.mark.parametrize("tick", [0.1, 0.01, 1e-5, 0.25, 1e-8])
def test_every_decimal_price_is_on_its_grid(tick: float) -> None:
    ticks = np.concatenate([np.arange(1, 2_000), np.arange(10**9, 10**9 + 2_000)])
    decimals = round(-math.log10(tick)) if tick != 0.25 else 2
    prices = np.round(ticks * tick, decimals)  # what a venue prints
    assert all(on_grid(price / tick) for price in prices)
    assert not off_grid(prices, tick).any()
    assert off_grid(prices[:2_000] + 0.01 * tick, tick).all()


def test_grid_tolerance_is_a_millionth_of_a_step() -> None:
    assert on_grid(5.0000009) and not on_grid(5.0000012)
    assert list(off_grid(np.array([[5.0000009, 5.0000012], [np.nan, np.inf]]), 1.0).ravel()) == [
        False,
        True,
        False,
        False,
    ]


def test_order_is_time_then_instrument_then_seq() -> None:
    events = np.zeros(2, EVENT)
    for ts, instrument, seq, expected in [
        ((1, 2), (1, 0), (5, 0), True),
        ((2, 1), (0, 0), (0, 0), False),
        ((1, 1), (0, 1), (5, 0), True),
        ((1, 1), (1, 0), (0, 5), False),
        ((1, 1), (0, 0), (3, 3), True),
        ((1, 1), (0, 0), (4, 3), False),
    ]:
        events["ts"], events["instrument"] = ts, instrument
        assert is_in_order(events, np.array(seq)) is expected
