"""`--rebase`: a portfolio that was written at another price level than the tape's, moved to where the tape begins.

Per symbol of an account, k = first mark / entry price, for an entry price that is a number. Every price of the symbol
that is a number is multiplied by k, as if it had been written relative to the mark; every size is divided by k and
rounded to whole lots, at least one. So notional, leverage, and how far limits and triggers are away stay what they
were; margins and collateral are left alone.

Example: 2 BTC from 60,000 with a stop at 57,000, on a tape whose first mark is 120,000: k = 2, so 1 BTC from 120,000
with a stop at 114,000.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from backtester.config.portfolio import Account, Order, PortfolioFile, Position
from backtester.config.values import RelativePrice
from backtester.run.resolve import Resolved, Start


class Rebased(NamedTuple):
    """A symbol of an account that was moved by `factor`."""

    account: str
    symbol: str
    entry_price: float
    factor: float

    def __str__(self) -> str:
        moved = f"its entry moves from {self.entry_price:.10g} to the first mark, {self.entry_price * self.factor:.10g}"
        return f"{self.account} {self.symbol}: prices × and sizes ÷ {self.factor:.6g}: {moved} (--rebase)"


def rebase(portfolio: PortfolioFile, resolved: Resolved, start: Start) -> tuple[PortfolioFile, tuple[Rebased, ...]]:
    """The portfolio at the price level of the start, and what was moved by how much."""
    accounts, moved = [], list[Rebased]()
    for number, account in enumerate(portfolio.portfolio.accounts):
        lots, factors = {}, {}
        for position in account.positions:
            market = resolved.numbers[number][position.symbol]
            lots[position.symbol] = resolved.instruments[resolved.data.markets[market].instrument].lot_size
            if not isinstance(position.entry_price, RelativePrice):
                factor = start.marks[market] / position.entry_price
                factors[position.symbol] = Rebased(account.name, position.symbol, position.entry_price, factor)
        accounts.append(_rebased(account, factors, lots))
        moved += factors.values()
    moved_portfolio = portfolio.portfolio.model_copy(update={"accounts": tuple(accounts)})
    return replace(portfolio, portfolio=moved_portfolio), tuple(moved)


def _rebased(account: Account, factors: Mapping[str, Rebased], lots: Mapping[str, float]) -> Account:
    positions = (each.model_copy(update=_changes(each, factors, lots)) for each in account.positions)
    orders = (each.model_copy(update=_changes(each, factors, lots)) for each in account.orders)
    return account.model_copy(update={"positions": tuple(positions), "orders": tuple(orders)})


def _changes(each: Position | Order, factors: Mapping[str, Rebased], lots: Mapping[str, float]) -> dict[str, object]:
    """The fields of a position or an order that are another value now."""
    by = factors.get(each.symbol)
    if by is None:
        return {}
    prices = {name: getattr(each, name, None) for name in ("entry_price", "price", "trigger_price")}
    relative: dict[str, object] = {
        name: RelativePrice("mark", price / by.entry_price - 1.0)
        for name, price in prices.items()
        if isinstance(price, float)
    }
    return relative | {"size": _size(each.size / by.factor, lots[each.symbol])}


def _size(size: float, lot: float) -> float:
    """A size in whole lots; nothing stays nothing."""
    return max(1, round(size / lot)) * lot if size > 0.0 else 0.0
