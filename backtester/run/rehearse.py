"""Drills: the same crash again with something broken for the guards, with and without their limits.

Each drill breaks one thing, at the first fire of a guard or half-way to it, and what became of that is told from
worlds that went through the tape, with the limits on automation and without: the drill, and what it is compared with.
That is the run as it was; of a drill that changes the tape itself, the changed tape without guards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from backtester.engine import spec
from backtester.engine.state import Capacities, Market
from backtester.enums import GuardDo, Held, OrderType, Outage
from backtester.run.drills import BREAKS, LEG_ADL, STOP_LOST, VENUE_DOWN, WHIPSAW, At, at
from backtester.run.outcome import Outcome, Piece
from backtester.run.result import Rehearsed
from backtester.run.tries import Closed, Trial, run_trials
from backtester.scenario.compose import compose
from backtester.scenario.path import ANY, Scenario, Series, constant

#: A whipsaw takes prices back to where they came from within so long.
WHIPSAW_NS = 120 * 10**9
#: For so long a venue that is down is down.
VENUE_DOWN_NS = 20 * 60 * 10**9
#: Drills that change the path.
OF_PATH = frozenset({WHIPSAW, VENUE_DOWN})
_DOWN = Outage.ORDERS_REFUSED | Outage.CANCELS_REFUSED | Outage.FEED_FROZEN
_STOPS = (OrderType.STOP_MARKET, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP)

Chunks = Callable[[], Iterable[np.ndarray]]


class Play(NamedTuple):
    """A run that is rehearsed again.

    data       what its worlds share
    world      it, as it was run
    actual     what it came to; its first world is ACTUAL
    start_ns   of the run
    path       of the stress; None: the tape as it is
    chunks     the tape from its beginning, anew at every call
    stressed   the tape under another path
    room       starting sizes
    """

    data: spec.MarketData
    world: spec.World
    actual: Piece
    start_ns: int
    path: Scenario | None
    chunks: Chunks
    stressed: Callable[[Scenario], Chunks]
    room: Capacities


def rehearse(play: Play, drills: Sequence[str]) -> tuple[Rehearsed, ...]:
    """What became of each drill. Those of the tape as it is go through it together."""
    moments = _moments(play)
    on_tape = [name for name in drills if name not in OF_PATH]
    found = {each.drill: each for each in _on_tape(play, on_tape, moments)} if on_tape else {}
    if play.path is not None:
        for name in OF_PATH & {*drills}:
            found[name] = _on_another(play, name, play.path, moments[At.FIRE])
    return tuple(found[name] for name in drills if name in found)


def has_guards(world: spec.World) -> bool:
    """Whether there is anything to rehearse."""
    return any(account.guards for account in world.accounts)


def is_played(drill: str, path: Scenario | None) -> bool:
    """Whether a drill can be had under this path; one that changes it needs one."""
    return drill not in OF_PATH or path is not None


def _moments(play: Play) -> Mapping[At, int]:
    """When drills begin, on the mark grid of the account whose guards are first.

    That is the first fire of a guard that sends orders, else of any, else the lowest equity.
    Nothing breaks before the first look. Example: a start at 0, looks every 3 s, a first fire at 15 s: calm is 6 s.
    """
    fires = [*_first_fires(play)]
    sending = [(ts, account) for ts, account, sends in fires if sends]
    accounts, low = play.world.accounts, play.actual.state.accounts["equity_min_ts"]
    lows = [(int(low[n]), n) for n, account in enumerate(accounts) if account.guards]
    ts, account = min(sending or [(ts, account) for ts, account, _ in fires] or lows)
    interval = play.data.rules[play.world.accounts[account].rules].mark_interval_ns
    fire = max(ts // interval, play.start_ns // interval + 1) * interval
    calm = (play.start_ns + (fire - play.start_ns) // 2) // interval * interval
    return {At.START: play.start_ns, At.CALM: calm, At.FIRE: fire}


def _first_fires(play: Play) -> Iterator[tuple[int, int, bool]]:
    """(time, account, whether it sends orders) of the first fire of every guard that has one."""
    for n, account in enumerate(play.world.accounts):
        rows = play.actual.state.guards[play.actual.index.guards[n]]
        for guard, ts in zip(account.guards, rows["first_ts"].tolist(), strict=True):
            if ts >= 0:
                yield ts, n, any(action.do is not GuardDo.ALERT for action in guard.do)


def _on_tape(play: Play, drills: Sequence[str], moments: Mapping[At, int]) -> list[Rehearsed]:
    trials = [Trial(_unguarded(play.world)), *_with_and_without_limits(Trial(play.world))]
    for name in drills:
        trials += _with_and_without_limits(_broken(play.world, name, moments))
    (unguarded, limited, unlimited, *tried), market = _pieces(play, play.chunks, trials)
    return [
        Rehearsed(name, moments[at(name)], market, unguarded, limited, drilled, unlimited, drilled_unlimited)
        for name, drilled, drilled_unlimited in zip(drills, tried[::2], tried[1::2], strict=True)
    ]


def _on_another(play: Play, name: str, path: Scenario, fire_ns: int) -> Rehearsed:
    """On a tape that is another from the first fire on: what guards do there, against nobody's doing anything."""
    changed = (_whipsaw if name == WHIPSAW else _venue_down)(path, fire_ns - play.start_ns)
    trials = [Trial(_unguarded(play.world)), *_with_and_without_limits(Trial(play.world))]
    (unguarded, drilled, unlimited), market = _pieces(play, play.stressed(changed), trials)
    return Rehearsed(name, fire_ns, market, unguarded, unguarded, drilled, unguarded, unlimited)


