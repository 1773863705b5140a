"""The point of no return: by when everything must have been closed for an account to be saved.

Decided at a time of the venue's mark grid, all of its orders are cancelled and all of its positions go to the market,
once, reduce-only, with the latency of any other message; it has no guards in these worlds. Nothing is inferred: those
in which that happens earlier and later go through the tape.
"""

from __future__ import annotations

from collections.abc import Sequence

from backtester.bounds import MOST_LOTS
from backtester.engine import spec
from backtester.enums import OrderType, TimeInForce
from backtester.run.edge import Edge, edge
from backtester.run.result import Exit
from backtester.run.tries import Search, Trial

#: Times that are tried at once, and once more between two of them.
_TIMES = 64
#: Buys and sells: a position may have turned by then, and what does not reduce is void.
_SIDES = (-1, 1)
#: Orders that a side of a position is closed with at most, where the venue takes no larger ones.
_MOST_ORDERS = 100
#: So far above its mark at the start an order still has to be of a notional that the venue takes.
_ROOM = 1.5


def last_exit(
    data: spec.MarketData,
    world: spec.World,
    account: int,
    marks: Sequence[float],
    reaction_ns: int,
    start_ns: int,
    breach_ns: int,
) -> Search[Exit | None]:
    """The last time of the grid at which closing everything saves an account, as at all earlier ones tried.

    None where the venue takes no orders of such a size that it could be done at once.

    world      as it was run; the account's guards are left out
    marks      of its positions at the start, quote
    breach_ns  when its first pool broke in the run

    Example: looks every 3 s from a start at 0, a breach at 15 s: 3, 6, 9 and 12 s are tried.
    """
    given = world.accounts[account]
    interval = data.rules[given.rules].mark_interval_ns
    first, end = start_ns // interval, (breach_ns - 1) // interval + 1
    closing = [_sizes(data, given, place, mark) for place, mark in enumerate(marks)]
    if any(len(sizes) > _MOST_ORDERS for sizes in closing):
        return None

    def trial(place: int) -> Trial | None:
        return Trial(_closed(world, account, closing, place * interval, reaction_ns))

    def finer(found: Edge[int]) -> Sequence[int]:
        return _parted(found.lives or first, found.dies or end)

    found = yield from edge(_parted(first, end), trial, finer)
    if found.lives is None or found.fared is None:
        return Exit(None, None, None if found.dies is None else found.dies * interval)
    too_late = breach_ns if found.dies is None else found.dies * interval
    return Exit(found.lives * interval, found.fared.equity_end, too_late)


def _parted(low: int, high: int) -> Sequence[int]:
    """At most _TIMES places that part a span evenly, its ends left out. Example: between 0 and 4: 1, 2, 3."""
    steps = min(_TIMES + 1, high - low)
    return [low + (high - low) * step // steps for step in range(1, steps)]


def _closed(world: spec.World, account: int, closing: Sequence[Sequence[int]], ts: int, reaction_ns: int) -> spec.World:
    """The world in which somebody closes everything that an account has at `ts`, and stops it.

    closing  lots of the orders for each position; a position may have turned by then, and what does not reduce is void
    """
    given = world.accounts[account]
    stopped = [_cancelled(order, ts) for order in given.orders]
    exits = (
        spec.Order(
            f"exit {place} {side} {number}",
            place,
            OrderType.MARKET,
            TimeInForce.IOC,
            side,
            lots,
            reduce_only=True,
            reaction_ns=reaction_ns,
            at_ns=ts,
        )
        for place, sizes in enumerate(closing)
        for side in _SIDES
        for number, lots in enumerate(sizes)
    )
    closed = given._replace(orders=(*stopped, *exits), guards=())
    return world._replace(accounts=(*world.accounts[:account], closed, *world.accounts[account + 1 :]))


def _cancelled(order: spec.Order, ts: int) -> spec.Order:
    return order if 0 <= order.cancel_at_ns <= ts else order._replace(cancel_at_ns=ts)


def _sizes(data: spec.MarketData, given: spec.Account, place: int, mark: float) -> Sequence[int]:
    """Lots of market orders that the venue takes, for all that a position can be. Example: 8 by 3: 3, 3, 2."""
    held = given.positions[place]
    own = (order.lots for order in given.orders if order.position == place and order.plan < 0)
    planned = (plan.lots for plan in given.plans if plan.position == place)
    most = abs(held.lots) + sum(own) + sum(planned)
    market = data.markets[held.market]
    largest = market.max_market_lots or MOST_LOTS
    if market.max_market_quote:
        instrument = data.instruments[market.instrument]
        lot = instrument.lot_size * instrument.multiplier * mark * _ROOM
        largest = max(1, min(largest, int(market.max_market_quote / lot)))
    whole, rest = divmod(most, largest)
    return (*(largest,) * min(whole, _MOST_ORDERS + 1), *((rest,) if rest else ()))
