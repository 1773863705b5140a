"""Who pays funding on what, from the options of the command line: of one position, or of all in a portfolio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from backtester.bounds import LARGEST_AMOUNT
from backtester.calc.flags import FlagReader, Flags
from backtester.calc.funding import AveragePremium, FixedRate, Given, ImpactPrices, Inputs
from backtester.calc.holdings import find_profile, held_positions, raise_any, units
from backtester.calc.quotes import Quotes
from backtester.config.portfolio import PortfolioFile
from backtester.config.values import Notional
from backtester.enums import PriceReference, Side
from backtester.errors import Diagnostic
from backtester.venue.profile import VenueProfile


class Payer(NamedTuple):
    """A position, and the venue it pays on."""

    account: str | None
    profile: VenueProfile
    symbol: str
    side: Side
    size: float | Notional


class Origin(NamedTuple):
    """What the options say of the rate: exactly one of rate, premium and the two impact prices."""

    rate: Quotes
    premium: Quotes
    impact_bid: float | None
    impact_ask: float | None

    def problems(self, symbols: Sequence[str]) -> list[Diagnostic]:
        """Whether each symbol gets its rate, and in one way."""
        quoted = [quotes for quotes in (self.rate, self.premium) if quotes.given]
        impact = [price for price in (self.impact_bid, self.impact_ask) if price is not None]
        if len(quoted) + bool(impact) != 1:
            hint = "give one of --rate, --premium, or --impact-bid with --impact-ask and --index"
            return [Diagnostic("usage", "--rate", "is said twice" if quoted else "is missing", hint)]
        if quoted:
            return quoted[0].problems(symbols, one_for_all=True)
        found = []
        if len(impact) != 2 or not 0.0 < impact[0] <= impact[1] < LARGEST_AMOUNT:
            found.append(Diagnostic("usage", "--impact-bid", "expected 0 < --impact-bid <= --impact-ask"))
        if len(symbols) > 1:
            found.append(Diagnostic("usage", "--impact-bid", "is for one market", "give each its --premium"))
        return found

    @property
    def needs_index(self) -> bool:
        """Impact prices are measured from it."""
        return self.impact_bid is not None

    def of(self, symbol: str, index: Quotes) -> Given:
        """The origin of a symbol's rate, once there are no problems."""
        if self.impact_bid is not None and self.impact_ask is not None:
            return ImpactPrices(self.impact_bid, self.impact_ask, index.of(symbol))
        return FixedRate(self.rate.of(symbol)) if self.rate.given else AveragePremium(self.premium.of(symbol))


def one_payer(flags: Flags) -> list[Payer]:
    """The position that the options describe."""
    read = FlagReader(flags)
    symbol, side, size = read.symbol(), read.side(), read.positive("size")
    read.finish()
    return [Payer(None, find_profile(flags.venue), symbol, side, size)]


def payers(portfolio: PortfolioFile, venue: str | None) -> list[Payer]:
    """All positions of a portfolio."""
    return [
        Payer(each.account, each.profile, each.position.symbol, each.position.side, each.position.size)
        for each in held_positions(portfolio, venue)
    ]


def funding_inputs(
    payers: Sequence[Payer], origin: Origin, mark: Quotes, index: Quotes, intervals: int, cost: float | None
) -> list[Inputs]:
    """What each pays on: mark or index, as its venue says. Raises usage errors for all that is missing."""
    on_mark = [payer.symbol for payer in payers if not _pays_on_index(payer)]
    on_index = [payer.symbol for payer in payers if _pays_on_index(payer) or origin.needs_index]
    problems = origin.problems([payer.symbol for payer in payers])
    for quotes, symbols in ((mark, on_mark), (index, on_index)):
        why = f"funding is paid on, or measured from, the {quotes.option.removeprefix('--')} price here"
        found = quotes.problems(symbols) if symbols else []
        problems += (replace(problem, hint=f"{why}: {problem.hint}") for problem in found)
    raise_any(problems)
    prices = [(index if _pays_on_index(payer) else mark).of(payer.symbol) for payer in payers]
    return [
        Inputs(
            account=payer.account,
            symbol=payer.symbol,
            side=payer.side,
            size=units(payer.size, price),
            price=price,
            price_by=payer.profile.rules.funding_price,
            given=origin.of(payer.symbol, index),
            intervals=intervals,
            cost=cost,
        )
        for payer, price in zip(payers, prices, strict=True)
    ]


def _pays_on_index(payer: Payer) -> bool:
    return payer.profile.rules.funding_price is PriceReference.INDEX
