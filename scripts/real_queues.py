"""The engine's queue against the trades of a recording: how long does an order wait that joins the best level?

    python scripts/real_queues.py TAPE [--every 5] [--horizon 60] [--size 0.01] [--json FILE]

At every moment a small post-only order joins the best bid, another the best ask, each in a world of its own. A
recording does not say who in a queue cancels. Two plain walks through it, each of them half the truth, bound what can
have happened:

    early   cancels were ahead of us: what a level loses beyond its trades shortens our queue, and it is never longer
            than what the level shows; an order that the opposite best reaches is filled
    late    cancels were behind us: nothing but trades at our price shortens the queue, nothing but trades fills us

The engine takes cancels to be behind us as far as the level still shows them (RULES 3.2–3.4), so it is never before
`early` and never after `late`; that is checked for every order. Times are those of the last lot. A level that moves
out of what a recording shows (20 levels on Hyperliquid) counts as empty, and its queue as gone, in `early` alone.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from backtester.engine import spec
from backtester.enums import EventKind, OrderStatus, OrderType, Side, TimeInForce
from backtester.errors import data_error, engine_fault
from backtester.files import write_text
from backtester.market.read import open_tape
from backtester.market.schema import TapeInstrument
from scripts.real_takers import Array, lone_orders, read

S = 1_000_000_000
NEVER_S = math.inf


class Plan(NamedTuple):
    """When orders join, how long they are watched, and their size."""

    every_ns: int
    horizon_ns: int
    lots: int


class Wait(NamedTuple):
    """Seconds until an order was filled, `inf` when not within the horizon; `ahead` is its queue at the start.

    `left` says that at the horizon the best price had moved away from the order.
    """

    ts_ns: int
    side: int
    tick: int
    ahead: int
    early_s: float
    engine_s: float
    late_s: float
    left: bool


# --- the two walks -------------------------------------------------------------------------------------------------


class Ladder:
    """An order book as plain dictionaries: {side: {tick: lots}}."""

    def __init__(self) -> None:
        self.levels: dict[int, dict[int, int]] = {Side.BUY: {}, Side.SELL: {}}

    def apply(self, message: Array) -> None:
        """Set what a message says (EVENT[n] of one message); a snapshot says all there is."""
        if message["kind"][0] == EventKind.SNAPSHOT:
            self.levels = {Side.BUY: {}, Side.SELL: {}}
        for side, tick, lots in zip(*(message[name].tolist() for name in ("side", "tick", "lots")), strict=True):
            if lots:
                self.levels[side][tick] = lots
            elif side:
                self.levels[side].pop(tick, None)

    def best(self, side: int) -> int | None:
        """Best tick of a side, None when it is empty."""
        levels = self.levels[side]
        return (max(levels) if side > 0 else min(levels)) if levels else None


@dataclass
class Queue:
    """One order in one belief: lots ahead, lots still to fill, and when the last of them was."""

    ahead: int
    open: int
    filled_ns: int | None = None

    def fill(self, ts_ns: int, lots: int) -> None:
        """Fill up to `lots`."""
        if self.open and lots > 0:
            self.open -= min(self.open, lots)
            self.filled_ns = None if self.open else ts_ns

    def trade(self, ts_ns: int, lots: int) -> None:
        """A trade at our price: those ahead first. 80 ahead, trades of 50 and 40 → we fill 10."""
        self.fill(ts_ns, lots - self.ahead)
        self.ahead = max(0, self.ahead - lots)


@dataclass
class Joined:
    """An order that joined a level, in both beliefs."""

    ts_ns: int
    side: int
    tick: int
    ahead: int
    early: Queue
    late: Queue
    shown: int
    traded: int = 0  # at our price since the last message
    left: bool = False

    def on_trade(self, ts_ns: int, aggressor: int, tick: int, lots: int) -> None:
        """Trades of the other side at our price move the queue, those through it fill."""
        distance = self.side * (self.tick - tick)
        if aggressor != -self.side or distance < 0:
            return
        self.traded += lots if distance == 0 else 0
        for queue in (self.early, self.late):
            (queue.fill if distance else queue.trade)(ts_ns, lots)

    def on_message(self, ts_ns: int, shown: int, best: int | None, opposite: int | None) -> None:
        """What the level lost beyond its trades was cancelled: ahead of us in one belief, behind us in the other.

        `shown` is what a message leaves at our price, `best` and `opposite` are the best prices of the two sides.
        """
        self.left = best is not None and self.side * (best - self.tick) > 0
        cancelled = max(0, self.shown - self.traded - shown)
        self.early.ahead = min(max(0, self.early.ahead - cancelled), shown)
        self.shown, self.traded = shown, 0
        if opposite is not None and self.side * (self.tick - opposite) >= 0:
            self.early.fill(ts_ns, self.early.open)


def steps(events: Array) -> Iterator[Array]:
    """Messages whole (a marker row begins one), all other records one by one."""
    depth = events["kind"] <= EventKind.DELTA
    marker = depth & (events["side"] == 0)
    same = depth[1:] & depth[:-1] & (np.diff(events["ts"]) == 0) & ~marker[1:]
    yield from np.split(events, np.flatnonzero(~same) + 1)


def join(ladder: Ladder, ts_ns: int, plan: Plan) -> list[Joined]:
    """An order at the best price of each side, behind what is displayed there."""
    joined = []
    for side in (Side.BUY, Side.SELL):
        tick = ladder.best(side)
        if tick is not None:
            shown = ladder.levels[side][tick]
            joined.append(Joined(ts_ns, side, tick, shown, Queue(shown, plan.lots), Queue(shown, plan.lots), shown))
    return joined


def walk(events: Array, plan: Plan) -> list[Joined]:
    """Every order of the plan through the recording (EVENT[n]), in both beliefs. The last ones have a whole horizon."""
    first, last = int(events["ts"][0]), int(events["ts"][-1])
    moments = list(range(first + plan.every_ns, last - plan.horizon_ns, plan.every_ns))
    ladder, joined, watched = Ladder(), list[Joined](), list[Joined]()
    for step in steps(events):
        ts, kind = int(step["ts"][0]), step["kind"][0]
        while moments and moments[0] < ts:
            new = join(ladder, moments.pop(0), plan)
            joined, watched = joined + new, watched + new
        watched = [each for each in watched if each.ts_ns + plan.horizon_ns >= ts]
        if kind <= EventKind.DELTA:
            ladder.apply(step)
            best = {side: ladder.best(side) for side in ladder.levels}
            for each in watched:
                shown = ladder.levels[each.side].get(each.tick, 0)
                each.on_message(ts, shown, best[each.side], best[-each.side])
        elif kind == EventKind.TRADE:
            for each in watched:
                each.on_trade(ts, int(step["side"][0]), int(step["tick"][0]), int(step["lots"][0]))
    return joined


# --- the engine ----------------------------------------------------------------------------------------------------


def measure(instrument: spec.Instrument, events: Array, plan: Plan) -> list[Wait]:
    """Both walks and the engine for every order of the plan. Raises an engine fault when the engine is not between."""
    joined = walk(events, plan)
    if not joined:
        raise data_error("tape", "is too short for a single order", "lower --every or --horizon")
    orders = [
        spec.Order(
            "", 0, OrderType.LIMIT, TimeInForce.POST_ONLY, each.side, plan.lots, limit_tick=each.tick, at_ns=each.ts_ns
        )
        for each in joined
    ]
    rows = lone_orders(instrument, events, orders, start_grid_ns=S)
    waits = []
    for each, row in zip(joined, rows, strict=True):
        done_ns = int(row["done_ts"]) if row["status"] == OrderStatus.FILLED else None
        early, engine, late = (
            _seconds(each.ts_ns, ts, plan) for ts in (each.early.filled_ns, done_ns, each.late.filled_ns)
        )
        wait = Wait(each.ts_ns, each.side, each.tick, each.ahead, early, engine, late, each.left)
        if row["arrive_ts"] != each.ts_ns or not wait.early_s <= wait.engine_s <= wait.late_s:
            raise engine_fault("queue", f"the engine is not between the two walks: {wait}")
        waits.append(wait)
    return waits


def _seconds(from_ns: int, to_ns: int | None, plan: Plan) -> float:
    return NEVER_S if to_ns is None or to_ns - from_ns > plan.horizon_ns else (to_ns - from_ns) / S


# --- saying it -----------------------------------------------------------------------------------------------------


class Times(NamedTuple):
    """How long orders waited, s. Quantile p is number floor(n · p) of all orders; `inf`: not within the horizon."""

    filled: float  # share
    p10: float
    p25: float
    median: float
    p75: float


def times(seconds: Iterable[float]) -> Times:
    """Waits of 1, 2, 3 s and one without end → filled 0.75, p10 1, p25 2, median 3, p75 inf."""
    ordered = sorted(seconds)
    n = len(ordered)
    filled = sum(map(math.isfinite, ordered)) / n
    return Times(filled, *(ordered[math.floor(n * share)] for share in (0.1, 0.25, 0.5, 0.75)))


class Place(NamedTuple):
    """Where the engine's time lies: number of orders that it fills, by the walk it agrees with."""

    as_both: int
    as_early: int
    between: int
    as_late: int


