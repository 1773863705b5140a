"""Order types, brackets, links, hedge mode and fee tiers of a portfolio in the engine's terms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backtester.config.command import Acceptances
from backtester.config.portfolio import load_portfolio
from backtester.engine import spec
from backtester.enums import After, Held, OrderType, PriceSeries, Side, TimeInForce
from backtester.market.schema import TapeInstrument
from backtester.run.profiles import choice_of, find_profiles
from backtester.run.resolve import Holder, resolve_markets
from tests.unit.resolve_cases import ETH, fault, world
from tests.unit.run_cases import BTC, account, order, plan, portfolio, position
from tests.unit.run_cases import S as SECOND

USDT = "USDT = 100_000.0"


def orders(directory: Path, *tables: str) -> dict[str, spec.Order]:
    """The orders of an account that is long BTC, by id. The mark is 50,000, tick and lot are 1 and 0.00001."""
    (found,) = world(portfolio(directory, account(position(), *tables))).accounts
    return {each.id: each for each in found.orders}


def hedged(*tables: str) -> str:
    """A hedge-mode account on Binance with both sides of BTC."""
    text = account(*BOTH, *tables, venue="binance-usdm", collateral=USDT)
    return text.replace("[[accounts.positions]]", 'position_mode = "hedge"\n[[accounts.positions]]', 1)


BOTH = position(leverage=None, margin_mode="isolated", margin=20_000.0), position(side="short", size=0.5)


def test_types_and_their_prices(tmp_path: Path) -> None:
    made = orders(
        tmp_path,
        order("a", type="stop_limit", trigger_price="mark-5%", price="mark-6%", tif="ioc"),
        order("b", type="take_profit_market", trigger_price="mark+5%", bound="3%"),
        order("c", type="trailing_stop", callback="1%", activation_price="mark+2%", held="client"),
        order("d", type="trailing_stop", callback=250, held="client", cancel_after="30s"),
    )
    a, b, c, d = made.values()
    assert (a.type, a.trigger_tick, a.limit_tick, a.tif) == (OrderType.STOP_LIMIT, 47_500, 47_000, TimeInForce.IOC)
    assert (b.type, b.trigger_tick, b.bound) == (OrderType.TAKE_PROFIT_MARKET, 52_500, 0.03)
    assert (c.callback_rate, c.callback_ticks, c.activation_tick) == (0.01, 0, 51_000)
    assert (d.callback_rate, d.callback_ticks, d.activation_tick) == (0.0, 250, 0)
    assert (c.cancel_after_ns, d.cancel_after_ns) == (0, 30 * SECOND)


def test_links_are_numbers(tmp_path: Path) -> None:
    made = orders(
        tmp_path,
        order("late", parent="entry", after="end", oco="y"),
        order("entry", oco="x"),
        order("other", oco="x"),
        order("too", oco="y"),
    )
    assert [each.parent for each in made.values()] == [1, -1, -1, -1]
    assert [each.oco for each in made.values()] == [0, 1, 1, 0]
    assert made["late"].after is After.END


def test_a_bracket(tmp_path: Path) -> None:
    made = orders(tmp_path, order("in", side="buy", take_profit="mark+4%", stop_loss=49_000.0), order("x"))
    assert list(made) == ["in", "in.tp", "in.sl", "x"]
    profit, stop = made["in.tp"], made["in.sl"]
    assert (profit.type, profit.trigger_tick) == (OrderType.TAKE_PROFIT_MARKET, 52_000)
    assert (stop.type, stop.trigger_tick) == (OrderType.STOP_MARKET, 49_000)
    for each in (profit, stop):
        assert (each.side, each.lots, each.reduce_only, each.held) == (Side.SELL, 50_000, True, Held.VENUE)
        assert (each.parent, each.after, each.oco, each.size_of_parent) == (0, After.ANY, 0, True)
    assert (made["in"].oco, made["x"].oco) == (-1, -1)


def test_when_the_exits_act_is_a_rule_of_the_venue(tmp_path: Path) -> None:
    """Binance protects an entry from its first fill on, Hyperliquid when it has ended."""
    entry = order("in", side="buy", type="limit", price=49_500.0, stop_loss=49_000.0)
    text = account(position(), entry, venue="binance-usdm", collateral=USDT)
    (found,) = world(portfolio(tmp_path, text)).accounts
    assert [each.after for each in found.orders] == [After.ALL, After.FIRST]
    assert orders(tmp_path, entry)["in.sl"].after is After.ANY


def test_two_brackets_are_two_groups(tmp_path: Path) -> None:
    made = orders(tmp_path, *(order(name, side="buy", take_profit=51_000.0, stop_loss=49_000.0) for name in "ab"))
    assert [each.oco for each in made.values()] == [-1, 0, 0, -1, 1, 1]


def test_hedge_mode(tmp_path: Path) -> None:
    tables = (
        order("more", side="buy", position_side="long"),
        order("less", side="sell", position_side="long", take_profit=None),
        order("cover", side="buy", position_side="short", size=0.25),
        plan("out", side="sell", position_side="long"),
    )
    (found,) = world(portfolio(tmp_path, hedged(*tables))).accounts
    assert [each.lots for each in found.positions] == [100_000, -50_000]
    assert found.positions[0].market == found.positions[1].market
    assert [each.position for each in found.orders] == [0, 0, 1, 0]
    assert [each.reduce_only for each in found.orders] == [False, True, True, True]
    assert found.plans[0].position == 0


def test_the_bracket_of_a_short_in_hedge_mode(tmp_path: Path) -> None:
    entry = order("in", side="sell", position_side="short", take_profit=48_000.0, stop_loss=51_000.0)
    (found,) = world(portfolio(tmp_path, hedged(entry))).accounts
    assert [(each.position, each.side, each.reduce_only) for each in found.orders] == [
        (1, -1, False), (1, 1, True), (1, 1, True),
    ]  # fmt: skip


FAULTS = [
    (order(type="trailing_stop", callback="1%"), 'orders.0.type: hyperliquid has no trailing stops'),
    (order(type="limit", price=49_000.0, tif="fok"), "orders.0.tif: hyperliquid has no time in force fok"),
    (order(type="stop_limit", trigger_price=49_000.0, price=49_000.0, tif="fok", held="client"),
     "orders.0.tif: hyperliquid has no time in force fok"),
    (order(type="stop_market", trigger_price=49_000.0, trigger_by="last"),
     "orders.0.trigger_by: hyperliquid triggers on mark, not on last"),
    (order(type="take_profit_market", trigger_price=51_000.0, trigger_by="index"),
     "orders.0.trigger_by: hyperliquid triggers on mark, not on index"),
    (order(type="trailing_stop", callback=50_000.0, held="client"),
     "orders.0.callback: 50000 below 50000 is no price: the stop would never be reached"),
    (order(type="trailing_stop", callback=0.5, held="client"), "orders.0.callback: 0.5 is no multiple of the tick 1.0"),
    (order(side="buy", take_profit=49_000.0, stop_loss=51_000.0), "orders.0.stop_loss: lies beyond take_profit"),
    (order(side="buy", take_profit=49_000.5), "orders.0.take_profit: 49000.5 is no order price on hyperliquid"),
    (order(type="take_profit_market", trigger_price=1e7), "orders.0.trigger_price: 10000000.0 is more than 10 times"),
]  # fmt: skip


@pytest.mark.parametrize(("table", "line"), FAULTS, ids=lambda value: value[-50:])
def test_one_fault_gives_one_line(tmp_path: Path, table: str, line: str) -> None:
    assert line in fault(portfolio(tmp_path, account(position(), table)))


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ({"callback": "15%"}, "orders.0.callback: binance-usdm takes a rate from 0.1 % to 10 %"),
        ({"callback": "0.05%"}, "orders.0.callback: binance-usdm takes a rate from 0.1 % to 10 %"),
        ({"callback": 250.0}, "orders.0.callback: binance-usdm takes a rate from 0.1 % to 10 %"),
        (
            {"callback": "1%", "trigger_by": "index"},
            "orders.0.trigger_by: binance-usdm triggers on mark or last, not on",
        ),
    ],
)
def test_a_trailing_stop_that_the_venue_does_not_take(tmp_path: Path, keys: dict[str, Any], line: str) -> None:
    """The client watches the same one, and sends what the venue takes."""
    keys = {"type": "trailing_stop"} | keys
    assert line in fault(portfolio(tmp_path, account(position(), order(**keys), venue="binance-usdm", collateral=USDT)))
    own = portfolio(tmp_path, account(position(), order(held="client", **keys), venue="binance-usdm", collateral=USDT))
    assert len(world(own).accounts[0].orders) == 1


def test_a_trailing_stop_to_buy_may_follow_from_any_distance(tmp_path: Path) -> None:
    """To sell, 50,000 below 50,000 is no price; above it, it is one."""
    wide = order(type="trailing_stop", side="buy", callback=50_000.0, held="client")
    assert world(portfolio(tmp_path, account(position(), wide))).accounts[0].orders[0].callback_ticks == 50_000


@pytest.mark.parametrize("tif", ["gtc", "ioc", "fok", "post_only"])
def test_binance_takes_every_time_in_force(tmp_path: Path, tif: str) -> None:
    keys: dict[str, Any] = {"type": "stop_limit", "trigger_price": 49_000.0, "price": 49_000.0, "tif": tif}
    keys["trigger_by"] = "last"
    path = portfolio(tmp_path, account(position(), order(**keys), venue="binance-usdm", collateral=USDT))
    assert world(path).accounts[0].orders[0].trigger_by is PriceSeries.LAST


def test_a_venue_without_hedge_mode(tmp_path: Path) -> None:
    path = portfolio(tmp_path, hedged().replace("binance-usdm", "hyperliquid").replace("USDT", "USDC"))
    assert fault(path).endswith("accounts.0.position_mode: hyperliquid has no hedge mode, its accounts are one-way")


def test_a_fee_tier_is_a_rules_row_of_its_own(tmp_path: Path) -> None:
    def tier(name: str) -> str:
        return account(position(), name=name).replace("[[accounts.pos", f'fee_tier = "{name}"\n[[accounts.pos', 1)

    path = portfolio(tmp_path, account(position()), tier("volume-6"), tier("maker-3"), tier("volume-6+maker-3"))
    file = load_portfolio(path)
    instruments: tuple[TapeInstrument, ...] = (BTC, ETH)
    (resolved,) = resolve_markets(
        [Holder(file, find_profiles(file, choice_of(None, None)))], instruments, Acceptances(), seed=7
    )
    assert [(each.taker_fee, each.maker_fee) for each in resolved.data.rules] == [
        (0.00045, 0.00015), (0.00024, 0.0), (0.00045, -0.00003), (0.00024, -0.00003),
    ]  # fmt: skip
    assert [(each.instrument, each.rules) for each in resolved.data.markets] == [(0, 0), (0, 1), (0, 2), (0, 3)]
    assert resolved.data.seed == 7


def test_an_unknown_fee_tier_is_found_with_its_hint(tmp_path: Path) -> None:
    text = account(position()).replace("[[accounts.pos", 'fee_tier = "volume-9"\n[[accounts.pos', 1)
    file = load_portfolio(portfolio(tmp_path, text))
    with pytest.raises(
        Exception, match=r'p\.toml:6 accounts\.0\.fee_tier: hyperliquid@2026-08-22 has no fee tier "volume-9"'
    ):
        find_profiles(file, choice_of(None, None))


def test_the_largest_orders_of_a_market(tmp_path: Path) -> None:
    accounts = account(position()), account(position(), name="b", venue="binance-usdm", collateral=USDT)
    file = load_portfolio(portfolio(tmp_path, *accounts))
    (resolved,) = resolve_markets(
        [Holder(file, find_profiles(file, choice_of(None, None)))], (BTC, ETH), Acceptances(order_book=True)
    )
    here, there = resolved.data.markets
    assert (here.max_market_quote, here.max_limit_quote, here.max_market_lots) == (30e6, 300e6, 0)
    assert (there.max_market_quote, there.max_limit_quote, there.max_market_lots) == (0.0, 0.0, 12_000_000)
