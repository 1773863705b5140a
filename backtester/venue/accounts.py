"""The rules that the accounts of a portfolio play by, found by the names that it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from typing import NamedTuple

from backtester.config.lines import Place
from backtester.config.tables import Table, tables, text
from backtester.config.toml import Document, Placed, Where
from backtester.errors import BacktesterError
from backtester.venue.loader import VenueRef, load_profile
from backtester.venue.profile import VenueProfile

#: What judges an account whose rules are known: its raw table, its place and the rules.
More = Callable[[Document, Table, Place, VenueProfile], Iterator[Placed]]


class Choice(NamedTuple):
    """What the command line says of the venues: `ref` stands for each account's own, without an id for its date."""

    ref: VenueRef | None
    day: Callable[[VenueRef], date]  # of the scenario; raises a usage error where there is none
    load: Callable[[str, date | None], VenueProfile] = load_profile

    def profile(self, own: str, fee_tier: str | None = None, where: Where | None = None) -> VenueProfile:
        """The rules of an account of the venue `own`. Raises BacktesterError; `where` is said of the fee tier."""
        ref = VenueRef.parse(own)
        if self.ref is not None:
            ref = self.ref._replace(id=self.ref.id or ref.id)
        profile = self.load(ref.id, self.day(ref) if ref.at_scenario else ref.on)
        return profile.with_fee_tier(fee_tier, where) if fee_tier else profile

    @property
    def takes_own(self) -> bool:
        """Whether each account keeps the venue that it names."""
        return self.ref is None or not self.ref.id


def judge_accounts(document: Document, choice: Choice, more: More = lambda *_: iter(())) -> Iterator[Placed]:
    """Venues and fee tiers that are not known, and what `more` finds; accounts that name no venue are left out."""
    for number, account in tables(document.data, "accounts"):
        place: Place = ("accounts", number)
        own, tier = text(account, "venue"), text(account, "fee_tier")
        if not own:
            continue
        try:
            profile = choice.profile(own)
        except BacktesterError as error:
            yield from _unknown(document, (*place, "venue"), error, choice.takes_own)
            continue
        try:
            choice.profile(own, tier, document.where((*place, "fee_tier")))
        except BacktesterError as error:
            yield from (((*place, "fee_tier"), each) for each in error.diagnostics)
        yield from more(document, account, place, profile)


def _unknown(document: Document, place: Place, error: BacktesterError, is_own: bool) -> Iterator[Placed]:
    """What is wrong with a venue, and where the portfolio names it if it does."""
    for each in error.diagnostics:
        yield place, replace(each, where=f"{document.said(place)}: {each.where}") if is_own else each
