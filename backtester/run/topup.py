"""What would have saved an account: the smallest top-up that is seen to save it, by worlds that hold the extra money.

Money changes what happens: an order that was refused for lack of margin fills, a partial close hands back more of an
isolated margin. So nothing is inferred from what was missing: worlds with more money from the start of the run go
through the same tape, many at a time, until two neighbours are found of which one survives and the other does not.
What one that survives has left, and how that grows with a little more money, says where to look for the next.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from itertools import chain, islice
from typing import NamedTuple

import numpy as np

from backtester.engine import spec
from backtester.engine.state import Capacities
from backtester.enums import Advance
from backtester.formulas.value import worth
from backtester.run.drive import Engine
from backtester.run.equity import account_equity, uncovered
from backtester.run.result import ACTUAL, UNLIQUIDATED, WORLDS, TopUp

#: Quote, for each pool of an account as its pools are numbered (RULES 6.2).
Amounts = tuple[float, ...]

#: Passes through the tape at most; two are enough unless an account's need goes in steps.
PASSES = 6
#: Amounts that are tried at a time: a pass costs more than its worlds do, until there are many accounts, positions and
#: orders in them. The fewest are of each pool. How many depends on nobody else: what rides along changes no answer.
POINTS, FEWEST_POINTS, ROWS_OF_AN_ACCOUNT = 32, 6, 20_000
#: Accounts, positions and orders that go through the tape at a time: their worlds lie in memory together.
ROWS_AT_A_TIME = 20_000
#: Share of the limit at which a search begins.
SMALLEST = 1e-6
#: So near to what is too little an answer is fine enough, if that is more than its unit.
FINE = 1e-4
#: A guess is tried together with this much more and this much less of it, and pool by pool with so much more that the
#: difference tells how its buffer grows with money.
MORE, LESS, BESIDE = 1.0 + FINE, 0.99, 1.01
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

    Isolated positions come first: nothing of the cross pool reaches them, while money that a partial close hands back
    does reach the cross pool, though never more of it than was added. So the cross pool gets what it still needs then.

    world    as it was run, without any top-up
    account  number of the account in it
    missing  what each pool lacked while nobody was liquidated, quote: where to begin
    worth    what the positions of each pool and the orders for them are worth, quote: where to end
    points   how many amounts to try at a time
    """

    def __init__(self, world: spec.World, account: int, missing: Amounts, worth: Amounts, points: int) -> None:
        self.world, self.account = world, account
        self._limit = math.fsum(worth)
        self._ray = tuple(lack + 0.01 * value for lack, value in zip(missing, worth, strict=True))
        self._unit = _unit(world.accounts[account].balance)
        self._points = points
        self._saved: list[Tried] = []
        self._failed: list[Amounts] = []
        self._low: Amounts = (0.0,) * len(worth)  # too little for each pool, whatever the others have
        self._high: Tried | None = None
        self._over = self._limit == 0.0

    def ask(self) -> list[Amounts]:
        """What is to be tried next; nothing when the answer is known."""
        if self._over:
            return []
        if self._high is None:
            shares = _geometric(max(FEWEST_POINTS, self._points // (1 + len(self._ray))))
            wholes = [self._whole(share * self._limit, self._ray) for share in shares]
            return [amounts for whole in wholes for amounts in (whole, *map(self._rounded, _beside(whole)))]
        enough, guess = self._high.amounts, self._guess(self._high)
        used = [p for p, amount in enumerate(enough) if amount > 0.0]
        steps = max(FEWEST_POINTS, self._points // len(used))
        asked = [guess, *_beside(guess), tuple(MORE * amount for amount in guess)]
        for p in used:
            asked += (_with(guess, p, max(0.0, less)) for less in (LESS * guess[p], guess[p] - self._unit))
            low, gap = self._low[p], enough[p] - self._low[p]
            beside = enough if p > 0 else (0.0, *guess[1:])
            asked += (_with(beside, p, low + gap * step / steps) for step in range(1, steps + 1))
        return list(dict.fromkeys(map(self._rounded, asked)))

    def learn(self, tried: Iterable[Tried]) -> None:
        """Take the results of what was asked: the least that saves, as all do that have no pool smaller."""
        for each in tried:
            if each.survived:
                self._saved.append(each)
            else:
                self._failed.append(each.amounts)
        saved = sorted(self._saved, key=lambda one: (math.fsum(one.amounts[1:]), one.total))
        self._high = next((one for one in saved if not any(_covers(less, one.amounts) for less in self._failed)), None)
        if self._high is None:  # the largest amount does not save it
            self._over = True
            return
        enough = self._high.amounts
        self._low = tuple(
            max((less[p] for less in self._failed if _covers(_with(less, p, enough[p]), enough)), default=0.0)
            for p in range(len(enough))
        )
        gaps = (high - low for high, low in zip(enough, self._low, strict=True))
        self._over = all(gap <= max(1.5 * self._unit, FINE * high) for gap, high in zip(gaps, enough, strict=True))

    def answer(self) -> TopUp:
        """What was found."""
        if self._high is None:
            return TopUp(None, self._limit, None, self._limit)
        gaps = (high - low for high, low in zip(self._high.amounts, self._low, strict=True) if high > 0.0)
        too_little, equity_end = self._high.total - min(gaps), self._high.equity_end - self._high.total
        return TopUp(self._high.amounts, too_little, equity_end, self._limit)

    def _guess(self, high: Tried) -> Amounts:
        """What is enough if buffers grow with money as they do beside `high`: isolated pools first, then the cross.

        Example: 1,000 in an isolated pool leave 300, 1,010 leave 305, as half of it is handed back by then: 400.
        """
        near = [self._nearest(high, p) for p in range(len(high.amounts))]
        less = list(high.amounts)
        for p in (*range(1, len(less)), 0):
            spare = high.spare[p]
            if p == 0:  # isolated pools hand money back to it
                handed = (_slope(high, near[q], 0, q, 0.0) * (less[q] - high.amounts[q]) for q in range(1, len(less)))
                spare += math.fsum(handed)
            less[p] = max(0.0, high.amounts[p] - spare / _slope(high, near[p], p, p, 1.0))
        return tuple(map(min, self._rounded(less), high.amounts))

    def _nearest(self, high: Tried, pool: int) -> Tried | None:
        """What survived with the least more than `high` in one pool, and with the same in all others."""
        richer = (each for each in self._saved if each.amounts[pool] > high.amounts[pool])
        alike = (each for each in richer if _with(each.amounts, pool, high.amounts[pool]) == high.amounts)
        return min(alike, key=lambda each: each.amounts[pool], default=None)

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
    lacking = [
        (n, account)
        for n, world in enumerate(worlds)
        for account in range(len(world.accounts))
        if _lacked(engine, WORLDS * n + ACTUAL, account)
    ]
    searches = {(n, account): _search(engine, n, worlds[n], account) for n, account in lacking}
    for _ in range(PASSES):
        asked = [(search, search.ask()) for search in searches.values()]
        if not any(them for _, them in asked):
            break
        _try(engine.data, chunks, asked, capacities)
    answers = {key: search.answer() for key, search in searches.items()}
    return [tuple(answers.get((n, a)) for a in range(len(world.accounts))) for n, world in enumerate(worlds)]


def _search(engine: Engine, n: int, world: spec.World, account: int) -> Search:
    free = _pools(engine, WORLDS * n + UNLIQUIDATED, account)
    missing = tuple(max(0.0, -buffer) for buffer in engine.worlds.pools["buffer_min"][free].tolist())
    points = max(FEWEST_POINTS, min(POINTS, ROWS_OF_AN_ACCOUNT // _rows(world)))
    return Search(world, account, missing, _worth(engine, WORLDS * n + ACTUAL, account), points)


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


def _pools(engine: Engine, world: int, account: int) -> slice:
    """Where the pools of an account of a world lie."""
    row = engine.worlds.accounts[engine.index.accounts[world] + account]
    return slice(int(row["pool_first"]), int(row["pool_first"] + row["pool_count"]))


def _lacked(engine: Engine, world: int, account: int) -> bool:
    """Whether an account was liquidated, left a loss to others or ended below 0."""
    pools = engine.worlds.pools[_pools(engine, world, account)]
    hurt = bool((pools["rounds"] > 0).any() or (pools["deficit"] > 0.0).any())
    number = engine.index.accounts[world] + account
    return hurt or _equity(engine, world, account) < 0.0 or uncovered(engine.worlds, engine.market, number) > 0.0


def _equity(engine: Engine, world: int, account: int) -> float:
    return account_equity(engine.worlds, engine.market, engine.index.accounts[world] + account)


def _try(
    data: spec.MarketData,
    chunks: Callable[[], Iterable[np.ndarray]],
    asked: Sequence[tuple[Search, Sequence[Amounts]]],
    room: Capacities,
) -> None:
    """Run all that searches ask for, each of which learns how its own fared: some at a time, on every core."""

    def fare(them: Sequence[tuple[Search, Amounts]]) -> list[Tried]:
        engine = _run(data, chunks(), [richer(search.world, search.account, more) for search, more in them], room)
        return [_fared(engine, world, search.account, more) for world, (search, more) in enumerate(them)]

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        tried = chain.from_iterable(threads.map(fare, _parts(asked)))
        for search, them in asked:
            if them:
                search.learn(islice(tried, len(them)))


def _parts(asked: Iterable[tuple[Search, Sequence[Amounts]]]) -> Iterator[list[tuple[Search, Amounts]]]:
    """What is asked for, as many at a time as have ROWS_AT_A_TIME."""
    part, rows = list[tuple[Search, Amounts]](), 0
    for search, them in asked:
        for more in them:
            part.append((search, more))
            rows += _rows(search.world)
            if rows >= ROWS_AT_A_TIME:
                yield part
                part, rows = [], 0
    if part:
        yield part


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
    pools = _pools(engine, world, account)
    totals = dict.fromkeys(range(pools.start, pools.stop), 0.0)
    orders = state.orders[(state.orders["account"] == number) & (state.orders["plan"] < 0)]
    plans = state.plans[state.plans["account"] == number]
    for place in engine.index.positions[number]:
        row = state.positions[place]
        lots = abs(int(row["lots_start"])) + sum(int(t["lots"][t["position"] == place].sum()) for t in (orders, plans))
        unit = float(engine.market.markets[row["market"]]["unit"])
        totals[int(row["pool"])] += abs(worth(lots, unit, float(row["mark_start"])))
    return tuple(totals.values())


def _rows(world: spec.World) -> int:
    return sum(1 + len(account.positions) + len(account.orders) for account in world.accounts)


def _with(amounts: Amounts, pool: int, amount: float) -> Amounts:
    return (*amounts[:pool], amount, *amounts[pool + 1 :])


def _beside(amounts: Amounts) -> Iterator[Amounts]:
    """The same with a little more in each pool in turn."""
    return (_with(amounts, p, BESIDE * amount) for p, amount in enumerate(amounts) if amount > 0.0)


def _slope(high: Tried, other: Tried | None, buffer: int, pool: int, unknown: float) -> float:
    """How much a pool's buffer grows with money in a pool, of which `other` has more; `unknown` where it does not."""
    if other is None or math.isinf(other.spare[buffer]):
        return unknown
    slope = (other.spare[buffer] - high.spare[buffer]) / (other.amounts[pool] - high.amounts[pool])
    return slope if slope > 0.0 else unknown


def _covers(more: Amounts, less: Amounts) -> bool:
    """Whether every pool has as much in `more` as in `less`."""
    return all(map(float.__ge__, more, less))


def _geometric(points: int) -> Iterator[float]:
    """Shares of a whole, from the smallest by equal factors up to all of it."""
    return (SMALLEST ** (n / points) for n in reversed(range(points)))


def _unit(balance: float) -> float:
    """A cent, or what the seventh digit of a balance stands for if that is less: 10,000 → 0.01, 12.5 → 0.00001."""
    if balance <= 0.0:
        return 0.01
    return min(0.01, float(Decimal(1).scaleb(Decimal(balance).adjusted() + 1 - DIGITS)))
