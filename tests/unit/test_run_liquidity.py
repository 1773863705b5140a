"""Markets without a base tape: the shipped table, what it makes of the shipped tapes, and runs that need it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from backtester.enums import EventKind
from backtester.market.move import Stated
from backtester.market.read import Tape, open_tape
from backtester.report.assumed import caution
from backtester.run.lend import _offers
from backtester.run.liquidity import liquidity
from backtester.run.prices import move_tape, parse_price
from backtester.run.request import Request
from backtester.run.result import RunResult
from backtester.run.session import run_cell
from backtester.scenario.grid import parse_proxies
from backtester.shipped import data_dir
from backtester.venue.loader import load_profile
from tests.unit.run_cases import BTC, account, differences, order, portfolio, position, problems, tape

pytestmark = pytest.mark.compiled

FIVE = Request(
    data_dir() / "five-portfolio.toml",
    scenario="2025-10-10",
)
MARKETS = sorted(liquidity().markets)


def five(venue: str) -> RunResult:
    return run_cell(FIVE._replace(venue=venue))


def scaled(venue: str, base: str, *prices: str) -> Tape:
    """ETH's shipped tape with `base` beside it."""
    plain = open_tape([f"{venue}-eth"])
    (move,) = (move for move in _offers(plain, {}) if move.lent_to == base)
    return move_tape(plain.made_by((*plain.made, move)), map(parse_price, prices))


def ladders(tape: Tape, messages: int) -> Iterator[list[dict[int, int]]]:
    """Bids and asks of every instrument after each of the first messages: tick → lots."""
    shown: list[dict[int, int]] = [{} for _ in range(2 * len(tape.instruments))]
    rows = next(iter(tape.chunks()))
    rows = rows[(rows["kind"] <= EventKind.DELTA) & (rows["side"] != 0)]
    for ts in np.unique(rows["ts"])[:messages]:
        for row in rows[rows["ts"] == ts]:
            shown[2 * row["instrument"] + (row["side"] < 0)][int(row["tick"])] = int(row["lots"])
        yield [{tick: lots for tick, lots in side.items() if lots} for side in shown]


def money_within(side: dict[int, int], mid: float, tape: Tape, number: int) -> float:
    """What stands within 1 % of mid, in quote currency."""
    each = tape.instruments[number]
    near = [(tick, lots) for tick, lots in side.items() if abs(tick * each.tick_size / mid - 1.0) <= 0.01]
    return sum(tick * each.tick_size * lots * each.lot_size for tick, lots in near)


@pytest.mark.parametrize(("venue", "base"), MARKETS, ids=["-".join(each) for each in MARKETS])
def test_a_scaled_order_book_is_as_deep_and_wide_as_stated(venue: str, base: str) -> None:
    tape = scaled(venue, base)
    stated = liquidity().stated(venue, base, "ETH")
    assert stated is not None
    mine = next(n for n, each in enumerate(tape.instruments) if each.base == base)
    spreads, deep = [], []
    for sides in ladders(tape, 150):
        best = [(max(sides[2 * n]), min(sides[2 * n + 1])) for n in range(2)]
        assert all(bid < ask for bid, ask in best)
        mids = [0.5 * sum(best[n]) * tape.instruments[n].tick_size for n in range(2)]
        spreads.append((best[mine][1] - best[mine][0]) / (0.5 * sum(best[mine])) * 1e4)
        money = [money_within(sides[2 * n] | sides[2 * n + 1], mids[n], tape, n) for n in range(2)]
        deep.append(money[mine] / money[1 - mine])
    assert np.mean(deep) == pytest.approx(stated.share, rel=0.05)
    ticks = [move.moved.tick_size / move.price * 1e4 for move in tape.moves]
    assert np.mean(spreads) == pytest.approx(stated.spread_bps, abs=sum(ticks))  # of both markets


def test_shares_are_relative_to_the_lender() -> None:
    known = liquidity()
    sol, of_btc = known.stated("binance-usdm", "SOL", "ETH"), known.stated("binance-usdm", "SOL", "BTC")
    assert sol is not None and of_btc is not None
    assert sol == Stated(207.44, 0.01, 0.01, 0.304 / 1.072, 0.5)
    assert of_btc.share == 0.304
    assert known.stated("binance-usdm", "SOL", "WIF") is None
    assert known.stated("nowhere", "SOL", "ETH") is None


def test_who_lends() -> None:
    known = liquidity()
    assert known.lenders("hyperliquid", "SOL", {}) == ("ETH",)
    assert known.lenders("hyperliquid", "SOL", {"SOL": "BTC"}) == ("BTC", "ETH")
    assert known.lenders("hyperliquid", "WIF", {"SOL": "BTC"}) == ()


