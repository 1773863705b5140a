"""Tiny universes: a tape, its markets and a few worlds, small enough that everything odd happens often.

One generator serves long seeded runs (`universe(random.Random(seed))`) and hypothesis (`universes()`, which draws the
same choices from a random source that it can shrink). Numbers are mostly dyadic, so doubles hold them exactly and a
tie is a tie in both implementations; ticks of 0.1 appear too.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from backtester.engine import spec
from backtester.engine.events import EVENT
from backtester.enums import (
    CloseOrder,
    Disposal,
    EventKind,
    ForcedPrice,
    FundingWeights,
    MarkFormula,
    OrderMargin,
    OrderMarginPrice,
    Outage,
    PostOnly,
    PriceReference,
    QueueModel,
    RefillModel,
    SelfTrade,
    TriggerRounding,
)
from tests.oracle.baskets import basket
from tests.oracle.forced import rows
from tests.oracle.guarding import guarded, with_bases
from tests.oracle.tapes import Scale, TapeMaker


class Universe(NamedTuple):
    """All inputs of one run."""

    data: spec.MarketData
    events: np.ndarray  # EVENT[n]
    worlds: tuple[spec.World, ...]


@st.composite
def universes(draw: st.DrawFn, steps: int = 60, fault: bool = False) -> Universe:
    """Hypothesis strategy over `universe`."""
    return universe(draw(st.randoms(use_true_random=False)), steps, fault)


def universe(random: Random, steps: int = 120, fault: bool = False) -> Universe:
    """One universe of about `steps` steps; with `fault` the tape ends in one."""
    unit_ns = random.choice([1, 1, 10**10, 18 * 10**11])
    start_units = random.choice([1000, 10**6]) if unit_ns > 1 else random.choice([1000, 1_760_000_000 * 10**9])
    scale = Scale(start_units * unit_ns, unit_ns, steps)
    instruments = tuple(_instrument(random, number) for number in range(random.choice([1, 1, 2])))
    rules = tuple(_rules(random, scale) for _ in range(random.choice([1, 1, 2])))
    markets = tuple(
        _market(random, instrument, number, rules[number])
        for number in range(len(rules))
        for instrument in range(len(instruments))
    )
    data = spec.MarketData(instruments, rules, markets, random.choice([0, 1, 7, 2**63 - 1]))
    events = TapeMaker(random, data, scale).make(steps, fault)
    worlds = tuple(_world(random, data, scale) for _ in range(random.choice([1, 1, 2, 3])))
    if random.random() < 0.5:  # a variant: the same orders at the same levels
        worlds += (worlds[0]._replace(liquidation=not worlds[0].liquidation, insurance_start=(4.0,)),)
    worlds = tuple(_at_two_venues(random, world)._replace(watched=random.random() < 0.5) for world in worlds)
    if random.random() < 0.5:
        data, blind = with_bases(random, data), random.random() < 0.3
        events[1:1] = [events[0]._replace(kind=EventKind.OUTAGE, value=float(Outage.FEED_FROZEN))] if blind else []
        worlds = tuple(guarded(random, data, scale, world, blind) for world in worlds)
    return Universe(data, np.array([tuple(event) for event in events], dtype=EVENT), worlds)


def _instrument(random: Random, number: int) -> spec.Instrument:
    return spec.Instrument(
        symbol=f"S{number}",
        tick_size=random.choice([1.0, 0.5, 0.5, 0.1]),
        lot_size=random.choice([1.0, 0.5]),
        multiplier=random.choice([1.0, 2.0]),
        index_from_mid=random.random() < 0.2,
    )


def _market(random: Random, instrument: int, number: int, rules: spec.Rules) -> spec.Market:
    tie = 0.0 if rules.mark_formula == MarkFormula.TAPE else 0.1  # with a mark out of a formula a tie proves nothing
    return spec.Market(
        instrument=instrument,
        rules=number,
        tiers=_tiers(random),
        impact_notional_quote=random.choice([8.0, 64.0, 1024.0]),
        funding_cap=random.choice([1 / 128, 1 / 16]),
        liquidation_fee=random.choice([1 / 256, 1 / 64, 1 / 16]),
        max_market_lots=random.choice([0, 0, 0, 3]),
        max_market_quote=random.choice([0.0, 0.0, 0.0, 32.0 - tie]),
        max_limit_lots=random.choice([0, 0, 0, 4]),
        max_limit_quote=random.choice([0.0, 0.0, 0.0, 48.0 - tie]),
        min_order_quote=random.choice([0.0, 0.0, 0.0, 0.0, 0.0, 12.0 - tie]),
        min_close_quote=random.choice([0.0, 0.0, 0.0, 0.0, 0.0, 12.0 - tie]),
        funding_interval_ns=random.choice([0, 0, 1, 4]) * rules.funding_interval_ns // 2,
        funding_ns=random.choice([0, 0, 1, 100]) * rules.funding_interval_ns // 3,
    )


def _tiers(random: Random) -> tuple[spec.Tier, ...]:
    if random.random() < 0.4:
        return (spec.Tier(0.0, 1 / 32, 16.0),)
    middle = spec.Tier(random.choice([16.0, 32.0]), 1 / 16, 8.0)
    return (spec.Tier(0.0, 1 / 32, 16.0), middle, spec.Tier(middle.floor_quote * 2, 1 / 8, 4.0))


def _rules(random: Random, scale: Scale) -> spec.Rules:
    unit = scale.unit_ns
    mark_interval_ns = random.choice([1, 2, 3, 5]) * unit
    partial = random.random() < 0.5
    return spec.Rules(
        taker_fee=random.choice([0.0, 1 / 256, 1 / 64]),
        maker_fee=random.choice([0.0, 1 / 512, -1 / 512]),
        mark_formula=random.choice([MarkFormula.TAPE, *MarkFormula]),
        mark_interval_ns=mark_interval_ns,
        mark_basis_window_ns=random.choice([1, 2, 3, 7]) * mark_interval_ns,
        funding_interval_ns=random.choice([6, 12, 24, 48]) * unit,
        funding_price=random.choice([PriceReference.MARK, PriceReference.INDEX]),
        assume_funding_zero=random.random() < 0.4,
        funding_premium=random.random() < 0.85,
        funding_interest=1 / 1024,
        funding_clamp=random.choice([1 / 2048, 1 / 64]),
        funding_sample_ns=random.choice([1, 2, 3]) * unit,
        funding_weights=random.choice(list(FundingWeights)),
        bound_from=random.choice([PriceReference.MID, PriceReference.MID, PriceReference.MARK]),
        market_bound=random.choice([1 / 8, 1 / 4, 1 / 2]),
        stop_bound=random.choice([1 / 16, 1 / 4]),
        limit_band=random.choice([0.0, 0.0, 1 / 16, 1 / 4]),
        post_only=random.choice(list(PostOnly)),
        self_trade=random.choice(list(SelfTrade)),
        reject_breached_trigger=random.random() < 0.5,
        trigger_rounding=random.choice(list(TriggerRounding)),
        trigger_protect=random.choice([0.0, 0.0, 1 / 16, 1 / 8]),
        feed_latency_ns=random.choice([0, 0, 1, 2]) * unit,
        order_latency_ns=random.choice([0, 0, 1, 3]) * unit,
        engine_latency_ns=random.choice([0, 0, 1]) * unit,
        latency_sigma=random.choice([0.0, 0.0, 0.25, 1.0]) if unit < 10**12 else 0.0,  # ns of doubles are whole
        block_ns=random.choice([0, 0, 2, 5]) * unit,
        isolated_fee_from_margin=random.random() < 0.5,
        isolated_funding_from_margin=random.random() < 0.5,
        order_margin=random.choice(list(OrderMargin)),
        order_margin_price=random.choice(list(OrderMarginPrice)),
        order_margin_markup=random.choice([0.0, 1 / 64]),
        margin_at_match=random.random() < 0.5,
        liquidation=rows(
            cancels=random.random() < 0.5,
            scope=random.choice([CloseOrder.ALL, CloseOrder.LARGEST_MAINTENANCE]),
            above_quote=random.choice([4.0, 16.0]) if partial else 1e9,
            share=random.choice([1 / 4, 1 / 2, 0.2, 1.0]),
            full_window_ns=random.choice([0, 3, 9]) * unit,
            price=random.choice([ForcedPrice.BOUND, ForcedPrice.BANKRUPTCY]),
            bound=random.choice([1 / 16, 1 / 8, 1 / 2]),
            taker_fee=random.random() < 0.5,
            below=random.choice([0.0, 0.0, 0.5, 0.75, 1.0]),
            delay_ns=random.choice([0, 0, 0, 0, 2, 6]) * unit,
            takeover_price=random.choice([ForcedPrice.MARK, ForcedPrice.BANKRUPTCY]),
            disposal=random.choice([Disposal.WALK, Disposal.HOLD]),
        ),
        refill_model=random.choice(list(RefillModel)),
        refill_half_life_ns=random.choice([1, 2, 3, 7]) * unit,
        queue_model=random.choice(list(QueueModel)),
        queue_power=random.choice([0.5, 1.0, 2.0, 3.0]),
    )


# -- accounts ----------------------------------------------------------------------------------------------------------


def _world(random: Random, data: spec.MarketData, scale: Scale) -> spec.World:
    accounts = tuple(_account(random, data, scale, number) for number in range(random.choice([1, 1, 2, 3])))
    return spec.World(
        accounts=accounts,
        liquidation=random.random() < 0.9,
        insurance_start=(random.choice([0.0, 1.0, 16.0]),),
    )


def _at_two_venues(random: Random, world: spec.World) -> spec.World:
    """The same with its accounts spread over two venues, whose funds differ."""
    accounts = tuple(account._replace(venue=random.randrange(2)) for account in world.accounts)
    return world._replace(accounts=accounts, insurance_start=(*world.insurance_start, random.choice([0.0, 8.0])))


def _account(random: Random, data: spec.MarketData, scale: Scale, number: int) -> spec.Account:
    """An account near its limits: some breach soon, some only in a large move, some never."""
    rules = random.randrange(len(data.rules))
    traded = [place for place, market in enumerate(data.markets) if market.rules == rules]
    if random.random() < 0.3:  # hedge mode: two places in one market
        traded.append(random.choice(traded))
    positions = tuple(_position(random, data, market) for market in traded)
    notional = sum(
        abs(place.lots) * _unit(data, place.market) * place.entry_price for place in positions if not place.isolated
    )
    free = notional * random.choice([1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0, 2.0])
    free += random.choice([0.0, 8.0, 16.0, 32.0, 64.0, 256.0])
    margins = sum(place.margin for place in positions)
    orders, plans = basket(random, scale, len(positions))
    return spec.Account(f"a{number}", rules, margins + free, positions, orders, plans)


def _unit(data: spec.MarketData, market: int) -> float:
    instrument = data.instruments[data.markets[market].instrument]
    return instrument.lot_size * instrument.multiplier


def _position(random: Random, data: spec.MarketData, market: int) -> spec.Position:
    tick_size = data.instruments[data.markets[market].instrument].tick_size
    lots = random.choice([-8, -5, -3, -2, -1, 0, 0, 1, 2, 3, 5, 8])
    entry = random.randint(10, 14) * tick_size
    leverage = random.choice([2.0, 4.0, 4.0, 8.0, 16.0])
    isolated = random.random() < 0.45
    margin = 0.0
    if isolated:
        initial = abs(lots) * _unit(data, market) * entry / leverage
        margin = initial * random.choice([0.5, 0.75, 1.0, 1.5])
    return spec.Position(market, lots, entry, leverage, isolated, margin)
