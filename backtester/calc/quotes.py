"""Prices and rates that the command line gives: one number, or one for each symbol."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from backtester.bounds import LARGEST_AMOUNT
from backtester.config.toml import did_you_mean
from backtester.errors import Diagnostic, usage_error

_BPS = Decimal(10_000)
_PERCENT = Decimal(100)


class Quote(NamedTuple):
    """`symbol` is empty where the number stands alone."""

    symbol: str
    value: float


class Quotes(NamedTuple):
    """What one option says: `100000`, or `BTC=100000,ETH=4000`."""

    option: str
    given: tuple[Quote, ...]

    def of(self, symbol: str) -> float:
        """The number of a symbol in which `problems` found nothing wrong."""
        return next(quote.value for quote in self.given if quote.symbol in (symbol, ""))

    def problems(self, symbols: Iterable[str], one_for_all: bool = False) -> list[Diagnostic]:
        """Symbols without a number, and numbers of symbols that are not asked about.

        A number that stands alone is for one symbol, or, with `one_for_all`, for any.
        """
        wanted = tuple(dict.fromkeys(symbols))
        named = {quote.symbol for quote in self.given}
        alone = "" in named and (one_for_all or len(wanted) == 1)
        missing = [] if alone else [symbol for symbol in wanted if symbol not in named]
        found = []
        if missing:
            example = ",".join(f"{symbol}=…" for symbol in missing)
            message, hint = f"missing for {', '.join(missing)}", f"{self.option} {example}"
            found.append(Diagnostic("usage", self.option, message, hint))
        for symbol in sorted(named - {"", *wanted}):
            message = f"there is no position in {symbol}"
            found.append(Diagnostic("usage", self.option, message, did_you_mean(symbol, wanted)))
        return found


def parse_quotes(option: str, texts: Iterable[str], read: Callable[[str, str], float]) -> Quotes:
    """The numbers of an option that may stand more than once; `read(option, text)` reads one. Raises usage errors."""
    quotes = []
    for part in (part for text in texts for part in text.split(",")):
        symbol, _, value = part.rpartition("=")
        quotes.append(Quote(symbol, read(option, value)))
    symbols = [quote.symbol for quote in quotes]
    if twice := sorted({symbol for symbol in symbols if symbols.count(symbol) > 1}):
        raise usage_error(option, f"given twice{f' for {twice[0]}' if twice[0] else ''}")
    return Quotes(option, tuple(quotes))


def read_price(option: str, text: str) -> float:
    """A number above 0. Raises a usage error."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.0 < value < LARGEST_AMOUNT:
        raise usage_error(option, f'expected a number above 0, was "{text}"')
    return value


def read_fraction(option: str, text: str) -> float:
    """`10%`, `1.5bps` or `0.1`, exactly as written. Example: 0.01% is 0.0001. Raises a usage error."""
    number, unit = text.strip(), Decimal(1)
    for suffix, per in (("%", _PERCENT), ("bps", _BPS)):
        if number.endswith(suffix):
            number, unit = number.removesuffix(suffix).strip(), per
    try:
        value = Decimal(number) / unit
    except InvalidOperation:
        value = Decimal("nan")
    if not value.is_finite():
        raise usage_error(option, f'expected a rate such as 0.01%, 1bps or 0.0001, was "{text}"')
    return float(value)
