"""Where one position is liquidated, taken over and bankrupt, with the numbers put in."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from backtester.calc.answer import Answer, Line, direction, grounds, number, percent, share, terms, tier_line, warnings
from backtester.config.venue import TierRow, VenueRules
from backtester.enums import ForcedPrice, Side
from backtester.formulas.margin import pool_share
from backtester.venue.margin import Break, Tier, bankruptcy_price, break_price, maintenance_margin, tier_at
from backtester.venue.profile import VenueProfile

FORMULA = (
    "P = (q·entry − margin − other PnL + other maintenance − deduction) / (q − |q|·rate), "
    "q signed, rate and deduction of the tier at P"
)

MarginMode = Literal["isolated", "cross"]


class Inputs(NamedTuple):
    """A position and what backs it. `margin`: quote, without unrealised PnL; for cross the balance of the pool."""

    account: str | None
    symbol: str
    side: Side
    size: float  # units of the base, above 0
    entry_price: float
    mark_price: float
    margin_mode: MarginMode
    margin: float
    leverage: float | None  # the setting; None: not said
    other_maintenance: float = 0.0  # of the cross pool's other contracts at their marks, quote
    other_pnl: float = 0.0  # unrealised PnL of the pool's other positions, quote
    opposite: float = 0.0  # signed size of the contract's other leg in the pool (hedge mode)

    @property
    def signed_size(self) -> float:
        """Below 0 for a short."""
        return self.side * self.size

    @property
    def net_size(self) -> float:
        """Of both legs, units of the base."""
        return self.signed_size + self.opposite

    @property
    def notional(self) -> float:
        """At mark, quote."""
        return self.size * self.mark_price

    @property
    def pnl(self) -> float:
        """Unrealised, quote."""
        return self.signed_size * (self.mark_price - self.entry_price)

    @property
    def equity(self) -> float:
        """Of the pool at mark, quote."""
        return self.margin + self.other_pnl + self.pnl


class Figures(NamedTuple):
    """Prices are null where no price above 0 exists. `tier` is in force at the liquidation price."""

    liquidation_price: float | None
    bankruptcy_price: float | None
    takeover_price: float | None  # at which the venue's backstop gets the position; null where it has none
    liquidation_distance: float | None  # from mark, as a fraction of it; below 0: already beyond
    maintenance_margin: float  # of this position at mark
    initial_margin: float | None  # of this position at mark and the leverage setting
    margin_ratio: float | None  # maintenance of the pool over its equity; null without equity
    equity: float  # of the pool at mark
    buffer: float  # equity less maintenance of the pool
    notional: float
    tier: Tier | None
    tier_at_mark: Tier


def liquidation(profile: VenueProfile, asked: Inputs) -> Answer[Inputs, Figures]:
    """The pool's other positions are held fixed.

    Example: long 1 BTC from 100,000 with 2,500 on Hyperliquid breaks at 98,734.18, is taken over at 98,319.33 and is
    bankrupt at 97,500.
    """
    market = profile.market(asked.symbol)
    backstop = _backstop(profile.rules, asked, market.tiers)
    figures = _figures(asked, market.tiers, backstop)
    held = f"{direction(asked.side)} {asked.symbol} {number(asked.size)}"
    backed = f"{asked.margin_mode} with {number(asked.margin)}"
    under_water = ("equity is below maintenance at this mark",) if figures.buffer < 0.0 else ()
    return Answer(
        position=f"{held} {asked.margin_mode}",
        title=f"{held} from {number(asked.entry_price)}, {backed}, mark {number(asked.mark_price)}",
        inputs=asked,
        grounds=grounds(profile, market, *(backstop.rules if backstop else ())),
        figures=figures,
        lines=tuple(_lines(asked, figures, backstop, market.tiers)),
        warnings=(*warnings(profile, market, asked.leverage, figures.notional), *under_water),
    )


class _Backstop(NamedTuple):
    """At which price a venue takes a position over, in words too, and the rules that say so."""

    price: float | None
    working: str
    rules: tuple[str, ...]


def _backstop(rules: VenueRules, asked: Inputs, tiers: Sequence[TierRow]) -> _Backstop | None:
    """None for a venue without one. That it gets a position at the mark is only a matter of form."""
    threshold = rules.takeover_threshold
    if not threshold:
        return None
    if rules.takeover_price is ForcedPrice.BANKRUPTCY:
        working = "the bankruptcy price, for what the liquidation order leaves"
        return _Backstop(_bankruptcy(asked, tiers), working, ("takeover_threshold", "takeover_price"))
    taken = _break(asked, tiers, threshold)
    working = f"where equity is {share(threshold)} of maintenance"
    return _Backstop(taken.price if taken else None, working, ("takeover_threshold",))


def _break(asked: Inputs, tiers: Sequence[TierRow], threshold: float = 1.0) -> Break | None:
    pool = (asked.signed_size, asked.mark_price, asked.equity)
    return break_price(*pool, tiers, asked.other_maintenance, threshold, asked.opposite)


def _bankruptcy(asked: Inputs, tiers: Sequence[TierRow]) -> float | None:
    return bankruptcy_price(asked.net_size, asked.mark_price, asked.equity, _share_of_pool(asked, tiers))


def _share_of_pool(asked: Inputs, tiers: Sequence[TierRow]) -> float:
    """What part of the pool's maintenance margin is the contract's."""
    own = _maintenance(asked, tiers)
    return pool_share(own, own + asked.other_maintenance)


def _maintenance(asked: Inputs, tiers: Sequence[TierRow]) -> float:
    """Of the contract at mark, both legs, quote."""
    return maintenance_margin(tiers, asked.notional) + _opposite_maintenance(asked, tiers)


def _opposite_maintenance(asked: Inputs, tiers: Sequence[TierRow]) -> float:
    """Of the contract's other leg at mark, quote."""
    return maintenance_margin(tiers, abs(asked.opposite) * asked.mark_price)


