"""Where one position is liquidated, taken over and bankrupt, with the numbers put in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from backtester.calc.answer import Answer, Line, direction, grounds, number, percent, share, terms, tier_line, warnings
from backtester.config.venue import TierRow, VenueRules
from backtester.enums import ForcedPrice, Side
from backtester.venue.margin import Tier, bankruptcy_price, break_price, tier_at
from backtester.venue.profile import VenueProfile, maintenance_margin

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
    other_maintenance: float = 0.0  # of the cross pool's other positions at their marks, quote
    other_pnl: float = 0.0  # their unrealised PnL, quote

    @property
    def signed_size(self) -> float:
        """Below 0 for a short."""
        return self.side * self.size

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
        lines=tuple(_lines(asked, figures, backstop)),
        warnings=(*warnings(profile, market, asked.leverage, figures.tier_at_mark), *under_water),
    )


class _Backstop(NamedTuple):
    """At which price a venue takes a position over, in words too, and the rules that say so."""

    price: float | None
    working: str
    rules: tuple[str, ...]


def _backstop(rules: VenueRules, asked: Inputs, tiers: Sequence[TierRow]) -> _Backstop | None:
    """None for a venue without one. That it gets a position at the mark is only a matter of form."""
    pool = (asked.signed_size, asked.mark_price, asked.equity)
    threshold = rules.takeover_threshold
    if not threshold:
        return None
    if rules.takeover_price is ForcedPrice.BANKRUPTCY:
        working = "the bankruptcy price, for what the liquidation order leaves"
        return _Backstop(bankruptcy_price(*pool), working, ("takeover_threshold", "takeover_price"))
    taken = break_price(*pool, tiers, asked.other_maintenance, threshold)
    working = f"where equity is {share(threshold)} of maintenance"
    return _Backstop(taken.price if taken else None, working, ("takeover_threshold",))


def _figures(asked: Inputs, tiers: Sequence[TierRow], backstop: _Backstop | None) -> Figures:
    pool = (asked.signed_size, asked.mark_price, asked.equity)
    broken = break_price(*pool, tiers, asked.other_maintenance)
    own = maintenance_margin(tiers, asked.notional)
    needed = own + asked.other_maintenance
    return Figures(
        liquidation_price=broken.price if broken else None,
        bankruptcy_price=bankruptcy_price(*pool),
        takeover_price=backstop.price if backstop else None,
        liquidation_distance=asked.side * (1.0 - broken.price / asked.mark_price) if broken else None,
        maintenance_margin=own,
        initial_margin=asked.notional / asked.leverage if asked.leverage else None,
        margin_ratio=needed / asked.equity if asked.equity > 0.0 else None,
        equity=asked.equity,
        buffer=asked.equity - needed,
        notional=asked.notional,
        tier=broken.tier if broken else None,
        tier_at_mark=tier_at(tiers, asked.notional),
    )


def _lines(asked: Inputs, figures: Figures, backstop: _Backstop | None) -> Iterator[Line]:
    yield Line("liquidation price", number(figures.liquidation_price), _working(asked, figures.tier))
    yield Line("distance", share(figures.liquidation_distance), "from mark")
    if backstop:
        yield Line("takeover price", number(figures.takeover_price), backstop.working)
    working = f"{number(asked.mark_price)} − {number(figures.equity)} / {number(asked.signed_size)}"
    yield Line("bankruptcy price", number(figures.bankruptcy_price), working)
    gained = terms(asked.pnl, asked.other_pnl)
    yield Line("equity", number(figures.equity), f"{number(asked.margin)}{gained}" if gained else "margin")
    here = figures.tier_at_mark
    working = f"{number(figures.notional)} × {percent(here.maintenance_rate)}"
    working += terms(-here.deduction, asked.other_maintenance)
    yield Line("maintenance margin", number(figures.maintenance_margin + asked.other_maintenance), working)
    yield Line("buffer", number(figures.buffer), "equity − maintenance margin")
    yield Line("margin ratio", share(figures.margin_ratio), "maintenance margin / equity")
    if asked.leverage:
        working = f"{number(figures.notional)} / {number(asked.leverage)}"
        yield Line("initial margin", number(figures.initial_margin), working)
    yield tier_line("tier", figures.tier, "at the liquidation price, ")


def _working(asked: Inputs, tier: Tier | None) -> str:
    """The formula with its numbers, zeros left out. Example: `(1 × 100,000 − 2,500) / (1 − 1 × 1.25 %)`."""
    if tier is None:
        return "no price above 0"
    size = number(asked.signed_size)
    above = terms(-asked.margin, -asked.other_pnl, asked.other_maintenance, -tier.deduction)
    below = f"{size} − {number(asked.size)} × {percent(tier.maintenance_rate)}"
    return f"({size} × {number(asked.entry_price)}{above}) / ({below})"
