"""`--rebase`: a portfolio that was written at another price level than the tape's, moved to where the tape begins.

Per symbol of an account, k = first mark / entry price, for the first entry price that is a number. Every price of the
symbol that is a number is multiplied by k, as if it had been written relative to the mark, and the distance of a
trailing stop, to whole ticks; every size that is a number is divided by k and rounded to whole lots, at least one. A
notional or a share of the position is one at any price level. So notional, leverage, and how far limits and triggers
are away stay what they were; margins and collateral are left alone.

Example: 2 BTC from 60,000 with a stop at 57,000, on a tape whose first mark is 120,000: k = 2, so 1 BTC from 120,000
with a stop at 114,000.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple, TypeVar

from backtester.config.portfolio import Account, Order, Plan, PortfolioFile, Position
from backtester.config.values import RelativePrice
from backtester.market.schema import TapeInstrument
from backtester.run.resolve_values import Resolved, Start

PRICES = ("entry_price", "price", "trigger_price", "activation_price", "take_profit", "stop_loss")
SIZES = ("size", "display")
Item = TypeVar("Item", Position, Order, Plan)


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
        instruments, factors = {}, dict[str, Rebased]()
        for position in account.positions:
            market = resolved.numbers[number][position.symbol]
            instruments[position.symbol] = resolved.instruments[resolved.data.markets[market].instrument]
            if not isinstance(position.entry_price, RelativePrice):
                factor = start.marks[market] / position.entry_price
                made = Rebased(account.name, position.symbol, position.entry_price, factor)
                factors.setdefault(position.symbol, made)
        accounts.append(_rebased(account, factors, instruments))
        moved += factors.values()
    moved_portfolio = portfolio.portfolio.model_copy(update={"accounts": tuple(accounts)})
    return replace(portfolio, portfolio=moved_portfolio), tuple(moved)


def _rebased(account: Account, factors: Mapping[str, Rebased], instruments: Mapping[str, TapeInstrument]) -> Account:
    def moved(items: Iterable[Item]) -> tuple[Item, ...]:
        return tuple(
            each.model_copy(update=_changes(each, factors[each.symbol], instruments[each.symbol]))
            if each.symbol in factors
            else each
            for each in items
        )

    changed = {"positions": moved(account.positions), "orders": moved(account.orders), "plans": moved(account.plans)}
    return account.model_copy(update=changed)


def _changes(each: Position | Order | Plan, by: Rebased, instrument: TapeInstrument) -> dict[str, object]:
    """The fields of a position, an order or a plan that are another value now."""
    changed: dict[str, object] = {
        name: RelativePrice("mark", price / by.entry_price - 1.0)
        for name in PRICES
        if isinstance(price := getattr(each, name, None), float)
    }
    for name in SIZES:
        if isinstance(size := getattr(each, name, None), float):
            changed[name] = _whole(size / by.factor, instrument.lot_size)
    if isinstance(callback := getattr(each, "callback", None), float):
        changed["callback"] = _whole(callback * by.factor, instrument.tick_size)
    return changed


def _whole(amount: float, step: float) -> float:
    """A size in whole lots or a distance in whole ticks; nothing stays nothing."""
    return max(1, round(amount / step)) * step if amount > 0.0 else 0.0
