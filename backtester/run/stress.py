"""The stress of a cell: its path, the tape under it, and what the reports say of both."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace

import numpy as np

from backtester.config.overrides import Setting
from backtester.config.toml import did_you_mean
from backtester.engine.events import EVENT
from backtester.enums import MarkFormula
from backtester.errors import BacktesterError, Diagnostic, data_error
from backtester.files import file_digest
from backtester.market.read import Tape
from backtester.run.resolve_values import Resolved
from backtester.run.result import ScenarioSource, digest_of
from backtester.scenario import library
from backtester.scenario.apply import StressedTape, Summary, survey
from backtester.scenario.compose import set_columns
from backtester.scenario.grid import Proxy, Target, has_own
from backtester.scenario.path import ANY, Scenario, neutral
from backtester.scenario.shock import Shock, shocked

#: A base tape of at most so many rows is kept in memory (40 bytes a row) while it is laid end to end.
KEPT_ROWS = 1_500_000
HOUR_NS = 3_600_000_000_000


def stress_path(
    named: Scenario | None, settings: Sequence[Setting], shock: Shock | None, tape: Tape, proxies: Sequence[Proxy] = ()
) -> Scenario | None:
    """The named scenario, then `--set scenario.…`, then `--shock` on top; None for the tape as it is.

    Without a named one both go over the neutral path, which has the clock of the tape. A shock is laid over the symbols
    of the tape alone, and those that are lent: how far another could fall is no bound of it.
    """
    if not settings and shock is None:
        return named
    path = set_columns(named if named is not None else _as_it_is(tape), settings)
    return path if shock is None else shocked(_of_symbols(path, tape, proxies), shock)


def _of_symbols(path: Scenario, tape: Tape, proxies: Sequence[Proxy]) -> Scenario:
    """What a path says of the symbols of a tape; all of it where it has none of them, which is refused later."""
    used = {ANY, *(each.base for each in tape.instruments), *(proxy.source for proxy in proxies)}
    kept = replace(path, series=tuple(series for series in path.series if series.symbol in used))
    return kept if kept.symbols else path


def _as_it_is(tape: Tape) -> Scenario:
    if tape.first_ts_ns is None or tape.last_ts_ns is None:
        raise data_error("base tape", "has no events")
    return neutral((each.base for each in tape.instruments), (tape.first_ts_ns, tape.last_ts_ns))


def proxies_of(named: Sequence[Proxy], path: Scenario | None, tape: Tape) -> tuple[Proxy, ...]:
    """The named ones; the one of `*` as one for each market that is held, and has neither its own nor a path.

    Where none is named for `*` it is what the path assumes of other names.
    Example: `*=ETH*1.5` is LINK=ETH*1.5 where LINK is held and the path has prices of BTC and ETH.
    """
    own = tuple(proxy for proxy in named if proxy.base != ANY)
    any_other = next((proxy for proxy in named if proxy.base == ANY), _assumed(path))
    if path is None or any_other is None or not any_other.source:
        return own
    provided = {*path.symbols, *(proxy.base for proxy in own)}
    return (*own, *(any_other._replace(base=base) for base in _held(tape) if base not in provided))


def _assumed(path: Scenario | None) -> Proxy | None:
    others = path.others if path else None
    return None if others is None else Proxy(ANY, others.of, others.beta, assumed=True)


def _held(tape: Tape) -> list[str]:
    """The bases that accounts trade, in order."""
    return sorted({tape.instruments[number].base for number in _held_numbers(tape)})


def _held_numbers(tape: Tape) -> Collection[int]:
    """The instruments that accounts trade; all of a tape that nobody says it of."""
    return range(len(tape.instruments)) if tape.wanted is None else tape.wanted


def refuse_idle_proxies(proxies: Sequence[Proxy], path: Scenario | None, tape: Tape) -> None:
    """Raise usage errors for proxies that would change nothing: no account has their market, or there is no path.

    Without a path an order book can be lent, but its moves cannot be multiplied.
    """
    held, problems = _held(tape), []
    for base in (proxy.base for proxy in proxies if proxy.base not in (*held, ANY)):
        hint = did_you_mean(base, held) or f"they have {', '.join(held)}"
        problems.append(Diagnostic("usage", "--proxy", f"no account has a position in {base}", hint))
    lent = {move.lent_to for move in tape.moves}
    if path is None and any(proxy.beta != 1.0 or proxy.base not in lent for proxy in proxies):
        problems.append(Diagnostic("usage", "--proxy", "there is no path to lend", "name a scenario with --scenario"))
    if problems:
        raise BacktesterError(problems)


def stress_tape(
    path: Scenario, tape: Tape, resolved: Resolved, proxies: Sequence[Proxy], seed: int, capacity: int
) -> StressedTape:
    """The tape under a path. Marks of a market go where its venue's rules make them; what is `wanted` needs prices."""
    rules = resolved.data.rules
    makes_mark = {
        each.instrument for each in resolved.data.markets if rules[each.rules].mark_formula is not MarkFormula.TAPE
    }
    held = _held_numbers(tape)
    targets = [
        Target(
            each.symbol,
            each.base,
            each.venue,
            each.tick_size,
            each.lot_size,
            each.multiplier,
            drop_marks=number in makes_mark,
            held=number in held,
        )
        for number, each in enumerate(tape.instruments)
    ]
    return StressedTape(path, targets, _base(tape), proxies=proxies, seed=seed, capacity=capacity)


