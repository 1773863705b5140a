"""The files of --out: complete, in names and units, the same bytes every time."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backtester.enums import EventKind
from backtester.errors import data_error
from backtester.formulas.distance import DISTANCES_BPS
from backtester.report.records import Cell
from backtester.results.tables import tables_of, write_tables
from backtester.run.result import RunFailure, RunResult
from tests.oracle.examples import BUY, PLAIN, SECOND, SELL, delta, ladder, mark, market_order, record
from tests.unit.report_runs import account, build_report, cross, finished, isolated

FILES = [
    "SHA256SUMS",
    "accounts.parquet",
    "cells.parquet",
    "depth.parquet",
    "fills.parquet",
    "funding.parquet",
    "ledger.parquet",
    "liquidations.parquet",
    "orders.parquet",
    "path.parquet",
    "positions.parquet",
    "result.json",
]
#: Key columns of a table after those of its cell.
FURTHER = {
    "cells": [],
    "accounts": ["account"],
    "positions": ["account", "symbol"],
    "orders": ["account", "symbol", "order"],
    "liquidations": ["account", "symbol"],
    "funding": ["account", "symbol"],
    "fills": ["account", "symbol", "order"],
    "ledger": ["account", "symbol"],
    "path": ["account"],
    "depth": ["symbol"],
}
LOST = RunFailure(
    "book", "", "crash", "paper", (("size", "2"), ("leverage", "3")), data_error("BTC", "no funding rate")
)


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
    assert (sold["side"], sold["reason"], sold["liquidity"]) == ("sell", "taker_walk", "taker")
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
    assert (depth[0]["symbol"], depth[0]["mark_min"]) == ("X", 100.0)
    assert [depth[0][f"bid_{bps}bps"] for bps in DISTANCES_BPS] == [0.0] * 5 + [90.0] * 3
    assert [row["ask_500bps"] is None for row in depth] == [False, True, True, False]  # of seconds 1, 2, 3 and 4


def test_cells_are_told_apart(result: RunResult, tmp_path: Path) -> None:
    write_tables([tables_of(result), tables_of(result)], build_report([result, result]), tmp_path)
    cells = pq.read_table(tmp_path / "fills.parquet")["cell"].to_pylist()
    assert cells == [0] * len(result.fills) + [1] * len(result.fills)


@pytest.fixture
def two(result: RunResult, tmp_path: Path) -> Path:
    """A directory with the result of two cells, of which the first failed."""
    write_tables([{}, tables_of(result)], build_report([LOST, result]), tmp_path / "two")
    return tmp_path / "two"


@pytest.mark.parametrize("name", FURTHER)
def test_every_table_begins_with_the_same_keys(two: Path, name: str) -> None:
    schema = pq.read_schema(two / f"{name}.parquet")
    word = pa.dictionary(pa.int32(), pa.string())
    keys = ["cell", "portfolio", "scenario", "venue", "variant", *FURTHER[name]]
    assert schema.names[: len(keys)] == keys
    assert not {"account", "symbol", "order"} & set(schema.names[len(keys) :])
    assert schema.types[: len(keys)] == [pa.int32(), *[word] * (len(keys) - 1)]
    assert schema.metadata[b"backtester.schema_version"] == b"4"
    assert {str(kind) for kind in schema.types if "time" in str(kind)} <= {"timestamp[ns, tz=UTC]"}
    assert pa.string() not in schema.types


def test_a_failed_cell_has_a_row_with_its_error(result: RunResult, two: Path) -> None:
    lost, ended = pq.read_table(two / "cells.parquet").to_pylist()
    assert {key: value for key, value in lost.items() if value is not None} == {
        "cell": 0,
        "portfolio": "book",
        "portfolio_title": "",
        "scenario": "crash",
        "venue": "paper",
        "variant": "size=2 leverage=3",
        "status": "failed",
        "error": "error[data] BTC: no funding rate",
        "exit_code": 4,
    }
    assert (ended["cell"], ended["scenario"], ended["variant"], ended["status"]) == (1, None, "", "ok")
    assert (ended["venue"], ended["error"]) == (result.profiles[0].name, None)


def test_records_are_rows_with_a_column_per_field(result: RunResult, two: Path) -> None:
    [cell] = build_report([result]).cells
    assert isinstance(cell, Cell)
    rows = {name: pq.read_table(two / f"{name}.parquet").to_pylist() for name in FURTHER}
    ended = rows["cells"][1]
    assert (ended["verdict"], ended["flags"]) == (cell.verdict.name.lower(), list(cell.flags))
    assert (ended["portfolio_loss"], ended["system_deficit"]) == (cell.portfolio.loss, cell.system.deficit)
    assert ended["portfolio_net_delta"] == str(cell.portfolio.net_delta)
    assert (ended["start_ts"].timestamp(), ended["end_ts"].timestamp()) == (1.0, 5.0)
    [main] = rows["accounts"]
    assert (main["cell"], main["account"], main["own_venue"]) == (1, "main", cell.accounts[0].venue)
    assert main["equity_end"] == cell.accounts[0].equity_end
    assert [row["size_end"] for row in rows["positions"]] == [each.size_end for each in cell.accounts[0].positions]
    [order] = rows["orders"]
    assert (order["order"], order["side"], order["vwap"]) == ("m", "sell", 99.0)
    assert order["slippage_total_bps"] == cell.orders[0].slippage.total_bps
    assert [row["filled_size"] for row in rows["liquidations"]] == [each.filled_size for each in cell.liquidations]
    assert [row["amount"] for row in rows["funding"]] == [each.amount for each in cell.funding]
    assert rows["liquidations"] and rows["funding"]
