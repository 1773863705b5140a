"""The base tape of a run: which files, with which funding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from backtester.errors import BacktesterError
from backtester.market.funding import holes, read_funding
from backtester.market.read import Tape, open_tape, too_old
from backtester.market.schema import InstrumentFacts
from backtester.run.names import Market, shipped_for
from backtester.run.variants import Variant
from backtester.scenario.apply import StressedTape
from backtester.scenario.grid import Proxy

MINUTE_NS = 60_000_000_000


def base_tape(
    variants: Sequence[Variant],
    named: Sequence[str],
    described: Sequence[InstrumentFacts],
    proxies: Sequence[Proxy],
    any_time: bool,
) -> Tape:
    """The tapes that were named, else the shipped one of every market the portfolios use, or of its proxy.

    `any_time`: a scenario says when the run is. Then shipped tapes are laid beside the named ones for the markets that
    those lack; without one, tapes of different days cannot be replayed together.
    """
    markets, sources = tuple(_markets(variants)), {each.base: each.source for each in proxies}
    tape = open_tape(named or _shipped(markets, sources), described)
    if problems := list(too_old(tape)):
        raise BacktesterError(problems)
    added = _lacking(tape, markets, sources) if any_time and tape.rows else []
    return tape.beside(open_tape(added)) if added else tape


def additions_of(tape: Tape) -> Iterator[str]:
    """What a reader of the result should know of the shipped tapes beside the named ones."""
    for file in tape.files:
        if file.shift_ns is not None:
            symbols = ", ".join(each.symbol for each in file.instruments)
            minutes = ((tape.last_ts_ns or 0) - (tape.first_ts_ns or 0)) / MINUTE_NS
            laid = f"{file.path.name}, of another time, is laid beside their first {minutes:.3g} minutes"
            yield f"{symbols} is on none of the named tapes: {laid}"


def with_funding(tape: Tape) -> Tape:
    """The tape with the recorded funding of the instruments that are used. Raises a data error for stray rows."""
    wanted = frozenset(range(len(tape.instruments))) if tape.wanted is None else tape.wanted
    recorded = ((place, row) for place, row in tape.funding_rows() if row["instrument"] in wanted)
    funding, problems = read_funding(recorded, tape.instruments)
    if problems:
        raise BacktesterError(problems)
    return tape._replace(funding=funding)


def refuse_holes(tape: Tape, stressed: StressedTape | None) -> None:
    """Raise a data error for funding times without a row; those of an instrument that a path drives are the path's."""
    if tape.funding is None:
        return
    kept = [hole for hole in tape.funding.holes if stressed is None or not stressed.driven[hole[0]]]
    if problems := list(holes(kept, tape.instruments)):
        raise BacktesterError(problems)


def _markets(variants: Sequence[Variant]) -> Iterator[Market]:
    for variant in variants:
        for account, profile in zip(variant.portfolio.portfolio.accounts, variant.profiles, strict=True):
            yield from (Market(profile, position.symbol) for position in account.positions)


def _shipped(markets: Sequence[Market], proxies: Mapping[str, str]) -> list[str]:
    """Names of the shipped tapes of all markets: `run.names` has refused those that have none, nor a proxy that has."""
    return sorted({name for market in markets if (name := shipped_for(market, proxies))})


def _lacking(tape: Tape, markets: Sequence[Market], proxies: Mapping[str, str]) -> list[str]:
    """Names of the shipped tapes of the markets that a tape lacks at every venue."""
    has = {name for each in tape.instruments for name in (each.symbol, each.base)}
    lacking = (market for market in markets if has.isdisjoint((market.symbol, market.base)))
    return sorted({name for market in lacking if (name := shipped_for(market, proxies, has))})
