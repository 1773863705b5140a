"""What else would have saved an account: less of everything it holds and orders, another margin mode, stops; and how
much more of everything one that lives would have borne.

As with money (run.topup) nothing is inferred: every answer is a world that was run. What is changed is said as `--set`
says it, or as the keys of an order, so that a `run` with it shows the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from itertools import takewhile
from typing import Any, TypeVar

from backtester.config.portfolio import Account, Order, Plan, Position
from backtester.config.values import PositionShare
from backtester.engine import spec
from backtester.enums import Side
from backtester.run.result import Remedy
from backtester.run.tries import Fared, Search, Trial
from backtester.run.variants import Change

#: The world with this change, or nothing where the portfolio cannot have it.
Turn = Callable[[Change], spec.World | None]

T = TypeVar("T")
MODES = ("cross", "isolated")
_WIDEST_STOP = 15  # per cent of the mark
#: Of a position by its side: its word, the side of the order that closes it, where its stop lies from the mark.
_STOPS = {Side.BUY: ("long", "sell", "-"), Side.SELL: ("short", "buy", "+")}
_STOP_ID = "proposed stop"
_STEPS = 10  # that a span is parted into, twice: sizes are found to a hundredth of what they are
#: Multiples of its sizes that are tried on an account that lives, before the span that holds the edge is parted.
_MORE = tuple(map(Decimal, ("1.25", "1.5", "2", "3", "4", "6", "8", "10")))


def smaller(given: Account, carried_in: float, turn: Turn) -> Search[list[Remedy]]:
    """The largest share of an account's sizes with which it survives, as it does with all smaller ones tried.

    The part that it does without is closed at the first mark: what it came with (`carried_in`) is booked.
    """
    low, high = Decimal(0), Decimal(1)
    saved: dict[Decimal, Fared] = {}
    for _ in range(2):
        shares = [low + (high - low) * n / _STEPS for n in range(1, _STEPS)]
        worlds = _worlds(turn, {share: Change(scaled(given, carried_in, share)) for share in shares})
        fared = yield [*map(Trial, worlds.values())]
        for share, each in zip(worlds, fared, strict=True):
            if not each.survived:
                high = share
                break
            saved[share] = each
            low = share
    if low not in saved:
        return []
    return [Remedy("size", scaled(given, carried_in, low), float(low), float(high), saved[low].equity_end)]


def larger(given: Account, carried_in: float, turn: Turn) -> Search[list[Remedy]]:
    """The largest multiple of an account's sizes with which it still lives, as with all smaller ones tried.

    Nothing where no larger one can be had. `not_enough` is None where the next one is refused, or was not tried.
    """
    low, lived = Decimal(1), None
    high: Decimal | None = None
    dies = False
    if not scaled(given, carried_in, low):
        return []
    multiples: Sequence[Decimal] = _MORE
    for _ in range(2):
        worlds = _worlds(turn, {multiple: Change(scaled(given, carried_in, multiple)) for multiple in multiples})
        fared = dict(zip(worlds, (yield [*map(Trial, worlds.values())]), strict=True))
        for multiple in multiples:
            each = fared.get(multiple)
            if each is None or not each.survived:
                high, dies = multiple, each is not None
                break
            low, lived = multiple, each
        if high is None:
            break
        multiples = [low + (high - low) * n / _STEPS for n in range(1, _STEPS)]
    if lived is None:
        return []
    not_enough = float(high) if dies and high is not None else None
    return [Remedy("larger", scaled(given, carried_in, low), float(low), not_enough, lived.equity_end)]


def other_modes(given: Account, turn: Turn) -> Search[list[Remedy]]:
    """Whether an account survives with all of its positions in one margin mode that not all are in."""
    modes = [mode for mode in MODES if any(place.margin_mode != mode for place in given.positions)]
    worlds = _worlds(turn, {mode: Change(_in_mode(given, mode)) for mode in modes})
    fared = yield [*map(Trial, worlds.values())]
    return [
        Remedy(mode, _in_mode(given, mode), None, None, each.equity_end)
        for mode, each in zip(worlds, fared, strict=True)
        if each.survived
    ]


def stopped(account: int, given: Account, turn: Turn) -> Search[list[Remedy]]:
    """The loosest stops, as far from the mark at the start on every position, with which an account survives.

    It survives with all tighter ones that were tried, too: a stop that a gap jumps, or that an empty order book leaves
    unfilled, is none. A tighter one may end better here, and be hit on a calm day.
    """
    wanted = range(1, _WIDEST_STOP + 1)
    worlds = _worlds(turn, {percent: Change(orders={account: _stops(given, percent)}) for percent in wanted})
    fared = yield [*map(Trial, worlds.values())]
    lived = [*takewhile(lambda pair: pair[1].survived, zip(worlds, fared, strict=True))]
    if not lived:
        return []
    (percent, last), beyond = lived[-1], [*worlds][len(lived) :]
    settings = ("type=stop_market", "size=all", f"trigger_price=mark±{percent}%")
    return [Remedy("stop", settings, percent / 100, beyond[0] / 100 if beyond else None, last.equity_end)]


def _worlds(turn: Turn, changes: Mapping[T, Change]) -> dict[T, spec.World]:
    """Those that the portfolio can have."""
    made = {key: turn(change) for key, change in changes.items()}
    return {key: world for key, world in made.items() if world is not None}


def _stops(given: Account, percent: int) -> tuple[dict[str, Any], ...]:
    held = [place for place in given.positions if place.size]
    return tuple(_stop(given, number, place, percent) for number, place in enumerate(held))


def _stop(given: Account, number: int, place: Position, percent: int) -> dict[str, Any]:
    word, side, sign = _STOPS[place.side]
    closing = {"position_side": word} if given.position_mode == "hedge" else {"reduce_only": True}
    order = {"id": f"{_STOP_ID} {number}", "symbol": place.symbol, "type": "stop_market", "side": side}
    return {**order, "size": "all", "trigger_price": f"mark{sign}{percent}%", **closing}


def scaled(given: Account, carried_in: float, share: Decimal) -> tuple[str, ...]:
    """Everything that an account holds and orders, times a share; its equity at the start stays.

    Orders that are shares of a position follow it by themselves.

    Example: of 10,000 USDC with −1,000 carried in, accounts[main].positions.size=*0.6,
    accounts[main].orders.size=*0.6, accounts[main].collateral.USDC=9600.0.
    """
    kinds: Mapping[str, Sequence[Position | Order | Plan]]
    kinds = {"positions": given.positions, "orders": given.orders, "plans": given.plans}
    here = f"accounts[{given.name}]"
    own = [kind for kind, them in kinds.items() if not all(isinstance(each.size, PositionShare) for each in them)]
    sizes = tuple(f"{here}.{kind}.size=*{share.normalize():f}" for kind in own)
    if not carried_in:
        return sizes
    left = given.collateral.amount + (1.0 - float(share)) * carried_in
    return (*sizes, f"{here}.collateral.{given.collateral.asset}={left!r}")


def _in_mode(given: Account, mode: str) -> tuple[str, ...]:
    return (f"accounts[{given.name}].positions.margin_mode={mode}",)