def _with_and_without_limits(trial: Trial) -> list[Trial]:
    return [trial, trial._replace(world=trial.world._replace(limits=False))]


def _pieces(play: Play, chunks: Chunks, trials: Sequence[Trial]) -> tuple[list[Piece], Market]:
    """What became of each, and the markets at the end."""
    engine = run_trials(play.data, chunks(), [(0, trial) for trial in trials], play.room)
    outcome = Outcome(engine)
    return [outcome.cut(n, 1) for n in range(len(trials))], engine.market


def _unguarded(world: spec.World) -> spec.World:
    return world._replace(accounts=tuple(account._replace(guards=()) for account in world.accounts))


def _broken(world: spec.World, name: str, moments: Mapping[At, int]) -> Trial:
    """The world with what a drill breaks, and what it does on the way."""
    begin = moments[at(name)]
    if name == LEG_ADL:
        return Trial(world, (Closed(begin),))
    if name == STOP_LOST:
        return Trial(world._replace(accounts=tuple(_without_stops(account, begin) for account in world.accounts)))
    kind, _, length = BREAKS[name]
    return Trial(world._replace(drill=spec.Drill(kind, begin, begin + length)))


def _without_stops(account: spec.Account, ts: int) -> spec.Account:
    """The account whose stops at the venue are cancelled at `ts`."""

    def is_taken(order: spec.Order) -> bool:
        at_venue = order.type in _STOPS and order.held == Held.VENUE
        return at_venue and not 0 <= order.cancel_at_ns <= ts

    orders = (order._replace(cancel_at_ns=ts) if is_taken(order) else order for order in account.orders)
    return account._replace(orders=tuple(orders))


def _whipsaw(path: Scenario, t_ns: int) -> Scenario:
    """The path whose prices go back to where they came from within WHIPSAW_NS of `t_ns`, and stay.

    Example: 0.9 at that time: 0.95 a minute later, 1 from two minutes on.
    """
    return replace(path, series=tuple(_back(s, t_ns) if s.column == "price_ratio" else s for s in path.series))


def _back(series: Series, t_ns: int) -> Series:
    before = series.t_ns < t_ns
    there = float(series.at(np.array([t_ns]))[0])
    t = np.array([*series.t_ns[before], t_ns, t_ns + WHIPSAW_NS])
    return series._replace(t_ns=t, values=np.array([*series.values[before], there, 1.0]))


def _venue_down(path: Scenario, t_ns: int) -> Scenario:
    """The path in which every venue takes no orders and no cancels and shows nothing for VENUE_DOWN_NS of `t_ns`."""
    down = constant(ANY, "outage", 0.0)._replace(
        t_ns=np.array([0, t_ns, t_ns + VENUE_DOWN_NS]) if t_ns else np.array([0, VENUE_DOWN_NS]),
        values=np.array([0.0, float(_DOWN), 0.0]) if t_ns else np.array([float(_DOWN), 0.0]),
    )
    return compose((path, Scenario(VENUE_DOWN, VENUE_DOWN, "HYPT", None, None, (), (down,))))
