"""From a portfolio's words to the engine's numbers: what fits is resolved, what does not is named with its line."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from backtester.config.command import Acceptances
from backtester.config.portfolio import load_portfolio
from backtester.engine import spec
from backtester.enums import Held, OrderType, PriceSeries, Side, TimeInForce
from backtester.errors import BacktesterError
from backtester.market.schema import TapeInstrument
from backtester.run.resolve import (
    Holder,
    assumptions_of,
    base_meant,
    find_instrument,
    resolve_markets,
    take_mid_as_index,
)
from backtester.venue.loader import load_profile
from tests.unit.resolve_cases import BOTH, ETH, faults, markets, world
from tests.unit.run_cases import BTC, START, account, order, plan, portfolio, position
from tests.unit.run_cases import S as SECOND

# --- markets -------------------------------------------------------------------------------------------------------


def test_a_symbol_is_found_by_name_before_base() -> None:
    perp = BTC._replace(symbol="BTC-PERP")
    other = BTC._replace(symbol="X", base="BTC-PERP")
    assert find_instrument("BTC-PERP", "hyperliquid", (perp, other)) == 0
    assert find_instrument("BTC", "hyperliquid", (perp, ETH)) == 0
    assert find_instrument("SOL", "hyperliquid", (perp, ETH)) is None
    assert find_instrument("BTC", "hyperliquid", (perp, BTC._replace(symbol="BTCUSD"))) is None  # two of this base


def test_an_account_trades_at_its_own_venue() -> None:
    usdt = TapeInstrument("binance-usdm", "BTCUSDT", "BTC", 0.1, 0.001)
    assert find_instrument("BTC", "binance-usdm", (usdt, BTC)) == 0
    assert find_instrument("BTC", "hyperliquid", (usdt, BTC)) == 1
    assert find_instrument("BTC", "binance-usdm", (BTC,)) is None
    assert find_instrument("BTC", "binance-usdm", (BTC,), any_venue=True) == 0
    assert find_instrument("BTC", "binance-usdm", (usdt, BTC), any_venue=True) == 0
    assert find_instrument("BTC", "binance-usdm", (BTC._replace(venue=""),)) == 0  # a tape that does not say


def test_accounts_on_the_same_rules_share_a_market(tmp_path: Path) -> None:
    second = account(position(), name="b")
    resolved = markets(portfolio(tmp_path, account(position(), position("ETH")), second))
    assert [(each.instrument, each.rules) for each in resolved.data.markets] == [(0, 0), (1, 0)]
    assert resolved.numbers == ({"BTC": 0, "ETH": 1}, {"BTC": 0})
    assert len(resolved.data.rules) == 1


def test_other_rules_make_another_market_of_the_same_instrument(tmp_path: Path) -> None:
    file = load_portfolio(portfolio(tmp_path, account(position()), account(position(), name="old")))
    profiles = [load_profile("hyperliquid"), load_profile("hyperliquid", date(2025, 3, 20))]
    resolved = resolve_markets([Holder(file, profiles)], BOTH, Acceptances())[0]
    assert [(each.instrument, each.rules) for each in resolved.data.markets] == [(0, 0), (0, 1)]
    assert [each.taker_fee for each in resolved.data.rules] == [0.00045, 0.00035]


def test_every_unknown_symbol_is_named_at_once(tmp_path: Path) -> None:
    path = portfolio(tmp_path, account(position("DOGE"), position("SOL")), account(position(), name="b"))
    with pytest.raises(BacktesterError) as caught:
        markets(path)
    assert [str(each) for each in caught.value.diagnostics] == [
        f"error[config] {path}:7 accounts.0.positions.0.symbol: the tape has no DOGE\n  hint: it has BTC, ETH",
        f"error[config] {path}:13 accounts.0.positions.1.symbol: the tape has no SOL\n  hint: it has BTC, ETH",
    ]


@pytest.mark.parametrize(
    ("instruments", "message"),
    [
        ([BTC._replace(symbol="A"), BTC._replace(symbol="B")], "BTC may mean more than one instrument of the tape"),
        ([BTC._replace(contract="inverse")], "only linear contracts sized in the base are supported"),
        ([BTC._replace(size_unit="contracts")], "only linear contracts sized in the base are supported"),
    ],
)
def test_instruments_that_cannot_be_meant(tmp_path: Path, instruments: list[TapeInstrument], message: str) -> None:
    with pytest.raises(BacktesterError) as caught:
        markets(portfolio(tmp_path, account(position())), *instruments)
    assert [each.message for each in caught.value.diagnostics] == [message]


def test_two_names_of_one_instrument_are_no_two_positions(tmp_path: Path) -> None:
    path = portfolio(tmp_path, account(position("BTC"), position("BTC-PERP")))
    with pytest.raises(BacktesterError) as caught:
        markets(path, BTC._replace(symbol="BTC-PERP"))
    (found,) = caught.value.diagnostics
    assert found.message == "the account has another position in this instrument"


def test_an_unlisted_symbol_has_the_default_tiers_and_the_result_says_so(tmp_path: Path) -> None:
    rare = BTC._replace(symbol="RARE", base="RARE")
    path = portfolio(tmp_path, account(position("RARE", leverage=5.0)), account(position(), name="b"))
    resolved = markets(path, rare, BTC)
    assert resolved.data.markets[0].tiers == (spec.Tier(0.0, 0.1, 5.0),)
    lines = assumptions_of(resolved, Acceptances())
    assert lines[1:] == ["RARE is not in the profile hyperliquid@2026-08-22: its default tiers apply"]


def test_the_default_tiers_are_named_once_per_market_of_each_rules(tmp_path: Path) -> None:
    older = load_profile("hyperliquid", date(2025, 12, 1))
    rare = BTC._replace(symbol="WIF", base="WIF")  # listed in October 2025, no longer today
    file = load_portfolio(portfolio(tmp_path, account(position("WIF")), account(position("WIF"), name="b")))
    resolved = resolve_markets([Holder(file, [load_profile("hyperliquid"), older])], [rare], Acceptances())[0]
    lines = [line for line in assumptions_of(resolved, Acceptances()) if "default tiers" in line]
    assert lines == ["WIF is not in the profile hyperliquid@2026-08-22: its default tiers apply"]


def test_what_was_accepted_is_said(tmp_path: Path) -> None:
    file = load_portfolio(portfolio(tmp_path, account(position())))
    profiles = [load_profile("hyperliquid")]
    accept = Acceptances(funding_zero=True, index_mid=True)
    resolved = take_mid_as_index(resolve_markets([Holder(file, profiles)], BOTH, accept)[0], (1,))
    assert [each.index_from_mid for each in resolved.data.instruments] == [False, True]
    assert resolved.data.rules[0].assume_funding_zero
    assert assumptions_of(resolved, accept)[1:] == [
        "funding is taken as zero where the tape has no rate (--assume-funding-zero)",
        "ETH: the tape has no index, the mid stands for it (--assume-index-mid)",
    ]


# --- the portfolio at the start ------------------------------------------------------------------------------------


def test_positions_and_orders_become_ticks_and_lots(tmp_path: Path) -> None:
    stop = order("stop", type="stop_market", side="sell", size=0.25, trigger_price=47_000.0, trigger_by="last")
    stop = stop + 'reduce_only = true\nheld = "client"\nreaction = "150ms"\nat = "90s"\n'
    bid = order("bid", "ETH", type="limit", side="buy", size=1.5, price=1_800.5, tif="post_only")
    held = position(side="short", entry_price=49_000.0) + position("ETH", size=0.0)
    path = portfolio(tmp_path, account(held, stop, bid, collateral="USDC = 9e4"))
    (made,) = world(path).accounts
    assert (made.name, made.rules, made.balance) == ("main", 0, 90_000.0)
    assert made.positions == (spec.Position(0, -100_000, 49_000.0, 10.0), spec.Position(1, 0, 2_000.0, 10.0))
    first = spec.Order(
        id="stop",
        position=0,
        type=OrderType.STOP_MARKET,
        tif=TimeInForce.GTC,
        side=Side.SELL,
        lots=25_000,
        trigger_tick=47_000,
        trigger_by=PriceSeries.LAST,
        reduce_only=True,
        held=Held.CLIENT,
        reaction_ns=150_000_000,
        at_ns=START + 90 * SECOND,
    )
    second = spec.Order("bid", 1, OrderType.LIMIT, TimeInForce.POST_ONLY, Side.BUY, 15_000, limit_tick=18_005)
    assert tuple(each._replace(key=0) for each in made.orders) == (first, second)
    assert world(path).insurance_start == (300_000_000.0,)


def test_the_insurance_of_one_venue_counts_once(tmp_path: Path) -> None:
    made = world(portfolio(tmp_path, account(position()), account(position(), name="b")))
    assert (made.insurance_start, [each.venue for each in made.accounts]) == ((3e8,), [0, 0])


def test_each_venue_has_a_fund_of_its_own(tmp_path: Path) -> None:
    elsewhere = account(position(), name="b", venue="binance-usdm", collateral="USDT = 1_000.0")
    made = world(portfolio(tmp_path, account(position()), elsewhere, account(position(), name="c")))
    assert (made.insurance_start, [each.venue for each in made.accounts]) == ((3e8, 1.04e9), [0, 1, 0])


@pytest.mark.parametrize(
    ("side", "price", "tick"),
    [
        # Five figures: at 50,000 the venue takes whole dollars.
        ("sell", "mark-6%", 47_000),
        ("sell", "mark+0.001%", 50_000),  # 50,000.5: a seller gets the lower one
        ("buy", "mark+0.001%", 50_001),  # a buyer pays the higher one
        ("buy", "mark-0.001%", 50_000),  # 49,999.5
        ("buy", 47_000.0, 47_000),
    ],
)
def test_relative_prices_become_the_less_favourable_venue_price(
    tmp_path: Path, side: str, price: object, tick: int
) -> None:
    (made,) = world(portfolio(tmp_path, account(position(), order(type="limit", side=side, price=price)))).accounts
    assert made.orders[0].limit_tick == tick


@pytest.mark.parametrize(("side", "tick"), [("sell", 46_999), ("buy", 47_000)])
def test_relative_triggers_are_rounded_likewise(tmp_path: Path, side: str, tick: int) -> None:
    stop = order(type="stop_market", side=side, trigger_price="mark-6%", held="venue")
    (made,) = world(portfolio(tmp_path, account(position(), stop)), marks=(49_999.0, 2_000.0)).accounts
    assert made.orders[0].trigger_tick == tick  # 46,999.06


@pytest.mark.parametrize(
    ("side", "price", "mark", "entry"),
    [
        ("long", "mark", 50_000.25, 50_000.25),  # the mark itself, no tick
        ("long", "mark-1%", 50_000.25, 49_501.0),  # 49,500.2475
        ("short", "mark-1%", 50_000.25, 49_500.0),
        ("long", "mark+10%", 100.0, 110.0),  # 110.00000000000001 in floating point
        ("short", 50_000.125, 50_000.25, 50_000.125),  # an average entry need not be a tick
    ],
)
def test_entry_prices(tmp_path: Path, side: str, price: object, mark: float, entry: float) -> None:
    path = portfolio(tmp_path, account(position(side=side, entry_price=price)))
    assert world(path, marks=(mark, 0.0)).accounts[0].positions[0].entry_price == entry


def test_isolated_margin_and_leverage_follow_from_each_other(tmp_path: Path) -> None:
    by_margin = position(margin_mode="isolated", margin=12_500.0, leverage=None)
    by_leverage = position("ETH", margin_mode="isolated", leverage=4.0, size=10.0, entry_price=2_100.0)
    lazy = position(margin_mode="isolated", margin=80_000.0, leverage=None)
    btc, eth = world(portfolio(tmp_path, account(by_margin, by_leverage))).accounts[0].positions
    assert (btc.leverage, btc.margin, btc.isolated) == (4.0, 12_500.0, True)  # 50,000 / 12,500
    assert (eth.leverage, eth.margin, eth.isolated) == (4.0, 5_250.0, True)  # 21,000 / 4
    assert world(portfolio(tmp_path, account(lazy))).accounts[0].positions[0].leverage == 1.0


def test_times(tmp_path: Path) -> None:
    orders = [order("now"), order("offset", at="90s"), order("clock", at="2025-10-10T21:05:00Z")]
    (made,) = world(portfolio(tmp_path, account(position(), *orders))).accounts
    assert [each.at_ns for each in made.orders] == [spec.START_NS, START + 90 * SECOND, START + 300 * SECOND]


def test_cancels_and_protection(tmp_path: Path) -> None:
    bid = order(type="limit", side="buy", price=40_000.0, at="10s", cancel_at="90s")
    stop = order(id="s", type="stop_market", trigger_price=45_000.0, price_protect=True)
    (main,) = world(portfolio(tmp_path, account(position(), bid, stop))).accounts
    assert [each.cancel_at_ns for each in main.orders] == [START + 90 * SECOND, -1]
    assert [each.price_protect for each in main.orders] == [False, True]


# --- sizes ---------------------------------------------------------------------------------------------------------


def test_sizes_as_tickets_have_them(tmp_path: Path) -> None:
    """At a mark of 60,000 a lot of 0.00001 is worth 0.60: 50,000 USD are 83,333 of them, a quarter 20,833."""
    tables = [position(size="50_000 USD"), order("part", size="25 %"), order("value", size="6_000.5 USDC")]
    tables += [order("whole", size="all", reduce_only=True), plan("twap", size="50%")]
    made = world(portfolio(tmp_path, account(*tables)), marks=(60_000.0, 2_000.0)).accounts[0]
    assert made.positions[0].lots == 83_333
    assert [each.lots for each in made.orders[:3]] == [20_833, 10_000, 83_333]
    assert made.plans[0].lots == 41_666


def test_a_share_is_of_the_leg_that_an_order_is_for(tmp_path: Path) -> None:
    legs = position(size=2.0), position(side="short", size=1.0)
    cut = order("cut", side="buy", position_side="short", size="50%")
    path = portfolio(
        tmp_path, account('position_mode = "hedge"\n', *legs, cut, collateral="USDT = 100_000.0", venue="binance-usdm")
    )
    assert world(path).accounts[0].orders[0].lots == 50_000


def test_a_notional_may_be_set_without_quotes(tmp_path: Path) -> None:
    path = portfolio(tmp_path, account(position()))
    assert world(path, "positions[BTC].size=25_000 USD").accounts[0].positions[0].lots == 50_000


@pytest.mark.parametrize(
    ("said", "message", "hint"),
    [
        ("5_000 EUR", "expected a notional in USD or USDC, was in EUR", "units of BTC are written as a number alone"),
        ("0.1 USD", "0.1 USD is less than a lot: 1e-05", ""),
    ],
)
def test_sizes_that_cannot_be(tmp_path: Path, said: str, message: str, hint: str) -> None:
    path = portfolio(tmp_path, account(position(), order(size=said)))
    (found,) = faults(path)
    assert (found.message, found.hint) == (message, hint)


def test_a_share_of_nothing(tmp_path: Path) -> None:
    (found,) = faults(portfolio(tmp_path, account(position(size=0), order(size="all"))))
    assert found.message == "100% of the position is nothing: its size is 0 at the start"


@pytest.mark.parametrize("symbol", ["BTC", "BTC-PERP", "BTC/USDT", "BTCUSDT", "btc", "BTC-USDT-SWAP", "BTCUSD_PERP"])
def test_the_base_that_a_symbol_of_another_venue_means(symbol: str) -> None:
    assert base_meant(symbol) == "BTC"


@pytest.mark.parametrize("symbol", ["BTC-PERP", "BTC/USDT", "BTCUSDT"])
def test_a_symbol_of_another_venue_is_told_the_tape_s(tmp_path: Path, symbol: str) -> None:
    with pytest.raises(BacktesterError) as caught:
        markets(portfolio(tmp_path, account(position(symbol))))
    assert caught.value.diagnostics[0].hint == 'did you mean "BTC"?'
