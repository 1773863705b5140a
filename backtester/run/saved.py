"""What would have saved the accounts of a pass: money, less size, stops, another margin mode, together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from backtester.config.portfolio import Account
from backtester.engine import spec
from backtester.engine.state import Capacities
from backtester.run.drive import Engine
from backtester.run.remedy import ModeSearch, SizeSearch, StopSearch, Turn
from backtester.run.result import ACTUAL, WORLDS, Remedy, TopUp
from backtester.run.topup import TopUpSearch, topup_search
from backtester.run.tries import carried_in, lacked, run_searches


class Ridden(NamedTuple):
    """A world that a pass ran, the accounts it was made of, and how it is made of others."""

    world: spec.World
    accounts: Sequence[Account]
    turn: Turn


class Saved(NamedTuple):
    """What would have saved each account of a world; None and nothing for one that needed nothing."""

    topups: tuple[TopUp | None, ...]
    remedies: tuple[tuple[Remedy, ...], ...]


class _Searches(NamedTuple):
    """All that is asked about one account."""

    topup: TopUpSearch
    size: SizeSearch
    mode: ModeSearch
    stop: StopSearch


def find_saved(
    engine: Engine, ridden: Sequence[Ridden], chunks: Callable[[], Iterable[np.ndarray]], room: Capacities
) -> list[Saved]:
    """What would have saved each account of each world.

    engine  finished; it ran each world as ACTUAL and as UNLIQUIDATED, one behind the other
    chunks  the tape from its beginning, anew at every call
    """
    found = {
        (n, account): _Searches(
            topup_search(engine, n, each.world, account),
            SizeSearch(account, each.accounts[account], carried_in(engine, WORLDS * n + ACTUAL, account), each.turn),
            ModeSearch(account, each.accounts[account], each.turn),
            StopSearch(account, each.accounts[account], each.turn),
        )
        for n, each in enumerate(ridden)
        for account in range(len(each.world.accounts))
        if lacked(engine, WORLDS * n + ACTUAL, account)
    }
    run_searches([search for them in found.values() for search in them], engine.data, chunks, room)
    return [_saved([found.get((n, a)) for a in range(len(each.world.accounts))]) for n, each in enumerate(ridden)]


def _saved(searches: Sequence[_Searches | None]) -> Saved:
    return Saved(
        tuple(them and them.topup.answer() for them in searches),
        tuple(tuple(_answers(them)) if them else () for them in searches),
    )


def _answers(them: _Searches) -> Iterator[Remedy]:
    for search in (them.size, them.stop, them.mode):
        yield from search.answers()
