"""Is this tape fit for a run? Every fault with its row, and a warning for what a run will miss."""

from __future__ import annotations

from typing import NamedTuple

from backtester.enums import EventKind
from backtester.errors import Diagnostic
from backtester.market.funding import holes, read_funding
from backtester.market.read import Tape, too_old
from backtester.market.schema import KIND_NAMES
from backtester.market.survey import SHOWN, Survey, survey

#: Default of the longest time between two messages of an instrument that is not worth a warning.
GAP_S = 5.0

#: What a run does without these rows.
_WANTED = {
    EventKind.MARK: "a venue whose mark is the tape's cannot be run on it",
    EventKind.INDEX: "a venue whose mark or funding needs the index cannot be run on it",
    EventKind.FUNDING: "funding must come from the venue's formula, or be assumed zero with --assume-funding-zero",
}


class CheckReport(NamedTuple):
    """The outcome. `faults` and `warnings` name the first few of each kind and count the others."""

    rows: int
    faults: tuple[Diagnostic, ...]
    fault_count: int
    warnings: tuple[Diagnostic, ...]

    @property
    def is_valid(self) -> bool:
        """Whether a run can read the tape."""
        return self.fault_count == 0


def check(tape: Tape, gap_s: float = GAP_S) -> CheckReport:
    """Check every row of a tape: time order, kinds, symbols, sides, ticks, lots, values, and the ladders.

    Faults make the tape unusable: see `market.encode.RowFault`, ladders crossed or locked after a message, and
    funding rows that belong to no funding time.
    Warnings: more than `gap_s` between messages, kinds that are missing, an instrument without an order book.
    """
    found = survey(tape, round(gap_s * 1e9))
    funding, strays = read_funding(tape.funding_rows(), tape.instruments)
    return CheckReport(
        tape.rows,
        (*found.faults, *strays[:SHOWN]),
        found.fault_count + len(strays),
        (*found.warnings, *_missing(tape, found), *holes(funding.holes, tape.instruments), *too_old(tape)),
    )


def _missing(tape: Tape, found: Survey) -> list[Diagnostic]:
    """Warnings about what is not there."""
    where = ", ".join(str(file.path) for file in tape.files)
    warnings = []
    if not tape.rows:
        warnings.append(Diagnostic("data", where, "has no rows"))
    for instrument, known in zip(tape.instruments, found.instruments, strict=True):
        for kind, consequence in _WANTED.items():
            if not known.kinds[kind]:
                message = f"{instrument.symbol} has no {KIND_NAMES[kind]} rows: {consequence}"
                warnings.append(Diagnostic("data", where, message))
        if known.medians is None:
            message = f"{instrument.symbol} never shows both sides of an order book: no run can start"
            warnings.append(Diagnostic("data", where, message))
    return warnings
