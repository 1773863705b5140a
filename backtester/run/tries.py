"""Worlds that were not: the same tape with something else held, to see who would have lived.

A search is a generator: it yields trials, is sent how its account fared in each, yields others, and returns its answer.
All searches of a pass ask together, and whatever they ask for goes through the tape at once, on every core. What rides
along changes no answer.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from backtester.engine import spec
from backtester.engine.events import EVENT
from backtester.engine.state import Capacities
from backtester.enums import Advance, EventKind
from backtester.run.drive import Engine
from backtester.run.equity import account_equity, uncovered, unrealised
from backtester.run.threads import threads

A = TypeVar("A")
T = TypeVar("T")

#: Accounts, positions and orders that go through the tape at a time: their worlds lie in memory together.
ROWS_AT_A_TIME = 20_000


#: Quote, for each pool of an account as its pools are numbered (RULES 6.2).
Amounts = tuple[float, ...]


class Payment(NamedTuple):
    """Money that comes to a pool of an account from outside, ahead of everything that happens at `ts_ns`."""

    ts_ns: int
    pool: int  # as the account's pools are numbered
    amount: float


class Closed(NamedTuple):
    """The position of a world that has gained most is closed at the mark, without a fee, ahead of all of `ts_ns`."""

    ts_ns: int


class Trial(NamedTuple):
    """A world to be tried, and what happens on the way, after the start: payments go to the account asked about."""

    world: spec.World
    meanwhile: tuple[Payment | Closed, ...] = ()


class Fared(NamedTuple):
    """How an account came out of a world, and each of its pools."""

    survived: bool
    spare: Amounts  # smallest buffer, infinite where unused
    equity_end: float
    breach_ts: tuple[int | None, ...] = ()  # first check below maintenance


#: Yields trials, is sent how an account fared in them, returns an answer.
Search = Generator[Sequence[Trial], Sequence[Fared], T]


class Question(NamedTuple, Generic[T]):
    """A search about an account, by its number in every world that is tried."""

    account: int
    search: Search[T]


#: The account that a trial is about, and the trial.
_Asked = tuple[int, Trial]


def answers(
    questions: Sequence[Question[T]],
    data: spec.MarketData,
    chunks: Callable[[], Iterable[np.ndarray]],
    room: Capacities,
) -> list[T]:
    """The answers to all questions, pass after pass until the last is known. `chunks`: the tape, anew at every call."""
    search, fared = together([_about(each) for each in questions]), None
    while True:
        try:
            asked = next(search) if fared is None else search.send(fared)
        except StopIteration as over:
            found: list[T] = over.value
            return found
        fared = _try(data, chunks, asked, room)


def together(
    searches: Sequence[Generator[Sequence[A], Sequence[Fared], T]],
) -> Generator[Sequence[A], Sequence[Fared], list[T]]:
    """Several searches as one: all that they ask for at a time, until the last has its answer."""
    found: dict[int, T] = {}
    told: dict[int, Sequence[Fared] | None] = dict.fromkeys(range(len(searches)))
    while told:
        asked = {}
        for n, fared in told.items():
            try:
                asked[n] = next(searches[n]) if fared is None else searches[n].send(fared)
            except StopIteration as over:
                found[n] = over.value
        tried = iter((yield [*chain.from_iterable(asked.values())]) if asked else ())
        told = {n: [*islice(tried, len(them))] for n, them in asked.items()}
    return [found[n] for n in range(len(searches))]


def _about(question: Question[T]) -> Generator[Sequence[_Asked], Sequence[Fared], T]:
    """The search of a question, every trial with the account that it is about."""
    fared = None
    while True:
        try:
            asked = next(question.search) if fared is None else question.search.send(fared)
        except StopIteration as over:
            found: T = over.value
            return found
        fared = yield [(question.account, trial) for trial in asked]


def lacked(engine: Engine, world: int, account: int) -> bool:
    """Whether an account was liquidated, left a loss to others or ended below 0."""
    pools = engine.worlds.pools[pools_of(engine, world, account)]
    hurt = bool((pools["rounds"] > 0).any() or (pools["deficit"] > 0.0).any())
    number = engine.index.accounts[world] + account
    return hurt or _equity(engine, world, account) < 0.0 or uncovered(engine.worlds, engine.market, number) > 0.0


def carried_in(engine: Engine, world: int, account: int) -> float:
    """The unrealised PnL that an account's positions come with, quote."""
    held = engine.index.positions[engine.index.accounts[world] + account]
    return math.fsum(unrealised(engine.worlds, engine.market, place, at_start=True) for place in held)


def pools_of(engine: Engine, world: int, account: int) -> slice:
    """Where the pools of an account of a world lie."""
    row = engine.worlds.accounts[engine.index.accounts[world] + account]
    return slice(int(row["pool_first"]), int(row["pool_first"] + row["pool_count"]))


def richer(world: spec.World, account: int, amounts: Amounts) -> spec.World:
    """The world with more money in one account from the start, in its cross pool and in its isolated positions."""
    given = world.accounts[account]
    margins = iter(amounts[1:])
    positions = tuple(
        place._replace(margin=place.margin + next(margins)) if place.isolated else place for place in given.positions
    )
    more = given._replace(balance=given.balance + math.fsum(amounts), positions=positions)
    accounts = (*world.accounts[:account], more, *world.accounts[account + 1 :])
    return world._replace(accounts=accounts)


