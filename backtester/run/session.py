"""One pass from files to results: open, stress, start, resolve, run, wrap; a cell for each variant."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from backtester.config.overrides import Setting, sort_overrides
from backtester.engine import jit, spec
from backtester.engine.state import DEFAULT_CAPACITIES, Capacities
from backtester.enums import Advance, MarkFormula
from backtester.errors import BacktesterError, Diagnostic
from backtester.market.feed import ASSUME_FROZEN, bound_ns, frozen_feeds
from backtester.market.read import Tape
from backtester.market.schema import InstrumentFacts, TapeInstrument
from backtester.run.ahead import ahead
from backtester.run.drive import Engine
from backtester.run.lend import lend
from backtester.run.names import Names
from backtester.run.outcome import Outcome
from backtester.run.prices import Price, move_tape, moves_of, prices_of, refuse_both_ways
from backtester.run.profiles import changes_by_hand
from backtester.run.rebase import Rebased, rebase
from backtester.run.resolve import (
    Acceptances,
    Holder,
    assumptions_of,
    derived_leverages,
    resolve_markets,
    resolve_world,
    take_intervals,
    take_mid_as_index,
)
from backtester.run.resolve_orders import Curve
from backtester.run.resolve_values import Resolved, Start
from backtester.run.result import (
    WORLDS,
    Instrument,
    RunFailure,
    RunResult,
    ScenarioSource,
    Source,
    TopUp,
    digest_of,
    file_digest,
)
from backtester.run.stress import (
    first_funding,
    refuse_idle_proxies,
    scenario_source,
    stress_assumptions,
    stress_path,
    stress_tape,
    without_index,
)
from backtester.run.tapes import additions_of, base_tape, refuse_holes, with_funding
from backtester.run.topup import find_topups
from backtester.run.variants import Variant, combinations, named, read_variants
from backtester.run.volumes import Volumes
from backtester.scenario import library
from backtester.scenario.apply import StressedTape
from backtester.scenario.grid import Proxy
from backtester.scenario.path import Scenario
from backtester.scenario.shock import Shock
from backtester.shipped import data_dir
from backtester.venue.profile import VenueProfile

Progress = Callable[[float], None]


class Request(NamedTuple):
    """What the user asked for, as read from the command line."""

    portfolio: Path
    overrides: tuple[str, ...] = ()
    compare: tuple[str, ...] = ()  # `key=a,b,c`: a variant for each value, or each combination of them
    scenario: str | None = None  # id, or path of a .parquet or .toml; several joined by `+`
    shock: Shock | None = None  # laid over the scenario, or over the tape as it is
    venue: str | None = None  # [ID][@DATE|@scenario]; None: the account's own, newest rules
    tapes: tuple[str, ...] = ()
    instruments: tuple[InstrumentFacts, ...] = ()
    prices: tuple[Price, ...] = ()  # where the tape begins, over those of the portfolio
    proxies: tuple[Proxy, ...] = ()
    accept: Acceptances = Acceptances()
    stale_after_ns: int | None = None  # age beyond which an order book is old; None: by the rate of its messages
    rebase: bool = False
    seed: int = 0
    capacities: Capacities = DEFAULT_CAPACITIES
    chunk_rows: int = 262_144


class Stage(NamedTuple):
    """What all variants of a request share: a tape, plain or stressed, and the markets on it."""

    variants: tuple[Variant, ...]
    resolved: tuple[Resolved, ...]  # one a variant; their market data are the same
    tape: Tape
    tape_source: Source
    settings: tuple[Setting, ...]  # of the scenario, by hand
    path: Scenario | None
    stressed: StressedTape | None
    chunk_rows: int

    @property
    def span(self) -> tuple[int, int]:
        """First and last time of the run, ns."""
        if self.path is not None and self.path.start_ns is not None and self.path.end_ns is not None:
            return self.path.start_ns, self.path.end_ns
        return self.tape.first_ts_ns or 0, self.tape.last_ts_ns or 0

    def chunks(self) -> Iterator[np.ndarray]:
        """The events of the run, from the beginning at every call."""
        return ahead(self.stressed.chunks() if self.stressed else self.tape.chunks(self.chunk_rows))


class Started(NamedTuple):
    """A variant that is under way."""

    variant: Variant
    resolved: Resolved
    world: spec.World
    moved: tuple[Rebased, ...]


def run_cell(request: Request, progress: Progress = lambda fraction: None) -> RunResult:
    """Run one portfolio through one tape, plain or stressed. `progress` hears the fraction of the tape's time."""
    (outcome,) = run_cells(request._replace(compare=()), progress)
    if isinstance(outcome, RunFailure):
        raise outcome.error
    return outcome