def place(waits: Iterable[Wait]) -> Place:
    """Count the orders that the engine fills."""
    agreed = [
        (each.engine_s == each.early_s, each.engine_s == each.late_s) for each in waits if math.isfinite(each.engine_s)
    ]
    return Place(*(agreed.count(pair) for pair in ((True, True), (True, False), (False, False), (False, True))))


def text(instrument: TapeInstrument, waits: Sequence[Wait], plan: Plan) -> str:
    """The report for people."""
    early, engine, late = (times(column) for column in _columns(waits))
    horizon_s, size = plan.horizon_ns / S, plan.lots * instrument.lot_size
    found = place(waits)
    left = sum(each.left and math.isinf(each.engine_s) for each in waits)
    return "\n".join(
        [
            f"{instrument.venue} {instrument.symbol}: {len(waits)} orders of {size:g} join the best bid or ask;"
            f" seconds until filled, if within {horizon_s:g} s",
            "",
            "                              filled     p10     p25  median     p75",
            _row("early: cancels ahead of us", early),
            _row("engine", engine),
            _row("late: trades alone", late),
            "",
            f"the engine fills {sum(found)}: {found.as_both} when both walks do, {found.as_early} with early,"
            f" {found.as_late} with late, {found.between} between, none outside",
            f"it leaves {len(waits) - sum(found)}: the best price had gone away from {left} of them",
            f"cancels behind us instead of ahead cost the fills of {early.filled - engine.filled:.1%} of the orders,"
            f" and a median wait of {_say(engine.median)} s instead of {_say(early.median)} s",
        ]
    )


