"""What would have saved an account: the smallest top-up that is seen to save it, by worlds that hold the extra money.

Money changes what happens: an order that was refused for lack of margin fills, a partial close hands back more of an
isolated margin. So nothing is inferred from what was missing: worlds with more money from the start of the run go
through the same tape, many at a time, until two neighbours are found of which one survives and the other does not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from backtester.engine import spec
from backtester.engine.state import Capacities
from backtester.enums import Advance
from backtester.run.drive import Engine
from backtester.run.equity import account_equity
from backtester.run.result import ACTUAL, UNLIQUIDATED, WORLDS, TopUp

#: Quote, for each pool of an account as its pools are numbered (RULES 6.2).
Amounts = tuple[float, ...]

#: Passes through the tape at most; two are enough unless an account's need goes in steps.
PASSES = 6
#: Amounts that are tried at a time; fewer where the portfolio has so many orders that their worlds would not fit.
POINTS, FEWEST_POINTS, ORDERS_AT_A_TIME = 32, 6, 1_000_000
#: A guess is tried together with this much more and this much less of it.
MORE, LESS = 1.0001, 0.99
#: Significant digits of an amount, beyond cents.
DIGITS = 7


class Tried(NamedTuple):
    """How an account fared with `amounts` more; `spare` is the smallest buffer of each pool, infinite where unused."""

    amounts: Amounts
    survived: bool
    spare: Amounts
    equity_end: float

    @property
    def total(self) -> float:
        """All of the money, quote."""
        return math.fsum(self.amounts)


class Search:
    """The smallest top-up of one account, from which on every larger one that was tried saves it as well.

    world    as it was run, without any top-up
    account  number of the account in it
    missing  what each pool lacked while nobody was liquidated, quote: where to begin
    worth    what the positions of each pool and the orders for them are worth, quote: where to end
    """

    def __init__(self, world: spec.World, account: int, missing: Amounts, worth: Amounts) -> None:
        self.world, self.account = world, account
        self._limit = math.fsum(worth)
        self._ray = tuple(lack + 0.01 * value for lack, value in zip(missing, worth, strict=True))
        self._unit = _unit(world.accounts[account].balance)
        self._points = max(FEWEST_POINTS, min(POINTS, ORDERS_AT_A_TIME // (1 + _orders(world))))
        self._low: Amounts = (0.0,) * len(worth)
        self._high: Tried | None = None
        self._over = self._limit == 0.0

    def ask(self) -> list[Amounts]:
        """What is to be tried next; nothing when the answer is known."""
        if self._over:
            return []
        if self._high is None:
            return [self._whole(share * self._limit, self._ray) for share in _geometric(self._points)]
        guess, ends = self._guess(self._high), list(zip(self._low, self._high.amounts, strict=True))
        parts = (step / (self._points + 1) for step in range(1, self._points + 1))
        between = [self._rounded(low + part * (high - low) for low, high in ends) for part in parts]
        return [*between, *(self._rounded(scale * amount for amount in guess) for scale in (LESS, 1.0, MORE))]

    def learn(self, tried: Iterable[Tried]) -> None:
        """Take the results of what was asked: the least that survived with all above it, and the most that did not."""
        known = [*tried, *([self._high] if self._high else [])]
        for each in sorted(known, key=lambda one: one.total, reverse=True):
            if not each.survived:
                self._low = each.amounts
                break
            self._high = each
        if self._high is None:  # the largest amount does not save it
            self._over = True
            return
        gap = self._high.total - math.fsum(self._low)
        self._over = gap <= self._unit * len(self._low) or self._guess(self._high) == self._high.amounts

    def answer(self) -> TopUp:
        """What was found."""
        too_little = math.fsum(self._low)
        if self._high is None:
            return TopUp(None, too_little, None, self._limit)
        return TopUp(self._high.amounts, too_little, self._high.equity_end - self._high.total, self._limit)

    def _guess(self, high: Tried) -> Amounts:
        """What is enough if money does nothing but wait: what was enough, less what was left of it in each pool."""
        parts = zip(high.amounts, high.spare, strict=True)
        less = self._rounded(max(0.0, amount - spare) for amount, spare in parts)
        return tuple(map(min, less, high.amounts))

    def _whole(self, total: float, ray: Amounts) -> Amounts:
        whole = math.fsum(ray)
        return self._rounded(total * part / whole for part in ray)

    def _rounded(self, amounts: Iterable[float]) -> Amounts:
        """Up to the unit, a hair below which counts as on it."""
        return tuple(round(math.ceil(amount / self._unit - 1e-6) * self._unit, 9) for amount in amounts)


def find_topups(
    engine: Engine, worlds: Sequence[spec.World], chunks: Callable[[], Iterable[np.ndarray]], capacities: Capacities
) -> list[tuple[TopUp | None, ...]]:
    """What would have saved each account of each of `worlds`; None for one that needed nothing.

    engine  finished; it ran each world as ACTUAL and as UNLIQUIDATED, one behind the other
    chunks  the tape from its beginning, anew at every call
    """
    searches = {
        (n, account): _search(engine, n, world, account)
        for n, world in enumerate(worlds)
        for account in range(len(world.accounts))
        if _lacked(engine, WORLDS * n + ACTUAL, account)
    }
    for _ in range(PASSES):
        asked = [(search, search.ask()) for search in searches.values()]
        tried = [richer(search.world, search.account, more) for search, them in asked for more in them]
        if not tried:
            break
        run, number = _run(engine.data, chunks(), tried, capacities), 0
        for search, them in asked:
            if them:
                search.learn(_fared(run, number + n, search.account, more) for n, more in enumerate(them))
            number += len(them)
    answers = {key: search.answer() for key, search in searches.items()}
    return [tuple(answers.get((n, a)) for a in range(len(world.accounts))) for n, world in enumerate(worlds)]


def _search(engine: Engine, n: int, world: spec.World, account: int) -> Search:
    free = _pools(engine, WORLDS * n + UNLIQUIDATED, account)
    missing = tuple(max(0.0, -buffer) for buffer in engine.worlds.pools["buffer_min"][free].tolist())
    return Search(world, account, missing, _worth(engine, WORLDS * n + ACTUAL, account))


def richer(world: spec.World, account: int, amounts: Amounts) -> spec.World:
    """The world with more money in one account from the start, in its cross pool and in its isolated positions."""
    given = world.accounts[account]
    margins = iter(amounts[1:])
    positions = tuple(
        place._replace(margin=place.margin + next(margins)) if place.isolated else place for place in given.positions
    )
    more = given._replace(balance=given.balance + math.fsum(amounts), positions=positions)
    accounts = (*world.accounts[:account], more, *world.accounts[account + 1 :])
    return world._replace(accounts=accounts, liquidation=True, record=False)


def _pools(engine: Engine, world: int, account: int) -> np.ndarray:
    """Numbers of the pools of an account of a world."""
    return np.flatnonzero(engine.worlds.pools["account"] == engine.index.accounts[world] + account)


def _lacked(engine: Engine, world: int, account: int) -> bool:
    """Whether an account was liquidated, left a loss to others or ended below 0."""
    pools = engine.worlds.pools[_pools(engine, world, account)]
    hurt = bool((pools["rounds"] > 0).any() or (pools["deficit"] > 0.0).any())
    return hurt or _equity(engine, world, account) < 0.0


def _equity(engine: Engine, world: int, account: int) -> float:
    return account_equity(engine.worlds, engine.market, engine.index.accounts[world] + account)


def _run(data: spec.MarketData, chunks: Iterable[np.ndarray], worlds: Sequence[spec.World], room: Capacities) -> Engine:
    engine, stream = Engine(data, room), iter(chunks)
    for chunk in stream:
        if engine.feed(chunk) == Advance.STARTED:
            engine.attach(worlds)
            engine.resume()
            break
    engine.run(stream)
    return engine


def _fared(engine: Engine, world: int, account: int, amounts: Amounts) -> Tried:
    spare = engine.worlds.pools["buffer_min"][_pools(engine, world, account)]
    survived = not _lacked(engine, world, account)
    return Tried(amounts, survived, tuple(spare.tolist()), _equity(engine, world, account))


def _worth(engine: Engine, world: int, account: int) -> Amounts:
    """What the positions of each pool and all orders for them are worth at the marks of the start, quote."""
    state, number = engine.worlds, engine.index.accounts[world] + account
    worth = dict.fromkeys(_pools(engine, world, account).tolist(), 0.0)
    orders = state.orders[(state.orders["account"] == number) & (state.orders["plan"] < 0)]
    plans = state.plans[state.plans["account"] == number]
    for place in engine.index.positions[number]:
        row = state.positions[place]
        lots = abs(int(row["lots_start"])) + sum(int(t["lots"][t["position"] == place].sum()) for t in (orders, plans))
        worth[int(row["pool"])] += lots * float(engine.market.markets[row["market"]]["unit"]) * float(row["mark_start"])
    return tuple(worth.values())


def _orders(world: spec.World) -> int:
    return sum(len(account.orders) for account in world.accounts)


def _geometric(points: int) -> Iterator[float]:
    """Shares of a whole, each two thirds of the next, up to all of it."""
    for n in reversed(range(points)):
        yield 2**n / 3**n


def _unit(balance: float) -> float:
    """A cent, or what the seventh digit of a balance stands for if that is less: 10,000 → 0.01, 12.5 → 0.00001."""
    if balance <= 0.0:
        return 0.01
    return min(0.01, float(Decimal(1).scaleb(Decimal(balance).adjusted() + 1 - DIGITS)))
