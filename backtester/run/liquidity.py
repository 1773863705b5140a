"""`data/liquidity.toml`: how liquid markets are that have no base tape, relative to those that lend them one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import NamedTuple

from backtester.config.toml import Record, read_document, validate
from backtester.market.move import Stated
from backtester.shipped import data_dir

TABLE = data_dir() / "liquidity.toml"


class _Price(Record):
    symbol: str
    price: float
    at: datetime
    source: str


class _Lender(Record):
    venue: str
    symbol: str
    volume_share: float
    source: str


class _Market(Record):
    venue: str
    symbol: str
    volume_share: float
    spread_bps: float
    tick: float
    lot: float
    source: str
    assumed: str


class _File(Record):
    """The document as it stands."""

    lender: str
    sources: dict[str, str]
    prices: Sequence[_Price]
    lenders: Sequence[_Lender]
    markets: Sequence[_Market]


class Liquidity(NamedTuple):
    """What is stated of the markets of every venue. Keys are (venue, base)."""

    lender: str  # the base of those that nobody gives another
    shares: Mapping[tuple[str, str], float]  # money traded, of BTC's at the same venue; of lenders too
    markets: Mapping[tuple[str, str], Stated]  # with their own share in the place of that of their lender
    dates: Mapping[str, str]  # of the prices

    def bases_at(self, venue: str) -> tuple[str, ...]:
        """The bases that have no tape, and need none."""
        return tuple(base for at, base in self.markets if at == venue)

    def stated(self, venue: str, base: str, lender: str) -> Stated | None:
        """A market relative to its lender; None where nothing is known of one of them.

        Example: a market that trades 0.304 of BTC's money, lent by one that trades 1.072, has a share of 0.284.
        """
        market, whole = self.markets.get((venue, base)), self.shares.get((venue, lender))
        return None if market is None or whole is None else market._replace(share=market.share / whole)

    def lenders(self, venue: str, base: str, proxies: Mapping[str, str]) -> tuple[str, ...]:
        """The bases whose order book may stand for one, the first that has a tape: its proxy, else `lender`."""
        named = (proxies[base],) if base in proxies else ()
        return (*named, self.lender) if (venue, base) in self.markets else named


@cache
def liquidity() -> Liquidity:
    """The shipped table. Raises a configuration error where it is no such table."""
    file = validate(_File, read_document(TABLE))
    prices = {each.symbol: each for each in file.prices}
    markets = {
        (each.venue, each.symbol): Stated(
            prices[each.symbol].price, each.tick, each.lot, each.volume_share, each.spread_bps
        )
        for each in file.markets
    }
    shares = {(each.venue, each.symbol): each.volume_share for each in file.lenders}
    shares |= {key: market.share for key, market in markets.items()}
    return Liquidity(file.lender, shares, markets, {each.symbol: f"{each.at:%Y-%m-%d}" for each in file.prices})
