"""Tier, maintenance and initial margin of one position at its mark."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from backtester.calc import liquidation
from backtester.calc.answer import Answer, Line, direction, grounds, number, percent, terms, tier_line, warnings
from backtester.enums import Side
from backtester.venue.margin import Tier, maintenance_margin, tier_at
from backtester.venue.profile import VenueProfile

FORMULA = "maintenance = notional·rate − deduction, in the tier of the notional at mark; initial = notional / leverage"


class Inputs(NamedTuple):
    """What the margins depend on."""

    account: str | None
    symbol: str
    side: Side | None  # None: not said, margins are the same for both
    size: float
    mark_price: float
    leverage: float | None  # the setting

    @classmethod
    def of(cls, position: liquidation.Inputs) -> Inputs:
        """What of a position its margins depend on."""
        return cls(
            position.account, position.symbol, position.side, position.size, position.mark_price, position.leverage
        )


class Figures(NamedTuple):
    """Margins in quote currency."""

    maintenance_margin: float
    initial_margin: float | None  # null without a leverage
    notional: float
    tier: Tier


def maintenance(profile: VenueProfile, asked: Inputs) -> Answer[Inputs, Figures]:
    """Example: 2,000 BTC at 100,000 on Hyperliquid stand in tier 2: 200 M · 2.5 % - 1.875 M = 3.125 M."""
    market = profile.market(asked.symbol)
    notional = asked.size * asked.mark_price
    figures = Figures(
        maintenance_margin=maintenance_margin(market.tiers, notional),
        initial_margin=notional / asked.leverage if asked.leverage else None,
        notional=notional,
        tier=tier_at(market.tiers, notional),
    )
    held = f"{direction(asked.side)} " if asked.side is not None else ""
    held += f"{asked.symbol} {number(asked.size)}"
    return Answer(
        position=held,
        title=f"{held} at {number(asked.mark_price)}",
        inputs=asked,
        grounds=grounds(profile, market),
        figures=figures,
        lines=tuple(_lines(asked, figures)),
        warnings=warnings(profile, market, asked.leverage, figures.notional),
    )


def _lines(asked: Inputs, figures: Figures) -> Iterator[Line]:
    tier = figures.tier
    notional = number(figures.notional)
    yield Line("notional", notional, f"{number(asked.size)} × {number(asked.mark_price)}")
    working = f"{notional} × {percent(tier.maintenance_rate)}{terms(-tier.deduction)}"
    yield Line("maintenance margin", number(figures.maintenance_margin), working)
    working = f"{notional} / {number(asked.leverage)}" if asked.leverage else "no leverage given"
    yield Line("initial margin", number(figures.initial_margin), working)
    yield tier_line("tier", tier)
