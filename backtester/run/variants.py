"""`--compare KEY=a,b,c`: one request, several portfolios. Each variant is a world of its own in the same pass."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from types import MappingProxyType
from typing import Any, NamedTuple

from backtester.config.overrides import Overrides, alternatives, sort_overrides
from backtester.config.portfolio import PortfolioFile, as_portfolio
from backtester.config.toml import Document
from backtester.errors import BacktesterError, Diagnostic
from backtester.run.names import Names
from backtester.run.profiles import choice_of, find_profiles, move_collateral
from backtester.scenario.path import Scenario
from backtester.venue.accounts import Choice, judge_accounts
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
    document: Document,
    overrides: Sequence[tuple[str, ...]],
    venue: str | None,
    scenario: Scenario | None,
    names: Names,
    load: Callable[..., VenueProfile],
) -> tuple[Variant, ...]:
    """Every variant, validated. Raises the problems of them all: words are wrong or right before anything runs."""
    found, problems = [], list[Diagnostic]()
    for each in overrides:
        try:
            said = sort_overrides(each)
            choice = choice_of(venue if said.at is None else said.at, scenario)._replace(load=load)
            found.append(_variant(document, each, said, choice, names))
        except BacktesterError as error:
            problems += error.diagnostics
    if problems:
        raise BacktesterError(dict.fromkeys(problems))
    return tuple(found)


class Change(NamedTuple):
    """What is other in a portfolio: values as `--set` says them, and more orders of an account, by its number."""

    settings: tuple[str, ...] = ()
    orders: Mapping[int, Sequence[Mapping[str, Any]]] = MappingProxyType({})


def turned(variant: Variant, change: Change) -> Variant:
    """The variant with a change of its portfolio. Raises BacktesterError where it cannot have it."""
    document = variant.portfolio.document
    data = copy.deepcopy(document.data) if change.orders else document.data
    for account, orders in change.orders.items():
        data["accounts"][account].setdefault("orders", []).extend(orders)
    portfolio = as_portfolio(replace(document, data=data), change.settings)
    if variant.moved:
        portfolio, _ = move_collateral(portfolio, variant.profiles)
    return variant._replace(portfolio=portfolio)


def named(overrides: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Keys and values, as a result names its variant."""
    pairs = (text.partition("=") for text in overrides)
    return tuple((key, value) for key, _, value in pairs)


def _variant(document: Document, overrides: tuple[str, ...], said: Overrides, choice: Choice, names: Names) -> Variant:
    portfolio = as_portfolio(document, said.portfolio, lambda made: judge_accounts(made, choice, names.judge))
    profiles = find_profiles(portfolio, choice, said.venue)
    portfolio, moved = move_collateral(portfolio, profiles) if choice.ref else (portfolio, ())
    return Variant(overrides, portfolio, profiles, moved)
