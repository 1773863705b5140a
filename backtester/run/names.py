"""What the symbols of a portfolio can mean: instruments of the tapes that were named, else of the shipped ones.

They are judged while the portfolio is read, so that one run tells all that is wrong with it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

from backtester.config.lines import Place
from backtester.config.tables import Table, tables, text
from backtester.config.toml import Document, Placed, Where
from backtester.errors import BacktesterError, Diagnostic
from backtester.market.read import open_tape
from backtester.market.schema import InstrumentFacts, TapeInstrument
from backtester.run.liquidity import liquidity
from backtester.run.resolve import base_meant, find_instrument, not_found
from backtester.scenario.grid import Proxy
from backtester.shipped import data_dir
from backtester.venue.profile import VenueProfile


class Market(NamedTuple):
    """What an account has a position in."""

    profile: VenueProfile
    symbol: str

    @property
    def base(self) -> str:
        """BTC of BTCUSDT where accounts are kept in USDT."""
        return self.symbol.removesuffix(self.profile.collateral) or self.symbol


class Names:
    """The symbols that a run can trade.

    `any_venue`: also on the order book of another venue. `any_time`: shipped tapes are laid beside the named ones.
    """

    def __init__(
        self,
        tapes: Sequence[str],
        described: Sequence[InstrumentFacts],
        proxies: Sequence[Proxy],
        any_venue: bool,
        any_time: bool,
    ) -> None:
        self.tapes, self.described, self.proxies = tapes, described, proxies
        self.any_venue, self.any_time = any_venue, any_time

    @cached_property
    def instruments(self) -> Sequence[TapeInstrument] | None:
        """Those of the named tapes; None where they cannot be read, which is told when they are opened."""
        try:
            return open_tape(self.tapes, self.described).instruments
        except BacktesterError:
            return None

    def judge(self, document: Document, account: Table, place: Place, profile: VenueProfile) -> Iterator[Placed]:
        """The symbols of an account's positions that mean no instrument."""
        for number, position in tables(account, "positions"):
            symbol, there = text(position, "symbol"), (*place, "positions", number, "symbol")
            found = self._problem(Market(profile, symbol), document.where(there)) if symbol else None
            if found is not None:
                yield there, found

    def _problem(self, market: Market, where: Where) -> Diagnostic | None:
        lent = {each.base: each.source for each in self.proxies}
        if self._is_of_a_scaled_one(market, lent):
            return _lent_already(market, lent[market.base])
        if not self.tapes:
            return None if shipped_for(market, lent) else _not_shipped(market, where)
        known, venue = self.instruments, market.profile.id
        if known is None or market.base in lent or (self.any_time and shipped_for(market, lent) is not None):
            return None
        if _is_lent(market, known) or find_instrument(market.symbol, venue, known, self.any_venue) is not None:
            return None
        return not_found(where, market.symbol, venue, known)

    def _is_of_a_scaled_one(self, market: Market, lent: Mapping[str, str]) -> bool:
        """Whether a market without an order book is to take that of one that has none either: its own is scaled."""
        source, venue = lent.get(market.base, ""), market.profile.id
        has = {each.base for each in (self.instruments if self.tapes else None) or () if each.venue == venue}
        is_scaled = source not in has and (venue, source) in liquidity().markets
        return is_scaled and market.base not in has and shipped_for(market, lent) is None


def shipped_for(market: Market, proxies: Mapping[str, str], has: Collection[str] = ()) -> str | None:
    """Name of the shipped tape of a market, else of the one that lends it, unless a tape `has` that already."""
    own = _shipped_name(market.profile, market.base)
    if _is_shipped(own):
        return own
    for source in liquidity().lenders(market.profile.id, market.base, proxies):
        lent = _shipped_name(market.profile, source)
        if source in has or _is_shipped(lent):
            return None if source in has else lent
    return None


def _is_lent(market: Market, known: Sequence[TapeInstrument]) -> bool:
    """Whether an instrument of a tape has the order book of a market whose liquidity is stated."""
    lenders = liquidity().lenders(market.profile.id, market.base, {})
    return any(each.venue == market.profile.id and each.base in lenders for each in known)


def _shipped_name(profile: VenueProfile, base: str) -> str:
    return f"{profile.id}-{base.lower()}"


def _is_shipped(name: str) -> bool:
    return (data_dir() / f"{name}.parquet").is_file()


def _not_shipped(market: Market, where: Where) -> Diagnostic:
    meant = base_meant(market.symbol)
    known = ", ".join(sorted(liquidity().bases_at(market.profile.id)))
    hint = "give one with --tape"
    if _is_shipped(_shipped_name(market.profile, "BTC")):
        hint = f"{hint}, or lend it another's: --proxy {meant}=BTC --price {meant}=PRICE"
    hint = f"{hint}; those of {known} are scaled from {liquidity().lender}" if known else hint
    if _is_shipped(_shipped_name(market.profile, meant)):
        hint = f'did you mean "{meant}"?'
    return Diagnostic("data", str(where), f"no base tape is shipped for {market.symbol} on {market.profile.id}", hint)


def _lent_already(market: Market, source: str) -> Diagnostic:
    base, lender = market.base, liquidity().lender
    message = f"{source} has no order book to lend, its own is scaled from {lender}'s"
    hint = f"lend {lender}'s: --proxy {base}={lender} --price {base}=PRICE"
    return Diagnostic("usage", f"--proxy {base}={source}", message, hint)
