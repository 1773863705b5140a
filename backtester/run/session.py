"""One cell from files to result: open, stress, start, resolve, run, wrap."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from backtester.config.overrides import sort_overrides
from backtester.config.portfolio import PortfolioFile, load_portfolio
from backtester.engine import jit, spec
from backtester.engine.state import DEFAULT_CAPACITIES, Capacities
from backtester.enums import Advance, MarkFormula
from backtester.errors import BacktesterError, Diagnostic
from backtester.market.read import Tape, open_tape
from backtester.market.schema import InstrumentFacts, TapeInstrument
from backtester.run.drive import Engine
from backtester.run.profiles import changes_by_hand, find_profiles, move_collateral
from backtester.run.rebase import Rebased, rebase
from backtester.run.resolve import (
    Acceptances,
    Resolved,
    Start,
    assumptions_of,
    resolve_markets,
    resolve_world,
    take_mid_as_index,
)
from backtester.run.result import Instrument, RunFailure, RunResult, Source, digest_of, file_digest
from backtester.run.stress import scenario_source, stress_assumptions, stress_path, stress_tape, without_index
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
    scenario: str | None = None  # id, or path of a .parquet or .toml; several joined by `+`
    shock: Shock | None = None  # laid over the scenario, or over the tape as it is
    venue: str | None = None  # [ID][@DATE|@scenario]; None: the account's own, newest rules
    tapes: tuple[str, ...] = ()
    instruments: tuple[InstrumentFacts, ...] = ()
    proxies: tuple[Proxy, ...] = ()
    accept: Acceptances = Acceptances()
    rebase: bool = False
    seed: int = 0
    capacities: Capacities = DEFAULT_CAPACITIES
    chunk_rows: int = 262_144


def run_cell(request: Request, progress: Progress = lambda fraction: None) -> RunResult:
    """Run one portfolio through one tape, plain or stressed. `progress` hears the fraction of the tape's time."""
    portfolio_set, venue_set, scenario_set = sort_overrides(request.overrides)
    portfolio = load_portfolio(request.portfolio, portfolio_set)
    named = library.find_runnable(request.scenario) if request.scenario else None
    profiles = find_profiles(portfolio, request.venue, named, venue_set)
    portfolio, collateral = move_collateral(portfolio, profiles) if request.venue else (portfolio, ())
    tape = _open(request, portfolio, profiles)
    resolved = resolve_markets(portfolio, profiles, tape.instruments, request.accept)
    path = stress_path(named, scenario_set, request.shock, tape)
    stressed = stress_tape(path, tape, resolved, request.proxies, request.seed, request.chunk_rows) if path else None
    if request.accept.index_mid:
        resolved = take_mid_as_index(resolved, without_index(tape, stressed))
    chunks = stressed.chunks() if stressed else tape.chunks(request.chunk_rows)
    engine = Engine(resolved.data, request.capacities)
    world, moved = _start(engine, chunks, portfolio, resolved, request.rebase)
    span = _span(tape, path)
    for chunk in chunks:
        engine.feed(chunk)
        progress((int(chunk["ts"][-1]) - span[0]) / max(1, span[1] - span[0]))
    engine.finish()
    return RunResult(
        portfolio=portfolio.portfolio,
        portfolio_source=Source(portfolio.name, portfolio.sha256),
        tape=_tape_source(tape),
        scenario=scenario_source(request.scenario, scenario_set, request.shock, stressed) if stressed else None,
        profiles=tuple(profiles),
        instruments=_instruments(tape.instruments, profiles),
        data=resolved.data,
        world=world,
        market=engine.market,
        state=engine.worlds,
        index=engine.index,
        fills=engine.fills,
        ledger=engine.ledger,
        liquidations=engine.liquidations,
        payments=engine.payments,
        start_ts=engine.start_ts,
        end_ts=int(engine.control["now"][0]),
        path_width_ns=int(engine.control["path_width"][0]),
        assumptions=(*_assumptions(request, tape, stressed, profiles, resolved), *collateral, *map(str, moved)),
        warnings=(),
        variant=_variant(request),
        seed=request.seed,
    )


