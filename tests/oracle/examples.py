"""Short ways to write a tape, rules and accounts down, for worked examples. All times are seconds here.

A tape is a list of parts, a part a list of events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from backtester.engine import spec
from backtester.engine.events import EVENT
from backtester.enums import (
    EventKind,
    FundingWeights,
    MarkFormula,
    OrderMargin,
    OrderMarginPrice,
    OrderType,
    Outage,
    PostOnly,
    PriceReference,
    QueueModel,
    RefillModel,
    SelfTrade,
    Side,
    TimeInForce,
    TriggerRounding,
)
from tests.oracle.forced import rows
from tests.oracle.ladder import Event, steps
from tests.oracle.oracle import Oracle
from tests.oracle.universe import Universe
from tests.oracle.world import World

SECOND = 1_000_000_000
BUY, SELL = Side.BUY, Side.SELL

ASKS = {100: 3, 101: 5, 102: 9}
BIDS = {99: 4, 98: 6}

PLAIN = spec.Rules(
    taker_fee=0.0,
    maker_fee=0.0,
    mark_formula=MarkFormula.TAPE,
    mark_interval_ns=SECOND,
    mark_basis_window_ns=0,
    funding_interval_ns=3600 * SECOND,
    funding_price=PriceReference.MARK,
    assume_funding_zero=True,
    funding_premium=False,
    funding_interest=0.0001,
    funding_clamp=0.0005,
    funding_sample_ns=5 * SECOND,
    funding_weights=FundingWeights.EQUAL,
    limit_band=0.0,
    post_only=PostOnly.REJECT,
    self_trade=SelfTrade.CANCEL_MAKER,
    latency_sigma=0.0,
    queue_model=QueueModel.PESSIMISTIC,
    queue_power=1.0,
    bound_from=PriceReference.MID,
    market_bound=0.5,
    stop_bound=0.5,
    reject_breached_trigger=False,
    trigger_rounding=TriggerRounding.NEAREST,
    trigger_protect=0.0,
    feed_latency_ns=0,
    order_latency_ns=0,
    engine_latency_ns=0,
    block_ns=0,
    isolated_fee_from_margin=True,
    isolated_funding_from_margin=True,
    order_margin=OrderMargin.EACH,
    order_margin_price=OrderMarginPrice.MARK,
    order_margin_markup=0.0,
    margin_at_match=False,
    liquidation=rows(),
    refill_model=RefillModel.NEVER,
    refill_half_life_ns=SECOND,
)

FLAT_TIER = (spec.Tier(0.0, 1 / 32, 100.0),)
HYPERLIQUID_BTC = (spec.Tier(0.0, 0.0125, 40.0), spec.Tier(150e6, 0.025, 20.0))


def market_data(
    rules: spec.Rules = PLAIN,
    tick_size: float = 1.0,
    lot_size: float = 1.0,
    tiers: tuple[spec.Tier, ...] = FLAT_TIER,
    impact_notional_quote: float = 1.0,
    funding_cap: float = 0.04,
    liquidation_fee: float = 0.0,
) -> spec.MarketData:
    """One instrument with one market."""
    instrument = spec.Instrument("X", tick_size, lot_size)
    market = spec.Market(0, 0, tiers, impact_notional_quote, funding_cap, liquidation_fee)
    return spec.MarketData((instrument,), (rules,), (market,))


def one_account(
    balance: float,
    orders: Sequence[spec.Order] = (),
    lots: int = 0,
    entry_price: float = 1.0,
    leverage: float = 10.0,
    margin: float | None = None,
    insurance: float = 0.0,
) -> tuple[spec.World, ...]:
    """One world with one account and one place; `margin` makes the place isolated."""
    place = spec.Position(0, lots, entry_price, leverage, margin is not None, margin or 0.0)
    account = spec.Account("a", 0, balance, (place,), tuple(orders))
    return (spec.World((account,), insurance_start=(insurance,)),)


def market_order(side: int, lots: int, at_s: float | None = None, **more: Any) -> spec.Order:
    """A market order, working at the start or decided at `at_s`."""
    at_ns = spec.START_NS if at_s is None else round(at_s * SECOND)
    order = spec.Order("m", 0, OrderType.MARKET, TimeInForce.IOC, side, lots, at_ns=at_ns)
    return order._replace(**more) if more else order


def limit_order(side: int, lots: int, tick: int, tif: TimeInForce = TimeInForce.GTC, **more: Any) -> spec.Order:
    """A limit order working at the start."""
    order = spec.Order("l", 0, OrderType.LIMIT, tif, side, lots, limit_tick=tick)
    return order._replace(**more) if more else order


def stop_order(side: int, lots: int, tick: int, **more: Any) -> spec.Order:
    """A stop-market order working at the start."""
    order = spec.Order("s", 0, OrderType.STOP_MARKET, TimeInForce.IOC, side, lots, trigger_tick=tick)
    return order._replace(**more) if more else order


def _event(at_s: float, kind: int, tick: int = 0, lots: int = 0, value: float = 0.0, side: int = 0) -> list[Event]:
    return [Event(round(at_s * SECOND), tick, lots, value, 0, int(kind), int(side))]


def delta(at_s: float, side: int, tick: int, lots: int) -> list[Event]:
    """A level gets a size."""
    return _event(at_s, EventKind.DELTA, tick, lots, side=side)


def ladder(at_s: float, bids: dict[int, int], asks: dict[int, int]) -> list[Event]:
    """A snapshot."""
    rows = _event(at_s, EventKind.SNAPSHOT)
    for side, levels in ((BUY, bids), (SELL, asks)):
        for tick, lots in levels.items():
            rows += _event(at_s, EventKind.SNAPSHOT, tick, lots, side=side)
    return rows


def trade(at_s: float, side: int, tick: int, lots: int) -> list[Event]:
    """A trade; `side` is the aggressor's."""
    return _event(at_s, EventKind.TRADE, tick, lots, side=side)


