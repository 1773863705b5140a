"""Whose rules each account plays by: its own venue's, those of `--venue`, and what `--set venue.…` changes of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence, Set
from datetime import date

import numpy as np

from backtester.config.overrides import Setting, override_rules
from backtester.config.portfolio import PortfolioFile
from backtester.config.values import Collateral
from backtester.config.venue import BY_MARKET
from backtester.errors import BacktesterError, Diagnostic, usage_error
from backtester.scenario.path import Scenario
from backtester.venue.accounts import Choice
from backtester.venue.loader import VenueRef
from backtester.venue.profile import MarketRules, Provenance, VenueProfile

#: What a changed rule names as its source.
BY_HAND = "--set"
#: Collateral that is worth a dollar, one like the other.
DOLLARS = frozenset({"USDC", "USDT", "USD"})


def choice_of(venue: str | None, scenario: Scenario | None) -> Choice:
    """What `--venue` says: `ID`, `ID@DATE` or `ID@scenario` for every account; `@DATE` leaves each its own venue."""
    if venue == "":
        raise usage_error("--venue", "names none", "see `backtester venues list`")
    ref = VenueRef.parse(venue) if venue is not None else None
    if ref is not None and ref.at_scenario:
        _day(scenario)  # a fault of the command line, not of a portfolio
    return Choice(ref, lambda _: _day(scenario))


def find_profiles(
    portfolio: PortfolioFile, choice: Choice, settings: Sequence[Setting] = ()
) -> tuple[VenueProfile, ...]:
    """The rules of each account. Raises BacktesterError with all that cannot be found or set."""
    profiles, problems = [], list[Diagnostic]()
    for a, account in enumerate(portfolio.portfolio.accounts):
        where = portfolio.where("accounts", a, "fee_tier")
        try:
            profiles.append(choice.profile(account.venue, account.fee_tier, where))
        except BacktesterError as error:
            problems += error.diagnostics
    if problems:
        raise BacktesterError(dict.fromkeys(problems))
    return tuple(_changed(profile, settings) for profile in profiles) if settings else tuple(profiles)


def move_collateral(
    portfolio: PortfolioFile, profiles: Sequence[VenueProfile]
) -> tuple[PortfolioFile, tuple[str, ...]]:
    """A portfolio that was sent to another venue by `--venue`: its dollars in the dollars that this venue takes.

    Returns it and what a reader should know of that. Other assets stay what they are.
    """
    accounts, said = [], list[str]()
    for account, profile in zip(portfolio.portfolio.accounts, profiles, strict=True):
        asset, amount = account.collateral
        is_moved = VenueRef.parse(account.venue).id != profile.id
        if is_moved and asset != profile.collateral and {asset, profile.collateral} <= DOLLARS:
            said.append(f"{account.name}: {amount:,.10g} {asset} count as {profile.collateral} (--venue)")
            asset = profile.collateral
        accounts.append(account.model_copy(update={"collateral": Collateral(asset, amount)}))
    moved = portfolio.portfolio.model_copy(update={"accounts": tuple(accounts)})
    return dataclasses.replace(portfolio, portfolio=moved), tuple(said)


def changes_by_hand(profiles: Sequence[VenueProfile]) -> Iterator[str]:
    """What a reader of the result should know of them, one line per rule."""
    for profile in dict.fromkeys(profiles):
        for rule in profile.provenance:
            if rule.source == BY_HAND:
                yield f"{profile.name}: {rule.rule} is {rule.value} (--set)"


def _day(scenario: Scenario | None) -> date:
    """The day on which the scenario begins."""
    if scenario is None or scenario.start_ns is None:
        raise usage_error("--venue", "@scenario needs a scenario with a date", "add --scenario or give a date")
    day: date = np.datetime64(scenario.start_ns, "ns").astype("datetime64[D]").item()
    return day


def _changed(profile: VenueProfile, settings: Sequence[Setting]) -> VenueProfile:
    """The profile with rules set by hand: they count as assumed, and hold for all of its markets."""
    rules = override_rules({rule.rule: rule.value for rule in profile.provenance}, settings)
    values = {setting.key: setting.value for setting in settings}
    provenance = tuple(
        Provenance.of(rule.rule, values[rule.rule], BY_HAND, True) if rule.rule in values else rule
        for rule in profile.provenance
    )
    for_all = values.keys() & BY_MARKET
    if not for_all:
        return dataclasses.replace(profile, rules=rules, provenance=provenance)
    markets = tuple(_without(market, for_all) for market in profile.markets)
    default = _without(profile.default_market, for_all)
    return dataclasses.replace(profile, rules=rules, provenance=provenance, markets=markets, default_market=default)


def _without(market: MarketRules, names: Set[str]) -> MarketRules:
    """A market without rules of its own."""
    return market._replace(own=tuple(own for own in market.own if own.rule not in names))
