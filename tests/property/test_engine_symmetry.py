"""Prices moved by a constant, or turned upside down, give the same fills at moved or turned prices.

What depends on the level of prices is taken out first: fees, funding, margin, bounds, protection of triggers, prices
off the tick and the formula of the mark.
"""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from backtester.engine import spec
from backtester.enums import EventKind, Fault, Held, MarkFormula, TriggerRounding
from tests.oracle.universe import Universe, universe
from tests.property.engine_outcome import Outcome, calm, outcome, rows, with_accounts, with_rules

SEEDS = range(150)
DEPTH_AND_TRADES = (EventKind.SNAPSHOT, EventKind.DELTA, EventKind.TRADE)
PRICES = (EventKind.MARK, EventKind.INDEX)

#: Twice the tick around which prices are turned.
TURN = 64


def level_free(seed: int) -> Universe:
    """A universe in which only differences of prices matter: prices are whole ticks of 1/2, margin is no object."""
    inputs = calm(universe(Random(seed), steps=60))
    inputs = inputs._replace(worlds=tuple(world._replace(liquidation=False) for world in inputs.worlds))
    inputs = with_rules(inputs, _free)
    inputs = with_accounts(inputs, _rich)  # without guards, which look at levels
    events = inputs.events[inputs.events["kind"] != EventKind.FUNDING]
    for number, instrument in enumerate(inputs.data.instruments):
        here = (events["instrument"] == number) & np.isin(events["kind"], PRICES)
        events["value"][here] = np.round(events["value"][here] / instrument.tick_size) * 0.5
    data = inputs.data
    instruments = tuple(item._replace(tick_size=0.5, index_from_mid=False) for item in data.instruments)
    tiers = (spec.Tier(0.0, 1 / 32, 1e9),)
    markets = tuple(_unbounded(market)._replace(tiers=tiers) for market in data.markets)
    return inputs._replace(data=data._replace(instruments=instruments, markets=markets), events=events)


def _unbounded(market: spec.Market) -> spec.Market:
    return market._replace(min_order_quote=0.0, min_close_quote=0.0, max_market_quote=0.0, max_limit_quote=0.0)


def _free(rules: spec.Rules) -> spec.Rules:
    return rules._replace(
        taker_fee=0.0,
        maker_fee=0.0,
        market_bound=50.0,
        stop_bound=50.0,
        mark_formula=MarkFormula.TAPE,
        trigger_rounding=TriggerRounding.NEAREST,
        trigger_protect=0.0,
        limit_band=0.0,
        funding_premium=False,
    )


def _rich(account: spec.Account) -> spec.Account:
    """Prices on ticks, money for everything; nothing that looks at the position or overtakes at the client."""
    places = tuple(place._replace(entry_price=12 * 0.5) for place in account.positions)
    orders = tuple(
        order._replace(
            reduce_only=False, held=Held.VENUE, bound=0.0, callback_rate=0.0, callback_ticks=order.callback_ticks or 2
        )
        for order in account.orders
    )
    return account._replace(guards=(), balance=account.balance + 1e9, positions=places, orders=orders)


def _apart(account: spec.Account) -> spec.Account:
    """No groups: of two that fire at once, the one that waits for a fall is first, and cancels the other."""
    return account._replace(orders=tuple(order._replace(oco=-1) for order in account.orders))


def moved(inputs: Universe, ticks: int) -> Universe:
    """Every price higher by `ticks`."""

    def move(account: spec.Account) -> spec.Account:
        orders = tuple(
            order._replace(
                limit_tick=order.limit_tick + ticks,
                trigger_tick=order.trigger_tick + ticks,
                activation_tick=order.activation_tick + ticks if order.activation_tick else 0,
            )
            for order in account.orders
        )
        places = tuple(place._replace(entry_price=place.entry_price + ticks * 0.5) for place in account.positions)
        return account._replace(orders=orders, positions=places)

    events = inputs.events.copy()
    events["tick"][np.isin(events["kind"], DEPTH_AND_TRADES) & (events["tick"] > 0)] += ticks
    events["value"][np.isin(events["kind"], PRICES)] += ticks * 0.5
    return with_accounts(inputs._replace(events=events), move)


