"""One pass: its riders are brought in at the first marks, the tape goes by, and each gets its result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from backtester.config.portfolio import Account
from backtester.engine import spec
from backtester.enums import Advance, MarkFormula
from backtester.errors import BacktesterError, Diagnostic
from backtester.market.feed import ASSUME_FROZEN, bound_ns, frozen_feeds
from backtester.market.schema import TapeInstrument
from backtester.run.assumed import assumptions, foresight
from backtester.run.drive import Engine
from backtester.run.kept import Kept
from backtester.run.outcome import Outcome, Piece
from backtester.run.plan import Rider
from backtester.run.rebase import Rebased, rebase
from backtester.run.rehearse import Chunks, Play, has_guards, is_played, rehearse
from backtester.run.request import MOST_HELPED, Request
from backtester.run.resolve import resolve_world
from backtester.run.resolve_orders import Curve
from backtester.run.resolve_values import Resolved, Start
from backtester.run.result import WORLDS, Instrument, Rehearsed, RunFailure, RunResult, Saved, ScenarioSource, Source
from backtester.run.saved import Ridden, find_saved
from backtester.run.stage import Stage, set_stage
from backtester.run.stress import scenario_source, stress_tape
from backtester.run.variants import Change, named, turned
from backtester.run.volumes import Volumes
from backtester.scenario.path import Scenario
from backtester.venue.profile import VenueProfile

Progress = Callable[[float], None]


class Started(NamedTuple):
    """A rider that is under way."""

    rider: Rider
    resolved: Resolved
    world: spec.World
    moved: tuple[Rebased, ...]
    start: Start
    curve: Curve

    @property
    def accounts(self) -> Sequence[Account]:
        """Those of the portfolio, in the order of the world's."""
        return self.rider.variant.portfolio.portfolio.accounts

    def turned(self, change: Change) -> spec.World | None:
        """The world with a change of the portfolio; None where it cannot have it."""
        try:
            rider = self.rider._replace(variant=turned(self.rider.variant, change))
        except BacktesterError:
            return None
        other = _bring_in(rider, self.resolved, self.start, self.curve)
        return other.world if isinstance(other, Started) else None


def ride(riders: Sequence[Rider], progress: Progress) -> Iterator[RunResult | RunFailure]:
    """Run cells that share a tape, each as if it were alone. What the market of the start refuses fails alone.

    Results come one at a time, once the tape is over: who needs little of each need not hold them all.

    `progress` hears the fraction of the tape's time. Raises what is wrong for all of them.
    """
    stage = set_stage(riders)
    engine, events = Engine(stage.resolved[0].data, stage.request.capacities), Kept(stage.chunks)
    chunks = events.first()
    started = _start(engine, chunks, stage)
    worlds = [each.world for each in started if isinstance(each, Started)]
    if not worlds:
        yield from (each for each in started if isinstance(each, RunFailure))
        return
    begin, end = stage.span
    for chunk in chunks:
        engine.feed(chunk)
        progress((int(chunk["ts"][-1]) - begin) / max(1, end - begin))
    engine.finish()
    _refuse_frozen(engine, stage)
    saved = _saved(engine, [each for each in started if isinstance(each, Started)], stage.request, events)
    source = _scenario_source(stage)
    outcome = Outcome(engine)
    numbered = iter(zip(range(0, WORLDS * len(worlds), WORLDS), saved, strict=True))
    for each in started:
        yield each if isinstance(each, RunFailure) else _result(outcome, each, stage, source, events, *next(numbered))


def _saved(engine: Engine, started: Sequence[Started], request: Request, events: Kept) -> list[tuple[Saved, ...]]:
    """What would have saved each account of each world, where somebody wants to know."""
    if not request.topups:
        return [(Saved(),) * len(each.world.accounts) for each in started]
    ridden = [Ridden(each.world, each.accounts, each.turned) for each in started]
    return find_saved(engine, ridden, events.again, request.capacities)


def _start(engine: Engine, chunks: Iterator[np.ndarray], stage: Stage) -> list[Started | RunFailure]:
    """Feed until every market has its first mark, then bring the riders in, with and without liquidation."""
    for chunk in chunks:
        if engine.feed(chunk) == Advance.STARTED:
            marks, indexed = engine.market.markets["mark"].tolist(), engine.market.instruments["has_index"].tolist()
            start = Start(engine.start_ts, marks, indexed)
            pairs, curve = zip(stage.riders, stage.resolved, strict=True), Volumes(stage.tape, stage.path).curve
            started = [_bring_in(rider, resolved, start, curve) for rider, resolved in pairs]
            worlds = [each.world for each in started if isinstance(each, Started)]
            engine.attach([each for world in worlds for each in (world, world._replace(liquidation=False))])
            engine.resume()
            return started
    raise BacktesterError(_why_no_start(engine, stage.resolved[0]))


def _bring_in(rider: Rider, resolved: Resolved, start: Start, curve: Curve) -> Started | RunFailure:
    """A rider at the prices of the start, or why it cannot be."""
    portfolio = rider.variant.portfolio
    try:
        here, moved = rebase(portfolio, resolved, start) if rider.request.rebase else (portfolio, ())
        return Started(rider, resolved, resolve_world(here, resolved, start, curve), moved, start, curve)
    except BacktesterError as error:
        return rider.failed(error)