def record(at_s: float, kind: EventKind, value: float = 0.0, lots: int = 0) -> list[Event]:
    """Any other record."""
    return _event(at_s, kind, lots=lots, value=value)


def mark(at_s: float, price: float) -> list[Event]:
    """A mark record."""
    return record(at_s, EventKind.MARK, price)


def outage(at_s: float, bits: Outage) -> list[Event]:
    """What is taken away from now on."""
    return record(at_s, EventKind.OUTAGE, float(bits))


def case(data: spec.MarketData, worlds: tuple[spec.World, ...], tape: Iterable[Sequence[Event]]) -> Universe:
    """The inputs of one run."""
    events = [event for part in tape for event in part]
    return Universe(data, np.array([tuple(event) for event in events], dtype=EVENT), worlds)


def cut(events: np.ndarray) -> list[list[Event]]:
    """The steps of a tape (RULES 1.1)."""
    return steps([Event(*event.item()) for event in events])


def run(inputs: Universe, after_step: Callable[[Oracle], None] = lambda _: None) -> Oracle:
    """Run the oracle over a whole tape."""
    oracle = Oracle(inputs.data)
    for step in cut(inputs.events):
        oracle.feed(step)
        if oracle.waiting:
            oracle.attach(inputs.worlds)
        if oracle.fault:
            return oracle
        after_step(oracle)
    oracle.finish()
    if oracle.waiting:
        oracle.attach(inputs.worlds)
    return oracle


def floats(*amounts: Fraction) -> list[float]:
    """Amounts as doubles, to compare them with plain numbers."""
    return [float(amount) for amount in amounts]


def only_world(oracle: Oracle) -> World:
    """The world of a one-world run."""
    assert not oracle.fault
    (world,) = oracle.worlds
    return world


def walked(world: World) -> list[tuple[int, float]]:
    """(lots, price) of all fills."""
    return [(fill.lots, fill.price) for fill in world.fills]