def turned(inputs: Universe) -> Universe:
    """Bids become asks, longs become shorts, price p becomes TURN − p."""

    def turn(account: spec.Account) -> spec.Account:
        orders = tuple(
            order._replace(
                side=-order.side,
                limit_tick=TURN - order.limit_tick,
                trigger_tick=TURN - order.trigger_tick,
                activation_tick=TURN - order.activation_tick if order.activation_tick else 0,
            )
            for order in account.orders
        )
        places = tuple(
            place._replace(lots=-place.lots, entry_price=TURN * 0.5 - place.entry_price) for place in account.positions
        )
        plans = tuple(plan._replace(side=-plan.side) for plan in account.plans)
        return account._replace(orders=orders, positions=places, plans=plans)

    events = inputs.events.copy()
    with_tick = np.isin(events["kind"], DEPTH_AND_TRADES) & (events["tick"] > 0)
    events["tick"][with_tick] = TURN - events["tick"][with_tick]
    events["side"] = -events["side"]
    prices = np.isin(events["kind"], PRICES)
    events["value"][prices] = TURN * 0.5 - events["value"][prices]
    steps = inputs.events["kind"] == EventKind.PATH_STEP
    events["tick"][steps], events["lots"][steps] = -inputs.events["lots"][steps], -inputs.events["tick"][steps]
    return with_accounts(inputs._replace(events=events), turn)


def fills_of(result: Outcome) -> np.ndarray:
    """Fills by time and order, the levels of one walk as they came."""
    return result.fills[np.lexsort((result.fills["order"], result.fills["ts"]))]


def assert_same_fills(a: Outcome, b: Outcome) -> None:
    """Everything but sides and prices."""
    assert a.fault == b.fault == Fault.NONE
    names = ("status", "reason", "filled", "queue", "arrive_ts", "trigger_ts", "done_ts", "maker_lots", "levels")
    assert rows(a.orders, *names) == rows(b.orders, *names)
    columns = ("ts", "order", "position", "reason", "liquidity", "lots")
    assert rows(fills_of(a), *columns) == rows(fills_of(b), *columns)


def price_pnl(inputs: Universe, result: Outcome, price: float) -> np.ndarray:
    """f8[position]: realised and unrealised at `price`, quote. It does not feel the order of a step's fills."""
    data, places = inputs.data, result.positions
    units = [item.lot_size * item.multiplier for item in (data.instruments[m.instrument] for m in data.markets)]
    pnl: np.ndarray = places["realised"] + places["lots"] * np.array(units)[places["market"]] * price - places["cost"]
    return pnl


@pytest.mark.parametrize("ticks", [1, 1000, 20_011])
def test_prices_moved_by_a_constant(ticks: int) -> None:
    filled = 0
    for seed in SEEDS:
        inputs = level_free(seed)
        plain, higher = outcome(inputs), outcome(moved(inputs, ticks))
        assert_same_fills(plain, higher)
        assert np.allclose(plain.fills["realised"], higher.fills["realised"], rtol=0.0, atol=1e-7)
        assert np.array_equal(plain.fills["side"], higher.fills["side"])
        assert np.array_equal(plain.fills["tick"] + ticks, higher.fills["tick"])
        filled += len(plain.fills)
    assert filled > 500


def test_prices_turned_upside_down() -> None:
    filled = 0
    for seed in SEEDS:
        inputs = with_accounts(level_free(seed), _apart)
        plain, mirrored = outcome(inputs), outcome(turned(inputs))
        assert_same_fills(plain, mirrored)
        pnl = (price_pnl(inputs, plain, 6.0), price_pnl(inputs, mirrored, TURN * 0.5 - 6.0))
        assert np.allclose(*pnl, rtol=0.0, atol=1e-7)
        assert np.array_equal(fills_of(plain)["side"], -fills_of(mirrored)["side"])
        assert np.array_equal(TURN - fills_of(plain)["tick"], fills_of(mirrored)["tick"])
        filled += len(plain.fills)
    assert filled > 500
