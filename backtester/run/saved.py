"""What would have saved the accounts of a pass: money, less size, stops, another margin mode; and how much more size
those that lived would have borne. All searches go through the tape together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from backtester.config.portfolio import Account
from backtester.engine import spec
from backtester.engine.state import Capacities
from backtester.run.deadline import last_moments
from backtester.run.drive import Engine
from backtester.run.remedy import Turn, larger, other_modes, smaller, stopped
from backtester.run.result import ACTUAL, WORLDS, Remedy, TopUp
from backtester.run.topup import topup
from backtester.run.tries import Question, Search, answers, carried_in, lacked, together


class Ridden(NamedTuple):
    """A world that a pass ran, the accounts it was made of, and how it is made of others."""

    world: spec.World
    accounts: Sequence[Account]
    turn: Turn


class Saved(NamedTuple):
    """What would have saved each account of a world, None for one that lived; what else it would have lived with."""

    topups: tuple[TopUp | None, ...]
    remedies: tuple[tuple[Remedy, ...], ...]


def find_saved(
    engine: Engine, ridden: Sequence[Ridden], chunks: Callable[[], Iterable[np.ndarray]], room: Capacities
) -> list[Saved]:
    """What would have saved each account of each world.

    engine  finished; it ran each world as ACTUAL and as UNLIQUIDATED, one behind the other
    chunks  the tape from its beginning, anew at every call
    """
    every = [(n, account) for n, each in enumerate(ridden) for account in range(len(each.world.accounts))]
    lost = [place for place in every if lacked(engine, WORLDS * place[0] + ACTUAL, place[1])]
    lived = [place for place in every if place not in lost]
    money: list[Search[Any]] = [_topup(engine, n, ridden[n].world, account) for n, account in lost]
    others = [_others(engine, n, ridden[n], account) for n, account in lost]
    more = [_larger(engine, n, ridden[n], account) for n, account in lived]
    places = (*lost, *lost, *lived)
    asked = [Question(account, search) for (_, account), search in zip(places, (*money, *others, *more), strict=True)]
    found: list[Any] = answers(asked, engine.data, chunks, room)
    topups: dict[tuple[int, int], TopUp] = dict(zip(lost, found[: len(lost)], strict=True))
    remedies = dict(zip((*lost, *lived), map(tuple, found[len(lost) :]), strict=True))
    return [
        Saved(tuple(topups.get((n, a)) for a in accounts), tuple(remedies.get((n, a), ()) for a in accounts))
        for n, accounts in enumerate(range(len(each.world.accounts)) for each in ridden)
    ]


def _others(engine: Engine, n: int, ridden: Ridden, account: int) -> Search[list[Remedy]]:
    """Other portfolios that would have saved a lost account."""
    given = ridden.accounts[account]
    carried = carried_in(engine, WORLDS * n + ACTUAL, account)
    searches = (
        smaller(given, carried, ridden.turn),
        stopped(account, given, ridden.turn),
        other_modes(given, ridden.turn),
    )
    return [*chain.from_iterable((yield from together(searches)))]


def _larger(engine: Engine, n: int, ridden: Ridden, account: int) -> Search[list[Remedy]]:
    return larger(ridden.accounts[account], carried_in(engine, WORLDS * n + ACTUAL, account), ridden.turn)


def _topup(engine: Engine, n: int, world: spec.World, account: int) -> Search[TopUp]:
    found = yield from topup(engine, n, world, account)
    return (yield from last_moments(world, account, found, engine.start_ts))
