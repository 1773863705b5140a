"""One symbol at two venues: each market has a path, a picture and the trades of its own accounts."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from backtester.config.command import Acceptances
from backtester.report.html.courses import courses
from backtester.report.html.tree import written
from backtester.report.market import title_of, traded_in
from backtester.report.records import Cell
from backtester.report.table import path_lines
from backtester.results.stored import read_result
from backtester.results.tables import tables_of, write_tables
from backtester.run.request import Request
from backtester.run.result import RunResult
from backtester.run.session import run_cell, run_cells
from tests.unit.report_runs import build_report
from tests.unit.run_cases import account, order, portfolio, position, tape

pytestmark = pytest.mark.compiled

HERE = account(position(size=0.01), order("mine", size=0.01, at="3s"), name="here")
THERE = account(
    position(size=0.02),
    order("its", size=0.02, at="5s"),
    name="there",
    venue="binance-usdm",
    collateral="USDT = 1_000.0",
)


def asked(directory: Path, *accounts: str) -> Request:
    directory.mkdir(exist_ok=True)
    made = str(tape(directory.parent))
    return Request(portfolio(directory, *accounts), tapes=(made,), accept=Acceptances(order_book=True))


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    return run_cell(asked(tmp_path_factory.mktemp("markets") / "both", HERE, THERE))


@pytest.fixture
def cell(result: RunResult) -> Cell:
    return build_report([result]).finished[0]


def test_a_market_has_the_venue_of_its_accounts(cell: Cell) -> None:
    here, there = cell.accounts
    assert [(path.symbol, path.venue) for path in cell.market_paths] == [("BTC", here.venue), ("BTC", there.venue)]


def test_orders_belong_to_the_market_of_their_account(cell: Cell) -> None:
    mine, its = (traded_in(cell, path) for path in cell.market_paths)
    assert ([each.id for each in mine.orders], [each.id for each in its.orders]) == (["mine"], ["its"])
    assert [title_of(cell, path) for path in cell.market_paths] == [f"BTC of {each.venue}" for each in cell.accounts]


def test_each_picture_has_the_fills_of_its_own(cell: Cell) -> None:
    mine, its = [written(each) for each in courses(cell, "USD")][:2]
    assert [re.findall(r"(\w+): sell", drawn) for drawn in (mine, its)] == [["mine"], ["its"]]
    assert f"BTC of {cell.accounts[0].venue} mark" in mine and f"BTC of {cell.accounts[1].venue} mark" in its


def test_the_terminal_says_which_of_two_markets_a_mark_is_of(cell: Cell) -> None:
    lines = [line.strip() for line in path_lines(cell, "USD", 60)]
    marks = [number for number, line in enumerate(lines) if line.startswith("BTC mark")]
    assert [lines[number + 1] for number in marks] == [f"BTC of {each.venue}" for each in cell.accounts]


def test_it_is_stored_and_read_back(result: RunResult, tmp_path: Path) -> None:
    model = build_report([result])
    write_tables([tables_of(result)], model, tmp_path / "out")
    assert read_result(tmp_path / "out") == model
    stored = pq.read_table(tmp_path / "out" / "depth.parquet", columns=["own_venue", "book_venue"]).to_pylist()
    assert {row["own_venue"] for row in stored} == {each.venue for each in model.finished[0].accounts}
    assert {row["book_venue"] for row in stored} == {"hyperliquid"}


def test_a_market_of_another_portfolio_is_none_of_this_one(tmp_path: Path) -> None:
    requests = [asked(tmp_path / "a", HERE), asked(tmp_path / "b", THERE)]
    for together, each in zip(run_cells(requests), requests, strict=True):
        assert isinstance(together, RunResult)
        assert build_report([together]) == build_report([run_cell(each)])
        assert len(build_report([together]).finished[0].market_paths) == 1
