"""Recorded funding in its place: rows at the funding times they belong to, and what lacks between them (RULES 7.4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from backtester.engine.events import EVENT
from backtester.enums import EventKind
from backtester.errors import Diagnostic
from backtester.market.schema import TapeInstrument
from backtester.texts import iso_time

#: A funding row this close to a funding time is that funding time's: venues stamp them late.
NEAR_NS = 60_000_000_000
SECOND_NS = 1_000_000_000
HOUR_S = 3600
FLAG = "--assume-funding-zero"

Events = NDArray[Any]


class Funding(NamedTuple):
    """The funding of a tape. `holes` are funding times without a row between two rows, one of each pair."""

    rows: Events  # EVENT[n], ts is a funding time, not decreasing; lots is seconds to the next
    firsts: Events  # EVENT, the first row of each instrument; lots is its own interval
    holes: tuple[tuple[int, int], ...] = ()  # (instrument, ns)


def _steps_s(rows: Events) -> NDArray[np.int64]:
    """What a row's funding time is a multiple of, s: the full hour, or its interval if hours are no multiple of it.

    So a venue may pay every 8 hours at 04:00, 12:00 and 20:00. Examples: 28,800 → 3,600, 900 → 900.
    """
    steps: NDArray[np.int64] = np.gcd(rows["lots"], HOUR_S)
    return steps


def offsets(rows: Events) -> NDArray[np.int64]:
    """How long after the nearest time that can be its funding time each row is stamped, ns.

    Example: a row of 8 h at 16:00:00.003 → 3,000,000.
    """
    step = _steps_s(rows) * SECOND_NS
    late: NDArray[np.int64] = (rows["ts"] + step // 2) % step - step // 2
    return late


def in_place(recorded: Events) -> Funding:
    """The rows that are near a funding time, each at it; of several at one time the last.

    Example: rows of 4 h at 12:00 and 16:00, and one of 8 h at 24:00 → 12:00, 16:00 with 8 h to the next, 24:00.
    """
    late = offsets(recorded)
    near = np.abs(late) <= NEAR_NS
    rows = recorded[near].copy()
    rows["ts"] -= late[near]
    rows = rows[np.lexsort((recorded["ts"][near], rows["ts"], rows["instrument"]))]
    followed = (rows["instrument"][1:] == rows["instrument"][:-1]) & (rows["ts"][1:] == rows["ts"][:-1])
    rows = rows[~np.append(followed, np.zeros(min(1, len(rows)), bool))]
    firsts = rows[np.unique(rows["instrument"], return_index=True)[1]]
    holes = []
    own = rows["lots"] * SECOND_NS
    for n in np.flatnonzero(rows["instrument"][1:] == rows["instrument"][:-1]):
        ts, following = int(rows["ts"][n]), int(rows["ts"][n + 1])
        if following - int(own[n + 1]) <= ts:
            rows["lots"][n] = (following - ts) // SECOND_NS
        else:
            holes.append((int(rows["instrument"][n]), min(ts + int(own[n]), following - int(own[n + 1]))))
    return Funding(rows[np.argsort(rows["ts"], kind="stable")], firsts, tuple(holes))


def placed(chunks: Iterable[Events], rows: Events) -> Iterator[Events]:
    """Chunks that are cut where ts changes, with `rows` in place of their own funding records.

    A row stands behind all that has its ts; rows after the last record are left out.
    """
    for chunk in chunks:
        others = chunk[chunk["kind"] != EventKind.FUNDING]
        count = int(np.searchsorted(rows["ts"], chunk["ts"][-1], side="right"))
        if count:
            others = np.insert(others, np.searchsorted(others["ts"], rows["ts"][:count], side="right"), rows[:count])
            rows = rows[count:]
        if len(others):
            yield others


def read_funding(
    recorded: Iterable[tuple[str, np.void]], instruments: Sequence[TapeInstrument]
) -> tuple[Funding, tuple[Diagnostic, ...]]:
    """The funding of a tape, and a fault for every row that belongs to no funding time. recorded: place and EVENT."""
    places, events = [], []
    for place, event in recorded:
        places.append(place)
        events.append(event)
    rows = np.array(events, EVENT)
    late, steps = offsets(rows), _steps_s(rows)
    strays = []
    for n in np.flatnonzero(np.abs(late) > NEAR_NS):
        symbol, stamp = instruments[rows["instrument"][n]].symbol, iso_time(int(rows["ts"][n]))
        message = (
            f"a funding row of {symbol} at {stamp} lies {abs(int(late[n])) / 1e9:,.10g} s from the nearest "
            f"funding time, a multiple of {steps[n]:,} s"
        )
        hint = f"its size is the interval in s; at most {NEAR_NS // SECOND_NS} s are taken for a late stamp"
        strays.append(Diagnostic("data", places[n], message, hint))
    return in_place(rows), tuple(strays)


def holes(found: Iterable[tuple[int, int]], instruments: Sequence[TapeInstrument]) -> Iterator[Diagnostic]:
    """A fault for each hole of recorded funding: (instrument, ns)."""
    for number, ns in found:
        message = f"no funding row for {iso_time(ns)}, between two that are there"
        hint = f"add it, or accept none with {FLAG}"
        yield Diagnostic("data", instruments[number].symbol, message, hint)
