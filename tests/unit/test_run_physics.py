"""What a run must obey, whatever the numbers are: checked on the demo crash and on tapes worked out by hand."""

from __future__ import annotations

import math
from bisect import bisect_right
from pathlib import Path

import numpy as np
import pytest

from backtester.engine.events import EVENT
from backtester.enums import (
    FillReason,
    Liquidity,
    OrderReason,
    OrderStatus,
    Party,
    PoolState,
)
from backtester.market.read import open_tape
from backtester.run.request import Request
from backtester.run.result import ACTUAL, UNLIQUIDATED, RunResult
from backtester.run.session import run_cell
from backtester.scenario.apply import StressedTape
from backtester.scenario.grid import Target
from backtester.scenario.stored import load
from backtester.shipped import scenarios_dir
from tests.unit.market_tapes import Row
from tests.unit.run_cases import (
    CRASH,
    DEMO,
    START,
    S,
    account,
    crash,
    demo,
    fills_of,
    ladder,
    order,
    order_row,
    portfolio,
    position,
    position_number,
    same_bytes,
    tape,
    unrealised,
)
from tests.unit.scenario_tapes import ladders

pytestmark = pytest.mark.compiled

GRID = 3 * S
BASE_START = 1_760_128_200 * S  # of the shipped tapes
BLOCK = 70_000_000  # blocks and engine latency, ns
MAIN, HEDGE = 0, 1


