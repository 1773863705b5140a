"""Worlds that were not: the same tape with something else held, to see who would have lived.

A search is a generator: it yields worlds, is sent how its account fared in each, yields others, and returns its answer.
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
from backtester.engine.state import Capacities
from backtester.enums import Advance
from backtester.run.drive import Engine
from backtester.run.equity import account_equity, uncovered, unrealised
from backtester.run.threads import threads

T = TypeVar("T")

#: Accounts, positions and orders that go through the tape at a time: their worlds lie in memory together.
ROWS_AT_A_TIME = 20_000


class Fared(NamedTuple):
    """How an account came out of a world; `spare` is the smallest buffer of each pool, infinite where unused."""

    survived: bool
    spare: tuple[float, ...]
    equity_end: float


#: Yields worlds, is sent how an account fared in them, returns an answer.
Search = Generator[Sequence[spec.World], Sequence[Fared], T]


class Question(NamedTuple, Generic[T]):
    """A search about an account, by its number in every world that is asked for."""

    account: int
    search: Search[T]


def answers(
    questions: Sequence[Question[T]],
    data: spec.MarketData,
    chunks: Callable[[], Iterable[np.ndarray]],
    room: Capacities,
) -> list[T]:
    """The answers to all questions, pass after pass until the last is known. `chunks`: the tape, anew at every call."""
    found: dict[int, T] = {}
    told: dict[int, Sequence[Fared] | None] = dict.fromkeys(range(len(questions)))
    while told:
        asked = {}
        for n, fared in told.items():
            try:
                asked[n] = next(questions[n].search) if fared is None else questions[n].search.send(fared)
            except StopIteration as over:
                found[n] = over.value
        tried = iter(_try(data, chunks, [(questions[n].account, them) for n, them in asked.items()], room))
        told = {n: [*islice(tried, len(them))] for n, them in asked.items()}
    return [found[n] for n in range(len(questions))]


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


def rows_of(world: spec.World) -> int:
    """Accounts, positions and orders of a world."""
    return sum(1 + len(account.positions) + len(account.orders) for account in world.accounts)


def _equity(engine: Engine, world: int, account: int) -> float:
    return account_equity(engine.worlds, engine.market, engine.index.accounts[world] + account)


def _try(
    data: spec.MarketData,
    chunks: Callable[[], Iterable[np.ndarray]],
    asked: Iterable[tuple[int, Sequence[spec.World]]],
    room: Capacities,
) -> list[Fared]:
    """How the account of every world that is asked for fared: some at a time, on every core."""

    def fare(them: Sequence[tuple[int, spec.World]]) -> list[Fared]:
        engine = _run(data, chunks(), [world for _, world in them], room)
        return [_fared(engine, number, account) for number, (account, _) in enumerate(them)]

    with threads(os.cpu_count()) as pool:
        return [*chain.from_iterable(pool.map(fare, _parts(asked)))]


def _parts(asked: Iterable[tuple[int, Sequence[spec.World]]]) -> Iterator[list[tuple[int, spec.World]]]:
    """Worlds with the account that each is about, as many at a time as have ROWS_AT_A_TIME."""
    part, rows = list[tuple[int, spec.World]](), 0
    for account, them in asked:
        for world in them:
            part.append((account, world))
            rows += rows_of(world)
            if rows >= ROWS_AT_A_TIME:
                yield part
                part, rows = [], 0
    if part:
        yield part


def _run(data: spec.MarketData, chunks: Iterable[np.ndarray], worlds: Sequence[spec.World], room: Capacities) -> Engine:
    engine, stream = Engine(data, room), iter(chunks)
    for chunk in stream:
        if engine.feed(chunk) == Advance.STARTED:
            engine.attach([world._replace(liquidation=True, record=False) for world in worlds])
            engine.resume()
            break
    engine.run(stream)
    return engine


def _fared(engine: Engine, world: int, account: int) -> Fared:
    spare = engine.worlds.pools["buffer_min"][pools_of(engine, world, account)]
    return Fared(not lacked(engine, world, account), tuple(spare.tolist()), _equity(engine, world, account))