def _why_no_start(engine: Engine, resolved: Resolved) -> list[Diagnostic]:
    """What each market lacked when the tape was over."""
    problems = []
    for market in resolved.data.markets:
        symbol = resolved.instruments[market.instrument].symbol
        instrument = engine.market.instruments[market.instrument]
        formula = resolved.data.rules[market.rules].mark_formula
        if instrument["mid2"] == 0:
            problems.append(Diagnostic("data", symbol, "the tape never shows both sides of its ladder"))
        elif formula is MarkFormula.TAPE:
            if instrument["has_tape_mark"] == 0:
                hint = "this venue's mark is not computed"
                problems.append(Diagnostic("data", symbol, "the tape has no mark rows", hint))
        elif instrument["has_index"] == instrument["index_from_mid"] == 0:
            hint = "accept the mid in its place with --assume-index-mid"
            problems.append(Diagnostic("data", symbol, "the tape has no index rows, which the mark needs", hint))
    return problems or [Diagnostic("data", "tape", "ends before the first time of the venue's mark grid")]


def _result(
    outcome: Outcome,
    started: Started,
    stage: Stage,
    source: ScenarioSource | None,
    events: Kept,
    first: int,
    saved: tuple[Saved, ...],
) -> RunResult:
    """One rider, its worlds from number `first` on, as if it had run alone."""
    (request, variant, _), resolved, world, moved, *_ = started
    engine, piece = outcome.engine, outcome.cut(first, WORLDS)
    end_ts = int(engine.control["now"][0])
    return RunResult(
        portfolio=variant.portfolio.portfolio,
        portfolio_source=Source(variant.portfolio.name, variant.portfolio.sha256),
        tape=stage.tape_source,
        scenario=source,
        profiles=variant.profiles,
        instruments=_instruments(stage.tape.instruments, variant.profiles),
        data=resolved.data,
        world=world,
        market=engine.market,
        state=piece.state,
        index=piece.index,
        fills=piece.fills,
        ledger=piece.ledger,
        liquidations=piece.liquidations,
        payments=piece.payments,
        guard_events=piece.guard_events,
        start_ts=engine.start_ts,
        end_ts=end_ts,
        path_width_ns=int(engine.control["path_width"][0]),
        book_bounds_ns=_book_bounds(engine, request),
        assumptions=(
            *assumptions(stage, variant, resolved, world),
            *map(str, moved),
            *foresight(variant),
            *_unhelped(request),
            *_unplayed(request, stage),
        ),
        warnings=_unguarded(request, world),
        variant=named(variant.overrides),
        reached=variant.portfolio.document.reached,
        seed=request.seed,
        saved=saved,
        rehearsed=_rehearsed(stage, started, piece, engine.start_ts, events),
    )


def _rehearsed(stage: Stage, started: Started, piece: Piece, start_ns: int, events: Kept) -> tuple[Rehearsed, ...]:
    """The drills of a rider that is asked for some and has guards."""
    request, world, data = started.rider.request, started.world, started.resolved.data
    if not request.drills or not has_guards(world):
        return ()

    def stressed(path: Scenario) -> Chunks:
        tape = stress_tape(path, stage.tape, started.resolved, stage.proxies, request.seed, request.chunk_rows)
        return stage._replace(stressed=tape).chunks

    play = Play(data, world, piece, start_ns, stage.path, events.again, stressed, request.capacities)
    return rehearse(play, request.drills)


def _unhelped(request: Request) -> tuple[str, ...]:
    """What the report does not look for, so that silence is not taken for an answer."""
    if request.topups:
        return ()
    return (f"what would have helped is sought for at most {MOST_HELPED} variants at a time: run one of these alone",)


def _unguarded(request: Request, world: spec.World) -> tuple[str, ...]:
    """Nothing to rehearse."""
    return () if has_guards(world) or not request.drills else ("no account has guards: nothing was rehearsed",)


def _unplayed(request: Request, stage: Stage) -> Iterator[str]:
    """The drills that cannot be had."""
    for drill in request.drills:
        if not is_played(drill, stage.path):
            yield f"drill {drill} needs a scenario: not tried"


def _book_bounds(engine: Engine, request: Request) -> tuple[int, ...]:
    return tuple(bound_ns(gaps, request.stale_after_ns) for gaps in engine.market.gaps)


def _refuse_frozen(engine: Engine, stage: Stage) -> None:
    """Raise a data error when the order book of an instrument stood still under its trades."""
    used = engine.market.markets["instrument"].tolist()
    found = frozen_feeds(stage.tape.instruments, used, engine.market.feeds, _book_bounds(engine, stage.request))
    if found and not stage.request.accept.frozen_order_book:
        hint = f"see `backtester data check`, or take it as it is with {ASSUME_FROZEN}"
        raise BacktesterError(Diagnostic("data", symbol, text, hint) for symbol, text in found)


def _instruments(instruments: Sequence[TapeInstrument], profiles: Sequence[VenueProfile]) -> tuple[Instrument, ...]:
    first = profiles[0]
    return tuple(Instrument(each, first.market(*each.names_at(first.id)).size_decimals) for each in instruments)


def _scenario_source(stage: Stage) -> ScenarioSource | None:
    if stage.stressed is None:
        return None
    return scenario_source(stage.request.scenario, stage.settings, stage.request.shock, stage.stressed)
