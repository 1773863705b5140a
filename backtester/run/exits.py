"""The point of no return: by when everything must have been closed for an account to be saved.

At that time of the venue's mark grid all of its orders are cancelled and all of its positions go to the market, once,
reduce-only, with the latency of any other message. Nothing is inferred: the worlds in which that happens earlier and
later go through the tape.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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


def last_exit(
    data: spec.MarketData, world: spec.World, account: int, reaction_ns: int, start_ns: int, breach_ns: int
) -> Search[Exit]:
    """The last time of the grid at which closing everything saves an account, as at all earlier ones tried.

    world      as it was run; the account's guards are left out
    breach_ns  when its first pool breaks, nobody closing anything

    Example: looks every 3 s from a start at 0, a breach at 15 s: 3, 6, 9 and 12 s are tried.
    """
    given = world.accounts[account]
    interval = data.rules[given.rules].mark_interval_ns
    count = max(0, (breach_ns - 1 - start_ns) // interval)
    places = _parted(0, count + 1)

    def trial(place: int) -> Trial | None:
        return Trial(_closed(data, world, account, start_ns + place * interval, reaction_ns))

    def finer(found: Edge[int]) -> Sequence[int]:
        return _parted(found.lives or 0, found.dies or count + 1)

    found = yield from edge(places, trial, finer)
    if found.lives is None or found.fared is None:
        return Exit(None, None, None if found.dies is None else start_ns + found.dies * interval)
    too_late = breach_ns if found.dies is None else start_ns + found.dies * interval
    return Exit(start_ns + found.lives * interval, found.fared.equity_end, too_late)


def _parted(low: int, high: int) -> Sequence[int]:
    """At most _TIMES places that part a span evenly, its ends left out. Example: between 0 and 4: 1, 2, 3."""
    steps = min(_TIMES + 1, high - low)
    return [low + (high - low) * step // steps for step in range(1, steps)]


def _closed(data: spec.MarketData, world: spec.World, account: int, ts: int, reaction_ns: int) -> spec.World:
    """The world in which somebody closes everything that an account has at `ts`, and stops it."""
    given = world.accounts[account]
    stopped = [_cancelled(order, ts) for order in given.orders]
    closing = (each for place in range(len(given.positions)) for each in _closing(data, given, place, ts, reaction_ns))
    closed = given._replace(orders=(*stopped, *closing), guards=())
    return world._replace(accounts=(*world.accounts[:account], closed, *world.accounts[account + 1 :]))


def _cancelled(order: spec.Order, ts: int) -> spec.Order:
    return order if 0 <= order.cancel_at_ns <= ts else order._replace(cancel_at_ns=ts)


def _closing(data: spec.MarketData, given: spec.Account, place: int, ts: int, reaction_ns: int) -> Iterator[spec.Order]:
    """Market orders for all that a position can be by then, of sizes that the venue takes."""
    held = given.positions[place]
    own = (order.lots for order in given.orders if order.position == place and order.plan < 0)
    planned = (plan.lots for plan in given.plans if plan.position == place)
    most = abs(held.lots) + sum(own) + sum(planned)
    largest = data.markets[held.market].max_market_lots or MOST_LOTS
    for side in _SIDES:
        left, number = most, 0
        while left > 0 and number < _MOST_ORDERS:
            lots = min(left, largest)
            yield spec.Order(
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
            left, number = left - lots, number + 1
