"""What was written is what is read, however it was cut on the way."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from backtester.engine.events import EVENT
from backtester.enums import EventKind
from backtester.market import write as module
from backtester.market.check import check
from backtester.market.encode import NO_TIME
from backtester.market.read import open_tape
from backtester.market.write import Rows, TapeWriter
from tests.unit.market_tapes import BTC, ETH

INSTRUMENTS = (BTC, ETH)
Drawn = tuple[int, int, int, int, int, int, float]


@st.composite
def event_rows(draw: st.DrawFn) -> Drawn:
    """(step of ts, instrument, kind, side, tick, lots, value) of a row that is valid."""
    kind = draw(st.sampled_from(list(EventKind)[:9]))
    step = draw(st.sampled_from([0, 0, 1, 7_000_000_000]))
    instrument = draw(st.integers(0, 1))
    tick, lots, side, value = 0, 0, 0, 0.0
    if kind <= EventKind.TRADE:
        side = draw(st.sampled_from([-1, 1]))
        tick, lots = draw(st.integers(1, 10**7)), draw(st.integers(1 if kind == EventKind.TRADE else 0, 10**9))
        if kind == EventKind.SNAPSHOT and draw(st.booleans()):
            tick, lots, side = 0, 0, 0
    elif kind in (EventKind.MARK, EventKind.INDEX):
        value = draw(st.floats(1e-9, 1e9))
    elif kind in (EventKind.FUNDING, EventKind.FUNDING_PREDICTED):
        value = draw(st.floats(-1.0, 1.0))
        lots = draw(st.integers(1, 86_400)) if kind == EventKind.FUNDING else 0
    elif kind == EventKind.STATUS:
        lots = draw(st.integers(1, 4))
    return step, instrument, int(kind), side, tick, lots, value


def to_rows(drawn: list[Drawn]) -> tuple[np.ndarray, Rows]:
    """The events that a reader must find, in the order of the file, and the rows that say so."""
    step, instrument, kind, side, tick, lots, value = (np.array(column) for column in zip(*drawn, strict=True))
    events = np.zeros(len(drawn), EVENT)
    names = ("ts", "instrument", "kind", "side", "tick", "lots", "value")
    for name, column in zip(names, (np.cumsum(step), instrument, kind, side, tick, lots, value), strict=True):
        events[name] = column
    is_grid = kind <= EventKind.TRADE
    per_tick, per_lot = np.array([10, 100])[instrument], np.array([1_000, 100])[instrument]
    rows = Rows(
        ts_ns=events["ts"],
        recv_ts_ns=np.full(len(drawn), NO_TIME),
        symbol=events["instrument"],
        kind=events["kind"],
        side=events["side"],
        price=np.where(is_grid, tick / per_tick, value),
        size=np.where(is_grid, lots / per_lot, lots),
    )
    return events, rows


def as_read(events: np.ndarray) -> np.ndarray:
    """The events in the order and selection of a reader."""
    order = np.lexsort((np.arange(len(events)), events["instrument"], events["ts"]))
    kept = ~np.isin(events["kind"], (EventKind.FUNDING_PREDICTED, EventKind.OPEN_INTEREST))
    return events[order][kept[order]]


def read(paths: list[Path], max_rows: int) -> np.ndarray:
    return np.concatenate([np.empty(0, EVENT), *open_tape(paths).chunks(max_rows)])


@settings(max_examples=60)
@given(st.lists(event_rows(), min_size=1, max_size=40), st.integers(1, 12), st.integers(1, 12), st.integers(1, 50))
def test_round_trip(drawn: list[Drawn], group: int, step: int, max_rows: int) -> None:
    events, rows = to_rows(drawn)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "t.parquet"
        default, module.GROUP_ROWS = module.GROUP_ROWS, group
        try:
            with TapeWriter(path, INSTRUMENTS) as writer:
                for begin in range(0, len(events), step):
                    writer.write(Rows._make(column[begin : begin + step] for column in rows))
        finally:
            module.GROUP_ROWS = default
        assert np.array_equal(read([path], max_rows), as_read(events))
        assert not [fault for fault in check(open_tape([path])).faults if "crossed" not in fault.message]


@settings(max_examples=40)
@given(
    st.lists(st.tuples(event_rows(), st.integers(0, 2)), min_size=1, max_size=40),
    st.integers(1, 9),
    st.integers(1, 50),
)
def test_files_merge_to_the_single_tape(drawn: list[tuple[Drawn, int]], group: int, max_rows: int) -> None:
    events, rows = to_rows([row for row, _ in drawn])
    file = np.array([place for _, place in drawn])
    with tempfile.TemporaryDirectory() as directory:
        whole = Path(directory) / "whole.parquet"
        with TapeWriter(whole, INSTRUMENTS) as writer:
            writer.write(rows)
        table = pq.read_table(whole)
        parts = [Path(directory) / f"{place}.parquet" for place in range(3)]
        for place, part in enumerate(parts):
            pq.write_table(table.filter(file == place), part, row_group_size=group)
        assert np.array_equal(read(parts, max_rows), as_read(events))