def run_cells(request: Request, progress: Progress = lambda fraction: None) -> tuple[RunResult | RunFailure, ...]:
    """Run every variant of a portfolio (`compare`) in one pass through the tape, each as if it were alone.

    A variant that the market of the start refuses fails alone; what is wrong before it, or for all, is raised.
    """
    stage = _set_stage(request)
    engine, chunks = Engine(stage.resolved[0].data, request.capacities), stage.chunks()
    started = _start(engine, chunks, stage, request)
    begin, end = stage.span
    for chunk in chunks:
        engine.feed(chunk)
        progress((int(chunk["ts"][-1]) - begin) / max(1, end - begin))
    engine.finish()
    _refuse_frozen(engine, stage.tape, request)
    worlds = [each.world for each in started if isinstance(each, Started)]
    topups = find_topups(engine, worlds, stage.chunks, request.capacities)
    source = _scenario_source(request, stage)
    outcome = Outcome(engine)
    numbered = iter(zip(range(0, WORLDS * len(worlds), WORLDS), topups, strict=True))
    return tuple(
        each if isinstance(each, RunFailure) else _result(request, outcome, each, stage, source, *next(numbered))
        for each in started
    )


def _set_stage(request: Request) -> Stage:
    """Read and resolve all that has to be known before the first event."""
    settings = sort_overrides(request.overrides).scenario
    named_path = library.find_runnable(request.scenario) if request.scenario else None
    overrides = combinations(request.overrides, request.compare)
    any_time = named_path is not None and named_path.start_ns is not None
    names = Names(request.tapes, request.instruments, request.proxies, request.accept.order_book, any_time)
    variants = read_variants(request.portfolio, overrides, request.venue, named_path, names)
    tape = base_tape(variants, request.tapes, request.instruments, request.proxies, any_time)
    tape = lend(tape, variants, request.proxies, request.accept.order_book)
    tape = move_tape(tape, (*prices_of(each.portfolio for each in variants), *request.prices))
    if request.rebase:
        refuse_both_ways(tape)
    holders = [Holder(each.portfolio, each.profiles) for each in variants]
    resolved = resolve_markets(holders, tape.instruments, request.accept, request.seed)
    tape = tape._replace(wanted=frozenset(market.instrument for market in resolved[0].data.markets))
    tape = with_funding(tape)
    path = stress_path(named_path, settings, request.shock, tape)
    refuse_idle_proxies(request.proxies, path, tape)
    stressed = stress_tape(path, tape, resolved[0], request.proxies, request.seed, request.chunk_rows) if path else None
    if not request.accept.funding_zero:
        refuse_holes(tape, stressed)
    if request.accept.index_mid:
        lacking = without_index(tape, stressed)
        resolved = tuple(take_mid_as_index(each, lacking) for each in resolved)
    resolved = tuple(take_intervals(each, first_funding(tape, stressed)) for each in resolved)
    return Stage(variants, resolved, tape, _tape_source(tape), settings, path, stressed, request.chunk_rows)


def _result(
    request: Request,
    outcome: Outcome,
    started: Started,
    stage: Stage,
    source: ScenarioSource | None,
    first: int,
    topups: tuple[TopUp | None, ...],
) -> RunResult:
    """One variant, its worlds from number `first` on, as if it had run alone."""
    variant, resolved, world, moved = started
    engine, piece = outcome.engine, outcome.cut(first, WORLDS)
    assumed = _assumptions(request, stage, variant.profiles, resolved)
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
        start_ts=engine.start_ts,
        end_ts=int(engine.control["now"][0]),
        path_width_ns=int(engine.control["path_width"][0]),
        book_bounds_ns=_book_bounds(engine, request),
        assumptions=(*assumed, *_changes(variant, world), *map(str, moved), *_foresight(variant)),
        warnings=(),
        variant=named(variant.overrides),
        reached=variant.portfolio.document.reached,
        seed=request.seed,
        topups=topups,
    )


def _book_bounds(engine: Engine, request: Request) -> tuple[int, ...]:
    return tuple(bound_ns(gaps, request.stale_after_ns) for gaps in engine.market.gaps)


def _refuse_frozen(engine: Engine, tape: Tape, request: Request) -> None:
    """Raise a data error when the order book of an instrument stood still under its trades."""
    used = engine.market.markets["instrument"].tolist()
    found = frozen_feeds(tape.instruments, used, engine.market.feeds, _book_bounds(engine, request))
    if found and not request.accept.frozen_order_book:
        hint = f"see `backtester data check`, or take it as it is with {ASSUME_FROZEN}"
        raise BacktesterError(Diagnostic("data", symbol, text, hint) for symbol, text in found)


