"""How a run liquidates and who bears what: on the demo crash and on tapes worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backtester.enums import (
    FillReason,
    LedgerKind,
    LiquidationStage,
    OrderReason,
    OrderStatus,
    Party,
    PoolState,
)
from backtester.run.request import Request
from backtester.run.result import ACTUAL, UNLIQUIDATED, RunResult
from backtester.run.session import run_cell
from tests.unit.market_tapes import Row
from tests.unit.run_cases import (
    START,
    Array,
    S,
    account,
    demo,
    ladder,
    order,
    order_row,
    portfolio,
    position,
    position_number,
    tape,
    venue,
)

pytestmark = pytest.mark.compiled

GRID = 3 * S
MAIN = 0


# --- liquidation ---------------------------------------------------------------------------------------------------


def expected_rounds(result: RunResult) -> Iterator[tuple[Any, int, LiquidationStage]]:
    """Each liquidation order with the size and stage that the venue's rules give it: a fifth above 100,000 of
    notional, everything for 30 s after that."""
    window: dict[int, int] = {}
    for row in result.liquidations[result.liquidations["stage"] != LiquidationStage.TAKEOVER]:
        fills = result.fills[result.fills["position"] == row["position"]]
        before = fills[fills["ts"] < row["ts"]]
        start = result.state.positions[row["position"]]
        lots = abs(int(start["lots_start"]) + int((before["lots"] * before["side"]).sum()))
        unit = result.market.markets[start["market"]]["unit"]
        if lots * unit * row["mark"] > 100_000 and row["ts"] >= window.get(row["account"], 0):
            window[row["account"]] = row["ts"] + 30 * S
            yield row, math.ceil(0.2 * lots), LiquidationStage.PARTIAL
        else:
            yield row, lots, LiquidationStage.FULL


def test_a_fifth_first_then_everything_within_thirty_seconds() -> None:
    rounds = list(expected_rounds(demo()))
    assert [(int(row["lots"]), row["stage"]) for row, _, _ in rounds] == [(lots, stage) for _, lots, stage in rounds]
    eth = [row for row, _, _ in rounds if row["position"] == position_number(demo(), MAIN, "ETH")]
    assert [row["stage"] for row in eth] == [LiquidationStage.PARTIAL, LiquidationStage.FULL]
    assert 30 * S > eth[1]["ts"] - eth[0]["ts"] > 0


def test_liquidations_happen_on_the_margin_grid_and_in_breach_only() -> None:
    rows = demo().liquidations
    assert len(rows) > 0
    assert (rows["ts"] % GRID == 0).all()
    assert (rows["equity"] < rows["maintenance"]).all()
    pools = demo().state.pools
    assert (pools["breach_ts"][pools["breach_ts"] >= 0] % GRID == 0).all()


def test_liquidation_orders_go_through_the_order_book() -> None:
    result = demo()
    for row in result.liquidations[result.liquidations["stage"] != LiquidationStage.TAKEOVER]:
        fills = result.fills[(result.fills["ts"] == row["ts"]) & (result.fills["reason"] == FillReason.LIQUIDATION)]
        fills = fills[fills["position"] == row["position"]]
        assert fills["lots"].sum() == row["filled"] and (fills["lots"] * fills["tick"]).sum() == row["value"]
        assert fills["fee"].sum() == pytest.approx(row["fee"])
        assert len(fills) == row["levels"] and (fills["side"] == row["side"]).all()
        assert fills["tick"].min() >= math.ceil(row["mid2"] / 2 * 0.9)


def test_an_order_through_the_thinned_book_leaves_less_than_nothing() -> None:
    """A fifth, then the rest: 1.3 % off the mark of the worst seconds, more than what maintenance holds back."""
    result, position = demo(), position_number(demo(), MAIN, "BTC")
    fifth, rest = result.liquidations[result.liquidations["position"] == position]
    pool = result.state.pools[result.state.positions["pool"][position]]
    assert (fifth["stage"], rest["stage"]) == (LiquidationStage.PARTIAL, LiquidationStage.FULL)
    assert 0.0 < rest["equity"] < rest["maintenance"]  # not yet below two thirds of it: no backstop
    assert rest["filled"] == rest["lots"] and result.state.positions["lots"][position] == 0
    assert pool["balance"] == 0.0 and pool["takeover"] == 0.0 and pool["deficit"] > 4_000.0


def test_liquidation_cancels_what_the_venue_holds() -> None:
    row = order_row(demo(), "take-profit")
    first = demo().liquidations[demo().liquidations["position"] == position_number(demo(), MAIN, "BTC")][0]
    assert (row["status"], row["reason"]) == (OrderStatus.CANCELLED, OrderReason.LIQUIDATION)
    assert row["done_ts"] == first["ts"]
    assert order_row(demo(), "take-profit", UNLIQUIDATED)["status"] == OrderStatus.RESTING


def test_a_dip_between_two_margin_checks_liquidates_nobody(tmp_path: Path) -> None:
    # 40x: liquidated below 49,367. The mark is made and checked every 3 s.
    path = portfolio(tmp_path, account(position(margin_mode="isolated", leverage=40.0)))

    def liquidations(mids: list[int]) -> Array:
        return run_cell(Request(path, tapes=(str(tape(tmp_path, mids)),))).liquidations

    calm, low = 50_000, 49_300
    assert len(liquidations([calm, low, low, calm, low, low, calm])) == 0
    found = liquidations([calm, low, low, low, calm, calm, calm])
    assert (found["ts"] - START).tolist() == [3 * S]


def test_what_is_due_with_the_last_record_is_done(tmp_path: Path) -> None:
    path = portfolio(tmp_path, account(position(margin_mode="isolated", leverage=40.0)))
    result = run_cell(Request(path, tapes=(str(tape(tmp_path, [50_000] * 3 + [49_300])),)))
    assert (result.liquidations["ts"] - START).tolist() == [3 * S]


def test_an_order_far_from_the_market_rests(tmp_path: Path) -> None:
    far = order("far", type="limit", side="sell", price=400_000.0)
    result = run_cell(Request(portfolio(tmp_path, account(position(), far)), tapes=(str(tape(tmp_path)),)))
    assert order_row(result, "far")["status"] == OrderStatus.RESTING
    assert result.market.instruments["capacity"][0] > 400_000


def test_worked_isolated_liquidation(tmp_path: Path) -> None:
    # 1 BTC isolated at 10x: 5,000 of margin. At 45,500 equity is 500 < 568.75 and above 2/3 of it: market order.
    path = portfolio(tmp_path, account(position(margin_mode="isolated", leverage=10.0, size=2.0)))
    result = run_cell(Request(path, tapes=(str(tape(tmp_path, [50_000] * 3 + [45_500] * 5)),)))
    (row,) = result.liquidations
    # 91,000 of notional is below 100,000: everything at once, into the best bid of 45,499.
    assert (row["stage"], row["lots"], row["filled"]) == (LiquidationStage.FULL, 200_000, 200_000)
    assert row["mark"] == pytest.approx(45_500.0)
    assert (row["equity"], row["maintenance"]) == (pytest.approx(1_000.0), pytest.approx(1_137.5))
    assert row["bankruptcy"] == pytest.approx(45_000.0)
    fee = 0.00045 * 2 * 45_499
    assert row["fee"] == pytest.approx(fee)
    # What is left of the margin (10,000 − 9,002) goes home; the fee is paid from the account.
    cross, fenced = result.state.pools[:2]
    assert fenced["balance"] == 0.0
    assert cross["balance"] == pytest.approx(100_000 - 9_002 - fee)


# --- limited loss --------------------------------------------------------------------------------------------------


def test_isolated_loses_its_margin_and_no_more(tmp_path: Path) -> None:
    """A gap of 30 % through two 10x positions: the fenced one costs its margin and a fee, the cross one everything."""
    fenced = account(position(margin_mode="isolated", leverage=10.0), name="fenced")
    shared = account(position(leverage=10.0), name="shared", collateral="USDC = 10_000.0")
    path = portfolio(tmp_path, fenced, shared)
    result = run_cell(Request(path, tapes=(str(tape(tmp_path, [50_000] * 4 + [35_000] * 6)),)))
    fee = 0.00045 * 34_999  # both sell 1 BTC into the best bid
    cross_of_fenced, isolated, cross_of_shared = result.state.pools["balance"][:3]
    assert (cross_of_fenced, isolated) == (95_000.0, 0.0)  # a forced fill costs its own margin only
    assert cross_of_shared == 0.0  # 10,000 − 15,001 − fee: nobody owes the venue
    assert result.state.pools["deficit"][:3].tolist() == pytest.approx([0.0, 10_001.0 + fee, 5_001.0 + fee])
    assert result.state.parties[ACTUAL, 0, Party.INSURANCE_FUND] == pytest.approx(-15_002 - 2 * fee)
    # Without liquidation the margin stays where it is, however deep the loss.
    assert result.state.pools["balance"][3:].tolist() == [95_000.0, 5_000.0, 10_000.0]


def test_a_fund_that_is_empty_leaves_the_rest_to_the_reserve(tmp_path: Path) -> None:
    poor = venue(tmp_path, insurance_start=3_000)
    path = portfolio(tmp_path, account(position(margin_mode="isolated", leverage=10.0), venue=poor))
    result = run_cell(Request(path, tapes=(str(tape(tmp_path, [50_000] * 4 + [35_000] * 6)),)))
    assert result.state.parties[ACTUAL, 0, Party.INSURANCE_FUND] == -3_000.0
    assert result.state.parties[ACTUAL, 0, Party.RESERVE] == pytest.approx(-7_001.0 - 0.00045 * 34_999)


def test_the_backstop_takes_over_what_the_order_book_does_not(tmp_path: Path) -> None:
    # 2 BTC isolated at 10x. At 45,100 two thin bids take 0.8 BTC; what is left has less than 2/3 of its maintenance.
    rows = [row for n in range(12) for row in ladder(START + n * S, 50_000 if n < 4 else 45_100, lots=0.4, levels=2)]
    index = [Row(START + n * S, "BTC", "index", 0, 50_000.0 if n < 4 else 45_100.0, 0.0) for n in range(12)]
    path = portfolio(tmp_path, account(position(margin_mode="isolated", leverage=10.0, size=2.0)))
    result = run_cell(Request(path, tapes=(str(tape(tmp_path, (), more=[*rows, *index])),)))
    market, backstop = result.liquidations
    assert (market["stage"], market["filled"]) == (LiquidationStage.FULL, 80_000)
    assert (backstop["stage"], backstop["lots"], backstop["mark"]) == (
        LiquidationStage.TAKEOVER,
        120_000,
        market["mark"],
    )
    # 10,000 − 9,800 = 200 of equity, less slippage of 0.4 BTC by 1 and by 11 and fees: below 2/3 of 1.25 % of 54,120.
    fees = 0.00045 * 0.4 * (45_099 + 45_089)
    assert backstop["equity"] == pytest.approx(200.0 - 0.4 * (1 + 11) - fees)
    fill = result.fills[(result.fills["reason"] == FillReason.TAKEOVER) & (result.fills["position"] >= 0)]
    assert (fill["lots"].tolist(), fill["price"].tolist(), fill["fee"].tolist()) == ([120_000], [market["mark"]], [0.0])
    assert result.state.pools["state"][1] == PoolState.CLOSED


def test_the_demos_isolated_position_costs_at_most_its_margin() -> None:
    result = demo()
    number = position_number(result, MAIN, "ETH")
    row, pool = result.state.positions[number], position_pool(result, "ETH")
    rows = result.ledger[result.ledger["pool"] == pool]
    assert result.state.pools["isolated"][pool] == 1 and result.state.pools["balance"][pool] == 0.0
    returned = -math.fsum(map(float, rows["amount"][rows["kind"] == LedgerKind.MARGIN_TRANSFER]))
    assert 0.0 <= returned < 70_000.0
    forced = result.fills[(result.fills["position"] == number) & (result.fills["reason"] == FillReason.LIQUIDATION)]
    fees = math.fsum(map(float, forced["fee"]))
    assert fees > 0.0
    assert returned == pytest.approx(70_000.0 + row["realised"] + row["funding"] - fees, abs=1e-6)
    assert (rows["balance"] >= 0.0).all()


def position_pool(result: RunResult, symbol: str) -> int:
    """Number of the margin pool of a position of the first account."""
    return int(result.state.positions["pool"][position_number(result, MAIN, symbol)])