def _base(tape: Tape) -> Callable[[], Iterator[np.ndarray]]:
    """The base tape as often as it is wanted: a small one is read once, every tile of it comes from memory."""
    if tape.rows > KEPT_ROWS:
        return tape.chunks
    kept = list(tape.chunks())
    return lambda: iter(kept)


def without_index(tape: Tape, stressed: StressedTape | None) -> tuple[int, ...]:
    """Numbers of the instruments that have no index row; one that a scenario drives gets its index from there."""
    has_index = survey(tape.chunks(), len(tape.instruments)).has_index
    if stressed is not None:
        has_index = has_index | stressed.driven
    return tuple(np.flatnonzero(~has_index).tolist())


def first_funding(tape: Tape, stressed: StressedTape | None) -> np.ndarray:
    """The first row of funding of each instrument, EVENT[n]: one that is driven has the path's alone (RULES 10.3)."""
    rows = tape.funding.firsts if tape.funding is not None else np.zeros(0, EVENT)
    if stressed is None:
        return rows
    return np.concatenate([stressed.first_funding, rows[~stressed.driven[rows["instrument"]]]])


def _lost_funding(tape: Tape, stressed: StressedTape) -> list[int]:
    """Numbers of the instruments whose recorded funding gives way to the path's (RULES 10.3)."""
    if tape.funding is None:
        return []
    recorded = np.unique(tape.funding.rows["instrument"])
    return [int(number) for number in recorded if stressed.driven[number]]


def scenario_source(
    name: str | None, settings: Sequence[Setting], shock: Shock | None, stressed: StressedTape
) -> ScenarioSource:
    """The files that `name` joins, and the words of the command line that were laid over them."""
    digests = [file_digest(path) for path in library.locate_parts(name)] if name else []
    words = [setting.text for setting in settings] + ([shock.text] if shock else [])
    digest = digest_of([*digests, *(hashlib.sha256(text.encode()).hexdigest() for text in words)])
    path = stressed.scenario
    return ScenarioSource(
        id=path.id,
        title=path.title,
        type=path.type,
        sha256=digest,
        assumed_share=path.assumed_share,
        summary=stressed.summary,
        sources=path.sources,
        phases=stressed.phases,
    )


def _times(summary: Summary) -> str:
    """How often the base was laid, by venue where they differ."""
    if len({times for _, times in summary.laid}) == 1:
        return f"{summary.tiles} times"
    return ", ".join(f"{times} times ({venue})" for venue, times in summary.laid)


def stress_assumptions(name: str | None, tape: Tape, stressed: StressedTape, proxies: Sequence[Proxy]) -> Iterator[str]:
    """What a reader of the result should know of the scenario and of its tape."""
    path, summary = stressed.scenario, stressed.summary
    if name:
        share = f"{path.assumed_share:.0%} of its figures are assumed, each quantity counted alike"
        yield f"scenario {path.id}: {share} (`scenarios show`)"
    yield from path.notes
    if not name:
        for number in _lost_funding(tape, stressed):
            yield f"{tape.instruments[number].symbol}: the funding rows of the tape are left out under the stress"
    if summary.tiles > 1:
        yield f"the base tape is shorter than the scenario and was laid end to end {_times(summary)}"
    if summary.coarse_ns:
        hours, span = summary.coarse_ns / HOUR_NS, ((path.end_ns or 0) - (path.start_ns or 0)) / HOUR_NS
        yield f"{hours:.3g} of {span:.3g} hours are coarse: one snapshot a step, no messages or trades between"
    for each in summary.realised:
        if each.index_from_mid:
            yield f"{each.symbol}: the base tape has no index, its mid stands for it"
    for proxy in proxies:
        if any(target.base == proxy.base and has_own(path, "price_ratio", target) for target in stressed.targets):
            yield f"{proxy.base} moves on its own path, which scenario {path.id} has: not like {proxy.source} (--proxy)"
        else:
            by = "assumed" if proxy.assumed else "--proxy"
            yield f"{proxy.base} moves like {proxy.source} times {proxy.beta:g} ({by})"
