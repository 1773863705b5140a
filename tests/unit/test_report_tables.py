"""The files of --out: complete, in names and units, the same bytes every time."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from backtester.enums import EventKind
from backtester.errors import BacktesterError, ExitCode
from backtester.report.model import build_report
from backtester.report.tables import tables_of, write_tables
from backtester.run.result import RunResult
from tests.oracle.examples import BUY, PLAIN, SECOND, SELL, delta, ladder, mark, market_order, record
from tests.unit.report_runs import account, cross, finished, isolated

FILES = ["depth.parquet", "fills.parquet", "ledger.parquet", "path.parquet", "result.json"]


@pytest.fixture(scope="module")
def result() -> RunResult:
    rules = PLAIN._replace(taker_fee=0.001, funding_interval_ns=4 * SECOND)
    tape = [
        mark(1.0, 100.0),
        ladder(1.0, {99: 90}, {101: 90}),
        ladder(2.5, {90: 90}, {92: 90}),
        mark(3.0, 91.0),
        record(4.0, EventKind.FUNDING, 0.01, 4),
        delta(5.0, BUY, 10, 1),
    ]
    places = [cross(8), isolated(8, 60.0)]
    return finished([account(400.0, places, [market_order(SELL, 2, at_s=2.0)])], tape, rules)


def written(result: RunResult, directory: Path) -> Path:
    write_tables([tables_of(result)], build_report([result]), directory)
    return directory


def test_all_files_and_nothing_else(result: RunResult, tmp_path: Path) -> None:
    directory = written(result, tmp_path / "new" / "out")
    assert sorted(path.name for path in directory.iterdir()) == FILES
    assert json.loads((directory / "result.json").read_text())["kind"] == "run"


def test_the_same_bytes_again_over_the_old_ones(result: RunResult, tmp_path: Path) -> None:
    first = {path.name: path.read_bytes() for path in written(result, tmp_path).iterdir()}
    assert {path.name: path.read_bytes() for path in written(result, tmp_path).iterdir()} == first


def test_fills_in_names_and_units(result: RunResult, tmp_path: Path) -> None:
    rows = pq.read_table(written(result, tmp_path) / "fills.parquet").to_pylist()
    assert len(rows) == len(result.fills)
    sold = rows[0]
    assert [sold[name] for name in ("cell", "world", "account", "symbol", "order")] == [0, "actual", "main", "X", "m"]
    assert (sold["side"], sold["reason"], sold["liquidity"]) == (-1, "taker_walk", "taker")
    assert (sold["price"], sold["size"], sold["fee"], sold["realised"]) == (99.0, 2.0, pytest.approx(-0.198), -2.0)
    forced = [row for row in rows if row["reason"] == "liquidation"]
    assert forced
    assert {row["order"] for row in forced} == {None}
    assert {row["world"] for row in rows} == {"actual", "unliquidated"}


def test_the_ledger_leads_to_every_balance(result: RunResult, tmp_path: Path) -> None:
    rows = pq.read_table(written(result, tmp_path) / "ledger.parquet").to_pylist()
    mine = [row for row in rows if (row["world"], row["pool"]) == ("actual", "cross")]
    balance = 340.0
    for row in mine:
        balance += row["amount"]
        assert row["balance"] == pytest.approx(balance)
    assert [row["kind"] for row in mine[:2]] == ["realised_pnl", "fee"]
    assert {row["party"] for row in mine if row["kind"] == "funding"} == {"funding_pool"}
    assert {row["pool"] for row in rows} >= {"cross", "X"}


def test_paths_and_depth(result: RunResult, tmp_path: Path) -> None:
    directory = written(result, tmp_path)
    path = pq.read_table(directory / "path.parquet").to_pylist()
    assert [(row["world"], row["equity_min"]) for row in path[:2]] == [("actual", 400.0), ("actual", 400.0)]
    assert path[0]["ts"].timestamp() == 1.0
    depth = pq.read_table(directory / "depth.parquet").to_pylist()
    assert (depth[0]["symbol"], depth[0]["mark_min"], depth[0]["bid_depth_min"]) == ("X", 100.0, 90.0)


def test_cells_are_told_apart(result: RunResult, tmp_path: Path) -> None:
    write_tables([tables_of(result), tables_of(result)], build_report([result, result]), tmp_path)
    cells = pq.read_table(tmp_path / "fills.parquet")["cell"].to_pylist()
    assert cells == [0] * len(result.fills) + [1] * len(result.fills)


def test_a_directory_that_cannot_be_written_is_a_usage_error(result: RunResult, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BacktesterError, match="--out") as caught:
        written(result, tmp_path / "file")
    assert caught.value.exit_code is ExitCode.USAGE