def try_cell(request: Request, progress: Progress = lambda fraction: None) -> RunResult | RunFailure:
    """The same for one of several cells: what is wrong with it must not end the others."""
    try:
        return run_cell(request, progress)
    except BacktesterError as error:
        return RunFailure(request.scenario, request.venue or "", _variant(request), error)


def warm() -> None:
    """Compile every kernel of the run path by running the shipped demo."""
    run_cell(Request(data_dir() / "demo-portfolio.toml", scenario="2025-10-10"))


def is_warm() -> bool:
    """Whether the kernels of the run path were compiled before."""
    return jit.is_warm("advance") and jit.is_warm("transform")


def _variant(request: Request) -> tuple[tuple[str, str], ...]:
    pairs = (text.partition("=") for text in request.overrides)
    return tuple((key, value) for key, _, value in pairs)


def _open(request: Request, portfolio: PortfolioFile, profiles: Sequence[VenueProfile]) -> Tape:
    """The tapes that were named, else the shipped base tape of every market the portfolio uses."""
    if request.tapes:
        return open_tape(request.tapes, request.instruments)
    names: dict[str, None] = {}
    problems = []
    for a, (account, profile) in enumerate(zip(portfolio.portfolio.accounts, profiles, strict=True)):
        for p, position in enumerate(account.positions):
            base = position.symbol.removesuffix(profile.collateral) or position.symbol
            name = f"{profile.id}-{base.lower()}"
            names[name] = None
            if not (data_dir() / f"{name}.parquet").is_file():
                where = portfolio.where("accounts", a, "positions", p, "symbol")
                message = f"no base tape is shipped for {position.symbol} on {profile.id}"
                problems.append(Diagnostic("data", where, message, "give one with --tape"))
    if problems:
        raise BacktesterError(problems)
    return open_tape(sorted(names), request.instruments)


def _start(
    engine: Engine, chunks: Iterator[np.ndarray], portfolio: PortfolioFile, resolved: Resolved, rebased: bool
) -> tuple[spec.World, tuple[Rebased, ...]]:
    """Feed until every market has its first mark, then bring the portfolio in, with and without liquidation."""
    for chunk in chunks:
        if engine.feed(chunk) == Advance.STARTED:
            marks, indexed = engine.market.markets["mark"].tolist(), engine.market.instruments["has_index"].tolist()
            start = Start(engine.start_ts, marks, indexed)
            here, moved = rebase(portfolio, resolved, start) if rebased else (portfolio, ())
            world = resolve_world(here, resolved, start)
            engine.attach((world, world._replace(liquidation=False)))
            engine.resume()
            return world, moved
    raise BacktesterError(_why_no_start(engine, resolved))


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


def _span(tape: Tape, path: Scenario | None) -> tuple[int, int]:
    if path is not None and path.start_ns is not None and path.end_ns is not None:
        return path.start_ns, path.end_ns
    return tape.first_ts_ns or 0, tape.last_ts_ns or 0


def _tape_source(tape: Tape) -> Source:
    name = " + ".join(file.path.name for file in tape.files)
    return Source(name, digest_of([file_digest(file.path) for file in tape.files]))


def _instruments(instruments: Sequence[TapeInstrument], profiles: Sequence[VenueProfile]) -> tuple[Instrument, ...]:
    return tuple(Instrument(each, profiles[0].market(*each.names).size_decimals) for each in instruments)


def _assumptions(
    request: Request,
    tape: Tape,
    stressed: StressedTape | None,
    profiles: Sequence[VenueProfile],
    resolved: Resolved,
) -> Iterator[str]:
    for file in tape.files:
        if file.metadata.source:
            yield f"tape {file.path.name}: {file.metadata.source}"
    if stressed is not None:
        yield from stress_assumptions(request.scenario, tape, stressed, request.proxies)
    yield from assumptions_of(profiles, resolved, request.accept)
    yield from changes_by_hand(profiles)