def market_bucket(result: RunResult, ts: int, market: int) -> int:
    """The last bucket of the market's path at or before `ts` in which there was a mark."""
    return int((ts - result.start_ts) // result.path_width_ns)


# --- stops ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["stop-at-venue", "stop-at-client"])
def test_a_stop_fires_at_the_first_mark_beyond_its_trigger(name: str) -> None:
    result = demo()
    row = order_row(result, name)
    market = row["market"]
    tick_size = result.market.markets[market]["tick_size"]
    trigger = row["trigger_tick"] * tick_size
    assert row["status"] == OrderStatus.FILLED
    assert row["trigger_ts"] % GRID == 0
    assert row["trigger_price"] < trigger + 0.5 * tick_size
    path = result.market.path[market]
    fired = market_bucket(result, int(row["trigger_ts"]), market)
    before = path[:fired][path[:fired]["count"] > 0]
    assert before["mark_min"].min() >= trigger + 0.5 * tick_size
    assert path[fired]["mark_min"] <= row["trigger_price"] <= path[fired]["mark_max"]


def test_a_stop_inside_the_venue_arrives_with_the_next_blocks() -> None:
    row = order_row(demo(), "stop-at-venue")
    assert row["arrive_ts"] == -(-(int(row["trigger_ts"]) + BLOCK) // BLOCK) * BLOCK
    assert row["done_ts"] == row["arrive_ts"]


def test_a_stop_at_the_client_pays_every_latency_and_its_reaction() -> None:
    row = order_row(demo(), "stop-at-client")
    travel = (190 + 200 + 190) * 1_000_000
    scenario = load(scenarios_dir() / f"{CRASH}.parquet")
    extra = scenario.find("extra_latency_ms", "hyperliquid", "BTC")
    held = extra.at(np.array([row["trigger_ts"] - demo().start_ts]))[0] if extra else 0.0
    wanted = int(row["trigger_ts"]) + travel + int(held * 1e6)
    assert row["arrive_ts"] == -(-wanted // BLOCK) * BLOCK


@pytest.mark.parametrize("name", ["stop-at-venue", "stop-at-client"])
def test_a_stop_gets_the_order_book_not_its_trigger(name: str) -> None:
    row, fills = order_row(demo(), name), fills_of(demo(), name)
    assert fills["lots"].sum() == row["lots"] == row["filled"]
    assert set(fills["reason"]) == {FillReason.TAKER_WALK} and set(fills["ts"]) == {row["arrive_ts"]}
    assert (np.diff(fills["tick"]) < 0).all()  # one level after the other, downwards
    assert fills["tick"][0] == row["arrival_best"]
    assert fills["tick"].min() >= math.ceil(row["arrival_mid2"] / 2 * 0.9)  # the venue's bound of 10 %
    assert (fills["lots"] * fills["tick"]).sum() / row["lots"] < row["trigger_tick"]


def test_a_resting_bid_fills_at_its_price_and_pays_the_maker_fee() -> None:
    row, fills = order_row(demo(), "cover"), fills_of(demo(), "cover")
    assert set(fills["tick"]) == {row["limit_tick"]} and set(fills["liquidity"]) == {Liquidity.MAKER}
    assert fills["fee"].sum() == pytest.approx(0.00015 * row["limit_tick"] * 0.1 * 30.0)  # 30 ETH, tick 0.1


def test_a_resting_bid_without_margin_is_cancelled_when_the_price_comes() -> None:
    row, position = order_row(demo(), "dip-bid"), position_number(demo(), MAIN, "BTC")
    assert (row["status"], row["reason"]) == (OrderStatus.CANCELLED, OrderReason.INSUFFICIENT_MARGIN)
    assert (
        row["filled"] == 0
        and row["done_ts"] < demo().liquidations[demo().liquidations["position"] == position]["ts"][0]
    )


def test_a_scheduled_market_order_waits_for_its_time() -> None:
    row = order_row(demo(), "cut-eth")
    assert row["decision_ts"] == demo().start_ts + 600 * S
    assert row["arrive_ts"] == -(-(row["decision_ts"] + 380_000_000) // BLOCK) * BLOCK


# --- money ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("world", [ACTUAL, UNLIQUIDATED])
def test_nothing_is_made_or_lost(world: int) -> None:
    """RULES 9.2: what the pools lost, the counterparties have."""
    result = demo()
    pools = result.state.pools[result.state.pools["world"] == world]
    changes = [*(pools["balance"] - pools["balance_start"]), *result.state.parties[world].ravel()]
    ledger = result.ledger[result.ledger["world"] == world]
    turnover = math.fsum(abs(float(amount)) for amount in ledger["amount"])
    assert turnover > 100_000
    assert abs(math.fsum(map(float, changes))) <= 1e-9 * turnover
    assert result.state.worlds["turnover"][world] == pytest.approx(turnover, rel=1e-12)


@pytest.mark.parametrize("world", [ACTUAL, UNLIQUIDATED])
@pytest.mark.parametrize("account_number", [MAIN, HEDGE])
def test_equity_is_start_plus_ledger_plus_what_is_open(world: int, account_number: int) -> None:
    result = demo()
    number = result.index.accounts[world] + account_number
    row = result.state.accounts[number]
    pools = result.state.pools[row["pool_first"] : row["pool_first"] + row["pool_count"]]
    rows = result.state.positions[result.state.positions["account"] == number]
    ledger = result.ledger[(result.ledger["account"] == number) & (result.ledger["pool"] >= 0)]
    end = math.fsum([*map(float, pools["balance"]), *(unrealised(result, each) for each in rows)])
    units = result.market.markets["unit"][rows["market"]]
    opening = rows["lots_start"] * units * rows["mark_start"] - rows["cost_start"]
    cash = math.fsum(map(float, ledger["amount"]))
    change = math.fsum(unrealised(result, each) for each in rows) - math.fsum(map(float, opening))
    assert end == pytest.approx(float(row["equity_start"]) + cash + change, abs=1e-6)
    for number_of_pool, pool in enumerate(pools, start=int(row["pool_first"])):
        own = ledger[ledger["pool"] == number_of_pool]
        assert pool["balance"] == pytest.approx(pool["balance_start"] + math.fsum(map(float, own["amount"])), abs=1e-6)
        assert len(own) == 0 or own["balance"][-1] == pool["balance"]


def test_every_counterparty_holds_what_the_ledger_gave_it() -> None:
    result = demo()
    for world in (ACTUAL, UNLIQUIDATED):
        ledger = result.ledger[(result.ledger["world"] == world) & (result.ledger["pool"] >= 0)]
        for party in (Party.VENUE_FEES, Party.FUNDING_POOL):
            got = -math.fsum(map(float, ledger["amount"][ledger["party"] == party]))
            assert result.state.parties[world, 0, party] == pytest.approx(got, abs=1e-6)
        fills = result.fills[(result.fills["world"] == world) & (result.fills["position"] >= 0)]
        fees = math.fsum(map(float, fills["fee"]))
        assert result.state.parties[world, 0, Party.VENUE_FEES] == pytest.approx(fees, abs=1e-6)


def test_positions_are_the_sum_of_their_fills() -> None:
    result = demo()
    for number, row in enumerate(result.state.positions):
        fills = result.fills[result.fills["position"] == number]
        assert row["lots"] == row["lots_start"] + (fills["lots"] * fills["side"]).sum()
        assert row["realised"] == pytest.approx(math.fsum(map(float, fills["realised"])), abs=1e-6)
        assert -row["fee"] == pytest.approx(math.fsum(map(float, fills["fee"])), abs=1e-6)


# --- worlds --------------------------------------------------------------------------------------------------------


def test_the_market_does_not_depend_on_the_portfolio(tmp_path: Path) -> None:
    """Own fills move neither the ladder nor the mark (RULES 2.4): another portfolio sees the same path."""
    knots = [(0.0, 1.0), (60.0, 0.9), (120.0, 0.95)]
    path = crash(tmp_path, knots, start=BASE_START, bases=["BTC", "ETH"])
    request = Request(DEMO, scenario=str(path))
    small, large = (
        run_cell(request._replace(overrides=(f"positions[BTC].size={size}", "accounts[main].collateral.USDC=2e6")))
        for size in (1, 16)
    )
    assert same_bytes(small.market.path, large.market.path)
    assert same_bytes(small.market.markets, large.market.markets)
    assert small.market.path["mark_min"][small.market.path["count"] > 0].min() < 4_000  # there was a crash to see
    assert len(small.fills) != len(large.fills)


def test_without_liquidation_nobody_sells_at_the_low() -> None:
    """The account hangs on by 259 USDC, below its maintenance, and has part of its money again in the end."""
    result = demo()
    accounts = result.state.accounts
    actual, off = accounts[result.index.accounts[ACTUAL]], accounts[result.index.accounts[UNLIQUIDATED]]
    assert actual["equity_start"] == off["equity_start"] == 250_000.0
    assert actual["equity_min"] == 0.0 < off["equity_min"] < 1_000.0
    pools = result.state.pools[result.state.pools["world"] == UNLIQUIDATED]
    assert (pools["state"] == PoolState.HEALTHY).all() and (pools["buffer_min"] < 0.0).any()
    reasons = set(result.fills["reason"][result.fills["world"] == UNLIQUIDATED])
    assert not reasons & {FillReason.LIQUIDATION, FillReason.TAKEOVER}


def test_an_account_that_is_never_in_trouble_is_the_same_in_both_worlds() -> None:
    result = demo()
    first, second = (result.index.accounts[world] + HEDGE for world in (ACTUAL, UNLIQUIDATED))
    for name in ("equity_start", "equity_min", "equity_min_ts"):
        assert result.state.accounts[first][name] == result.state.accounts[second][name]
    paths = [result.state.path[result.state.accounts[number]["path"]].tobytes() for number in (first, second)]
    assert paths[0] == paths[1]
    fills = [result.fills[result.fills["account"] == number] for number in (first, second)]
    assert len(fills[0]) > 0
    for name in ("ts", "tick", "lots", "fee", "realised"):
        assert fills[0][name].tolist() == fills[1][name].tolist()


# --- the order book ------------------------------------------------------------------------------------------------


def test_no_taker_takes_what_is_not_displayed(tmp_path: Path) -> None:
    """Every level that was taken was there, on the other side, with at least that size, and best levels went first."""
    base = open_tape(["hyperliquid-btc"])
    stress = crash(
        tmp_path, [(0, 1.0), (60, 0.9), (120, 0.92)], start=BASE_START, columns={"bid_depth_near": [(0, 0.2)]}
    )
    stop = order("stop", type="stop_market", trigger_price="mark-3%", size=20.0, reduce_only=True)
    dumps = order("dump", size=10.0, at="20s") + order("again", size=10.0, at="20s")
    path = portfolio(tmp_path, account(position(size=100.0), stop, dumps, collateral="USDC = 700_000.0"))
    result = run_cell(Request(path, scenario=str(stress)))
    instrument = base.instruments[0]
    target = Target("BTC", "BTC", "hyperliquid", instrument.tick_size, instrument.lot_size)
    events = np.concatenate([*StressedTape(load(stress), [target], base.chunks).chunks(), np.zeros(0, EVENT)])
    taken = result.fills[(result.fills["world"] == ACTUAL) & (result.fills["liquidity"] == Liquidity.TAKER)]
    assert {FillReason.TAKER_WALK, FillReason.LIQUIDATION} <= set(taken["reason"])
    shown = list(ladders(events))
    after = [ladder.ts for ladder in shown]
    for ts in np.unique(taken["ts"]):
        levels = shown[bisect_right(after, ts) - 1].bids
        here = taken[taken["ts"] == ts]
        lots = {int(tick): int(here["lots"][here["tick"] == tick].sum()) for tick in np.unique(here["tick"])}
        assert all(lots[tick] <= levels.get(tick, 0) for tick in lots)
        if ts == taken["ts"][0]:  # nothing was consumed before: every better level is empty now
            better = [tick for tick in levels if tick > min(lots)]
            assert all(lots[tick] == levels[tick] for tick in better) and better


def test_the_same_liquidity_is_not_sold_twice(tmp_path: Path) -> None:
    # 50 BTC a level, ten dollars apart. 30 + 30 at one time: the second order finds 20 left on the first level.
    orders = order("a", size=30.0, at="2s"), order("b", size=30.0, at="2s")
    path = portfolio(tmp_path, account(position(size=100.0), *orders, collateral="USDC = 1e6"))
    result = run_cell(Request(path, tapes=(str(tape(tmp_path)),)))
    sold = [[(int(fill["tick"]), int(fill["lots"])) for fill in fills_of(result, name)] for name in "ab"]
    assert sold == [[(49_999, 3_000_000)], [(49_999, 2_000_000), (49_989, 1_000_000)]]


def test_a_walk_ends_where_the_display_ends(tmp_path: Path) -> None:
    # Two levels of 1 BTC: 3 BTC find 2, the rest is cancelled, not invented.
    rows = [row for n in range(10) for row in ladder(START + n * S, 50_000, lots=1.0, levels=2)]
    index = [Row(START + n * S, "BTC", "index", 0, 50_000.0, 0.0) for n in range(10)]
    path = portfolio(tmp_path, account(position(size=5.0), order("out", size=3.0, at="1s")))
    result = run_cell(Request(path, tapes=(str(tape(tmp_path, (), more=[*rows, *index])),)))
    row = order_row(result, "out")
    assert (row["status"], row["reason"]) == (OrderStatus.CANCELLED, OrderReason.BEYOND_VISIBLE_DEPTH)
    assert (row["filled"], row["levels"]) == (200_000, 2)
    assert fills_of(result, "out")["tick"].tolist() == [49_999, 49_989]
