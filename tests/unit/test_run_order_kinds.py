"""Every kind of order from the portfolio file to its fills: what a user writes is what the engine does."""

from __future__ import annotations

from pathlib import Path

import pytest

from backtester.report.executions import OrderReport
from backtester.report.records import Cell
from backtester.run.request import Request
from backtester.run.session import run_cell
from tests.unit.market_tapes import Row
from tests.unit.report_runs import build_report
from tests.unit.run_cases import START, S, account, order, plan, portfolio, position, tape, venue

RISE_AND_FALL = [50_000] * 5 + [51_000] * 5 + [50_400] * 5 + [49_900] * 5


def run(directory: Path, *tables: str, mids: list[int] | None = None, more: tuple[Row, ...] = ()) -> Cell:
    """A long BTC position, or those of `tables`, on a tape of one-second ladders, best prices one off the mid."""
    path = portfolio(directory, account(*(tables if "positions" in tables[0] else (position(), *tables))))
    made = Request(path, tapes=(str(tape(directory, mids or RISE_AND_FALL, more=more)),))
    (cell,) = build_report([run_cell(made)]).finished
    return cell


def orders(cell: Cell) -> dict[str, OrderReport]:
    return {each.id: each for each in cell.orders}


def test_a_trailing_stop_follows_and_fires(tmp_path: Path) -> None:
    """Peak 51,000, 1 % below it is 50,490: the fall to 50,400 fires it, and it sells there."""
    cell = run(tmp_path, order(type="trailing_stop", callback="1%", held="client", activation_price=50_500.0))
    (made,) = cell.orders
    assert (made.status.name, made.vwap) == ("FILLED", 50_399.0)
    assert made.trigger_price is not None and 50_000.0 < made.trigger_price <= 50_490.0


def test_a_take_profit_and_a_stop_limit_that_stays(tmp_path: Path) -> None:
    """The stop-limit fires in the jump to 49,900, but nobody bids 50,300 any more: it rests."""
    cell = run(
        tmp_path,
        order("profit", type="take_profit_market", trigger_price=50_700.0, size=0.25),
        order("stop", type="stop_limit", trigger_price=50_350.0, price=50_300.0, at="7s"),
    )
    made = orders(cell)
    assert (made["profit"].status.name, made["profit"].vwap) == ("FILLED", 50_999.0)
    assert (made["stop"].status.name, made["stop"].filled_size) == ("RESTING", 0.0)


def test_fill_or_kill_and_a_bound_of_ones_own(tmp_path: Path) -> None:
    """49,999 shows 50 BTC, the next bid 49,989 as many: 60 cannot be had at 49,995, and 0.02 % reaches 49,990 only."""
    long = position(size=100.0)
    fok = order("fok", type="limit", tif="fok", price=49_995.0, size=60.0)
    near = order("near", size=60.0, bound="0.02%", at="2s")
    words = ('venue.times_in_force=["gtc", "fok"]',)
    made = orders(run_with(tmp_path, long, fok, near, collateral="USDC = 5_000_000.0", overrides=words))
    assert (made["fok"].status.name, made["fok"].reason.name) == ("CANCELLED", "FOK_KILLED")
    assert (made["near"].filled_size, made["near"].vwap) == (50.0, 49_999.0)


def run_with(directory: Path, *tables: str, collateral: str, overrides: tuple[str, ...] = ()) -> Cell:
    path = portfolio(directory, account(*tables, collateral=collateral))
    made = Request(path, tapes=(str(tape(directory)),), overrides=overrides)
    (cell,) = build_report([run_cell(made)]).finished
    return cell


def test_one_cancels_the_other(tmp_path: Path) -> None:
    made = orders(
        run(
            tmp_path,
            order("high", type="limit", price=50_500.0, oco="exit"),
            order("low", type="stop_market", trigger_price=49_950.0, oco="exit"),
        )
    )
    assert (made["high"].status.name, made["low"].status.name, made["low"].reason.name) == (
        "FILLED",
        "CANCELLED",
        "OCO",
    )


def test_a_child_waits_for_its_parent(tmp_path: Path) -> None:
    made = orders(
        run(
            tmp_path,
            order("bid", type="limit", side="buy", price=49_000.0, cancel_after="3s"),
            order("never", parent="bid"),
            order("anyway", parent="bid", after="end", held="client"),
        )
    )
    assert (made["bid"].reason.name, made["never"].reason.name) == ("CANCEL_REQUEST", "PARENT_ENDED")
    assert made["anyway"].status.name == "FILLED"
    assert made["anyway"].arrive_ts is not None and made["anyway"].arrive_ts.ts_ns > START + 3 * S


def test_an_iceberg_shows_one_part_after_the_other(tmp_path: Path) -> None:
    """Trades of 0.2 above the limit, one a second: 0.2, 0.2, then the last 0.1."""
    trades = tuple(Row(START + t * S + S // 2, "BTC", "trade", 1, 50_010.0, 0.2) for t in range(2, 18, 2))
    ice = plan(algo="iceberg", price=50_006.0, display=0.2)
    cell = run(tmp_path, ice, mids=[50_000] * 20, more=trades)
    assert [(each.size, each.filled_size, each.vwap) for each in cell.orders] == [
        (0.2, 0.2, 50_006.0), (0.2, 0.2, 50_006.0), (0.1, 0.1, 50_006.0),
    ]  # fmt: skip


def test_pov_takes_its_share_of_what_is_traded(tmp_path: Path) -> None:
    """1 BTC is traded every second: 10 % of 4 at the first look that has something, 10 % of 5 more at each next one."""
    trades = tuple(Row(START + t * S + S // 2, "BTC", "trade", 1, 50_001.0, 1.0) for t in range(20))
    pov = plan(algo="pov", duration="15s", interval="5s", participation="10%", size=5.0)
    long = position(size=5.0, leverage=20.0)
    cell = run(tmp_path, long, pov, mids=[50_000] * 20, more=trades)
    assert [each.filled_size for each in cell.orders] == [0.0, 0.5, 0.5]
    assert cell.orders[0].reason.name == "NOTHING_DUE"


def test_both_sides_of_a_symbol_in_hedge_mode(tmp_path: Path) -> None:
    """Long 1 and short 1: each is closed by its own orders, and an order that closes never turns its position."""
    rules = venue(tmp_path, order_latency="0s")
    rules.write_text(rules.read_text().replace('services = { value = ["twap"]', 'services = { value = ["hedge_mode"]'))
    tables = (
        position(),
        position(side="short"),
        order("out", side="sell", position_side="long", size=3.0, at="1s"),
        order("less", side="buy", position_side="short", size=0.25, at="1s"),
    )
    text = account(*tables, venue=rules).replace("[[accounts.pos", 'position_mode = "hedge"\n[[accounts.pos', 1)
    made = Request(portfolio(tmp_path, text), tapes=(str(tape(tmp_path)),))
    (cell,) = build_report([run_cell(made)]).finished
    assert [(each.size_start, each.size_end) for each in cell.accounts[0].positions] == [(1.0, 0.0), (-1.0, -0.75)]
    assert [each.filled_size for each in cell.orders] == [1.0, 0.25]


def test_a_fee_tier_is_what_is_paid(tmp_path: Path) -> None:
    text = account(position(), order(at="1s")).replace("[[accounts.pos", 'fee_tier = "volume-6"\n[[accounts.pos', 1)
    made = Request(portfolio(tmp_path, text), tapes=(str(tape(tmp_path)),))
    (cell,) = build_report([run_cell(made)]).finished
    assert cell.accounts[0].pnl_fees == pytest.approx(-0.00024 * 0.5 * 49_999)
