"""What else would have saved an account: less of everything it holds and orders, another margin mode, stops.

As with money (run.topup) nothing is inferred: every answer is a world that was run. What is changed is said as `--set`
says it, or as the keys of an order, so that a `run` with it shows the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from itertools import takewhile
from typing import Any

from backtester.config.portfolio import Account, Position
from backtester.engine import spec
from backtester.enums import Side
from backtester.run.result import Remedy
from backtester.run.tries import Fared
from backtester.run.variants import Change

#: The world with this change, or nothing where the portfolio cannot have it.
Turn = Callable[[Change], spec.World | None]

MODES = ("cross", "isolated")
_WIDEST_STOP = 15  # per cent of the mark
#: Of a position by its side: its word, the side of the order that closes it, where its stop lies from the mark.
_STOPS = {Side.BUY: ("long", "sell", "-"), Side.SELL: ("short", "buy", "+")}
_STOP_ID = "proposed stop"
_STEPS = 10  # that a span is parted into, twice: sizes are found to a hundredth of what they are


class SizeSearch:
    """The largest share of an account's sizes with which it survives, as it does with all smaller ones tried.

    The part that it does without is closed at the first mark: what it came with (`carried_in`) is booked.
    """

    def __init__(self, account: int, given: Account, carried_in: float, turn: Turn) -> None:
        self.account, self._given, self._carried_in, self._turn = account, given, carried_in, turn
        self._span, self._rounds = (Decimal(0), Decimal(1)), 0  # survived below, not above
        self._asked: list[Decimal] = []
        self._saved: dict[Decimal, Fared] = {}

    def ask(self) -> list[spec.World]:
        """The worlds that are to be tried next: twice a span in ten."""
        self._asked = []
        if self._rounds == 2:
            return []
        self._rounds += 1
        low, high = self._span
        shares = [low + (high - low) * n / _STEPS for n in range(1, _STEPS)]
        worlds = [(share, self._turn(Change(scaled(self._given, self._carried_in, share)))) for share in shares]
        self._asked = [share for share, world in worlds if world is not None]
        return [world for _, world in worlds if world is not None]

    def learn(self, fared: Sequence[Fared]) -> None:
        """Take what became of them."""
        low, high = self._span
        for share, each in zip(self._asked, fared, strict=True):
            if not each.survived:
                high = share
                break
            self._saved[share] = each
            low = share
        self._span = (low, high)

    def answers(self) -> Iterator[Remedy]:
        """What was found."""
        enough, too_much = self._span
        if enough in self._saved:
            settings = scaled(self._given, self._carried_in, enough)
            yield Remedy("size", settings, float(enough), float(too_much), self._saved[enough].equity_end)


class ModeSearch:
    """Whether an account survives with all of its positions in one margin mode."""

    def __init__(self, account: int, given: Account, turn: Turn) -> None:
        self.account, self._given, self._turn = account, given, turn
        self._asked = [mode for mode in MODES if any(place.margin_mode != mode for place in given.positions)]
        self._saved: dict[str, Fared] = {}
        self._over = False

    def ask(self) -> list[spec.World]:
        """Every other mode, once."""
        if self._over:
            return []
        self._over = True
        worlds = {mode: self._turn(Change(_in_mode(self._given, mode))) for mode in self._asked}
        self._asked = [mode for mode, world in worlds.items() if world is not None]
        return [world for world in worlds.values() if world is not None]

    def learn(self, fared: Sequence[Fared]) -> None:
        """Take what became of them."""
        self._saved = {mode: each for mode, each in zip(self._asked, fared, strict=True) if each.survived}

    def answers(self) -> Iterator[Remedy]:
        """What was found."""
        for mode, each in self._saved.items():
            yield Remedy(mode, _in_mode(self._given, mode), None, None, each.equity_end)


class StopSearch:
    """The loosest stops, as far from the mark at the start on every position, with which an account survives.

    It survives with all tighter ones that were tried, too: a stop that a gap jumps, or that an empty order book leaves
    unfilled, is none.
    """

    def __init__(self, account: int, given: Account, turn: Turn) -> None:
        self.account, self._given, self._turn = account, given, turn
        self._asked: list[int] = [*range(1, _WIDEST_STOP + 1)]
        self._fared: list[Fared] = []
        self._over = False

    def ask(self) -> list[spec.World]:
        """Every distance, once."""
        if self._over:
            return []
        self._over = True
        worlds = {percent: self._turn(self._change(percent)) for percent in self._asked}
        self._asked = [percent for percent, world in worlds.items() if world is not None]
        return [world for world in worlds.values() if world is not None]

    def learn(self, fared: Sequence[Fared]) -> None:
        """Take what became of them."""
        self._fared = [*fared]

    def answers(self) -> Iterator[Remedy]:
        """What was found."""
        lived = [*takewhile(lambda pair: pair[1].survived, zip(self._asked, self._fared, strict=True))]
        if lived:
            percent, fared = lived[-1]
            beyond = self._asked[len(lived)] / 100 if len(lived) < len(self._asked) else None
            settings = ("type=stop_market", "size=all", f"trigger_price=mark±{percent}%")
            yield Remedy("stop", settings, percent / 100, beyond, fared.equity_end)

    def _change(self, percent: int) -> Change:
        held = [place for place in self._given.positions if place.size]
        return Change(orders={self.account: tuple(self._stop(n, place, percent) for n, place in enumerate(held))})

    def _stop(self, number: int, place: Position, percent: int) -> dict[str, Any]:
        word, side, sign = _STOPS[place.side]
        of_two = {"position_side": word} if self._given.position_mode == "hedge" else {}
        order = {"id": f"{_STOP_ID} {number}", "symbol": place.symbol, "type": "stop_market", "side": side}
        return {**order, "size": "all", "trigger_price": f"mark{sign}{percent}%", "reduce_only": True, **of_two}


def scaled(given: Account, carried_in: float, share: Decimal) -> tuple[str, ...]:
    """Everything that an account holds and orders, times a share; its equity at the start stays.

    Example: of 10,000 USDC with −1,000 carried in, accounts[main].positions.size=*0.6,
    accounts[main].orders.size=*0.6, accounts[main].collateral.USDC=9600.0.
    """
    kinds = {"positions": given.positions, "orders": given.orders, "plans": given.plans}
    here = f"accounts[{given.name}]"
    sizes = tuple(f"{here}.{kind}.size=*{share.normalize():f}" for kind, them in kinds.items() if them)
    if not carried_in:
        return sizes
    left = given.collateral.amount + (1.0 - float(share)) * carried_in
    return (*sizes, f"{here}.collateral.{given.collateral.asset}={left!r}")


def _in_mode(given: Account, mode: str) -> tuple[str, ...]:
    return (f"accounts[{given.name}].positions.margin_mode={mode}",)
