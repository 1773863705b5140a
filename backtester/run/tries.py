"""Worlds that were not: the same tape with something else held, to see who would have lived.

A search asks for worlds, hears how its account fared in each, and asks again until it knows its answer. All searches
of a pass ask together, and whatever they ask for goes through the tape at once, on every core. What rides along changes
no answer.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice
from typing import NamedTuple, Protocol

import numpy as np

from backtester.engine import spec
from backtester.engine.state import Capacities
from backtester.enums import Advance
from backtester.run.drive import Engine
from backtester.run.equity import account_equity, uncovered, unrealised

#: Passes through the tape at most; two are enough unless an account's need goes in steps.
PASSES = 6
#: Accounts, positions and orders that go through the tape at a time: their worlds lie in memory together.
ROWS_AT_A_TIME = 20_000


class Fared(NamedTuple):
    """How an account came out of a world; `spare` is the smallest buffer of each pool, infinite where unused."""

    survived: bool
    spare: tuple[float, ...]
    equity_end: float


class Search(Protocol):
    """One question about one account, by its number in every world that is asked for."""

    account: int

    def ask(self) -> Sequence[spec.World]:
        """What is to be tried next; nothing when the answer is known."""

    def learn(self, fared: Sequence[Fared]) -> None:
        """How the account fared in what was asked for last."""


def run_searches(
    searches: Sequence[Search], data: spec.MarketData, chunks: Callable[[], Iterable[np.ndarray]], room: Capacities
) -> None:
    """Try what searches ask for, until they know or PASSES are over. `chunks`: the tape, anew at every call."""
    for _ in range(PASSES):
        asked = [(search, search.ask()) for search in searches]
        if not any(them for _, them in asked):
            return
        _try(data, chunks, asked, room)


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
    asked: Sequence[tuple[Search, Sequence[spec.World]]],
    room: Capacities,
) -> None:
    """Run all that searches ask for, each of which learns how its own fared: some at a time, on every core."""

    def fare(them: Sequence[tuple[int, spec.World]]) -> list[Fared]:
        engine = _run(data, chunks(), [world for _, world in them], room)
        return [_fared(engine, number, account) for number, (account, _) in enumerate(them)]

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        fared = chain.from_iterable(threads.map(fare, _parts(asked)))
        for search, them in asked:
            if them:
                search.learn([*islice(fared, len(them))])


def _parts(asked: Iterable[tuple[Search, Sequence[spec.World]]]) -> Iterator[list[tuple[int, spec.World]]]:
    """What is asked for, with the account that it is about: as many at a time as have ROWS_AT_A_TIME."""
    part, rows = list[tuple[int, spec.World]](), 0
    for search, them in asked:
        for world in them:
            part.append((search.account, world))
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
