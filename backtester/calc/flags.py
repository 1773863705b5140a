"""One position as the options of the command line describe it, every fault of them at once."""

from __future__ import annotations

from typing import Literal, NamedTuple

from backtester.bounds import LARGEST_AMOUNT
from backtester.calc import leverage, liquidation, maintenance
from backtester.calc.holdings import isolated_margin, raise_any
from backtester.calc.quotes import Quotes, read_fraction
from backtester.enums import Side
from backtester.errors import Diagnostic, usage_error


class Flags(NamedTuple):
    """What may be said of a position; None: not said. The names are those of the options."""

    venue: str | None = None
    symbol: str | None = None
    side: Literal["long", "short"] | None = None
    size: float | None = None
    entry: float | None = None
    mode: Literal["isolated", "cross"] | None = None
    margin: float | None = None
    leverage: float | None = None
    other_maintenance: float | None = None
    other_pnl: float | None = None

    def leave_to_portfolio(self) -> None:
        """Raise usage errors for whatever a portfolio says already; its venues may be replaced."""
        read = FlagReader(self)
        for name in self._fields[1:]:
            if getattr(self, name) is not None:
                read.fault(name, "the portfolio says it", "change it there with --set")
        read.finish()


class FlagReader:
    """Hands out flags and remembers what was wrong with them, until `finish`."""

    def __init__(self, flags: Flags) -> None:
        self.flags = flags
        self.problems: list[Diagnostic] = []

    def fault(self, name: str, message: str, hint: str = "") -> None:
        """Something is wrong with a flag: `other_pnl` is --other-pnl."""
        self.problems.append(Diagnostic("usage", f"--{name.replace('_', '-')}", message, hint))

    def symbol(self) -> str:
        """The market; needed, and with it the venue."""
        for name in ("venue", "symbol"):
            if not getattr(self.flags, name):
                self.fault(name, "is missing", "see `backtester venues list`" if name == "venue" else "")
        return self.flags.symbol or ""

    def side(self) -> Side:
        """The direction; needed."""
        if self.flags.side is None:
            self.fault("side", "is missing", "long or short")
        return Side.SELL if self.flags.side == "short" else Side.BUY

    def positive(self, name: str, hint: str = "") -> float:
        """A number above 0; needed. `hint` says what it is, where it is missing."""
        value = self.within(name, least=0.0)
        if value is None:
            self.fault(name, "is missing", hint)
        elif value == 0.0:
            self.fault(name, "expected more than 0, was 0")
        return value or 1.0

    def within(self, name: str, least: float) -> float | None:
        """A number not below `least`, None if it is not said."""
        value: float | None = getattr(self.flags, name)
        if value is not None and not least <= value < LARGEST_AMOUNT:
            self.fault(name, f"expected at least {least:g}, was {value:g}")
            return 1.0
        return value

    def price(self, quotes: Quotes) -> float:
        """The price of the symbol; needed."""
        symbol = self.flags.symbol
        if symbol is None or not quotes.given:
            self.problems += [] if quotes.given else [Diagnostic("usage", quotes.option, "is missing")]
            return 1.0
        self.problems += (found := quotes.problems([symbol]))
        return 1.0 if found else quotes.of(symbol)

    def finish(self) -> None:
        """Raise one error with all faults."""
        raise_any(self.problems)


def liquidation_inputs(flags: Flags, mark: Quotes) -> liquidation.Inputs:
    """A position and what backs it. Without a mark it was opened just now, at its entry."""
    read = FlagReader(flags)
    symbol, side = read.symbol(), read.side()
    size, entry, setting = read.positive("size"), read.positive("entry"), read.within("leverage", least=1.0)
    at = read.price(mark) if mark.given else entry
    mode = flags.mode or "isolated"
    if mode == "cross":
        margin = read.positive("margin", "the balance of the cross account, without unrealised PnL")
    else:
        _check_isolated(read)
        margin, setting = isolated_margin(size * entry, read.within("margin", least=0.0) or None, setting or 1.0)
    needed, pnl = read.within("other_maintenance", least=0.0), read.within("other_pnl", least=-LARGEST_AMOUNT)
    read.finish()
    return liquidation.Inputs(None, symbol, side, size, entry, at, mode, margin, setting, needed or 0.0, pnl or 0.0)


def maintenance_inputs(flags: Flags, mark: Quotes) -> maintenance.Inputs:
    """Size, mark, and the leverage setting if it is said."""
    read = FlagReader(flags)
    asked = maintenance.Inputs(
        None, read.symbol(), None, read.positive("size"), read.price(mark), read.within("leverage", least=1.0)
    )
    read.finish()
    return asked


def leverage_inputs(flags: Flags, mark: Quotes, shock: leverage.Shock) -> leverage.Inputs:
    """A position that stands alone, on the equity that --margin says, if it says one."""
    read = FlagReader(flags)
    symbol, side, size, price = read.symbol(), read.side(), read.positive("size"), read.price(mark)
    equity = read.within("margin", least=0.0)
    read.finish()
    return leverage.Inputs(None, symbol, side, size, price, equity, size * price, shock)


def read_shock(move: str | None, cost: str) -> leverage.Shock:
    """--move and --cost. Raises usage errors."""
    shock = leverage.Shock(None if move is None else read_fraction("--move", move), read_fraction("--cost", cost))
    if shock.move is not None and not 0.0 < shock.move < LARGEST_AMOUNT:
        raise usage_error("--move", f'expected more than 0, was "{move}"', "for example 10%")
    if shock.cost < 0.0:
        raise usage_error("--cost", f'expected at least 0, was "{cost}"')
    return shock


def _check_isolated(read: FlagReader) -> None:
    """An isolated position stands alone, and says its margin or its leverage."""
    flags = read.flags
    if flags.margin is None and flags.leverage is None:
        read.fault("margin", "is missing", "an isolated position needs margin or leverage")
    if flags.margin is not None and flags.leverage is not None:
        read.fault("margin", "an isolated position has leverage or margin, not both", "keep one of them")
    if flags.margin == 0.0:
        read.fault("margin", "expected more than 0, was 0")
    for name in ("other_maintenance", "other_pnl"):
        if getattr(flags, name) is not None:
            read.fault(name, "an isolated position stands alone", "say --mode cross")
