"""What else would have saved an account: less of everything it holds and orders, another margin mode, stops; and how
much more of everything one that lives would have borne.

As with money (run.topup) nothing is inferred: every answer is a world that was run. What is changed is said as `--set`
says it, or as the keys of an order, so that a `run` with it shows the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

from backtester.config.portfolio import Account, Order, Plan, Position
from backtester.config.values import PositionShare
from backtester.engine import spec
from backtester.enums import Side
from backtester.run.edge import Edge, edge
from backtester.run.result import Headroom, Remedy
from backtester.run.tries import Search, Trial
from backtester.run.variants import Change

#: The world with this change, or nothing where the portfolio cannot have it.
Turn = Callable[[Change], spec.World | None]

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

    def finer(found: Edge[Decimal]) -> Sequence[Decimal]:
        return _between(found.lives or Decimal(0), found.dies or Decimal(1))

    found = yield from edge(_between(Decimal(0), Decimal(1)), partial(_times, given, carried_in, turn), finer)
    if found.lives is None or found.fared is None:
        return []
    settings, not_enough = scaled(given, carried_in, found.lives), found.dies or Decimal(1)
    return [Remedy("size", settings, float(found.lives), float(not_enough), found.fared.equity_end)]


def larger(given: Account, carried_in: float, turn: Turn) -> Search[Headroom | None]:
    """The largest multiple of an account's sizes with which it still lives, as with all smaller ones tried.

    None where no larger one can be had.
    """
    if not scaled(given, carried_in, Decimal(1)):
        return None

    def finer(found: Edge[Decimal]) -> Sequence[Decimal]:
        low = found.lives or Decimal(1)
        high = found.dies or next((multiple for multiple in _MORE if multiple > low), low)
        return _between(low, high)

    found = yield from edge(_MORE, partial(_times, given, carried_in, turn), finer)
    if found.lives is None or found.fared is None:
        return None
    settings, dies_at = scaled(given, carried_in, found.lives), None if found.dies is None else float(found.dies)
    beyond = "dies" if dies_at is not None else "refused" if found.lives < _MORE[-1] else "not tried"
    return Headroom(float(found.lives), dies_at, beyond, found.fared.equity_end, settings)


def other_modes(given: Account, turn: Turn) -> Search[list[Remedy]]:
    """Whether an account survives with all of its positions in one margin mode that not all are in."""
    wanted = [mode for mode in MODES if any(place.margin_mode != mode for place in given.positions)]
    trials = {mode: trial for mode in wanted if (trial := _trial(turn, Change(_in_mode(given, mode))))}
    fared = yield [*trials.values()]
    return [
        Remedy(mode, _in_mode(given, mode), None, None, each.equity_end)
        for mode, each in zip(trials, fared, strict=True)
        if each.survived
    ]


def stopped(account: int, given: Account, turn: Turn) -> Search[list[Remedy]]:
    """The loosest stops, as far from the mark at the start on every position, with which an account survives.

    It survives with all tighter ones that were tried, too: a stop that a gap jumps, or that an empty order book leaves
    unfilled, is none. A tighter one may end better here, and be hit on a calm day.
    """

    def trial(percent: int) -> Trial | None:
        return _trial(turn, Change(orders={account: _stops(given, percent)}))

    found = yield from edge(range(1, _WIDEST_STOP + 1), trial, lambda found: ())
    if found.lives is None or found.fared is None:
        return []
    settings = ("type=stop_market", "size=all", f"trigger_price=mark±{found.lives}%")
    not_enough = None if found.dies is None else found.dies / 100
    return [Remedy("stop", settings, found.lives / 100, not_enough, found.fared.equity_end)]


def _times(given: Account, carried_in: float, turn: Turn, share: Decimal) -> Trial | None:
    return _trial(turn, Change(scaled(given, carried_in, share)))


def _trial(turn: Turn, change: Change) -> Trial | None:
    """The world with a change, if the portfolio can have it."""
    world = turn(change)
    return None if world is None else Trial(world)


def _between(low: Decimal, high: Decimal) -> Sequence[Decimal]:
    """What parts a span into _STEPS; nothing of an empty one."""
    return [low + (high - low) * n / _STEPS for n in range(1, _STEPS)] if high > low else ()


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
