"""Orders and positions that a venue does not take, each refused by name before the run (run.refusals)."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from backtester.config.command import Acceptances
from backtester.config.portfolio import load_portfolio
from backtester.enums import PriceSeries
from backtester.errors import BacktesterError, Diagnostic
from backtester.market.schema import TapeInstrument
from backtester.run.resolve import (
    assumptions_of,
    resolve_world,
)
from backtester.run.resolve_values import Start
from tests.unit.resolve_cases import fault, faults, markets, world
from tests.unit.run_cases import START, account, order, portfolio, position, venue
from tests.unit.run_cases import S as SECOND


def test_a_cancel_before_its_order(tmp_path: Path) -> None:
    bid = order(type="limit", side="buy", price=40_000.0, at="90s", cancel_at="90s")
    assert fault(portfolio(tmp_path, account(position(), bid))) == (
        "error[config] p.toml:20 accounts.0.orders.0.cancel_at: lies before the order itself"
    )


def test_size_off_the_lot(tmp_path: Path) -> None:
    path = portfolio(tmp_path, account(position(size=1.000005), order(size=0.000001)))
    assert [str(each) for each in faults(path)] == [
        f"error[config] {path}:9 accounts.0.positions.0.size: 1.000005 is no multiple of the lot 1e-05",
        f"error[config] {path}:17 accounts.0.orders.0.size: 1e-06 is no multiple of the lot 1e-05",
    ]


def test_price_that_the_venue_does_not_accept(tmp_path: Path) -> None:
    limit = order(type="limit", side="buy", price=49_999.5)
    assert fault(portfolio(tmp_path, account(position(), limit))) == (
        "error[config] p.toml:18 accounts.0.orders.0.price: 49999.5 is no order price on hyperliquid\n"
        "  hint: the next one is 50000.0"
    )


def test_trigger_that_the_venue_does_not_accept(tmp_path: Path) -> None:
    stop = order(type="stop_market", trigger_price=47_000.25)
    assert fault(portfolio(tmp_path, account(position(), stop))) == (
        "error[config] p.toml:18 accounts.0.orders.0.trigger_price: 47000.25 is no order price on hyperliquid\n"
        "  hint: the next one is 47000.0"
    )


def test_venue_price_between_two_ticks_of_the_tape(tmp_path: Path) -> None:
    limit = order(type="limit", side="buy", price=9_999.5)  # below 10,000 the venue's step is 0.1, the tape's is 1
    assert fault(portfolio(tmp_path, account(position(), limit))) == (
        "error[config] p.toml:18 accounts.0.orders.0.price: 9999.5 lies between two ticks of the tape (1.0)\n"
        "  hint: the next one is 10000.0"
    )


def test_price_far_from_the_market(tmp_path: Path) -> None:
    far = order(type="limit", side="sell", price=1e12)
    assert fault(portfolio(tmp_path, account(position(), far))) == (
        "error[config] p.toml:18 accounts.0.orders.0.price: 1000000000000.0 is more than 10 times the mark 50000"
    )
    edge = order(type="limit", side="sell", price=500_000.0)
    assert world(portfolio(tmp_path, account(position(), edge))).accounts[0].orders[0].limit_tick == 500_000


def test_leverage_over_its_tier(tmp_path: Path) -> None:
    path = portfolio(tmp_path, account(position(leverage=41.0)))
    assert fault(path) == (
        "error[config] p.toml:11 accounts.0.positions.0.leverage: "
        "41x exceeds the 40x that hyperliquid@2026-08-22 allows at this size"
    )
    large = portfolio(tmp_path, account(position(size=3_000.0, leverage=21.0), collateral="USDC = 1e8"))
    assert "21x exceeds the 20x" in fault(large)  # 150 million: the second tier
    assert world(large, "size=2999.0").accounts[0].positions[0].leverage == 21.0


def test_isolated_margin_too_thin_for_the_tier(tmp_path: Path) -> None:
    path = portfolio(tmp_path, account(position(margin_mode="isolated", margin=1_000.0, leverage=None)))
    assert fault(path) == (
        "error[config] p.toml:11 accounts.0.positions.0.margin: "
        "50x exceeds the 40x that hyperliquid@2026-08-22 allows at this size"
    )


def test_isolated_margins_beyond_the_collateral(tmp_path: Path) -> None:
    one = position(margin_mode="isolated", leverage=1.0)
    two = position("ETH", margin_mode="isolated", leverage=1.0, size=30.0)
    assert fault(portfolio(tmp_path, account(one, two))) == (
        "error[config] p.toml:5 accounts.0.collateral: isolated margins of 110,000.00 exceed the collateral"
    )


def test_isolated_margins_that_are_all_of_the_collateral_stay_that_times_any_factor(tmp_path: Path) -> None:
    """As sums of binary fractions 70.1 and 29.9 times 1.001 are a digit more than 100 times that."""
    assert math.fsum((70.1701, 29.9299)) > 100.1
    one = position(margin_mode="isolated", margin=70.1, leverage=None, size=0.01)
    two = position("ETH", margin_mode="isolated", margin=29.9, leverage=None, size=0.1)
    path = portfolio(tmp_path, account(one, two, collateral="USDC = 100.0"))
    [made] = world(path, "collateral.USDC=*1.001", "positions.margin=*1.001").accounts
    assert made.balance == math.fsum(each.margin for each in made.positions) == pytest.approx(100.1)
    assert "exceed the collateral of 100.09" in fault(path, "collateral.USDC=100.09", "positions.margin=*1.001")


def test_cross_account_under_water(tmp_path: Path) -> None:
    # Equity 2,000 + (50,000 − 51,000) + 0; maintenance 1.25 % of 50,000 and 2 % of 20,000.
    both = [position(entry_price=51_000.0, leverage=40.0), position("ETH", size=10.0)]
    path = portfolio(tmp_path, account(*both, collateral="USDC = 2_000.0"))
    assert fault(path) == (
        "error[config] p.toml:6 accounts.0.positions: "
        "cross BTC, ETH is under water at the start: equity 1,000.00, maintenance 1,025.00\n"
        "  hint: add collateral or margin, or hold less"
    )
    assert world(path, "collateral.USDC=2_025.0")  # exactly at maintenance is no breach


def test_isolated_position_under_water(tmp_path: Path) -> None:
    path = portfolio(
        tmp_path, account(position(margin_mode="isolated", margin=1_500.0, leverage=None, entry_price=50_900.0))
    )
    assert "isolated BTC is under water at the start: equity 600.00, maintenance 625.00" in fault(path)


def test_the_cross_pool_has_no_claim_on_isolated_margin(tmp_path: Path) -> None:
    fenced = position("ETH", margin_mode="isolated", leverage=4.0, size=10.0)  # 5,000 of the 5,600
    path = portfolio(tmp_path, account(position(leverage=40.0), fenced, collateral="USDC = 5_600.0"))
    assert "cross BTC is under water at the start: equity 600.00, maintenance 625.00" in fault(path)


def test_wrong_collateral(tmp_path: Path) -> None:
    path = portfolio(tmp_path, account(position(), collateral="BTC = 2.0"))
    assert fault(path) == (
        "error[config] p.toml:5 accounts.0.collateral: hyperliquid takes USDC as collateral, not BTC"
    )


BINANCE = TapeInstrument("binance-usdm", "BTCUSDT", "BTC", tick_size=0.1, lot_size=0.001)


@pytest.mark.parametrize(
    ("symbol", "quote", "collateral", "refused"),
    [
        ("BTCUSDC", "USDC", "USDC", ""),
        ("BTCUSDC", "", "USDC", ""),  # its symbol says it
        ("BTCUSDT", "USD", "USDT", ""),  # a price in USD is no asset
        ("BTCUSDC", "", "USDT", "binance-usdm takes USDC as collateral of BTCUSDC, not USDT"),
        ("BTCUSD", "BUSD", "USDT", "binance-usdm takes BUSD as collateral of BTCUSD, not USDT"),
        ("BTCUSDT", "", "USDC", "binance-usdm takes USDT as collateral, not USDC"),
        ("BTCUSDT_250926", "", "USDC", "binance-usdm takes USDT as collateral, not USDC"),
    ],
)
def test_collateral_is_what_the_contracts_are_settled_in(
    tmp_path: Path, symbol: str, quote: str, collateral: str, refused: str
) -> None:
    held = account(position(symbol, leverage=2.0), venue="binance-usdm", collateral=f"{collateral} = 100_000.0")
    file = load_portfolio(portfolio(tmp_path, held))
    resolved = markets(tmp_path / "p.toml", BINANCE._replace(symbol=symbol, quote=quote))
    start = Start(START, (50_000.0,), (True,))
    if not refused:
        assert resolve_world(file, resolved, start).accounts[0].balance == 100_000.0
        return
    with pytest.raises(BacktesterError) as caught:
        resolve_world(file, resolved, start)
    assert [each.message for each in caught.value.diagnostics] == [refused]


@pytest.mark.parametrize("symbol", ["BTCUSDT_250926", "BTCUSDC_260327", "NEWUSDC"])
def test_a_contract_of_its_own_has_not_the_rules_of_another_on_its_base(tmp_path: Path, symbol: str) -> None:
    path = portfolio(tmp_path, account(position(symbol), venue="binance-usdm"))
    resolved = markets(path, BINANCE._replace(symbol=symbol))
    said = [line for line in assumptions_of(resolved, Acceptances()) if "default tiers" in line]
    assert len(said) == 1 and said[0].startswith(f"{symbol} is not in the profile binance-usdm@")


def test_order_before_the_start(tmp_path: Path) -> None:
    path = portfolio(tmp_path, account(position(), order(at="2025-10-10T20:59:59.999999999Z")))
    assert fault(path) == (
        "error[config] p.toml:18 accounts.0.orders.0.at: lies before the start of the run\n"
        '  hint: use an offset such as "90s"'
    )


def test_index_trigger_without_an_index(tmp_path: Path) -> None:
    stop = order(type="stop_market", trigger_price=47_000.0, trigger_by="index", held="client")
    path = portfolio(tmp_path, account(position(), stop))
    assert world(path).accounts[0].orders[0].trigger_by is PriceSeries.INDEX
    with pytest.raises(BacktesterError) as caught:
        world(path, without_index=(0,))
    (found,) = caught.value.diagnostics
    assert found == Diagnostic(
        "config", f"{path}:19 accounts.0.orders.0.trigger_by", "the tape has no index to trigger on", "use mark or last"
    )


def test_all_faults_at_once_over_all_accounts(tmp_path: Path) -> None:
    tables = position(size=0.1234567, leverage=90.0) + order(type="limit", price=50_000.5)
    first = account(tables, collateral="USDT = 5.0")
    second = account(position("ETH", size=2.0), order("late", "ETH", at="2020-01-01T00:00:00Z"), name="b")
    places = [each.where.split()[1] for each in faults(portfolio(tmp_path, first, second))]
    assert places == [
        "accounts.0.collateral",
        "accounts.0.positions.0.size",
        "accounts.0.positions.0.leverage",
        "accounts.0.orders.0.price",
        "accounts.1.orders.0.at",
    ]


def test_a_fault_of_an_override_names_the_override(tmp_path: Path) -> None:
    path = portfolio(tmp_path, account(position()))
    assert fault(path, "leverage=99") == (
        "error[config] --set leverage=99 accounts.0.positions.0.leverage: "
        "99x exceeds the 40x that hyperliquid@2026-08-22 allows at this size"
    )


def test_a_venue_of_the_user(tmp_path: Path) -> None:
    mine = venue(tmp_path, insurance_start=1_000, taker_fee=0.001, mark_interval="1s")
    resolved = markets(portfolio(tmp_path, account(position(), venue=mine)))
    assert (resolved.data.rules[0].taker_fee, resolved.data.rules[0].mark_interval_ns) == (0.001, SECOND)
