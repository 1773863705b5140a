"""How much leverage the venue allows, how much is in use, and how much an adverse move leaves room for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from backtester.calc.answer import Answer, Line, direction, grounds, number, percent, terms, tier_line, warnings
from backtester.calc.holdings import Holding
from backtester.config.venue import TierRow
from backtester.enums import Side
from backtester.errors import usage_error
from backtester.venue.margin import (
    Tier,
    largest_leverage,
    liquidation_price,
    maintenance_margin,
    margin_for_move,
    tier_at,
)
from backtester.venue.profile import VenueProfile

FORMULA = "safe leverage = notional / (notional·move + maintenance at the moved price + notional·cost)"


class Shock(NamedTuple):
    """What is to be survived."""

    move: float | None  # adverse, as a fraction of the price; None: not asked
    cost: float  # of leaving: slippage, fees, funding, as a fraction of the notional


class Inputs(NamedTuple):
    """`equity` and `pool_notional` are those of the margin pool that the position stands in."""

    account: str | None
    symbol: str
    side: Side
    size: float
    mark_price: float
    equity: float | None
    pool_notional: float
    shock: Shock

    @classmethod
    def of(cls, held: Holding, shock: Shock) -> Inputs:
        """A position of a portfolio, on the equity of its pool."""
        each = held.position
        return cls(
            each.account, each.symbol, each.side, each.size, each.mark_price, each.equity, held.pool_notional, shock
        )


class Safe(NamedTuple):
    """What survives a move by a hair."""

    leverage: float
    usable_leverage: float  # the smaller one of safe and allowed
    margin: float  # notional / leverage
    moved_price: float
    moved_maintenance: float
    liquidation_price: float | None  # of a position with this margin, after the cost: the moved price, if all is right


class Figures(NamedTuple):
    """`safe` is null without a move, `effective_leverage` without equity."""

    max_leverage: float  # that the venue allows at this size
    effective_leverage: float | None  # notional of the pool over its equity
    safe: Safe | None
    notional: float
    tier: Tier


def leverage(profile: VenueProfile, asked: Inputs) -> Answer[Inputs, Figures]:
    """Example: a fall of 10 % at 1.25 % maintenance leaves room for 1 / (0.1 + 0.0125 · 0.9) = 8.98x."""
    market = profile.market(asked.symbol)
    notional = asked.size * asked.mark_price
    tier = tier_at(market.tiers, notional)
    figures = Figures(
        max_leverage=largest_leverage(market.tiers, notional),
        effective_leverage=asked.pool_notional / asked.equity if asked.equity and asked.equity > 0.0 else None,
        safe=_safe(asked, notional, asked.shock, market.tiers),
        notional=notional,
        tier=tier,
    )
    alone = notional / asked.equity if asked.equity and asked.equity > 0.0 else None
    position = f"{direction(asked.side)} {asked.symbol} {number(asked.size)}"
    return Answer(
        position=position,
        title=f"{position} at {number(asked.mark_price)}",
        inputs=asked,
        grounds=grounds(profile, market),
        figures=figures,
        lines=tuple(_lines(asked, figures)),
        warnings=warnings(profile, market, alone, notional),
    )


def _safe(asked: Inputs, notional: float, shock: Shock, tiers: Sequence[TierRow]) -> Safe | None:
    if shock.move is None:
        return None
    if asked.side is Side.BUY and shock.move >= 1.0:
        raise usage_error("--move", f"the price of a long cannot fall by {percent(shock.move)}", "for example 10%")
    margin = margin_for_move(asked.side, notional, tiers, shock.move, shock.cost)
    after_cost = margin - notional * shock.cost
    moved = asked.mark_price * (1.0 - asked.side * shock.move)
    return Safe(
        leverage=notional / margin,
        usable_leverage=min(notional / margin, largest_leverage(tiers, notional)),
        margin=margin,
        moved_price=moved,
        moved_maintenance=maintenance_margin(tiers, asked.size * moved),
        liquidation_price=liquidation_price(asked.side * asked.size, asked.mark_price, after_cost, tiers),
    )


def _lines(asked: Inputs, figures: Figures) -> Iterator[Line]:
    notional = number(figures.notional)
    yield Line("notional", notional, f"{number(asked.size)} × {number(asked.mark_price)}")
    yield Line("max leverage", _times(figures.max_leverage), "that the venue allows at this size")
    if asked.equity is not None:
        working = f"{number(asked.pool_notional)} / {number(asked.equity)}"
        yield Line("effective leverage", _times(figures.effective_leverage), working)
    if (safe := figures.safe) is not None and (move := asked.shock.move) is not None:
        parts = terms(safe.moved_maintenance, figures.notional * asked.shock.cost)
        yield Line("safe leverage", _times(safe.leverage), f"{notional} / {number(safe.margin)}")
        yield Line("  margin", number(safe.margin), f"{notional} × {percent(move)}{parts}")
        yield Line("  moved price", number(safe.moved_price), f"{percent(move)} against the position")
        yield Line("  liquidation price", number(safe.liquidation_price), "with this margin, less the cost")
        yield Line("usable leverage", _times(safe.usable_leverage), "the smaller one of safe and max")
    yield tier_line("tier", figures.tier)


def _times(leverage: float | None) -> str:
    return f"{leverage:,.4g}x" if leverage is not None else number(None)