def try_cells(request: Request, progress: Progress = lambda fraction: None) -> tuple[RunResult | RunFailure, ...]:
    """The same for one of several scenarios: what is wrong with it must not end the others."""
    try:
        return run_cells(request, progress)
    except BacktesterError as error:
        overrides = combinations(request.overrides, request.compare)
        return tuple(RunFailure(request.scenario, request.venue or "", named(each), error) for each in overrides)


def warm() -> None:
    """Compile every kernel of the run path by running the shipped demo."""
    run_cell(Request(data_dir() / "demo-portfolio.toml", scenario="2025-10-10"))


def is_warm() -> bool:
    """Whether the kernels of the run path were compiled before."""
    return jit.is_warm("advance") and jit.is_warm("transform")


def _start(engine: Engine, chunks: Iterator[np.ndarray], stage: Stage, request: Request) -> list[Started | RunFailure]:
    """Feed until every market has its first mark, then bring the variants in, with and without liquidation.

    Raises the problems of all variants if none can start.
    """
    for chunk in chunks:
        if engine.feed(chunk) == Advance.STARTED:
            marks, indexed = engine.market.markets["mark"].tolist(), engine.market.instruments["has_index"].tolist()
            start = Start(engine.start_ts, marks, indexed)
            pairs, curve = zip(stage.variants, stage.resolved, strict=True), Volumes(stage.tape, stage.path).curve
            started = [_bring_in(variant, resolved, request, start, curve) for variant, resolved in pairs]
            worlds = [each.world for each in started if isinstance(each, Started)]
            if not worlds:
                failures = [each.error for each in started if isinstance(each, RunFailure)]
                raise BacktesterError(dict.fromkeys(found for error in failures for found in error.diagnostics))
            engine.attach([each for world in worlds for each in (world, world._replace(liquidation=False))])
            engine.resume()
            return started
    raise BacktesterError(_why_no_start(engine, stage.resolved[0]))


def _bring_in(
    variant: Variant, resolved: Resolved, request: Request, start: Start, curve: Curve
) -> Started | RunFailure:
    """A variant at the prices of the start, or why it cannot be."""
    try:
        here, moved = rebase(variant.portfolio, resolved, start) if request.rebase else (variant.portfolio, ())
        return Started(variant, resolved, resolve_world(here, resolved, start, curve), moved)
    except BacktesterError as error:
        return RunFailure(request.scenario, request.venue or "", named(variant.overrides), error)


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


def _tape_source(tape: Tape) -> Source:
    name = " + ".join(file.path.name for file in tape.files)
    return Source(name, digest_of([file_digest(file.path) for file in tape.files]))


def _instruments(instruments: Sequence[TapeInstrument], profiles: Sequence[VenueProfile]) -> tuple[Instrument, ...]:
    first = profiles[0]
    return tuple(Instrument(each, first.market(*each.names_at(first.id)).size_decimals) for each in instruments)


def _scenario_source(request: Request, stage: Stage) -> ScenarioSource | None:
    if stage.stressed is None:
        return None
    return scenario_source(request.scenario, stage.settings, request.shock, stage.stressed)


def _assumptions(request: Request, stage: Stage, profiles: Sequence[VenueProfile], resolved: Resolved) -> Iterator[str]:
    for file in stage.tape.files:
        if file.metadata.source:
            yield f"tape {file.path.name}: {file.metadata.source}"
    yield from additions_of(stage.tape)
    yield from moves_of(stage.tape)
    if stage.stressed is not None:
        yield from stress_assumptions(request.scenario, stage.tape, stage.stressed, request.proxies)
    yield from assumptions_of(resolved, request.accept)
    yield from changes_by_hand(profiles)


def _changes(variant: Variant, world: spec.World) -> Iterator[str]:
    """What the command line made of the portfolio, and what followed from it."""
    yield from variant.portfolio.document.changes
    yield from variant.moved
    yield from derived_leverages(variant.portfolio, world)


def _foresight(variant: Variant) -> Iterator[str]:
    """What its plans know that nobody could have known."""
    for account in variant.portfolio.portfolio.accounts:
        for plan in account.plans:
            if plan.algo == "vwap" and plan.curve == "tape":
                yield f"{account.name} {plan.id}: its curve is the trading of this run, known beforehand"