@pytest.mark.parametrize(("venue", "base"), MARKETS, ids=["-".join(each) for each in MARKETS])
def test_the_grid_is_one_that_the_venue_has(venue: str, base: str) -> None:
    """Its prices may be ordered, and where the venue's profile knows how fine sizes are it says the same."""
    profile, stated = load_profile(venue), liquidity().markets[venue, base]
    market = profile.market(base)
    assert market.listed
    step = float(profile.price_step(stated.price, market.size_decimals, stated.tick_size))
    assert step == stated.tick_size
    assert market.size_decimals is None or stated.lot_size == pytest.approx(10.0**-market.size_decimals)


@pytest.mark.parametrize("venue", ["hyperliquid", "binance-usdm"])
def test_five_names_run_through_a_crash(venue: str) -> None:
    result = five(venue)
    assert {each.tape.base for each in result.instruments} == {"BTC", "ETH", "SOL", "XRP", "DOGE"}
    assert len(result.liquidations)
    said = "\n".join(result.assumptions)
    (sol,) = (line for line in result.assumptions if line.startswith("SOL"))
    share, spread = {"hyperliquid": ("0.205", "0.9"), "binance-usdm": ("0.284", "0.5")}[venue]
    end = "USDT" if venue == "binance-usdm" else ""
    assert sol == (
        f"SOL{end} order book: ETH{end}'s, scaled: {share} of its depth and trades, spread {spread} bps, tick 0.01, "
        "lot 0.01 (assumed); it begins at 207.44 (its price of 2025-10-10)"
    )
    assert "tick 0.00001, lot 1 (assumed)" in said


def test_the_same_inputs_are_the_same_result() -> None:
    assert differences(five("hyperliquid"), five("hyperliquid")) == []


def sol(directory: Path, *prices: str) -> Request:
    stop = order("stop", "SOL", type="stop_market", trigger_price="mark-3%", size="all")
    path = portfolio(directory, account(position("SOL", size=100.0), stop))
    return Request(path, prices=tuple(map(parse_price, prices)))


def test_a_price_moves_it(tmp_path: Path) -> None:
    result = run_cell(sol(tmp_path, "SOL=68"))
    instrument = next(each.tape for each in result.instruments if each.tape.base == "SOL")
    assert [instrument.tick_size, instrument.lot_size] == pytest.approx([0.002, 0.01])
    assert any("tick 0.002, lot 0.01 (assumed); it begins at 68 (--price)" in said for said in result.assumptions)


def test_a_proxy_lends_its_own_order_book_scaled_too(tmp_path: Path) -> None:
    result = run_cell(sol(tmp_path)._replace(proxies=parse_proxies(["SOL=BTC"])))
    assert result.tape.name == "hyperliquid-btc.parquet"
    assert any(said.startswith("SOL order book: BTC's, scaled: 0.121 of its depth") for said in result.assumptions)


def test_a_proxy_without_a_tape_lends_its_path_alone(tmp_path: Path) -> None:
    """DOGE moves like SOL; its order book is ETH's."""
    path = portfolio(tmp_path, account(position("DOGE", size=1_000.0)))
    result = run_cell(Request(path, scenario="2024-08-05", proxies=parse_proxies(["DOGE=SOL*1.2"])))
    assert any(said.startswith("DOGE order book: ETH's, scaled") for said in result.assumptions)
    assert "DOGE moves like SOL times 1.2 (--proxy)" in result.assumptions
    assert caution(result.assumptions).endswith("; order book lent: DOGE from ETH; DOGE moves like SOL times 1.2")


def test_a_recording_replaces_it(tmp_path: Path) -> None:
    recording = tape(tmp_path, [2_000] * 60, instrument=BTC._replace(symbol="SOL", base="SOL"))
    result = run_cell(sol(tmp_path)._replace(tapes=(str(recording),)))
    assert not any("scaled" in said for said in result.assumptions)


def test_a_recording_lends_it(tmp_path: Path) -> None:
    """Without a scenario nothing is laid beside a tape: whose ETH is on it has SOL, whose BTC is on it has not."""
    eth = tape(tmp_path, [4_000] * 60, instrument=BTC._replace(symbol="ETH", base="ETH"))
    result = run_cell(sol(tmp_path)._replace(tapes=(str(eth),)))
    assert any(said.startswith("SOL order book: ETH's, scaled: 0.205") for said in result.assumptions)
    btc = tape(tmp_path)
    assert [each.message for each in problems(sol(tmp_path)._replace(tapes=(str(btc),)))] == ["the tape has no SOL"]
