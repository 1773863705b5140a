"""What a run hands to the reports: the engine's final arrays, and the names and choices they belong to."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from backtester.config.limits import Limit
from backtester.config.portfolio import Portfolio
from backtester.engine import spec
from backtester.engine.allocate import WorldIndex
from backtester.engine.state import Market, Worlds
from backtester.errors import BacktesterError
from backtester.market.schema import TapeInstrument
from backtester.run.outcome import Piece
from backtester.scenario.apply import Summary
from backtester.scenario.path import Source as Reference
from backtester.scenario.phases import Phase
from backtester.venue.profile import VenueProfile

#: Worlds of a variant, in this order: what happens, and the same with liquidation off (RULES 8.6), which shows what was
#: missing and when.
ACTUAL, UNLIQUIDATED = 0, 1
WORLDS = 2


class Source(NamedTuple):
    """A file that went into the result."""

    name: str
    sha256: str


def digest_of(digests: Sequence[str]) -> str:
    """One digest as it is, several by the digest of them all."""
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


class ScenarioSource(NamedTuple):
    """The scenario of a cell, and what its transform of the tape came to."""

    id: str
    title: str
    type: str  # HIST, HYPT or REVERSE
    sha256: str
    assumed_share: float
    summary: Summary
    sources: tuple[Reference, ...]  # that its figures name
    phases: tuple[tuple[Phase, ...], ...]  # per instrument


class Instrument(NamedTuple):
    """Names and grid of one engine instrument (the index is its number)."""

    tape: TapeInstrument
    size_decimals: int | None


class TopUp(NamedTuple):
    """The smallest top-up that was seen to save an account, held from the start (`run.topup`), and by when it saves.

    `amounts` per pool as they are numbered (RULES 6.2), quote; None where nothing up to `limit` saves it.
    """

    amounts: tuple[float, ...] | None
    too_little: float  # the largest amount below it that was seen not to save the account
    equity_end: float | None  # with it, less what it added; paid at `by` where that is known
    limit: float  # what its positions and orders are worth at the start: more than that is no answer
    by: tuple[int | None, ...] | None = None  # per pool, ns: the last moment at which its part saves (`run.deadline`)


class Remedy(NamedTuple):
    """Another portfolio with which an account was seen to survive (`run.remedy`)."""

    id: str  # size, stop, or the margin mode that all of its positions are in
    settings: tuple[str, ...]  # what makes it of this one: as --set takes it, of a stop the keys of its orders
    value: float | None  # share of every size; distance of the stops from the first mark, a fraction
    not_enough: float | None  # the next value tried, with which the account does not survive
    equity_end: float  # of the account


class Headroom(NamedTuple):
    """How much larger an account that survived could have been (`run.remedy.larger`)."""

    multiple: float  # of every size, with which it was seen to survive
    dies_at: float | None  # the next multiple tried, with which it does not
    beyond: str  # what becomes of the next larger one: dies, refused, or not tried
    equity_end: float  # of the account, with `multiple`
    settings: tuple[str, ...]  # as --set takes them


class Exit(NamedTuple):
    """The point of no return of an account that was lost (`run.exits`)."""

    by: int | None  # last time at which closing everything saves it, ns; None: at none
    equity_end: float | None  # with it
    too_late: int | None  # the next time tried, at which it does not; its breach, if every one before that does


class Unguarded(NamedTuple):
    """What becomes of an account where nobody's guards send anything."""

    equity_end: float
    breaches: tuple[int, ...]  # first check below maintenance of every pool that has one, in order of time


class Saved(NamedTuple):
    """What would have saved an account that was lost, or how much more one that survived would have borne."""

    topup: TopUp | None = None
    remedies: tuple[Remedy, ...] = ()
    exit: Exit | None = None  # of one that was lost
    headroom: Headroom | None = None
    unguarded: Unguarded | None = None  # where its guards send orders


class Rehearsed(NamedTuple):
    """A drill: the worlds that tell what came of it, each a piece with one world (`run.rehearse`)."""

    drill: str
    at_ns: int  # when something breaks
    market: Market  # at the end
    unguarded: Piece
    reference: Piece  # what `drilled` is compared with
    drilled: Piece
    reference_unlimited: Piece  # both without limits on automation
    drilled_unlimited: Piece


class RunFailure(NamedTuple):
    """One of several cells that came to nothing, and why."""

    portfolio: str  # name of its file, without the ending
    title: str  # what it calls itself; "" where that cannot be read
    scenario: str | None  # as the user named it
    venue: str  # "" where nothing that can be read says it
    variant: tuple[tuple[str, str], ...]
    error: BacktesterError
    applicable: bool = True  # False: the scenario says nothing of its markets, and nobody said that it does
    limits: tuple[Limit, ...] = ()  # of the portfolio, as far as it can be read


@dataclass(frozen=True, slots=True)
class RunResult:
    """One cell: one portfolio on one (stressed) tape under one set of rules.

    `state` holds the worlds ACTUAL and UNLIQUIDATED, account i of the portfolio being account i of each; `index` says
    where the portfolio's positions and orders lie in the arrays. `fills`, `ledger`, `liquidations` and `payments` are
    those of ACTUAL and UNLIQUIDATED together (column `world`).
    """

    portfolio: Portfolio
    portfolio_source: Source
    tape: Source
    scenario: ScenarioSource | None
    profiles: tuple[VenueProfile, ...]  # per account
    instruments: tuple[Instrument, ...]
    data: spec.MarketData
    world: spec.World  # the resolved portfolio of ACTUAL
    market: Market
    state: Worlds
    index: WorldIndex
    fills: np.ndarray
    ledger: np.ndarray
    liquidations: np.ndarray
    payments: np.ndarray
    guard_events: np.ndarray
    start_ts: int
    end_ts: int
    path_width_ns: int
    book_bounds_ns: tuple[int, ...]  # per instrument: the age beyond which its order book is old (market.feed)
    assumptions: tuple[str, ...]
    warnings: tuple[str, ...]
    variant: tuple[tuple[str, str], ...]  # the --set and --compare of this cell
    reached: tuple[tuple[str, str], ...]  # the places of the portfolio in which a key of it was put
    seed: int
    saved: tuple[Saved, ...]  # per account: what would have saved it, or how much more it would have borne
    rehearsed: tuple[Rehearsed, ...] = ()  # the drills that were asked for

    @property
    def name(self) -> str:
        """The portfolio's file without its ending."""
        return Path(self.portfolio_source.name).stem
