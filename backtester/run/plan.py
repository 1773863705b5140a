"""Which cells ride on which tape: the cells of all requests, those together that one pass can serve.

Every file is read once, and everything that words alone can get wrong is found before a tape is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from backtester.config.limits import Limit, stated_limits
from backtester.config.overrides import sort_overrides
from backtester.config.tables import tables, text
from backtester.config.toml import Document, read_document
from backtester.errors import BacktesterError, NotApplicable
from backtester.run.names import Names
from backtester.run.profiles import choice_of
from backtester.run.request import Request
from backtester.run.result import RunFailure
from backtester.run.variants import Variant, combinations, named, read_variants
from backtester.scenario import library
from backtester.scenario.path import NEUTRAL_ID, Scenario
from backtester.venue.loader import load_profile
from backtester.venue.profile import VenueProfile

T = TypeVar("T")


class Rider(NamedTuple):
    """A cell to be run: one variant of a request, in the scenario that it names."""

    request: Request
    variant: Variant
    scenario: Scenario | None

    def failed(self, error: BacktesterError) -> RunFailure:
        """The cell that came to nothing."""
        portfolio, venues = self.variant.portfolio.portfolio, _named(self.variant.profiles)
        return _failure(self.request, portfolio.name, venues, self.variant.overrides, error, portfolio.limits.all())


class Plan(NamedTuple):
    """All cells in the order of their requests, and the numbers of those that go through one tape together."""

    cells: tuple[Rider | RunFailure, ...]
    passes: tuple[tuple[int, ...], ...]


class Reader(NamedTuple):
    """Reads files, each once."""

    document: Callable[[Path], Document]
    profile: Callable[..., VenueProfile]
    scenario: Callable[[str], Scenario]


def make_plan(requests: Sequence[Request]) -> Plan:
    """Read what the requests name. What is wrong with one of them makes all of its cells fail, and no others.

    Cells that differ in words alone (`4` and `4.0`, a venue and its newest date) are one, named by the first of them.

    Example: two portfolios in BTC and ETH, compared in two margin modes and two scenarios, are eight cells and two
    passes; with one of them in BTC alone there are four passes.
    """
    reader = Reader(cache(read_document), cache(load_profile), cache(library.find_runnable))
    cells = tuple(_each_once(cell for request in requests for cell in _cells(request, reader)))
    passes: dict[object, list[int]] = {}
    for number, cell in enumerate(cells):
        if isinstance(cell, Rider):
            passes.setdefault(_company(cell), []).append(number)
    return Plan(cells, tuple(map(tuple, passes.values())))


def _cells(request: Request, reader: Reader) -> Iterator[Rider | RunFailure]:
    overrides = combinations(request.overrides, request.compare)
    try:
        scenario = reader.scenario(request.scenario) if request.scenario else None
        document = reader.document(request.portfolio)
        any_time = scenario is not None and scenario.start_ns is not None
        names = Names(request.tapes, request.instruments, request.proxies, request.accept.order_book, any_time)
        for variant in read_variants(document, overrides, request.venue, scenario, names, reader.profile):
            yield Rider(request, variant, scenario)
    except BacktesterError as error:
        yield from (_not_run(request, each, reader, error) for each in overrides)


def _not_run(request: Request, overrides: tuple[str, ...], reader: Reader, error: BacktesterError) -> RunFailure:
    """A cell that was wrong in words, with the names and limits that it would have had, as far as they can be read."""
    document = _sound(lambda: reader.document(request.portfolio))
    limits = tuple(limit for _, limit in stated_limits(document)) if document else ()
    venues = _sound(lambda: _venues(request, overrides, document, reader)) if document else None
    title = text(document.data, "name") if document else ""
    return _failure(request, title, venues or request.venue or "", overrides, error, limits)


def _venues(request: Request, overrides: tuple[str, ...], document: Document, reader: Reader) -> str:
    """What the rules of its accounts are called. Raises BacktesterError where one has none."""
    scenario = reader.scenario(request.scenario) if request.scenario else None
    at = sort_overrides(overrides).at
    choice = choice_of(request.venue if at is None else at, scenario)._replace(load=reader.profile)
    return _named(choice.profile(text(account, "venue")) for _, account in tables(document.data, "accounts"))


def _named(profiles: Iterable[VenueProfile]) -> str:
    return ", ".join(dict.fromkeys(profile.name for profile in profiles))


def _sound(read: Callable[[], T]) -> T | None:
    """What is read; None where it cannot be."""
    try:
        return read()
    except BacktesterError:
        return None


def _each_once(cells: Iterable[Rider | RunFailure]) -> Iterator[Rider | RunFailure]:
    """Without those that are the same as one before."""
    seen: set[str] = set()
    for cell in cells:
        meant = _meant(cell) if isinstance(cell, Rider) else None
        if meant not in seen:
            yield cell
        if meant is not None:
            seen.add(meant)


def _meant(rider: Rider) -> str:
    """All that a cell depends on, however it was said."""
    said = sort_overrides(rider.variant.overrides)
    settings = [(each.key, _number(each.value)) for each in (*said.venue, *said.scenario)]
    rules = [(profile.name, profile.sha256) for profile in rider.variant.profiles]
    shared = rider.request._replace(overrides=(), compare=(), venue=None)
    return repr((shared, settings, rules, rider.variant.portfolio.portfolio))


def _number(value: Any) -> Any:
    """1 is 1.0."""
    return float(value) if type(value) is int else value


def _company(rider: Rider) -> object:
    """Cells of which this is the same see one tape, begin at one time, and may ride together."""
    portfolio, profiles = rider.variant.portfolio.portfolio, rider.variant.profiles
    markets = {
        (profile.id, position.symbol, profile.rules.mark_formula, profile.rules.mark_interval_ns)
        for account, profile in zip(portfolio.accounts, profiles, strict=True)
        for position in account.positions
    }
    stress = tuple(setting.text for setting in sort_overrides(rider.variant.overrides).scenario)
    shared = rider.request._replace(portfolio=Path(), overrides=(), compare=(), venue=None)
    return shared, stress, frozenset(markets), tuple(sorted(portfolio.prices.items()))


def _failure(
    request: Request,
    title: str,
    venue: str,
    overrides: Sequence[str],
    error: BacktesterError,
    limits: tuple[Limit, ...],
) -> RunFailure:
    applicable = not (request.of_a_group and isinstance(error, NotApplicable))
    return RunFailure(
        request.portfolio.stem, title, _called(request), venue, named(overrides), error, applicable, limits
    )


def _called(request: Request) -> str | None:
    """The scenario and the shock, as a result calls them; None for the tape as it is."""
    scenario = library.called(request.scenario) if request.scenario else None
    return scenario if request.shock is None else f"{scenario or NEUTRAL_ID}+{request.shock.text}"
