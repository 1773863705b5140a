"""Reading a tape: any tool's columns, row-numbered errors, cuts, order, and several files as one."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backtester.enums import EventKind
from backtester.errors import BacktesterError, ExitCode
from backtester.market.encode import NO_TIME
from backtester.market.read import open_tape
from backtester.market.schema import TapeInstrument, parse_instruments
from backtester.market.write import Rows, TapeWriter
from tests.unit.market_tapes import BTC, ETH, Row, join, table, write

ROWS = [
    Row(10, "BTC", "snapshot", 0, 0.0, 0.0, 0),
    Row(10, "BTC", "snapshot", 1, 100.0, 0.002, 1),
    Row(10, "BTC", "snapshot", -1, 100.1, 0.003, 2),
    Row(20, "ETH", "delta", 1, 10.0, 0.05, 3),
    Row(20, "ETH", "trade", -1, 10.0, 0.01, 4),
    Row(20, "BTC", "delta", -1, 100.1, 0.0, 5),
    Row(20, "BTC", "delta", -1, 100.2, 0.001, 6),
    Row(30, "BTC", "mark", 0, 100.123, 0.0, 7),
    Row(30, "BTC", "funding", 0, 0.0001, 28_800.0, 8),
]


def events_of(*paths: Path, max_rows: int = 262_144) -> np.ndarray:
    return join(open_tape(paths).chunks(max_rows))


def fails(rows: list[Row], path: Path) -> str:
    with pytest.raises(BacktesterError) as caught:
        join(open_tape([write(path, rows)]).chunks())
    assert caught.value.exit_code == ExitCode.DATA and len(caught.value.diagnostics) == 1
    return str(caught.value)


def test_open_tells_what_is_known_without_reading(tmp_path: Path) -> None:
    tape = open_tape([write(tmp_path / "t.parquet", ROWS, [ETH, BTC])])
    assert tape.instruments == (BTC, ETH)  # rank order, whatever the order in the file
    assert (tape.rows, tape.first_ts_ns, tape.last_ts_ns) == (9, 10, 30)
    assert tape.files[0].metadata.source == "test"


def test_events_are_in_the_order_of_time_instrument_and_seq(tmp_path: Path) -> None:
    events = events_of(write(tmp_path / "t.parquet", ROWS, [BTC, ETH]))
    assert list(events["ts"]) == [10, 10, 10, 20, 20, 20, 20, 30, 30]
    assert list(events["instrument"]) == [0, 0, 0, 0, 0, 1, 1, 0, 0]
    assert list(events["tick"][:7]) == [0, 1000, 1001, 1001, 1002, 1000, 1000]
    assert list(events["lots"]) == [0, 2, 3, 0, 1, 5, 1, 0, 28_800]
    assert list(events["value"][-2:]) == [100.123, 0.0001]


def test_seq_decides_among_rows_of_one_symbol_and_time(tmp_path: Path) -> None:
    shuffled = [ROWS[index] for index in (2, 0, 1, 6, 3, 5, 4, 8, 7)]
    a = events_of(write(tmp_path / "a.parquet", ROWS, [BTC, ETH]))
    assert np.array_equal(a, events_of(write(tmp_path / "b.parquet", shuffled, [BTC, ETH])))


@pytest.mark.parametrize("max_rows", [1, 2, 3, 4, 100])
@pytest.mark.parametrize("group", [1, 2, 5, 100])
def test_chunks_are_cut_only_where_time_changes(tmp_path: Path, max_rows: int, group: int) -> None:
    path = write(tmp_path / "t.parquet", ROWS, [BTC, ETH], row_group_size=group)
    chunks = list(open_tape([path]).chunks(max_rows))
    edges = [(int(chunk["ts"][0]), int(chunk["ts"][-1])) for chunk in chunks]
    assert all(before[1] < after[0] for before, after in pairwise(edges))
    assert np.array_equal(np.concatenate(chunks), events_of(path))
    if max_rows == 1:
        assert len(chunks) == 3


def test_informing_rows_are_left_out(tmp_path: Path) -> None:
    rows = [
        Row(1, kind="funding_predicted", side=0, price=0.1, size=1.0),
        Row(1),
        Row(1, kind="open_interest", side=0),
        Row(2, kind="open_interest", side=0),
    ]
    events = events_of(write(tmp_path / "t.parquet", rows))
    assert list(events["kind"]) == [EventKind.DELTA]


def test_columns_of_other_tools(tmp_path: Path) -> None:
    """Plain strings, wide integers, narrow floats, microseconds, no recv_ts, no seq, further columns."""
    rows = [Row(1_000, price=100.5, size=0.5), Row(2_000, price=101.0, size=2.0)]
    mine = events_of(write(tmp_path / "mine.parquet", rows))
    other = table(rows, plain=True)
    columns = {
        "extra": pa.array([[1], [2]]),
        "size": other["size"].cast(pa.float32()),
        "price": other["price"],
        "side": other["side"].cast(pa.int64()),
        "kind": other["kind"].cast(pa.large_string()),
        "symbol": other["symbol"],
        "ts": other["ts"].cast(pa.timestamp("us", tz="UTC")),
    }
    theirs = pa.table(columns, metadata=other.schema.metadata)
    pq.write_table(theirs, tmp_path / "other.parquet", use_dictionary=False)
    assert np.array_equal(events_of(tmp_path / "other.parquet"), mine)
    assert open_tape([tmp_path / "other.parquet"]).last_ts_ns == 2_000


def test_without_statistics_the_span_is_read_from_the_rows(tmp_path: Path) -> None:
    tape = open_tape([write(tmp_path / "t.parquet", ROWS, [BTC, ETH], write_statistics=False, row_group_size=2)])
    assert (tape.first_ts_ns, tape.last_ts_ns) == (10, 30)


def test_empty_tape(tmp_path: Path) -> None:
    pq.write_table(table(ROWS, [BTC, ETH]).slice(0, 0), tmp_path / "t.parquet")
    tape = open_tape([tmp_path / "t.parquet"])
    assert (tape.rows, tape.first_ts_ns, list(tape.chunks())) == (0, None, [])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (Row(ts=None), "ts is null"),
        (Row(ts=999), "ts 1970-01-01 00:00:00.000000999Z is before the row above"),
        (Row(kind="depth"), "unknown kind 'depth'"),
        (Row(kind=None), "unknown kind None"),
        (Row(symbol="SOL"), "symbol 'SOL' is not described"),
        (Row(symbol=None), "symbol None is not described"),
        (Row(side=0), "side 0 is not valid for delta"),
        (Row(price=None), "price None, size 0.003: delta needs finite numbers"),
        (Row(price=float("inf")), "needs finite numbers"),
        (Row(price=0.0), "needs positive numbers"),
        (Row(size=-1.0), "size -1.0 is negative"),
        (Row(price=100.15), "price 100.15 of BTC is off the tick 0.1"),
        (Row(size=0.0015), "size 0.0015 of BTC is off the lot 0.001"),
        (Row(kind="snapshot", side=0), "a snapshot row of side 0 has size 0.003"),
        (Row(kind="funding", side=0), "funding interval 0.003"),
        (Row(kind="status", side=0, size=9.0), "unknown status 9.0"),
    ],
)
def test_a_row_that_breaks_a_rule_is_named(tmp_path: Path, row: Row, message: str) -> None:
    text = fails([Row(), Row(), row, Row()], tmp_path / "t.parquet")
    assert message in text and "t.parquet:row 2:" in text


def test_row_numbers_count_over_batches(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", [*[Row()] * 25, Row(price=1.05)], row_group_size=10)
    with pytest.raises(BacktesterError, match=r":row 25: price 1\.05"):
        join(open_tape([path]).chunks(max_rows=7))


def test_value_that_does_not_fit_its_column(tmp_path: Path) -> None:
    wide = table([Row(), Row()]).set_column(4, "side", pa.array([1, 300]))
    pq.write_table(wide, tmp_path / "t.parquet")
    with pytest.raises(BacktesterError, match="rows 0-1: Integer value 300"):
        join(open_tape([tmp_path / "t.parquet"]).chunks())


def test_tape_without_metadata_needs_flags(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", [Row()], instruments=())
    with pytest.raises(BacktesterError, match="says nothing about its instruments"):
        open_tape([path])
    tape = open_tape([path], parse_instruments(["BTC:tick=0.1,lot=0.001"]))
    assert tape.instruments == (TapeInstrument("", "BTC", "BTC", 0.1, 0.001),)
    assert join(tape.chunks())["tick"][0] == 1001


def test_contradicting_flag_names_both(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", [Row()])
    with pytest.raises(BacktesterError, match=r"0\.1 in the tape but 0\.5 in --instrument"):
        open_tape([path], parse_instruments(["BTC:tick=0.5,lot=0.001"]))


def test_flag_for_a_symbol_that_the_tape_does_not_have(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", [Row()])
    with pytest.raises(BacktesterError, match="no file of the tape has this symbol") as caught:
        open_tape([path], parse_instruments(["BTCC:tick=0.5"]))
    assert caught.value.exit_code == ExitCode.USAGE and "the tape has BTC" in str(caught.value)


def test_shipped_tapes_are_known_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backtester.market.read.data_dir", lambda: tmp_path)
    write(tmp_path / "demo.parquet", [Row()])
    assert open_tape(["demo"]).rows == 1
    with pytest.raises(BacktesterError, match=r"nix: no such file\n  hint: shipped tapes: demo"):
        open_tape(["nix"])


def test_problems_of_all_files_at_once(tmp_path: Path) -> None:
    (tmp_path / "text.parquet").write_text("not a tape")
    pq.write_table(pa.table({"ts": [1]}), tmp_path / "columns.parquet")
    with pytest.raises(BacktesterError) as caught:
        open_tape([tmp_path / name for name in ("none.parquet", "text.parquet", "columns.parquet")])
    text = str(caught.value)
    for part in ("none.parquet: no such file", "text.parquet: is no readable", "column price is missing", "column ts"):
        assert part in text


def test_no_file_is_an_error() -> None:
    with pytest.raises(BacktesterError, match="no file is named"):
        open_tape([])


@pytest.mark.parametrize("max_rows", [1, 2, 3, 100])
def test_files_merge_to_the_single_tape(tmp_path: Path, max_rows: int) -> None:
    whole = events_of(write(tmp_path / "whole.parquet", ROWS, [BTC, ETH]))
    by_symbol = [
        write(tmp_path / f"{each.symbol}.parquet", [row for row in ROWS if row.symbol == each.symbol], [each])
        for each in (ETH, BTC)
    ]
    assert np.array_equal(events_of(*by_symbol, max_rows=max_rows), whole)
    by_turn = [write(tmp_path / f"{turn}.parquet", ROWS[turn::3], [BTC, ETH]) for turn in range(3)]
    assert np.array_equal(events_of(*by_turn, max_rows=max_rows), whole)
    assert open_tape(by_turn).rows == len(ROWS)


def test_venues_rank_before_symbols(tmp_path: Path) -> None:
    a, b = ETH._replace(venue="a"), BTC._replace(venue="b")
    paths = [write(tmp_path / "b", [Row()], [b]), write(tmp_path / "a", [Row(symbol="ETH", size=0.01)], [a])]
    tape = open_tape(paths)
    assert tape.instruments == (a, b)
    assert list(join(tape.chunks())["instrument"]) == [0, 1]


def test_files_that_describe_an_instrument_differently(tmp_path: Path) -> None:
    paths = [write(tmp_path / "a", [Row()]), write(tmp_path / "b", [Row()], [BTC._replace(tick_size=0.5)])]
    with pytest.raises(BacktesterError, match=r"BTC differs from .*a: tick_size 0\.5 against 0\.1"):
        open_tape(paths)


def test_memory_does_not_grow_with_the_tape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backtester.market.write.GROUP_ROWS", 10_000)
    count = 400_000
    lots = np.random.default_rng(1).integers(1, 10**9, count)  # hardly compresses
    ones = np.ones(count)
    codes = (np.zeros(count, np.int32), np.full(count, EventKind.TRADE, np.int8), ones.astype(np.int8))
    path = tmp_path / "t.parquet"
    with TapeWriter(path, [BTC]) as writer:
        writer.write(Rows(np.arange(count), np.full(count, NO_TIME), *codes, ones, lots / 1_000))
    before = pa.total_allocated_bytes()
    held = [pa.total_allocated_bytes() - before for _ in open_tape([path]).chunks(10_000)]
    # 40 row groups: one is shown, and how many are read ahead is a matter of timing; the whole tape would be 40.
    assert len(held) > 30 and max(held) < path.stat().st_size / 2
