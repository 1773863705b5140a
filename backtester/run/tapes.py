"""The base tape of a run: which files, with which funding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from backtester.errors import BacktesterError, Diagnostic
from backtester.market.funding import holes, read_funding
from backtester.market.read import Tape, open_tape, too_old
from backtester.market.schema import InstrumentFacts
from backtester.run.resolve import base_meant
from backtester.run.variants import Variant
from backtester.scenario.apply import StressedTape
from backtester.scenario.grid import Proxy
from backtester.shipped import data_dir
from backtester.venue.profile import VenueProfile


def base_tape(
    variants: Sequence[Variant], named: Sequence[str], described: Sequence[InstrumentFacts], proxies: Sequence[Proxy]
) -> Tape:
    """The tapes that were named, else the shipped one of every market the portfolios use, or of its proxy."""
    tape = open_tape(named or _shipped(variants, {each.base: each.source for each in proxies}), described)
    if problems := list(too_old(tape)):
        raise BacktesterError(problems)
    return tape


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


def _shipped(variants: Sequence[Variant], proxies: Mapping[str, str]) -> list[str]:
    """Names of the shipped tapes of all markets. Raises a data error for each that has none, nor a proxy that has."""
    names: dict[str, None] = {}
    problems: dict[Diagnostic, None] = {}
    for variant in variants:
        accounts = variant.portfolio.portfolio.accounts
        for a, (account, profile) in enumerate(zip(accounts, variant.profiles, strict=True)):
            for p, position in enumerate(account.positions):
                base = position.symbol.removesuffix(profile.collateral) or position.symbol
                own, lent = (_shipped_name(profile, each) for each in (base, proxies.get(base, base)))
                names[own if _is_shipped(own) else lent] = None
                if not _is_shipped(own) and not _is_shipped(lent):
                    where = variant.portfolio.where("accounts", a, "positions", p, "symbol")
                    problems[_not_shipped(where, profile, position.symbol)] = None
    if problems:
        raise BacktesterError(problems)
    return sorted(names)


def _shipped_name(profile: VenueProfile, base: str) -> str:
    return f"{profile.id}-{base.lower()}"


def _is_shipped(name: str) -> bool:
    return (data_dir() / f"{name}.parquet").is_file()


def _not_shipped(where: str, profile: VenueProfile, symbol: str) -> Diagnostic:
    meant = base_meant(symbol)
    hint = f"give one with --tape, or lend it another's: --proxy {meant}=BTC --price {meant}=PRICE"
    if _is_shipped(_shipped_name(profile, meant)):
        hint = f'did you mean "{meant}"?'
    return Diagnostic("data", where, f"no base tape is shipped for {symbol} on {profile.id}", hint)