def _row(name: str, row: Times) -> str:
    return f"  {name:27}{row.filled:6.1%} {' '.join(f'{_say(each):>7}' for each in row[1:])}"


def _say(seconds: float) -> str:
    return "–" if math.isinf(seconds) else f"{seconds:.1f}"


def _columns(waits: Sequence[Wait]) -> tuple[list[float], ...]:
    """Seconds of the early walk, the engine and the late walk."""
    return tuple([getattr(each, name) for each in waits] for name in ("early_s", "engine_s", "late_s"))


def document(waits: Sequence[Wait]) -> dict[str, Any]:
    """The report for programs; null is "not within the horizon"."""

    def finite(row: Times | Wait) -> dict[str, Any]:
        return {name: None if value == NEVER_S else value for name, value in row._asdict().items()}

    early, engine, late = (finite(times(column)) for column in _columns(waits))
    figures = {"early_s": early, "engine_s": engine, "late_s": late, "place": place(waits)._asdict()}
    return figures | {"orders": [finite(each) for each in waits]}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Waiting times of the engine's queue against the trades of a tape.")
    parser.add_argument("tape", type=Path)
    parser.add_argument("--every", type=float, default=5.0, help="an order on each side so often, s")
    parser.add_argument("--horizon", type=float, default=60.0, help="how long an order is watched, s")
    parser.add_argument("--size", type=float, default=0.01, help="of an order, base units")
    parser.add_argument("--json", type=Path, help="write the report there")
    given = parser.parse_args()
    instrument, events = read(open_tape([given.tape]))
    plan = Plan(round(given.every * S), round(given.horizon * S), max(1, round(given.size / instrument.lot_size)))
    waits = measure(instrument.spec, events, plan)
    print(text(instrument, waits, plan))
    if given.json:
        write_text(given.json, json.dumps(document(waits), indent=2, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
