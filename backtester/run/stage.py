"""The stage of a pass: the tape, plain or stressed, and the markets on it, before the first event."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from backtester.config.overrides import Setting, sort_overrides
from backtester.files import file_digest
from backtester.market.read import Tape
from backtester.run.ahead import ahead
from backtester.run.lend import lend
from backtester.run.liquidity import TABLE
from backtester.run.plan import Rider
from backtester.run.prices import move_tape, prices_of, refuse_both_ways
from backtester.run.request import Request
from backtester.run.resolve import Holder, resolve_markets, take_intervals, take_mid_as_index
from backtester.run.resolve_values import Resolved
from backtester.run.result import Source, digest_of
from backtester.run.stress import (
    first_funding,
    proxies_of,
    refuse_idle_proxies,
    stress_path,
    stress_tape,
    without_index,
)
from backtester.run.tapes import base_tape, refuse_holes, with_funding
from backtester.scenario.apply import StressedTape
from backtester.scenario.grid import Proxy
from backtester.scenario.path import Scenario


class Stage(NamedTuple):
    """What all riders of a pass share."""

    request: Request  # of the first of them: in what is said of the tape the others are like it
    riders: Sequence[Rider]
    resolved: tuple[Resolved, ...]  # one a rider; their market data are the same
    tape: Tape
    tape_source: Source
    settings: tuple[Setting, ...]  # of the scenario, by hand
    path: Scenario | None
    proxies: tuple[Proxy, ...]  # each of one market
    stressed: StressedTape | None

    @property
    def span(self) -> tuple[int, int]:
        """First and last time of the run, ns."""
        if self.path is not None and self.path.start_ns is not None and self.path.end_ns is not None:
            return self.path.start_ns, self.path.end_ns
        return self.tape.first_ts_ns or 0, self.tape.last_ts_ns or 0

    def chunks(self) -> Iterator[np.ndarray]:
        """The events of the run, from the beginning at every call."""
        return ahead(self.stressed.chunks() if self.stressed else self.tape.chunks(self.request.chunk_rows))


def set_stage(riders: Sequence[Rider]) -> Stage:
    """Open and resolve all that has to be known before the first event."""
    request, first, scenario = riders[0]
    variants = [rider.variant for rider in riders]
    any_time = scenario is not None and scenario.start_ns is not None
    tape = base_tape(variants, request.tapes, request.instruments, request.proxies, any_time)
    tape = lend(tape, variants, request.proxies, request.accept.order_book)
    tape = move_tape(tape, (*prices_of(first.portfolio), *request.prices))
    if request.rebase:
        refuse_both_ways(tape)
    holders = [Holder(each.portfolio, each.profiles) for each in variants]
    resolved = resolve_markets(holders, tape.instruments, request.accept, request.seed)
    tape = tape._replace(wanted=frozenset(market.instrument for market in resolved[0].data.markets))
    tape = with_funding(tape)
    settings = sort_overrides(first.overrides).scenario
    proxies = proxies_of(request.proxies, scenario, tape)
    path = stress_path(scenario, settings, request.shock, tape, proxies)
    refuse_idle_proxies(request.proxies, path, tape)
    stressed = stress_tape(path, tape, resolved[0], proxies, request.seed, request.chunk_rows) if path else None
    if not request.accept.funding_zero:
        refuse_holes(tape, stressed)
    if request.accept.index_mid:
        lacking = without_index(tape, stressed)
        resolved = tuple(take_mid_as_index(each, lacking) for each in resolved)
    resolved = tuple(take_intervals(each, first_funding(tape, stressed)) for each in resolved)
    return Stage(request, riders, resolved, tape, _source(tape), settings, path, proxies, stressed)


def _source(tape: Tape) -> Source:
    name = " + ".join(file.path.name for file in tape.files)
    stated = [TABLE] if any(move.stated for move in tape.moves) else []
    return Source(name, digest_of([file_digest(path) for path in (*(file.path for file in tape.files), *stated)]))