def _figures(asked: Inputs, tiers: Sequence[TierRow], backstop: _Backstop | None) -> Figures:
    broken = _break(asked, tiers)
    needed = _maintenance(asked, tiers) + asked.other_maintenance
    buffer = asked.equity - needed
    away = abs(1.0 - broken.price / asked.mark_price) if broken else None
    return Figures(
        liquidation_price=broken.price if broken else None,
        bankruptcy_price=_bankruptcy(asked, tiers),
        takeover_price=backstop.price if backstop else None,
        liquidation_distance=math.copysign(away, buffer) if away is not None else None,
        maintenance_margin=maintenance_margin(tiers, asked.notional),
        initial_margin=asked.notional / asked.leverage if asked.leverage else None,
        margin_ratio=needed / asked.equity if asked.equity > 0.0 else None,
        equity=asked.equity,
        buffer=buffer,
        notional=asked.notional,
        tier=broken.tier if broken else None,
        tier_at_mark=tier_at(tiers, asked.notional),
    )


def _lines(asked: Inputs, figures: Figures, backstop: _Backstop | None, tiers: Sequence[TierRow]) -> Iterator[Line]:
    yield Line("liquidation price", number(figures.liquidation_price), _working(asked, figures, tiers))
    yield Line("distance", share(figures.liquidation_distance), "from mark")
    if backstop:
        yield Line("takeover price", number(figures.takeover_price), backstop.working)
    yield Line("bankruptcy price", number(figures.bankruptcy_price), _bankruptcy_working(asked, figures, tiers))
    gained = terms(asked.pnl, asked.other_pnl)
    yield Line("equity", number(figures.equity), f"{number(asked.margin)}{gained}" if gained else "margin")
    here = figures.tier_at_mark
    working = f"{number(figures.notional)} × {percent(here.maintenance_rate)}"
    others = asked.other_maintenance + _opposite_maintenance(asked, tiers)
    working += terms(-here.deduction, others)
    yield Line("maintenance margin", number(figures.maintenance_margin + others), working)
    yield Line("buffer", number(figures.buffer), "equity − maintenance margin")
    yield Line("margin ratio", share(figures.margin_ratio), "maintenance margin / equity")
    if asked.leverage:
        working = f"{number(figures.notional)} / {number(asked.leverage)}"
        yield Line("initial margin", number(figures.initial_margin), working)
    yield tier_line("tier", figures.tier, "at the liquidation price, ")


def _working(asked: Inputs, figures: Figures, tiers: Sequence[TierRow]) -> str:
    """The formula with its numbers, zeros left out. Example: `(1 × 100,000 − 2,500) / (1 − 1 × 1.25 %)`."""
    tier, price = figures.tier, figures.liquidation_price
    if tier is None or price is None:
        return "no price above 0"
    size, needed = number(asked.signed_size), f"{number(asked.size)} × {percent(tier.maintenance_rate)}"
    if not asked.opposite:
        above = terms(-asked.margin, -asked.other_pnl, asked.other_maintenance, -tier.deduction)
        return f"({size} × {number(asked.entry_price)}{above}) / ({size} − {needed})"
    other = tier_at(tiers, abs(asked.opposite) * price)
    net = number(asked.net_size)
    needed += f" − {number(abs(asked.opposite))} × {percent(other.maintenance_rate)}"
    above = terms(-asked.equity, asked.other_maintenance, -tier.deduction - other.deduction)
    return f"({net} × {number(asked.mark_price)}{above}) / ({net} − {needed})"


def _bankruptcy_working(asked: Inputs, figures: Figures, tiers: Sequence[TierRow]) -> str:
    """Example: `100,000 − 2,500 / 1`, or `100,000 − 12,000 × 66.67 % / 10` for two thirds of the pool's maintenance."""
    if not asked.net_size:
        return "no price moves its equity: both legs are of one size"
    part = f" × {share(_share_of_pool(asked, tiers))}" if asked.other_maintenance else ""
    return f"{number(asked.mark_price)} − {number(figures.equity)}{part} / {number(asked.net_size)}"
