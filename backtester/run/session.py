"""One cell from files to result: open, stress, start, resolve, run, wrap."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from backtester.config.portfolio import PortfolioFile, load_portfolio
from backtester.engine import jit, spec
from backtester.engine.state import DEFAULT_CAPACITIES, Capacities
from backtester.enums import Advance, MarkFormula
from backtester.errors import BacktesterError, Diagnostic, usage_error
from backtester.market.read import Tape, open_tape
from backtester.market.schema import InstrumentFacts, TapeInstrument
from backtester.run.drive import Engine
from backtester.run.resolve import Acceptances, Resolved, Start, assumptions_of, resolve_markets, resolve_world
from backtester.run.result import Instrument, RunResult, ScenarioSource, Source
from backtester.scenario import library
from backtester.scenario.apply import StressedTape, survey
from backtester.scenario.grid import Proxy, Target
from backtester.scenario.path import Scenario
from backtester.shipped import data_dir
from backtester.venue.loader import VenueRef, load_profile
from backtester.venue.profile import VenueProfile

Progress = Callable[[float], None]
#: A base tape of at most so many rows is kept in memory (40 bytes a row) while it is laid end to end.
KEPT_ROWS = 1_000_000


class Request(NamedTuple):
    """What the user asked for, as read from the command line."""

    portfolio: Path
    overrides: tuple[str, ...] = ()
    scenario: str | None = None  # id, or path of a .parquet or .toml
    venue: str | None = None  # ID[@DATE|@scenario]; None: the account's own, newest rules
    tapes: tuple[str, ...] = ()
    instruments: tuple[InstrumentFacts, ...] = ()
    proxies: tuple[Proxy, ...] = ()
    accept: Acceptances = Acceptances()
    seed: int = 0
    capacities: Capacities = DEFAULT_CAPACITIES
    chunk_rows: int = 262_144


def run_cell(request: Request, progress: Progress = lambda fraction: None) -> RunResult:
    """Run one portfolio through one tape, plain or stressed. `progress` hears the fraction of the tape's time."""
    portfolio = load_portfolio(request.portfolio, request.overrides)
    scenario = library.find(request.scenario) if request.scenario else None
    profiles = _profiles(request, portfolio, scenario)
    tape = _open(request, portfolio, profiles)
    without_index = _without_index(tape) if request.accept.index_mid else ()
    resolved = resolve_markets(portfolio, profiles, tape.instruments, request.accept, without_index)
    stressed = _stress(request, scenario, tape, resolved)
    chunks = stressed.chunks() if stressed else tape.chunks(request.chunk_rows)
    engine = Engine(resolved.data, request.capacities)
    world, start_ts = _start(engine, chunks, portfolio, resolved)
    span = _span(tape, scenario)
    for chunk in chunks:
        engine.feed(chunk)
        progress((int(chunk["ts"][-1]) - span[0]) / max(1, span[1] - span[0]))
    engine.finish()
    return RunResult(
        portfolio=portfolio.portfolio,
        portfolio_source=Source(portfolio.name, portfolio.sha256),
        tape=_tape_source(tape),
        scenario=_scenario_source(request.scenario, scenario, stressed),
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
        start_ts=start_ts,
        end_ts=int(engine.control["now"][0]),
        path_width_ns=int(engine.control["path_width"][0]),
        assumptions=tuple(_assumptions(request, tape, scenario, stressed, profiles, resolved)),
        warnings=(),
        variant=tuple(_split_override(text) for text in request.overrides),
        seed=request.seed,
    )


def warm() -> None:
    """Compile every kernel of the run path by running the shipped demo."""
    run_cell(Request(data_dir() / "demo-portfolio.toml", scenario="2025-10-10"))


def is_warm() -> bool:
    """Whether the kernels of the run path were compiled before."""
    return jit.is_warm("advance") and jit.is_warm("transform")


