"""What is on a tape: one line per instrument."""

from __future__ import annotations

from typing import NamedTuple

from backtester.enums import EventKind
from backtester.errors import BacktesterError
from backtester.market.read import Tape
from backtester.market.schema import KIND_NAMES, TapeInstrument
from backtester.market.survey import InstrumentSurvey, survey


class KindRows(NamedTuple):
    """Rows of one kind."""

    kind: str
    rows: int


class InstrumentSummary(NamedTuple):
    """One instrument of a tape, with the rows of every kind. Rates are per second of the tape, None without a span.

    Medians are over its messages that leave both sides filled, None without one; sizes are in `size_unit`.
    """

    instrument: TapeInstrument
    kinds: tuple[KindRows, ...]
    messages: int
    updates_per_s: float | None
    trades_per_s: float | None
    median_spread_ticks: float | None
    median_bid_size: float | None
    median_ask_size: float | None


class TapeSummary(NamedTuple):
    """A whole tape; the span is None without rows."""

    rows: int
    first_ts_ns: int | None
    last_ts_ns: int | None
    instruments: tuple[InstrumentSummary, ...]


def inspect(tape: Tape) -> TapeSummary:
    """Summarise a tape in one pass. Raises a data error with every fault of an invalid one."""
    found = survey(tape)
    if found.faults:
        raise BacktesterError(found.faults)
    first, last = tape.first_ts_ns, tape.last_ts_ns
    span_s = (last - first) / 1e9 if first is not None and last is not None else 0.0
    return TapeSummary(
        tape.rows,
        first,
        last,
        tuple(_summary(*each, span_s) for each in zip(tape.instruments, found.instruments, strict=True)),
    )


def _summary(instrument: TapeInstrument, found: InstrumentSurvey, span_s: float) -> InstrumentSummary:
    updates = found.kinds[EventKind.SNAPSHOT] + found.kinds[EventKind.DELTA]
    spread, bid, ask = found.medians or (None, None, None)
    return InstrumentSummary(
        instrument,
        tuple(KindRows(name, rows) for name, rows in zip(KIND_NAMES, found.kinds, strict=True)),
        found.messages,
        updates / span_s if span_s else None,
        found.kinds[EventKind.TRADE] / span_s if span_s else None,
        spread,
        None if bid is None else bid * instrument.lot_size,
        None if ask is None else ask * instrument.lot_size,
    )
