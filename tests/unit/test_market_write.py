"""Writing a tape: the same bytes for the same rows, whole or not at all, nothing that the reader would refuse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from backtester.enums import EventKind
from backtester.errors import BacktesterError
from backtester.market import write as module
from backtester.market.encode import NO_TIME
from backtester.market.read import open_tape
from backtester.market.schema import TAPE_SCHEMA
from backtester.market.write import Rows, TapeWriter
from tests.unit.market_tapes import BTC, ETH, join


def make_rows(count: int) -> Rows:
    place = np.arange(count)
    return Rows(
        ts_ns=place // 3,
        recv_ts_ns=np.where(place % 2 == 0, place, NO_TIME),
        symbol=(place % 2).astype(np.int32),
        kind=np.full(count, EventKind.TRADE, np.int8),
        side=np.where(place % 5 == 0, -1, 1).astype(np.int8),
        price=np.round((place % 7 + 1) * 0.1, 1),
        size=np.round((place % 11 + 1) * 0.01, 2),
    )


def write_in(path: Path, rows: Rows, step: int) -> bytes:
    with TapeWriter(path, [BTC, ETH], source="test", licence="CC0-1.0") as writer:
        for begin in range(0, len(rows.ts_ns), step):
            writer.write(Rows._make(column[begin : begin + step] for column in rows))
    assert writer.rows == len(rows.ts_ns)
    return path.read_bytes()


def test_bytes_do_not_depend_on_how_rows_were_handed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GROUP_ROWS", 16)
    rows = make_rows(100)
    files = {write_in(tmp_path / f"{step}.parquet", rows, step) for step in (1, 7, 16, 33, 100)}
    assert len(files) == 1
    groups = pq.ParquetFile(tmp_path / "7.parquet").metadata
    assert [groups.row_group(index).num_rows for index in range(groups.num_row_groups)] == [16] * 6 + [4]


def test_file_has_the_documented_columns(tmp_path: Path) -> None:
    rows = make_rows(6)
    write_in(tmp_path / "t.parquet", rows, 6)
    read = pq.read_table(tmp_path / "t.parquet")
    assert read.schema.equals(TAPE_SCHEMA)
    assert read["seq"].to_pylist() == list(range(6))
    assert read["symbol"].to_pylist() == ["BTC", "ETH"] * 3
    assert read["kind"].to_pylist() == ["trade"] * 6
    assert read["recv_ts"].is_null().to_pylist() == [False, True] * 3
    assert read["price"].to_numpy().tolist() == rows.price.tolist()
    assert open_tape([tmp_path / "t.parquet"]).files[0].metadata.licence == "CC0-1.0"


def test_symbols_may_come_in_any_order(tmp_path: Path) -> None:
    for instruments in ([BTC, ETH], [ETH, BTC]):
        with TapeWriter(tmp_path / "t.parquet", instruments) as writer:
            writer.write(make_rows(1)._replace(price=np.array([0.01 if instruments[0] == ETH else 0.1])))
        assert pq.read_table(tmp_path / "t.parquet")["symbol"].to_pylist() == [instruments[0].symbol]


def test_nothing_appears_when_the_block_fails(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    path.write_text("old")
    with pytest.raises(RuntimeError), TapeWriter(path, [BTC, ETH]) as writer:
        writer.write(make_rows(5))
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_the_reader_refuses_is_never_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GROUP_ROWS", 4)
    rows = make_rows(10)
    rows.ts_ns[9] = 1
    with pytest.raises(BacktesterError, match=r"t\.parquet:row 9: ts .* is before the row above"):
        write_in(tmp_path / "t.parquet", rows, 3)
    assert not list(tmp_path.iterdir())


def test_time_may_not_go_back_between_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GROUP_ROWS", 4)
    rows = make_rows(8)
    rows.ts_ns[4:] = 0
    with pytest.raises(BacktesterError, match="row 4: ts"):
        write_in(tmp_path / "t.parquet", rows, 8)


def test_one_file_one_venue(tmp_path: Path) -> None:
    with pytest.raises(BacktesterError, match="exactly one venue"):
        TapeWriter(tmp_path / "t.parquet", [BTC, ETH._replace(venue="other")])


def test_columns_of_different_length(tmp_path: Path) -> None:
    rows = make_rows(3)
    with pytest.raises(ValueError, match="different length"), TapeWriter(tmp_path / "t.parquet", [BTC, ETH]) as writer:
        writer.write(rows._replace(size=rows.size[:2]))


def test_target_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(BacktesterError, match="cannot be written"), TapeWriter(tmp_path / "no" / "t.parquet", [BTC]):
        pass


def test_large_tape_streams_through(tmp_path: Path) -> None:
    rows = make_rows(3 * module.GROUP_ROWS // 2)
    write_in(tmp_path / "t.parquet", rows, 100_000)
    events = join(open_tape([tmp_path / "t.parquet"]).chunks())
    assert len(events) == len(rows.ts_ns) and int(events["ts"][-1]) == int(rows.ts_ns[-1])
