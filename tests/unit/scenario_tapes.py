"""Small base tapes and scenarios for the tests of the transform, and a plain replay of what comes out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from backtester.engine.events import EVENT
from backtester.enums import EventKind as Kind
from backtester.scenario.apply import StressedTape
from backtester.scenario.grid import Target
from backtester.scenario.path import ANY, Scenario, Series

S = 1_000_000_000
START = 1_760_128_200 * S  # 2025-10-10T20:30:00Z
BTC = Target("BTC", "BTC", "paper", tick_size=0.5, lot_size=0.01)
ETH = Target("ETH", "ETH", "paper", tick_size=0.1, lot_size=0.1)
DEPTH_KINDS = (Kind.SNAPSHOT, Kind.DELTA)

Events = NDArray[Any]


class Row(NamedTuple):
    """One event, in the order of EVENT's fields."""

    ts: int
    tick: int = 0
    lots: int = 0
    value: float = 0.0
    instrument: int = 0
    kind: int = Kind.DELTA
    side: int = 0


def events(rows: Sequence[Row]) -> Events:
    return np.array([tuple(row) for row in rows], EVENT)


def snapshot(ts: int, bids: Mapping[int, int], asks: Mapping[int, int], instrument: int = 0) -> list[Row]:
    """A whole ladder as one message, best first, without a marker."""
    sides = ((1, sorted(bids.items(), reverse=True)), (-1, sorted(asks.items())))
    return [
        Row(ts, tick, lots, instrument=instrument, kind=Kind.SNAPSHOT, side=side)
        for side, levels in sides
        for tick, lots in levels
    ]


def scenario(
    seconds: int, series: Mapping[str, Sequence[tuple[float, float]]], symbol: str = "BTC", step_s: float = 1.0
) -> Scenario:
    """A path of one symbol: column -> (second, value) knots; the price stands still unless it is given."""
    knots = {"price_ratio": [(0.0, 1.0)], **series}
    made = tuple(
        Series(ANY, symbol, column, np.array([int(t * S) for t, _ in points]), np.array([v for _, v in points], float))
        for column, points in knots.items()
    )
    return Scenario("test", "A test", "HYPT", START, START + seconds * S, ((0, int(step_s * S)),), made)


def cut(tape: Events, rows: int) -> Iterator[Events]:
    """The tape in chunks of about `rows`, cut only where ts changes."""
    start = 0
    while start < tape.size:
        end = min(start + rows, tape.size)
        while end < tape.size and tape["ts"][end] == tape["ts"][end - 1]:
            end += 1
        yield tape[start:end]
        start = end


def run(
    path: Scenario, tape: Events, targets: Sequence[Target] = (BTC,), *, rows: int = 1 << 20, **options: Any
) -> tuple[Events, StressedTape]:
    """All stressed events of a base tape, and the stream they came from."""
    stressed = StressedTape(path, targets, lambda: cut(tape, rows), **options)
    chunks = list(stressed.chunks())
    for before, after in pairwise(chunks):
        assert before["ts"][-1] < after["ts"][0]
    return np.concatenate([*chunks, np.zeros(0, EVENT)]), stressed


def same(a: Events, b: Events) -> bool:
    """Equal bytes in every field; the padding of a record says nothing."""
    return all(a[name].tobytes() == b[name].tobytes() for name in EVENT.names or ())


def only(tape: Events, *kinds: Kind) -> Events:
    return tape[np.isin(tape["kind"], kinds)]


class Ladder(NamedTuple):
    """Both sides by tick, after the last message of `instrument` in `ts`."""

    ts: int
    instrument: int
    bids: dict[int, int]
    asks: dict[int, int]

    @property
    def crossed(self) -> bool:
        return bool(self.bids and self.asks) and max(self.bids) >= min(self.asks)


def messages(tape: Events) -> Iterator[list[Any]]:
    """The rows of every message: a marker begins one, and so does a path step, whose marker belongs to it."""
    message: list[Any] = []
    for row in tape:
        of_depth = row["kind"] in DEPTH_KINDS
        after = message[-1] if message else None
        joins = (
            after is not None
            and of_depth
            and (after["ts"], after["instrument"]) == (row["ts"], row["instrument"])
            and (row["side"] != 0 or after["kind"] == Kind.PATH_STEP)
        )
        if not joins:
            if message:
                yield message
            message = []
        if of_depth or row["kind"] == Kind.PATH_STEP:
            message.append(row)
    if message:
        yield message


def ladders(tape: Events) -> Iterator[Ladder]:
    """The ladder after every message: a path step moves it, a snapshot empties it first."""
    sides: dict[int, dict[int, dict[int, int]]] = {}
    translation: dict[tuple[int, int], int] = {}
    for message in messages(tape):
        i = int(message[0]["instrument"])
        shown = sides.setdefault(i, {1: {}, -1: {}})
        if message[0]["kind"] == Kind.PATH_STEP:
            for side, shift in ((1, int(message[0]["tick"])), (-1, int(message[0]["lots"]))):
                d = shift - translation.get((i, side), 0)
                translation[i, side] = shift
                shown[side] = {tick + d: lots for tick, lots in shown[side].items() if tick + d >= 1}
        if any(row["kind"] == Kind.SNAPSHOT for row in message):
            shown[1], shown[-1] = {}, {}
        for row in message:
            if row["kind"] in DEPTH_KINDS and row["side"] != 0:
                shown[int(row["side"])][int(row["tick"])] = int(row["lots"])
                if row["lots"] == 0:
                    del shown[int(row["side"])][int(row["tick"])]
        yield Ladder(int(message[0]["ts"]), i, dict(shown[1]), dict(shown[-1]))
