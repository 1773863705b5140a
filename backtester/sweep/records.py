"""What reverse stress finds: values that were tried, how each fared, and the edges between them."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

from backtester.config.command import Command
from backtester.config.values import Instant
from backtester.enums import Verdict


class Fate(StrEnum):
    """What became of a value: nobody was liquidated, somebody was, or it cannot even begin."""

    LIVES = "lives"
    DIES = "dies"
    REFUSED = "refused"


class Figures(NamedTuple):
    """The cell of a value in short; money in the reporting currency."""

    verdict: Verdict
    words: str  # the verdict as a report says it: `partly liquidated`
    loss: float
    loss_pct: float | None
    buffer_min: float | None  # of the account that came nearest
    first_liquidation: Instant | None
    start: Instant
    notional: float  # gross, at the first mark
    collateral: float
    equity_start: float


class Tried(NamedTuple):
    """A factor and how the portfolio fared with it. `figures` are None where it was refused, `error` says why."""

    factor: Decimal
    fate: Fate
    figures: Figures | None
    error: str = ""


class Span(NamedTuple):
    """Neighbours of one fate, from the mildest to the harshest that was tried."""

    fate: Fate
    first: Tried
    last: Tried


class Pool(NamedTuple):
    """What `--set` turns so that money grows: collateral or an isolated margin; or a leverage, which falls then."""

    key: str
    leverage: Decimal | None = None  # the lowest that the key stands for


class Found(NamedTuple):
    """The answer for one portfolio, scenario and venue: all that was tried, mildest first.

    `last` is the last survivor before the first death or refusal, `next` that neighbour: None where there is none, as
    everything that was tried lived, or nothing did.
    """

    portfolio: str  # name of its file, without the ending
    scenario: str | None
    venue: str
    command: Command  # of one cell, without any factor
    collateral: float  # of all accounts, without any factor
    pools: tuple[Pool, ...]
    tried: tuple[Tried, ...]
    spans: tuple[Span, ...]
    last: Tried | None
    next: Tried | None

    @property
    def death(self) -> Tried | None:
        """What comes next, where somebody is liquidated."""
        return self.next if self.next and self.next.fate is Fate.DIES else None

    @property
    def refusal(self) -> Tried | None:
        """What comes next, where it cannot even begin: no death."""
        return self.next if self.next and self.next.fate is Fate.REFUSED else None

    @property
    def is_monotone(self) -> bool:
        """Whether no survivor is harsher than a death."""
        fates = [span.fate for span in self.spans if span.fate is not Fate.REFUSED]
        return (Fate.DIES, Fate.LIVES) not in pairwise(fates)


class Unsolved(NamedTuple):
    """A portfolio, scenario and venue without an answer; `status` is `failed` or `not_applicable`."""

    portfolio: str
    scenario: str | None
    venue: str
    status: str
    error: str
    exit_code: int


class Solution(NamedTuple):
    """All answers, portfolio by portfolio."""

    axis: str
    currency: str
    seed: int
    command: Command
    rows: tuple[Found | Unsolved, ...]

    @property
    def unsolved(self) -> tuple[Unsolved, ...]:
        """Those without an answer."""
        return tuple(row for row in self.rows if isinstance(row, Unsolved))
