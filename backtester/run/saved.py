"""What would have saved the accounts of a pass: money, less size, stops, another margin mode; and how much more size
those that lived would have borne. All searches go through the tape together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain, islice
from typing import Any, NamedTuple

import numpy as np

from backtester.config.portfolio import Account
from backtester.engine import spec
from backtester.engine.state import Capacities
from backtester.enums import GuardDo
from backtester.run.deadline import last_moments
from backtester.run.drive import Engine
from backtester.run.exits import last_exit
from backtester.run.remedy import Turn, larger, other_modes, smaller, stopped
from backtester.run.result import ACTUAL, WORLDS, Exit, Remedy, Saved, TopUp, Unguarded
from backtester.run.topup import topup
from backtester.run.tries import Question, Search, Trial, answers, carried_in, lacked, pools_of, together


class Ridden(NamedTuple):
    """A world that a pass ran, the accounts it was made of, and how it is made of others."""

    world: spec.World
    accounts: Sequence[Account]
    turn: Turn


def find_saved(
    engine: Engine, ridden: Sequence[Ridden], chunks: Callable[[], Iterable[np.ndarray]], room: Capacities
) -> list[tuple[Saved, ...]]:
    """What would have saved each account of each world, or how much more it would have borne.

    engine  finished; it ran each world as ACTUAL and as UNLIQUIDATED, one behind the other
    chunks  the tape from its beginning, anew at every call
    """
    every = [(n, account) for n, each in enumerate(ridden) for account in range(len(each.world.accounts))]
    lost = {place for place in every if lacked(engine, WORLDS * place[0] + ACTUAL, place[1])}
    asked = [_looked_for(engine, n, ridden[n], account, (n, account) in lost) for n, account in every]
    found = iter(answers(asked, engine.data, chunks, room))
    return [tuple(islice(found, len(each.world.accounts))) for each in ridden]


def _looked_for(engine: Engine, n: int, ridden: Ridden, account: int, lost: bool) -> Question[Saved]:
    def search() -> Search[Saved]:
        searches: list[Search[Any]] = [(_saving if lost else _growing)(engine, n, ridden, account)]
        if any(action.do != GuardDo.ALERT for guard in ridden.world.accounts[account].guards for action in guard.do):
            searches.append(_unguarded(ridden.world))
        found = yield from together(searches)
        saved: Saved = found[0]
        return saved._replace(unguarded=found[1]) if len(found) > 1 else saved

    return Question(account, search())


def _unguarded(world: spec.World) -> Search[Unguarded]:
    """The account in the same world without any guards."""
    alone = world._replace(accounts=tuple(each._replace(guards=()) for each in world.accounts))
    [fared] = yield [Trial(alone)]
    return Unguarded(fared.equity_end, tuple(sorted(ts for ts in fared.breach_ts if ts is not None)))


def _saving(engine: Engine, n: int, ridden: Ridden, account: int) -> Search[Saved]:
    searches: list[Search[Any]] = [
        _topup(engine, n, ridden.world, account),
        _others(engine, n, ridden, account),
        _exit(engine, n, ridden, account),
    ]
    topup, remedies, way_out = yield from together(searches)
    return Saved(topup, tuple(remedies), way_out)


def _exit(engine: Engine, n: int, ridden: Ridden, account: int) -> Search[Exit | None]:
    """By when everything must have been closed; None for one that no breach was the end of."""
    breaches = engine.worlds.pools["breach_ts"][pools_of(engine, WORLDS * n + ACTUAL, account)]
    if not (breaches >= 0).any():
        return None
    reaction, first = ridden.accounts[account].automation.reaction_ns, int(breaches[breaches >= 0].min())
    number = engine.index.accounts[WORLDS * n + ACTUAL] + account
    marks = engine.worlds.positions["mark_start"][engine.index.positions[number]].tolist()
    found = yield from last_exit(engine.data, ridden.world, account, marks, reaction, engine.start_ts, first)
    return found


def _growing(engine: Engine, n: int, ridden: Ridden, account: int) -> Search[Saved]:
    carried = carried_in(engine, WORLDS * n + ACTUAL, account)
    return Saved(headroom=(yield from larger(ridden.accounts[account], carried, ridden.turn)))


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


def _topup(engine: Engine, n: int, world: spec.World, account: int) -> Search[TopUp]:
    found = yield from topup(engine, n, world, account)
    return (yield from last_moments(world, account, found, engine.start_ts))
