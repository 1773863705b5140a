"""The benchmark's scripts: the converter of neutral tapes, the mix of worlds, and the tape behind itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backtester.engine import spec
from backtester.enums import EventKind
from backtester.market.read import open_tape
from scripts.bench_parts import make_world, measure_checksums, repeat_tape
from scripts.make_bench_tape import Columns, convert, read_columns

SECOND = 1_000_000_000
#: (ts, kind, side, px, qty): a ladder, a trade, the level it took from, and a better bid a second later.
EVENTS = [
    (SECOND, 0, 1, 99.9, 2.0),
    (SECOND, 0, -1, 100.1, 1.5),
    (SECOND + 5, 1, 1, 100.1, 0.5),
    (SECOND + 7, 0, -1, 100.1, 1.0),
    (2 * SECOND, 0, 1, 100.0, 0.001),
]


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    types = {"ts": pa.int64(), "kind": pa.int8(), "side": pa.int8(), "px": pa.float64(), "qty": pa.float64()}
    columns = [pa.array(column, kind) for column, kind in zip(zip(*EVENTS, strict=True), types.values(), strict=True)]
    pq.write_table(pa.table(dict(zip(types, columns, strict=True))), tmp_path / "neutral.parquet")
    convert(read_columns(tmp_path / "neutral.parquet"), tmp_path / "tape.parquet")
    return tmp_path / "tape.parquet"


def test_a_neutral_tape_becomes_a_tape(tape: Path) -> None:
    events = np.concatenate(list(open_tape([tape]).chunks()))
    snapshot, delta, trade = EventKind.SNAPSHOT, EventKind.DELTA, EventKind.TRADE
    assert events["kind"].tolist() == [snapshot, snapshot, trade, delta, delta]
    assert events["tick"].tolist() == [999, 1001, 1001, 1001, 1000]
    assert events["lots"].tolist() == [2000, 1500, 500, 1000, 1]
    assert events["side"].tolist() == [1, -1, 1, -1, 1]


def test_the_checksum_covers_every_column() -> None:
    columns = Columns(
        np.array([1], np.int64), np.array([0], np.int8), np.array([1], np.int8), np.array([5]), np.array([7])
    )
    known = columns.sha256()
    for name, column in columns._asdict().items():
        assert columns._replace(**{name: column + 1}).sha256() != known


def test_checksums_see_the_ladder_before_each_tenth_of_a_second(tape: Path) -> None:
    found = measure_checksums(tape)
    assert (found["samples"], found["bid_ticks"], found["ask_ticks"]) == (10, 10 * 999, 10 * 1001)


def test_a_repeated_tape_starts_afresh(tape: Path, tmp_path: Path) -> None:
    repeat_tape(tape, 3, tmp_path / "long.parquet")
    events = np.concatenate(list(open_tape([tmp_path / "long.parquet"]).chunks()))
    assert len(events) == 3 * len(EVENTS)
    assert (np.diff(events["ts"]) >= 0).all()
    assert events["kind"][len(EVENTS)] == EventKind.SNAPSHOT


def test_worlds_differ_as_described() -> None:
    instrument = spec.Instrument("BTC", 0.1, 0.001)
    accounts = [make_world(number, 1000, 60_000.0, instrument).accounts[0] for number in range(1000)]
    positions = [account.positions[0] for account in accounts]
    assert [position.lots for position in positions[:3]] == [1000, -1000, 1000]
    assert [position.isolated for position in positions[:4]] == [False, False, True, True]
    assert {position.leverage for position in positions} == set(range(2, 41))
    assert [len(account.orders) for account in accounts[:101:50]] == [3, 1, 3]
    stops = [account.orders[0].trigger_tick for account in accounts]
    assert (min(stops), max(stops)) == (int(600_000 * (1 - 0.005 - 0.0998)), int(600_000 * (1 + 0.005 + 0.0999)))
