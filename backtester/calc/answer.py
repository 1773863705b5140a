"""What every calculation hands back: inputs, figures, how each figure came about, and the rule behind it."""

from __future__ import annotations

from datetime import date
from typing import Generic, NamedTuple, TypeVar

from backtester.enums import Side
from backtester.venue.margin import Tier, largest_leverage
from backtester.venue.profile import MarketRules, VenueProfile

InputsT = TypeVar("InputsT", bound=tuple[object, ...])
FiguresT = TypeVar("FiguresT", bound=tuple[object, ...])

NONE = "–"


class Grounds(NamedTuple):
    """The rules that an answer stands on."""

    venue: str  # hyperliquid@2026-08-22
    rules_date: date
    source: str
    assumed: bool  # at least one of the rules is a guess


class Line(NamedTuple):
    """One figure for a reader: its name, its value, and the numbers it came from."""

    name: str
    value: str
    working: str = ""


class Answer(NamedTuple, Generic[InputsT, FiguresT]):
    """The result for one position. The names of inputs and figures are the keys of the document."""

    position: str  # `long BTC 1`
    title: str  # the same with what else was asked
    inputs: InputsT
    grounds: Grounds
    figures: FiguresT
    lines: tuple[Line, ...]
    warnings: tuple[str, ...]


def grounds(profile: VenueProfile, market: MarketRules | None, *rules: str) -> Grounds:
    """Sources of a market's tiers (None: they are not used) and of rules of the venue, by their names in a profile."""
    stated = [("tiers", market.source, market.assumed)] if market else []
    stated += [(rule.rule, rule.source, rule.assumed) for rule in profile.provenance if rule.rule in rules]
    source = "; ".join(f"{rule}: {where}" for rule, where, _ in stated)
    return Grounds(profile.name, profile.rules_date, source, any(assumed for *_, assumed in stated))


def warnings(
    profile: VenueProfile, market: MarketRules, leverage: float | None = None, notional: float = 0.0
) -> tuple[str, ...]:
    """A symbol without rules of its own; a leverage setting that the venue would refuse at this notional (quote)."""
    found = []
    if not market.listed:
        found.append(f"{market.symbol} is not in the profile {profile.name}: its default market stands in")
    if leverage is not None and leverage > (most := largest_leverage(market.tiers, notional)):
        allowed = f"the {number(most)}x that {profile.name} allows at this size"
        found.append(f"{number(leverage)}x exceeds {allowed}")
    return tuple(found)


def direction(side: Side) -> str:
    """`long` or `short`."""
    return "long" if side is Side.BUY else "short"


def number(value: float | None) -> str:
    """Eight significant digits, cents from a million on. Examples: 98,734.177; 3,125,000; 0.059456966; −10."""
    if value is None:
        return NONE
    text = f"{value:,.2f}".removesuffix(".00") if abs(value) >= 1e6 else f"{value + 0.0:,.8g}"
    return text.replace("-", "−")


def percent(fraction: float | None) -> str:
    """Six significant digits. Examples: 0.0125 is 1.25 %, 0.0000125 is 0.00125 %."""
    return NONE if fraction is None else f"{100.0 * fraction + 0.0:,.6g} %".replace("-", "−")


def share(fraction: float | None) -> str:
    """Two decimals, for what is compared and not computed with. Example: 0.0126582 is 1.27 %."""
    return NONE if fraction is None else f"{100.0 * fraction + 0.0:,.2f} %".replace("-", "−")


def terms(*values: float) -> str:
    """What follows the first term of a sum, without zeros. Example: -2,500 and 0 are ` − 2,500`."""
    return "".join(f" {'−' if value < 0.0 else '+'} {number(abs(value))}" for value in values if value)


def tier_line(name: str, tier: Tier | None, where: str = "") -> Line:
    """`2`, from `from 150,000,000: 2.5 %, deduction 1,875,000, up to 20x`."""
    if tier is None:
        return Line(name, number(None))
    said = f"from {number(tier.floor_quote)}: {percent(tier.maintenance_rate)}, deduction {number(tier.deduction)}"
    return Line(name, str(tier.number), f"{where}{said}, up to {number(tier.max_leverage)}x")
