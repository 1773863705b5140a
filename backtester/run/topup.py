"""What would have saved an account: the smallest top-up that is seen to save it, by worlds that hold the extra money.

Money changes what happens: an order that was refused for lack of margin fills, a partial close hands back more of an
isolated margin. So nothing is inferred from what was missing: worlds with more money from the start of the run go
through the same tape, many at a time, until two neighbours are found of which one survives and the other does not.
What one that survives has left, and how that grows with a little more money, says where to look for the next.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

from backtester.engine import spec
from backtester.formulas.value import worth
from backtester.run.drive import Engine
from backtester.run.result import ACTUAL, UNLIQUIDATED, WORLDS, TopUp
from backtester.run.tries import Amounts, Fared, Search, Trial, pools_of, richer, rows_of

#: Passes through the tape at most; two are enough unless an account's need goes in steps.
PASSES = 6
#: Amounts that are tried at a time: a pass costs more than its worlds do, until there are many accounts, positions and
#: orders in them. The fewest are of each pool. How many depends on nobody else: what rides along changes no answer.
POINTS, FEWEST_POINTS, ROWS_OF_AN_ACCOUNT = 32, 6, 20_000
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
    """An account that survived with `amounts` more; `spare` is the smallest buffer of each pool, infinite if unused."""

    amounts: Amounts
    spare: Amounts
    equity_end: float

    @property
    def total(self) -> float:
        """All of the money, quote."""
        return math.fsum(self.amounts)


class _TopUps:
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

    def search(self) -> Search[TopUp]:
        """Ask for worlds until two neighbours are found, or PASSES are over."""
        for _ in range(PASSES):
            asked = self._wanted()
            if not asked:
                break
            fared = yield [Trial(richer(self.world, self.account, amounts)) for amounts in asked]
            self._learn(asked, fared)
        return self._answer()

    def _learn(self, asked: Sequence[Amounts], fared: Sequence[Fared]) -> None:
        """Take what became of them: the least that saves, as all do that have no pool smaller."""
        for amounts, each in zip(asked, fared, strict=True):
            if each.survived:
                self._saved.append(Tried(amounts, each.spare, each.equity_end))
            else:
                self._failed.append(amounts)
        self._conclude()

    def _wanted(self) -> list[Amounts]:
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

    def _conclude(self) -> None:
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

    def _answer(self) -> TopUp:
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


def topup(engine: Engine, n: int, world: spec.World, account: int) -> Search[TopUp]:
    """What would have saved an account of `world`, which `engine` ran as ACTUAL and UNLIQUIDATED, the n-th of such."""
    free = pools_of(engine, WORLDS * n + UNLIQUIDATED, account)
    missing = tuple(max(0.0, -buffer) for buffer in engine.worlds.pools["buffer_min"][free].tolist())
    points = max(FEWEST_POINTS, min(POINTS, ROWS_OF_AN_ACCOUNT // rows_of(world)))
    return _TopUps(world, account, missing, _worth(engine, WORLDS * n + ACTUAL, account), points).search()


def _worth(engine: Engine, world: int, account: int) -> Amounts:
    """What the positions of each pool and all orders for them are worth at the marks of the start, quote."""
    state, number = engine.worlds, engine.index.accounts[world] + account
    pools = pools_of(engine, world, account)
    totals = dict.fromkeys(range(pools.start, pools.stop), 0.0)
    orders = state.orders[(state.orders["account"] == number) & (state.orders["plan"] < 0)]
    plans = state.plans[state.plans["account"] == number]
    for place in engine.index.positions[number]:
        row = state.positions[place]
        lots = abs(int(row["lots_start"])) + sum(int(t["lots"][t["position"] == place].sum()) for t in (orders, plans))
        unit = float(engine.market.markets[row["market"]]["unit"])
        totals[int(row["pool"])] += abs(worth(lots, unit, float(row["mark_start"])))
    return tuple(totals.values())


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
