"""`--compare KEY=a,b,c`: one request, several portfolios. Each variant is a world of its own in the same pass."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

from backtester.config.overrides import alternatives, sort_overrides
from backtester.config.portfolio import PortfolioFile, load_portfolio
from backtester.errors import BacktesterError, Diagnostic
from backtester.run.names import Names
from backtester.run.profiles import choice_of, find_profiles, move_collateral
from backtester.scenario.path import Scenario
from backtester.venue.accounts import judge_accounts
from backtester.venue.profile import VenueProfile


class Variant(NamedTuple):
    """A portfolio as one combination of overrides makes it, and the rules of its accounts."""

    overrides: tuple[str, ...]
    portfolio: PortfolioFile
    profiles: tuple[VenueProfile, ...]
    moved: tuple[str, ...]  # what became of its collateral on another venue


def combinations(overrides: Sequence[str], compare: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """The `key=value`s of every variant. Example: two keys of two and three values make six variants."""
    return tuple((*overrides, *chosen) for chosen in product(*map(alternatives, compare)))


def count_combinations(compare: Sequence[str]) -> int:
    """How many variants `combinations` makes, without making them."""
    return math.prod(len(alternatives(text)) for text in compare)


def read_variants(
    path: Path, overrides: Sequence[tuple[str, ...]], venue: str | None, scenario: Scenario | None, names: Names
) -> tuple[Variant, ...]:
    """Every variant, validated. Raises the problems of them all: words are wrong or right before anything runs."""
    found, problems = [], list[Diagnostic]()
    for each in overrides:
        try:
            found.append(_read(path, each, venue, scenario, names))
        except BacktesterError as error:
            problems += error.diagnostics
    if problems:
        raise BacktesterError(dict.fromkeys(problems))
    return tuple(found)


def named(overrides: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Keys and values, as a result names its variant."""
    pairs = (text.partition("=") for text in overrides)
    return tuple((key, value) for key, _, value in pairs)


def _read(
    path: Path, overrides: tuple[str, ...], venue: str | None, scenario: Scenario | None, names: Names
) -> Variant:
    said = sort_overrides(overrides)
    venue = venue if said.at is None else said.at
    choice = choice_of(venue, scenario)
    portfolio = load_portfolio(path, said.portfolio, lambda document: judge_accounts(document, choice, names.judge))
    profiles = find_profiles(portfolio, choice, said.venue)
    portfolio, moved = move_collateral(portfolio, profiles) if venue else (portfolio, ())
    return Variant(overrides, portfolio, profiles, moved)