def rows_of(world: spec.World) -> int:
    """Accounts, positions and orders of a world."""
    return sum(1 + len(account.positions) + len(account.orders) for account in world.accounts)


def _equity(engine: Engine, world: int, account: int) -> float:
    return account_equity(engine.worlds, engine.market, engine.index.accounts[world] + account)


def _try(
    data: spec.MarketData,
    chunks: Callable[[], Iterable[np.ndarray]],
    asked: Iterable[_Asked],
    room: Capacities,
) -> list[Fared]:
    """How the account of every trial that is asked for fared: some at a time, on every core."""

    def fare(them: Sequence[_Asked]) -> list[Fared]:
        alone = [
            (each, trial._replace(world=trial.world._replace(liquidation=True, record=False))) for each, trial in them
        ]
        engine = run_trials(data, chunks(), alone, room)
        return [_fared(engine, number, account) for number, (account, _) in enumerate(them)]

    with threads(os.cpu_count()) as pool:
        return [*chain.from_iterable(pool.map(fare, _parts(asked)))]


def _parts(asked: Iterable[_Asked]) -> Iterator[list[_Asked]]:
    """As many at a time as have ROWS_AT_A_TIME."""
    part, rows = list[_Asked](), 0
    for each in asked:
        part.append(each)
        rows += rows_of(each[1].world)
        if rows >= ROWS_AT_A_TIME:
            yield part
            part, rows = [], 0
    if part:
        yield part


def run_trials(
    data: spec.MarketData, chunks: Iterable[np.ndarray], asked: Sequence[_Asked], room: Capacities
) -> Engine:
    """The engine behind the tape, with the world of each trial in their order."""
    engine, due = Engine(data, room), _due(asked)
    worlds = [trial.world for _, trial in asked]

    def feed(events: np.ndarray) -> None:
        if engine.feed(events) == Advance.STARTED:
            engine.attach(worlds)
            engine.resume()

    for events, ts in _pieces(chunks, sorted(due)):
        if ts is not None:
            feed(_nothing_new(engine, ts))
            _intervene(engine, due[ts])
        feed(events)
    engine.finish()
    return engine


def _due(asked: Sequence[_Asked]) -> dict[int, list[tuple[int, int, Payment | Closed]]]:
    """By its moment all that happens on the way, in which world and to which account of it."""
    due: dict[int, list[tuple[int, int, Payment | Closed]]] = {}
    for number, (account, trial) in enumerate(asked):
        for each in trial.meanwhile:
            due.setdefault(each.ts_ns, []).append((number, account, each))
    return due


def _pieces(chunks: Iterable[np.ndarray], moments: Sequence[int]) -> Iterator[tuple[np.ndarray, int | None]]:
    """The tape in pieces that begin at a chunk's beginning, or with what comes at or after a moment, which is named.

    A moment behind the last record comes too late for anything.
    """
    left = [*moments]
    for chunk in chunks:
        first, begin = None, 0
        while left and left[0] <= chunk["ts"][-1]:
            place = int(np.searchsorted(chunk["ts"], left[0]))
            yield chunk[begin:place], first
            first, begin = left.pop(0), place
        yield chunk[begin:], first


def _nothing_new(engine: Engine, ts_ns: int) -> np.ndarray:
    """A record that tells nothing new: what is due before its time is worked, nothing that is of its time."""
    record = np.zeros(1, EVENT)
    record["ts"], record["kind"], record["lots"] = ts_ns, EventKind.STATUS, engine.market.instruments["status"][0]
    return record


def _intervene(engine: Engine, due: Sequence[tuple[int, int, Payment | Closed]]) -> None:
    """Let it happen, and have every account looked at when the next mark comes."""
    for world, account, each in due:
        if isinstance(each, Payment):
            engine.worlds.pools["balance"][pools_of(engine, world, account).start + each.pool] += each.amount
        else:
            _close_winner(engine, world)
    engine.worlds.calm[:, 0]["low"] = np.inf


def _close_winner(engine: Engine, world: int) -> None:
    """Close the position that has gained most at its mark; what backs an isolated one goes to the cross pool."""
    positions, pools = engine.worlds.positions, engine.worlds.pools
    held = np.flatnonzero(positions["world"] == world).tolist()
    gain, place = max((unrealised(engine.worlds, engine.market, each), each) for each in held)
    if gain <= 0.0:
        return
    row = positions[place]
    pool = row["pool"]
    pools["balance"][pool] += gain
    if row["isolated"]:
        cross = engine.worlds.accounts["pool_first"][row["account"]]
        pools["balance"][cross] += pools["balance"][pool]
        pools["balance"][pool] = 0.0
    row["realised"] += gain
    row["lots"], row["cost"] = 0, 0.0


def _fared(engine: Engine, world: int, account: int) -> Fared:
    pools = engine.worlds.pools[pools_of(engine, world, account)]
    breaches = (ts if ts >= 0 else None for ts in pools["breach_ts"].tolist())
    spare, survived = tuple(pools["buffer_min"].tolist()), not lacked(engine, world, account)
    return Fared(survived, spare, _equity(engine, world, account), tuple(breaches))