def _split_override(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    return key, value


def _profiles(request: Request, portfolio: PortfolioFile, scenario: Scenario | None) -> list[VenueProfile]:
    """The rules of each account."""
    profiles = []
    for account in portfolio.portfolio.accounts:
        ref = VenueRef.parse(request.venue or account.venue)
        on = ref.on
        if ref.at_scenario:
            if scenario is None or scenario.start_ns is None:
                raise usage_error("--venue", "@scenario needs a scenario with a date", "add --scenario or give a date")
            on = np.datetime64(scenario.start_ns, "ns").astype("datetime64[D]").item()
        profiles.append(load_profile(ref.id, on))
    return profiles


def _open(request: Request, portfolio: PortfolioFile, profiles: Sequence[VenueProfile]) -> Tape:
    """The tapes that were named, else the shipped base tape of every market the portfolio uses."""
    if request.tapes:
        return open_tape(request.tapes, request.instruments)
    names: dict[str, None] = {}
    problems = []
    for a, (account, profile) in enumerate(zip(portfolio.portfolio.accounts, profiles, strict=True)):
        for p, position in enumerate(account.positions):
            name = f"{profile.id}-{position.symbol.lower()}"
            names[name] = None
            if not (data_dir() / f"{name}.parquet").is_file():
                where = portfolio.where("accounts", a, "positions", p, "symbol")
                message = f"no base tape is shipped for {position.symbol} on {profile.id}"
                problems.append(Diagnostic("data", where, message, "give one with --tape"))
    if problems:
        raise BacktesterError(problems)
    return open_tape(sorted(names), request.instruments)


def _without_index(tape: Tape) -> tuple[int, ...]:
    """Numbers of the instruments that have no index row."""
    has_index = survey(tape.chunks(), len(tape.instruments)).has_index
    return tuple(np.flatnonzero(~has_index).tolist())


def _stress(request: Request, scenario: Scenario | None, tape: Tape, resolved: Resolved) -> StressedTape | None:
    if scenario is None:
        return None
    own_mark = {market.instrument for market in resolved.data.markets if _makes_mark(resolved, market.rules)}
    targets = [
        Target(each.symbol, each.base, each.venue, each.tick_size, each.lot_size, each.multiplier, number in own_mark)
        for number, each in enumerate(tape.instruments)
    ]
    return StressedTape(
        scenario, targets, _base(tape), proxies=request.proxies, seed=request.seed, capacity=request.chunk_rows
    )


def _base(tape: Tape) -> Callable[[], Iterator[np.ndarray]]:
    """The base tape as often as it is wanted: a small one is read once, every tile of it comes from memory."""
    if tape.rows > KEPT_ROWS:
        return tape.chunks
    kept = list(tape.chunks())
    return lambda: iter(kept)


def _makes_mark(resolved: Resolved, rules: int) -> bool:
    return resolved.data.rules[rules].mark_formula is not MarkFormula.TAPE


def _start(
    engine: Engine, chunks: Iterator[np.ndarray], portfolio: PortfolioFile, resolved: Resolved
) -> tuple[spec.World, int]:
    """Feed until every market has its first mark, then bring the portfolio in, with and without liquidation."""
    for chunk in chunks:
        if engine.feed(chunk) == Advance.STARTED:
            marks, indexed = engine.market.markets["mark"].tolist(), engine.market.instruments["has_index"].tolist()
            world = resolve_world(portfolio, resolved, Start(engine.start_ts, marks, indexed))
            engine.attach((world, world._replace(liquidation=False)))
            engine.resume()
            return world, engine.start_ts
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


def _span(tape: Tape, scenario: Scenario | None) -> tuple[int, int]:
    if scenario is not None and scenario.start_ns is not None and scenario.end_ns is not None:
        return scenario.start_ns, scenario.end_ns
    return tape.first_ts_ns or 0, tape.last_ts_ns or 0


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _tape_source(tape: Tape) -> Source:
    """One file by its own digest, several by the digest of their digests."""
    digests = [_digest(file.path) for file in tape.files]
    name = " + ".join(file.path.name for file in tape.files)
    return Source(name, digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest())


def _scenario_source(
    name: str | None, scenario: Scenario | None, stressed: StressedTape | None
) -> ScenarioSource | None:
    if name is None or scenario is None or stressed is None:
        return None
    digest = _digest(library.locate(name))
    return ScenarioSource(scenario.id, scenario.title, scenario.type, digest, scenario.assumed_share, stressed.summary)


def _instruments(instruments: Sequence[TapeInstrument], profiles: Sequence[VenueProfile]) -> tuple[Instrument, ...]:
    return tuple(Instrument(each, profiles[0].market(each.base).size_decimals) for each in instruments)


def _assumptions(
    request: Request,
    tape: Tape,
    scenario: Scenario | None,
    stressed: StressedTape | None,
    profiles: Sequence[VenueProfile],
    resolved: Resolved,
) -> Iterator[str]:
    for file in tape.files:
        if file.metadata.source:
            yield f"tape {file.path.name}: {file.metadata.source}"
    if scenario is not None and stressed is not None:
        yield f"scenario {scenario.id}: {scenario.assumed_share:.0%} of its figures are assumed (`scenarios show`)"
        if stressed.summary.tiles > 1:
            yield f"the base tape is shorter than the scenario and was laid end to end {stressed.summary.tiles} times"
        for each in stressed.summary.realised:
            if each.index_from_mid:
                yield f"{each.symbol}: the base tape has no index, its mid stands for it"
        for proxy in request.proxies:
            yield f"{proxy.base} moves like {proxy.source} times {proxy.beta:g} (--proxy)"
    yield from assumptions_of(profiles, resolved, request.accept)
