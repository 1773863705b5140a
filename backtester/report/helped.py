"""What would have become of an account otherwise: each of it was run."""

from __future__ import annotations

from typing import NamedTuple

from backtester.config.values import Instant


class RemedyReport(NamedTuple):
    """Another portfolio with which the account was seen to survive."""

    id: str  # size, stop (the loosest), or the margin mode that all of its positions are in
    value: float | None  # share of every size of the account; distance of its stops from the mark at the start
    not_enough: float | None  # next value tried, with which it does not survive
    equity_end: float
    settings: str  # what makes it: key=value as --set takes them, of a stop the keys of an order for every position


class ExitReport(NamedTuple):
    """The point of no return of an account that was lost: closing everything at market, all orders cancelled."""

    by: Instant | None  # last time at which that saves it; None: at none
    equity_end: float | None  # with it
    too_late_ts: Instant | None  # the next time tried, at which it does not; its breach, if every one before that does


class HeadroomReport(NamedTuple):
    """How much larger an account that survived could have been, its initial margin not asked."""

    multiple: float  # of every size, with which it was seen to survive
    dies_at: float | None  # next multiple tried, with which it does not
    beyond: str  # what becomes of the next larger one: dies, refused, or not tried
    equity_end: float
    settings: str  # as of a remedy


class UnguardedReport(NamedTuple):
    """What becomes of an account where nobody's guards send anything."""

    equity_end: float
    breach_ts: Instant | None  # first check below maintenance
    effect: float  # of the guards: the equity at the end with them less that without, below 0 where they cost
