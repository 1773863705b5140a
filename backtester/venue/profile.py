"""The rules of one venue on one date, as a run uses them."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from backtester.config.toml import Where, did_you_mean
from backtester.config.venue import FeeTier, TierRow, VenueRules
from backtester.enums import Side
from backtester.errors import config_error

#: A price this close to a step, in steps, stands on it: `mark-6%` must not slip by rounding of the 17th digit.
STEP_TOLERANCE = 1e-6


class Provenance(NamedTuple):
    """Where a rule comes from. `value` as written in the profile."""

    rule: str
    value: str | float | bool | tuple[str, ...]
    source: str
    assumed: bool

    @classmethod
    def of(cls, rule: str, value: str | float | bool | list[str], source: str, assumed: bool) -> Provenance:
        """From a value as TOML has it: words of a list become a tuple, so that profiles can be told apart by hash."""
        return cls(rule, tuple(value) if isinstance(value, list) else value, source, assumed)


class SourceDocument(NamedTuple):
    """A document that sources refer to by its key."""

    key: str
    title: str


class OwnRule(NamedTuple):
    """A rule of the venue that is another one in a single market."""

    rule: str
    value: float


class MarketRules(NamedTuple):
    """What a venue says of one market."""

    symbol: str
    tiers: tuple[TierRow, ...]
    impact_notional_quote: float
    size_decimals: int | None  # None: not known
    source: str
    assumed: bool
    listed: bool = True  # False: the profile does not name this symbol, these are its default rules
    table: str = ""  # the file of a tier table, "" for a market that is written out
    own: tuple[OwnRule, ...] = ()  # where it differs from the rules of the venue


@dataclass(frozen=True, slots=True)
class VenueProfile:
    """One venue under the rules in force on one date. `rules` has the names of `engine.spec.Rules`."""

    id: str
    title: str
    collateral: str
    documents: tuple[SourceDocument, ...]
    rules_date: date  # first day of the period
    until: date | None  # first day of the next period; None: still in force
    basis: str
    notes: tuple[str, ...]
    rules: VenueRules
    provenance: tuple[Provenance, ...]  # one per rule, in the order of VenueRules
    markets: tuple[MarketRules, ...] = field(compare=False)  # by symbol; the file and the date decide them
    default_market: MarketRules
    fee_tiers: tuple[FeeTier, ...]  # beside the base tier, whose rates are rules
    sha256: str  # of the values of all these rules, tiers and markets

    @property
    def name(self) -> str:
        """`hyperliquid@2025-10-10`."""
        return f"{self.id}@{self.rules_date}"

    @property
    def assumed_share(self) -> float:
        """The fraction of the rules that are guesses."""
        return sum(rule.assumed for rule in self.provenance) / len(self.provenance)

    @property
    def cited(self) -> tuple[SourceDocument, ...]:
        """The documents that the rules, the markets and the notes of this date refer to."""
        rules = [rule.source for rule in self.provenance]
        markets = [market.source for market in (*self.markets, self.default_market)]
        said = " ".join((*rules, *markets, *self.notes))
        return tuple(each for each in self.documents if re.search(rf"(?<![\w-]){re.escape(each.key)}(?![\w-])", said))

    def market(self, *names: str) -> MarketRules:
        """The rules of the first of `names` that the profile lists, as it stands or followed by the collateral.

        So `BTC` finds BTCUSDT on a venue with USDT as collateral, and `market("BTCUSDC", "BTC")` prefers BTCUSDC. If
        none is listed: the default rules, not `listed`, under the first name.
        """
        for name in names:
            for symbol in (name, name + self.collateral):
                at = bisect_left(self.markets, symbol, key=_symbol_of)
                if at < len(self.markets) and self.markets[at].symbol == symbol:
                    return self.markets[at]
        return self.default_market._replace(symbol=names[0])

    def market_rule(self, rule: str, market: MarketRules) -> float:
        """A rule as it is in a market: the market's own where it has one, else that of the venue.

        Example: `market_rule("funding_cap", profile.market("BTC"))` on Binance is 0.003, of most others 0.02.
        """
        of_venue: float = getattr(self.rules, rule)
        return dict(market.own).get(rule, of_venue)

    def with_fee_tier(self, name: str, where: Where | None = None) -> VenueProfile:
        """The profile with the rates of a fee tier, or of several joined by `+`; a later one says more.

        Example: on Hyperliquid `volume-4+maker-2` takes at 0.028 % and earns 0.002 % as a maker.
        Raises a configuration error, naming `where`, for a tier that the venue does not have on this date.
        """
        tiers = {tier.name: tier for tier in self.fee_tiers}
        stated = {rule.rule: rule for rule in self.provenance}
        for word in name.split("+"):
            if word not in tiers:
                known = f"known: {', '.join(tiers)}" if tiers else "none are known on this date"
                raise config_error(
                    str(where or "fee tier"),
                    f'{self.name} has no fee tier "{word}"',
                    did_you_mean(word, tiers) or known,
                )
            tier = tiers[word]
            for rule, rate in (("taker_fee", tier.taker_fee), ("maker_fee", tier.maker_fee)):
                if rate is not None:
                    stated[rule] = Provenance(rule, rate, tier.source, tier.assumed)
        rates = {rule: stated[rule].value for rule in ("taker_fee", "maker_fee")}
        rules = self.rules.model_copy(update=rates)
        return replace(self, rules=rules, provenance=tuple(stated.values()))

    def price_step(self, price: float, size_decimals: int | None, tick_size: float = 0.0) -> Decimal:
        """The distance between two order prices near `price`, in quote currency; at least `tick_size`.

        Significant figures and decimals limit it, whole numbers are always allowed. Example with 5 figures and 6
        decimals: BTC (size_decimals 5) at 117,066 has a step of 1, at 9,876.5 of 0.1; ETH (4) at 3,435.21 of 0.1.
        Where the instrument alone decides, as on Binance: 0.1 with a `tick_size` of 0.1.
        """
        tick = Decimal(repr(tick_size))
        by_decimals = Decimal(1).scaleb(-max(0, self.rules.price_decimals - (size_decimals or 0)))
        if not self.rules.price_significant_figures:
            return max(tick, by_decimals)
        by_figures = Decimal(1).scaleb(Decimal(repr(price)).adjusted() + 1 - self.rules.price_significant_figures)
        return max(tick, min(Decimal(1), max(by_decimals, by_figures)))

    def order_price(self, price: float, toward: Side, size_decimals: int | None, tick_size: float = 0.0) -> float:
        """The nearest price the venue accepts at or above (`Side.BUY`) or at or below (`Side.SELL`) `price`.

        The side of the order as `toward` gives the price that is less favourable to it; the opposite side gives the
        passive one. Example: 117,066.4 for BTC is 117,067 to a buyer and 117,066 to a seller.
        """
        step = self.price_step(price, size_decimals, tick_size)
        steps = Decimal(repr(price)) / step
        nearest = steps.to_integral_value()
        if abs(steps - nearest) > STEP_TOLERANCE:
            nearest = Decimal(math.ceil(steps) if toward is Side.BUY else math.floor(steps))
        return float(nearest * step)


def _symbol_of(market: MarketRules) -> str:
    return market.symbol
