"""Random valid tapes of tiny ladders, whose levels, trades and prices meet all the time."""

from __future__ import annotations

import math
from random import Random
from typing import NamedTuple

from backtester.engine import spec
from backtester.enums import EventKind, Outage, Side, TradingStatus
from tests.oracle.ladder import Event

LOWEST, HIGHEST = 4, 20  # ticks of the wandering mid
REACH = 4  # a level is at most this far from it


class Scale(NamedTuple):
    """Time of a universe: it starts at `start_ns` and counts in units of `unit_ns`."""

    start_ns: int
    unit_ns: int
    duration_units: int


class _Shown:
    """What the maker has shown of one instrument so far."""

    def __init__(self) -> None:
        self.middle = 12
        self.levels: dict[int, dict[int, int]] = {Side.BUY: {}, Side.SELL: {}}
        self.translation = {Side.BUY: 0, Side.SELL: 0}


class TapeMaker:
    """Writes valid tapes: every message leaves the ladder neither crossed nor locked, whatever happens inside it."""

    def __init__(self, random: Random, data: spec.MarketData, scale: Scale) -> None:
        self.random = random
        self.data = data
        self.scale = scale
        self.ts = scale.start_ns
        self.shown = [_Shown() for _ in data.instruments]
        self.events: list[Event] = []

    def make(self, steps: int, fault: bool) -> list[Event]:
        """A tape that shows every instrument first and then does about `steps` random things."""
        for instrument in range(len(self.shown)):
            self._record(EventKind.INDEX, instrument, value=self._price(instrument))
            self._snapshot(instrument, self._target(instrument, 12))
            self._record(EventKind.MARK, instrument, value=self._price(instrument))
        moves = [
            (self._tweak, 30),
            (self._jump, 14),
            (self._crash, 4),
            (self._fresh, 6),
            (self._thin, 4),
            (self._trade, 32),
            (self._mark, 12),
            (self._index, 8),
            (self._funding, 6),
            (self._status, 3),
            (self._outage, 9),
            (self._path_step, 8),
            (self._control, 3),
            (self._noise, 1),
        ]
        chosen = self.random.choices([move for move, _ in moves], [weight for _, weight in moves], k=steps)
        for move in chosen:
            if self.random.random() < 0.5:
                self.ts += self.random.choice([1, 1, 1, 2, 4]) * self.scale.unit_ns
            move(self.random.randrange(len(self.shown)))
        if fault:
            self._break()
        return self.events

    def _record(
        self,
        kind: int,
        instrument: int,
        tick: int = 0,
        lots: int = 0,
        value: float = 0.0,
        side: int = 0,
    ) -> None:
        self.events.append(Event(self.ts, tick, lots, value, instrument, int(kind), int(side)))

    def _price(self, instrument: int) -> float:
        """A price near the middle, now and then far from it, in quarters of a tick or a hair off."""
        spread = self.random.choice([0, 2, 2, 6, 16])
        quarters = max(8, 4 * self.shown[instrument].middle + self.random.randint(-spread, spread))
        hair = self.random.choice([2**-21, 2**-18]) if self.random.random() < 0.1 else 0.0  # 5e-7 and 4e-6
        return (quarters / 4 - hair) * self.data.instruments[instrument].tick_size

    def _lowest(self, instrument: int, side: int) -> int:
        """The lowest tick that a record of a side can name: 1, and base tick 0."""
        return max(1, self.shown[instrument].translation[Side(side)])

    def _target(self, instrument: int, middle: int) -> dict[int, dict[int, int]]:
        """A fresh ladder around a middle: it never crosses, and a side may have holes."""
        gap = self.random.choice([1, 1, 1, 2])
        bids = {middle - offset: self.random.choice([0, 1, 2, 3, 5]) for offset in range(1, REACH)}
        asks = {middle + gap - 1 + offset: self.random.choice([0, 1, 2, 3, 5]) for offset in range(REACH - 1)}
        bids[middle - REACH] = asks[middle + REACH] = self.random.randint(1, 5)
        return {
            side: {tick: lots for tick, lots in levels.items() if lots and tick >= self._lowest(instrument, side)}
            for side, levels in ((Side.BUY, bids), (Side.SELL, asks))
        }

    def _joins(self, instrument: int) -> bool:
        """Whether depth rows now would belong to the message before."""
        last = self.events[-1] if self.events else None
        return (
            last is not None
            and last.kind in (EventKind.SNAPSHOT, EventKind.DELTA, EventKind.PATH_STEP)
            and (last.ts, last.instrument) == (self.ts, instrument)
        )

    def _deltas(self, instrument: int, target: dict[int, dict[int, int]]) -> None:
        """One message of deltas, in any order: inside it the ladder may be crossed."""
        shown = self.shown[instrument].levels
        rows = [
            (side, tick, target[side].get(tick, 0))
            for side in (Side.BUY, Side.SELL)
            for tick in sorted({*shown[side], *target[side]})
            if shown[side].get(tick, 0) != target[side].get(tick, 0) or self.random.random() < 0.1
        ]
        self.random.shuffle(rows)
        if rows and self._joins(instrument) and self.random.random() < 0.5:
            self._record(EventKind.SNAPSHOT, instrument)
            self._snapshot_rows(instrument, target)
        else:
            for side, tick, lots in rows:
                if self.random.random() < 0.05:
                    self._record(EventKind.DELTA, instrument, tick, self.random.randint(0, 5), side=side)
                self._record(EventKind.DELTA, instrument, tick, lots, side=side)
        self.shown[instrument].levels = target

    def _snapshot(self, instrument: int, target: dict[int, dict[int, int]]) -> None:
        empty = not any(target.values())
        if empty or self._joins(instrument) or self.random.random() < 0.3:
            self._record(EventKind.SNAPSHOT, instrument)
        self._snapshot_rows(instrument, target)
        self.shown[instrument].levels = target

    def _snapshot_rows(self, instrument: int, target: dict[int, dict[int, int]]) -> None:
        rows = [(side, tick, lots) for side in (Side.BUY, Side.SELL) for tick, lots in target[side].items()]
        self.random.shuffle(rows)
        for side, tick, lots in rows:
            self._record(EventKind.SNAPSHOT, instrument, tick, lots, side=side)

    def _tweak(self, instrument: int) -> None:
        """A few levels change on their own side of the touch."""
        shown = self.shown[instrument]
        target = {side: dict(levels) for side, levels in shown.levels.items()}
        for _ in range(self.random.choice([1, 1, 2, 3])):
            side = self.random.choice([Side.BUY, Side.SELL])
            tick = max(self._lowest(instrument, side), shown.middle + self.random.randint(-REACH, REACH))
            other = target[-side]
            if not other or (tick < min(other) if side == Side.BUY else tick > max(other)):
                target[side][tick] = self.random.choice([0, 0, 1, 2, 3, 4, 5])
                if target[side][tick] == 0:
                    del target[side][tick]
        self._deltas(instrument, target)

    def _jump(self, instrument: int) -> None:
        """The whole ladder moves, mostly a little."""
        shown = self.shown[instrument]
        shown.middle += self.random.choice([-4, -2, -1, -1, 1, 1, 2, 4])
        shown.middle = min(HIGHEST, max(LOWEST, shown.middle))
        self._deltas(instrument, self._target(instrument, shown.middle))

    def _crash(self, _: int) -> None:
        """Everything moves the same way, marks and all."""
        ticks = self.random.choice([-6, -4, 4, 6])
        for instrument, shown in enumerate(self.shown):
            shown.middle = min(HIGHEST, max(LOWEST, shown.middle + ticks))
            self._deltas(instrument, self._target(instrument, shown.middle))
            self._index(instrument)
            self._mark(instrument)

    def _fresh(self, instrument: int) -> None:
        self._snapshot(instrument, self._target(instrument, self.shown[instrument].middle))

    def _thin(self, instrument: int) -> None:
        """One side or both disappear."""
        gone = self.random.choice([(Side.BUY,), (Side.SELL,), (Side.BUY, Side.SELL)])
        levels = self.shown[instrument].levels
        target: dict[int, dict[int, int]] = {Side.BUY: {}, Side.SELL: {}}
        target.update({side: dict(levels[side]) for side in target if side not in gone})
        if self.random.random() < 0.5:
            self._snapshot(instrument, target)
        else:
            self._deltas(instrument, target)

    def _trade(self, instrument: int) -> None:
        tick = max(1, self.shown[instrument].middle + self.random.choice([-3, -2, -1, -1, 0, 0, 1, 2, 3]))
        side = self.random.choice([Side.BUY, Side.BUY, Side.SELL, Side.SELL, Side.NONE])
        self._record(EventKind.TRADE, instrument, tick, self.random.randint(1, 9), side=side)

    def _mark(self, instrument: int) -> None:
        self._record(EventKind.MARK, instrument, value=self._price(instrument))

    def _index(self, instrument: int) -> None:
        self._record(EventKind.INDEX, instrument, value=self._price(instrument))

    def _funding(self, instrument: int) -> None:
        """On the next funding time of all rules, or at a time of its own; the next one comes soon or late."""
        if self.random.random() < 0.7:
            interval = math.lcm(*(rules.funding_interval_ns for rules in self.data.rules))
            self.ts = -(-self.ts // interval) * interval
        seconds = max(1, self.random.choice([3, 6, 12, 48]) * self.scale.unit_ns // 10**9)
        self._record(EventKind.FUNDING, instrument, lots=seconds, value=self.random.choice([-1, 0, 1, 3]) / 256)

    def _status(self, instrument: int) -> None:
        """Another status for a moment."""
        status = self.random.choice([TradingStatus.HALTED, TradingStatus.CANCEL_ONLY, TradingStatus.POST_ONLY])
        self._record(EventKind.STATUS, instrument, lots=int(status))
        for _ in range(self.random.randint(1, 4)):
            self.ts += self.random.choice([0, 1, 3]) * self.scale.unit_ns
            self.random.choice([self._tweak, self._jump, self._trade, self._mark])(instrument)
        self._record(EventKind.STATUS, instrument, lots=int(TradingStatus.TRADING))

    def _outage(self, instrument: int) -> None:
        """Something is taken away for a while; then something else, or all is back, now and then it stays."""
        for _ in range(self.random.choice([1, 1, 2])):
            bits = self.random.sample(list(Outage), self.random.choice([1, 2, 3, 4]))
            self._record(EventKind.OUTAGE, instrument, value=float(sum(bits)))
            for _ in range(self.random.randint(1, 5)):
                self.ts += self.random.choice([0, 1, 3]) * self.scale.unit_ns
                moves = [self._tweak, self._jump, self._trade, self._mark, self._index, self._crash]
                self.random.choice(moves)(instrument)
        if self.random.random() < 0.9:
            self._record(EventKind.OUTAGE, instrument, value=float(Outage.NONE))

    def _path_step(self, instrument: int) -> None:
        """The ladder moves by a whole number of ticks per side, and may thin out."""
        shown = self.shown[instrument]
        move = self.random.choice([-3, -2, -1, 1, 2, 3])
        widen = self.random.choice([0, 0, 1])
        moved = {Side.BUY: move - widen, Side.SELL: move + widen}
        if not LOWEST <= shown.middle + move <= HIGHEST or shown.translation[Side.SELL] + moved[Side.SELL] > LOWEST:
            return
        shown.middle += move
        for side in (Side.BUY, Side.SELL):
            shown.translation[side] += moved[side]
            at = {tick + moved[side]: lots for tick, lots in shown.levels[side].items()}
            shown.levels[side] = {tick: lots for tick, lots in at.items() if tick >= 1}
        bid, ask = shown.translation[Side.BUY], shown.translation[Side.SELL]
        self._record(EventKind.PATH_STEP, instrument, tick=bid, lots=ask)
        if self.random.random() < 0.7:
            sizes = self.random.choice([[0, 1], [0, 0, 0, -1]])
            target = {
                side: {tick: lots + self.random.choice(sizes) for tick, lots in levels.items()}
                for side, levels in shown.levels.items()
            }
            self._deltas(instrument, {side: {t: n for t, n in levels.items() if n} for side, levels in target.items()})

    def _control(self, instrument: int) -> None:
        if self.random.random() < 0.5:
            extra = self.random.choice([0, 1, 3]) * self.scale.unit_ns
            self._record(EventKind.LATENCY, instrument, value=float(extra))
        else:
            half_life_s = self.random.choice([1, 2, 5, 16]) * self.scale.unit_ns / 1e9
            self._record(EventKind.REFILL, instrument, value=half_life_s)

    def _noise(self, instrument: int) -> None:
        """Records that change nothing."""
        self._record(EventKind.FUNDING_PREDICTED, instrument, lots=3600, value=1 / 64)
        self._record(EventKind.OPEN_INTEREST, instrument, value=1000.0)

    def _break(self) -> None:
        """End the tape with a fault."""
        self.random.choice([self._crossed, self._backwards])()

    def _crossed(self) -> None:
        self.ts += self.scale.unit_ns
        self._record(EventKind.DELTA, 0, 12, 3, side=Side.BUY)
        self._record(EventKind.DELTA, 0, self.random.choice([11, 12]), 3, side=Side.SELL)

    def _backwards(self) -> None:
        self.ts -= self.scale.unit_ns
        self._record(EventKind.TRADE, 0, 12, 3, side=Side.BUY)
