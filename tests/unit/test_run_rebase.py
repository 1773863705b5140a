"""`--rebase`: a portfolio of another price level keeps its notional, its leverage and its distances."""

from __future__ import annotations

from pathlib import Path

import pytest

from backtester.config.command import Acceptances
from backtester.config.portfolio import load_portfolio
from backtester.engine import spec
from backtester.errors import BacktesterError
from backtester.market.schema import TapeInstrument
from backtester.run.rebase import Rebased, rebase
from backtester.run.resolve import Holder, resolve_markets, resolve_world
from backtester.run.resolve_values import Start
from backtester.venue.loader import load_profile
from tests.unit.run_cases import BTC, START, account, order, plan, portfolio, position

ETH = TapeInstrument("hyperliquid", "ETH", "ETH", tick_size=0.1, lot_size=0.0001, quote="USDC")
MARKS = (120_000.0, 2_000.0)


def moved(path: Path, marks: tuple[float, ...] = MARKS, on: bool = True) -> tuple[spec.World, tuple[Rebased, ...]]:
    """The portfolio in the engine's terms at these marks."""
    file = load_portfolio(path)
    profiles = [load_profile(each.venue) for each in file.portfolio.accounts]
    resolved = resolve_markets([Holder(file, profiles)], (BTC, ETH), Acceptances())[0]
    start = Start(START, marks, (True, True))
    file, factors = rebase(file, resolved, start) if on else (file, ())
    return resolve_world(file, resolved, start), factors


def test_the_worked_example(tmp_path: Path) -> None:
    """2 BTC from 60,000 with a stop at 57,000; the first mark is 120,000: 1 BTC and 114,000."""
    stop = order("stop", type="stop_market", trigger_price=57_000.0, size=2.0)
    path = portfolio(tmp_path, account(position(size=2.0, entry_price=60_000.0), stop))
    world, factors = moved(path)
    (held,), (made,) = world.accounts[0].positions, world.accounts[0].orders
    assert (held.lots, held.entry_price, held.leverage) == (100_000, 120_000.0, 10.0)
    assert (made.lots, made.trigger_tick) == (100_000, 114_000)
    assert factors == (Rebased("main", "BTC", 60_000.0, 2.0),)
    assert str(factors[0]) == (
        "main BTC: prices × and sizes ÷ 2: its entry moves from 60000 to the first mark, 120000 (--rebase)"
    )


def test_margins_and_collateral_stay(tmp_path: Path) -> None:
    fenced = position(size=2.0, entry_price=60_000.0, margin_mode="isolated", leverage=None, margin=20_000.0)
    world, _ = moved(portfolio(tmp_path, account(fenced, collateral="USDC = 30_000.0")))
    (held,) = world.accounts[0].positions
    assert (world.accounts[0].balance, held.margin) == (30_000.0, 20_000.0)
    assert held.lots * BTC.lot_size * held.entry_price == 120_000.0  # as before: 2 · 60,000
    assert held.leverage == 6.0


def test_moved_prices_are_snapped_as_relative_ones(tmp_path: Path) -> None:
    """57,001 · 119,993.7 / 60,000 = 113,996.01: a seller gets the price below, as for a relative one."""
    stop = order("stop", type="stop_market", trigger_price=57_001.0, size=1.0)
    relative = order("same", type="stop_market", trigger_price=f"mark-{100 * (1 - 57_001 / 60_000):.12f}%", size=1.0)
    path = portfolio(tmp_path, account(position(size=2.0, entry_price=60_000.0), stop, relative))
    world, _ = moved(path, (119_993.7, 2_000.0))
    first, second = world.accounts[0].orders
    assert first.trigger_tick == second.trigger_tick == 113_996


def test_only_what_was_written_in_numbers_moves(tmp_path: Path) -> None:
    """ETH is entered at the mark: its absolute price and its size mean what they say."""
    bid = order("bid", "ETH", type="limit", side="buy", size=3.0, price=1_900.0)
    near = order("near", type="limit", side="buy", size=1.0, price="mark-6%")
    path = portfolio(tmp_path, account(position(entry_price=60_000.0), position("ETH", size=3.0), bid, near))
    world, factors = moved(path)
    assert [each.symbol for each in factors] == ["BTC"]
    eth, btc = world.accounts[0].orders
    assert (eth.lots, eth.limit_tick) == (30_000, 19_000)
    assert (btc.lots, btc.limit_tick) == (50_000, 112_800)  # half the size, still 6 % below the mark
    assert world.accounts[0].positions[1].lots == 30_000


def test_each_account_has_its_own_level(tmp_path: Path) -> None:
    accounts = [account(position(entry_price=price), name=name) for name, price in (("a", 60_000.0), ("b", 240_000.0))]
    world, factors = moved(portfolio(tmp_path, *accounts))
    assert [each.factor for each in factors] == [2.0, 0.5]
    assert [each.positions[0].lots for each in world.accounts] == [50_000, 200_000]


def test_sizes_are_whole_lots_and_never_none(tmp_path: Path) -> None:
    tiny = order("tiny", type="market", size=0.00001, at="1s")
    empty = position("ETH", size=0.0, entry_price=1_000.0)
    path = portfolio(tmp_path, account(position(size=0.00003, entry_price=1_000.0), empty, tiny))
    world, _ = moved(path, (119_000.0, 2_000.0))
    assert [each.lots for each in world.accounts[0].positions] == [1, 0]
    assert world.accounts[0].orders[0].lots == 1


def test_without_it_the_same_portfolio_is_of_another_day(tmp_path: Path) -> None:
    path = portfolio(tmp_path, account(position(size=2.0, entry_price=240_000.0)))
    assert moved(path)[0].accounts[0].positions[0].entry_price == 120_000.0
    with pytest.raises(BacktesterError, match="prices of another day"):
        moved(path, on=False)


def test_every_price_and_size_of_orders_and_plans_moves(tmp_path: Path) -> None:
    """From 60,000 to 120,000: prices twice as high, sizes half as large, a distance of 300 is 600."""
    tables = (
        order("in", side="buy", size=1.0, take_profit=66_000.0, stop_loss=57_000.0),
        order("trail", type="trailing_stop", callback=300.0, activation_price=63_000.0, held="client", size=1.0),
        order("limit", type="stop_limit", trigger_price=57_000.0, price=56_400.0, size=1.0),
        plan("ice", algo="iceberg", price=61_200.0, size=1.0, display=0.5),
    )
    world, _ = moved(portfolio(tmp_path, account(position(size=2.0, entry_price=60_000.0), *tables)))
    (found,) = world.accounts
    made = {each.id: each for each in found.orders}
    assert [made[name].trigger_tick for name in ("in.tp", "in.sl", "limit")] == [132_000, 114_000, 114_000]
    assert (made["trail"].callback_ticks, made["trail"].activation_tick) == (600, 126_000)
    assert (made["limit"].limit_tick, made["ice#1"].limit_tick) == (112_800, 122_400)
    assert (found.plans[0].lots, found.plans[0].max_child_lots, made["in"].lots) == (50_000, 25_000, 50_000)


def test_notionals_and_shares_are_what_they_were(tmp_path: Path) -> None:
    """60,000 USD are 0.5 BTC at a mark of 120,000, with or without a move; a share is one of that."""
    tables = position(size="60_000 USD", entry_price=60_000.0), order(size="50%"), order("n", size="30_000 USD")
    world, _ = moved(portfolio(tmp_path, account(*tables)))
    (held,) = world.accounts[0].positions
    assert (held.lots, [each.lots for each in world.accounts[0].orders]) == (50_000, [25_000, 25_000])
