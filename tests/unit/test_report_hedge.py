"""Hedge mode: the long and the short of one symbol are two things in everything that a report says."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from backtester.config.conditions import parse
from backtester.config.limits import Limit
from backtester.regress.walk import differences
from backtester.report.gates import judged
from backtester.report.html.costs import funding
from backtester.report.html.tree import written
from backtester.report.pools import fates
from backtester.report.records import Cell, FundingPayment
from backtester.report.sheet import Sheet
from backtester.report.sheets import sheets
from backtester.report.telling import holdings_sheet, near_sheets
from backtester.report.timeline import timeline
from backtester.run.request import Request
from backtester.run.session import run_cell
from tests.unit.report_runs import build_report
from tests.unit.run_cases import CRASH, account, portfolio, position

pytestmark = pytest.mark.compiled  # whole tapes


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hedge")


@cache
def run(directory: Path, mode: str, long: float = 10.0) -> Cell:
    """Long 10 and short 4 at 10x in a fall of 13 %: isolated, the long is lost and the short never touched."""
    sides = (("long", long), ("short", 4.0))
    held = (position("BTCUSDT", side=side, size=size, margin_mode=mode) for side, size in sides)
    told = account('position_mode = "hedge"\n', *held, venue="binance-usdm", collateral="USDT = 500_000.0")
    return build_report([run_cell(Request(portfolio(directory, told), scenario=CRASH))]).finished[0]


def column(sheet: Sheet, heading: str) -> list[str]:
    [place] = [number for number, each in enumerate(sheet.columns) if each.heading == heading]
    return [row[place] for row in sheet.rows]


def test_only_the_pool_that_was_liquidated_is_lost(directory: Path) -> None:
    cell = run(directory, "isolated")
    assert {fate.pool.pool: fate.is_liquidated for fate in fates(cell.accounts, cell.liquidations)} == {
        "BTCUSDT.long": True,
        "BTCUSDT.short": False,
    }
    assert (cell.portfolio.pools, cell.portfolio.pools_liquidated) == (2, 1)
    assert {each.position for each in cell.liquidations} == {"BTCUSDT.long"}
    assert {each.symbol for each in cell.liquidations} == {"BTCUSDT"}


def test_the_tables_tell_them_apart(directory: Path) -> None:
    cell = run(directory, "isolated")
    pools, *_ = near_sheets(cell, "USDT", whole=True)
    assert column(pools, "pool") == ["main BTCUSDT.long isolated", "main BTCUSDT.short isolated"]
    assert column(pools, "holds") == ["BTCUSDT.long 10", "BTCUSDT.short −4"]
    assert column(pools, "result") == ["LIQUIDATED, 10,624.26 short", "survived"]
    by_position = {each.position: each for each in cell.trades}
    assert by_position["BTCUSDT.short"].net > 0.0 > by_position["BTCUSDT.long"].net
    assert column(holdings_sheet(cell, "USDT"), "in the end") == ["liquidated", "open"]
    for sheet in sheets(cell, "USDT"):
        if "symbol" in [each.heading for each in sheet.columns]:
            assert set(column(sheet, "symbol")) <= {"BTCUSDT.long", "BTCUSDT.short"}


def test_events_say_which_it_was(directory: Path) -> None:
    told = [event.text for event in timeline(run(directory, "isolated")) if event.kind in ("breach", "liquidation")]
    assert told[0] == "main BTCUSDT.long isolated falls below maintenance"
    assert all("main BTCUSDT.long" in text and "short" not in text for text in told)


def test_cross_legs_have_results_of_their_own(directory: Path) -> None:
    cell = run(directory, "cross")
    since = column(holdings_sheet(cell, "USDT"), "since entry")
    assert since[0].startswith("−") and not since[1].startswith("−")


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("accounts[main].pools[BTCUSDT.long].buffer_min < 0", "breached"),
        ("accounts[main].pools[BTC.long].buffer_min < 0", "breached"),
        ("accounts[main].pools[BTC.short].buffer_min < 0", "ok"),
        ("accounts[main].pools[BTC].buffer_min < 0", "unknown"),
        ("accounts[main].positions[BTC.short].pnl_price < 0", "ok"),
        ("trades[main BTC.long].net < 0", "breached"),
        ("liquidations[BTC.short].size > 0", "unknown"),
    ],
)
def test_limits_on_one_of_them(directory: Path, text: str, outcome: str) -> None:
    [limit] = judged(run(directory, "isolated"), [Limit(text, "fail", parse(text))])
    assert limit.outcome == outcome


def test_a_comparison_names_the_one_that_changed(directory: Path) -> None:
    places = {each.place for each in differences(run(directory, "isolated", 9.0), run(directory, "isolated"))}
    assert "accounts[main].positions[BTCUSDT.long].size_start" in places
    assert not any("BTCUSDT.short" in place or "BTCUSDT 2" in place for place in places)


def test_each_leg_pays_funding_of_its_own(directory: Path) -> None:
    cell = run(directory, "cross")
    paid = FundingPayment(cell.start_ts, "main", "BTCUSDT", 10.0, 1e-4, 1e5, 1e6, -100.0, "BTCUSDT.long")
    got = paid._replace(size=-4.0, notional=4e5, amount=40.0, position="BTCUSDT.short")
    picture, listed = funding(cell._replace(funding=(paid, got)), "USDT")
    drawn = written(picture)
    assert 'data-name="main BTCUSDT.long"' in drawn and 'data-name="main BTCUSDT.short"' in drawn
    assert "BTCUSDT.long<" in written(listed) and "BTCUSDT.short<" in written(listed)


def test_fees_of_liquidation_are_fees_on_any_venue(directory: Path) -> None:
    cell = run(directory, "isolated")
    [held] = cell.accounts
    paid = sum(each.fee for each in cell.liquidations)
    assert paid < 0.0 and cell.portfolio.fees == pytest.approx(held.pnl_fees + paid)
    assert cell.portfolio.buffer_min == held.buffer_min
