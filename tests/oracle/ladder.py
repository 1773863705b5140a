"""What the tape shows of one instrument, and what one world took of it (RULES 1.1, 2)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from backtester.engine.spec import Instrument, Rules
from backtester.enums import EventKind, OrderReason, Outage, RefillModel, Side, TradingStatus
from tests.oracle.exact import Judge


class Event(NamedTuple):
    """One record of a tape, the fields of engine.events.EVENT in their order."""

    ts: int
    tick: int
    lots: int
    value: float
    instrument: int
    kind: int
    side: int


DEPTH = (EventKind.SNAPSHOT, EventKind.DELTA)


def is_depth(event: Event) -> bool:
    """Whether the record is a row of a message."""
    return event.kind in DEPTH


def is_path_step(event: Event) -> bool:
    """Whether the record moves the ladder."""
    return event.kind == EventKind.PATH_STEP


def is_message(step: Sequence[Event]) -> bool:
    """Whether records that are applied together are a message."""
    return is_depth(step[0]) or is_path_step(step[0])


def steps(events: Sequence[Event]) -> list[list[Event]]:
    """Cut a tape into messages and single records (RULES 1.1)."""
    cut: list[list[Event]] = []
    for event in events:
        same_message = (
            bool(cut)
            and is_depth(event)
            and is_message(cut[-1])
            and (event.side != Side.NONE or is_path_step(cut[-1][-1]))
            and (event.ts, event.instrument) == (cut[-1][0].ts, cut[-1][0].instrument)
        )
        if same_message:
            cut[-1].append(event)
        else:
            cut.append([event])
    return cut


class Tape:
    """What the records say of one instrument now."""

    def __init__(self, spec: Instrument) -> None:
        self.spec = spec
        self.unit_float = spec.lot_size * spec.multiplier
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self.mid_half_ticks: int | None = None  # best bid + best ask of the last moment with both (RULES 2.1)
        self.translation = {Side.BUY: 0, Side.SELL: 0}  # of the last PATH_STEP
        self.messages = 0
        self.printed: Counter[tuple[int, int]] = Counter()  # (side, tick) → lots traded since it was named (RULES 2.2)
        self.shown_to: dict[int, float] = {Side.BUY: math.inf, Side.SELL: 0}  # outermost tick of the last snapshot
        self.named_since: set[tuple[int, int]] = set()  # (side, tick) of levels named since the last snapshot
        self.named: dict[tuple[int, int], int] = {}  # (side, key of level) → number of the last message that named it
        self.status = TradingStatus.TRADING
        self.outage = Outage.NONE
        self.acted: Counter[Outage] = Counter()  # how often an outage took something away
        self.last_tick: int | None = None
        self.message_ns: int | None = None  # of the last message, if it was no path step's
        # Time of each trade against the touch of a side, and the key of the best tick then (RULES 2.6).
        self.against: dict[int, list[tuple[int, int | None]]] = {Side.BUY: [], Side.SELL: []}
        self.index: float | None = None
        self.mark_record: float | None = None
        self.funding: tuple[int, float] | None = None  # ts and rate of the last funding record
        self.extra_latency_ns = 0
        self.half_life_ns: int | None = None  # of the last REFILL record; the rules' own without one

    def price(self, tick: float) -> float:
        """Price of a tick: tick · tick_size."""
        return tick * self.spec.tick_size

    def levels(self, side: int) -> dict[int, int]:
        """Displayed lots by tick of one side."""
        return self.bids if side == Side.BUY else self.asks

    def best(self, side: int) -> int | None:
        """Best displayed tick of a side, None when it is empty."""
        if side == Side.BUY:
            return max(self.bids, default=None)
        return min(self.asks, default=None)

    def from_best(self, side: int) -> list[tuple[int, int]]:
        """(tick, lots) of a side, best first."""
        return sorted(self.levels(side).items(), reverse=side == Side.BUY)

    @property
    def both_sides(self) -> bool:
        """Whether somebody bids and somebody asks."""
        return bool(self.bids and self.asks)

    @property
    def crossed(self) -> bool:
        """Whether the ladder is crossed or locked (RULES 1.1)."""
        return self.both_sides and max(self.bids) >= min(self.asks)

    def takes_away(self, bit: Outage) -> bool:
        """Whether the outage that holds takes something away now (RULES 1.7); asked where it would matter only."""
        holds = bit in self.outage
        self.acted[bit] += holds
        return holds

    @property
    def halted(self) -> bool:
        """Whether nothing is matched (RULES 1.6, 1.7)."""
        return self.status == TradingStatus.HALTED or self.takes_away(Outage.MATCHING_HALTED)

    def key(self, side: int, tick: int) -> int:
        """Place of a level in the base ladder (RULES 2.2)."""
        return tick - self.translation[Side(side)]

    def shows(self, side: int, tick: int) -> bool:
        """Whether the last snapshot shows the side as far as this level (RULES 1.1)."""
        return side * tick >= side * self.shown_to[side]

    def in_view(self, side: int, tick: int) -> bool:
        """Whether what is displayed at a level is all there is (RULES 1.1)."""
        best = self.best(side)
        is_better = best is None or side * tick > side * best
        return self.shows(side, tick) or is_better or (side, tick) in self.named_since

    def apply(self, message: Sequence[Event]) -> None:
        """Apply a whole message (RULES 1.1). Its first snapshot row clears the ladder."""
        self.messages += 1
        is_step = is_path_step(message[0])
        is_snapshot = any(event.kind == EventKind.SNAPSHOT for event in message)
        if is_step:
            self._move(message[0])
        if is_snapshot:
            self.bids.clear()
            self.asks.clear()
            self.named_since.clear()
        for event in message:
            if event.side == Side.NONE:
                continue
            assert self.key(event.side, event.tick) >= 0
            self.named[event.side, self.key(event.side, event.tick)] = self.messages
            self.named_since.add((event.side, event.tick))
            self.printed.pop((event.side, event.tick), None)
            self.levels(event.side)[event.tick] = event.lots
            if event.lots == 0:
                del self.levels(event.side)[event.tick]
        if is_snapshot or is_step:
            self.shown_to = {Side.BUY: min(self.bids, default=0), Side.SELL: max(self.asks, default=math.inf)}
        if self.both_sides and not self.crossed:
            self.mid_half_ticks = max(self.bids) + min(self.asks)
        self.message_ns = None if is_step else message[0].ts
        for side, times in self.against.items():
            if is_step or (times and self.touch_key(side) != times[0][1]):
                times.clear()

    def _move(self, step: Event) -> None:
        """Every level goes to its place under a new translation, and is named (RULES 1.1)."""
        self.named_since.clear()
        self.printed.clear()
        for side, translation in ((Side.BUY, step.tick), (Side.SELL, step.lots)):
            levels, moved = self.levels(side), translation - self.translation[side]
            kept = {tick + moved: lots for tick, lots in levels.items() if tick + moved >= 1}
            levels.clear()
            levels.update(kept)
            self.translation[side] = translation
            self.named.update({(side, self.key(side, tick)): self.messages for tick in kept})

    def touch_key(self, side: int) -> int | None:
        """The key of the best displayed tick (RULES 2.2, 2.6)."""
        best = self.best(side)
        return None if best is None else self.key(side, best)

    def trade(self, event: Event) -> None:
        """What a trade says about the touch that it hits (RULES 2.6)."""
        bid, ask = self.best(Side.BUY), self.best(Side.SELL)
        if bid is None or ask is None:
            return
        hit = -event.side
        if event.side == Side.NONE:
            hit = Side.BUY if event.tick < bid else Side.SELL if event.tick > ask else Side.NONE
        if hit == Side.NONE:
            return
        if event.tick == self.best(hit):
            self.against[hit].clear()
        else:
            self.against[hit].append((event.ts, self.touch_key(hit)))

    def age(self, side: int, t: int) -> int:
        """How old the displayed levels of a side are (RULES 2.6)."""
        times = self.against[side]
        contradicted = times[-1][0] - times[0][0] if len(times) >= 3 else 0
        return max(contradicted, 0 if self.message_ns is None else t - self.message_ns)

    def available(self, side: int) -> list[tuple[int, int]]:
        """(tick, lots) of a side, best first, without what trades took since (RULES 2.2)."""
        return [(tick, lots - self.printed[side, tick]) for tick, lots in self.from_best(side)]

    def mid_price(self) -> float | None:
        """Mid in quote currency, None before both sides were seen."""
        return None if self.mid_half_ticks is None else self.price(self.mid_half_ticks / 2)


class Taken(NamedTuple):
    """What a world took at a level: lots not come back at `ts`, and the last message before."""

    lots: int
    ts: int
    message: int


class Consumption:
    """The liquidity that one world took (RULES 2.2) and the walks that take it (RULES 2.3)."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self.taken: dict[tuple[int, int, int], Taken] = {}  # (instrument, side, key of level)

    def consumed(self, instrument: int, tape: Tape, rules: Rules, side: int, tick: int, t: int) -> int:
        """Lots of the level that this world took and that have not come back at t."""
        key = tape.key(side, tick)
        taken = self.taken.get((instrument, side, key))
        if taken is None:
            return 0
        if rules.refill_model == RefillModel.NEVER:
            return taken.lots
        if rules.refill_model == RefillModel.NEXT_UPDATE:
            return 0 if tape.named.get((side, key), 0) > taken.message else taken.lots
        half_life = rules.refill_half_life_ns if tape.half_life_ns is None else tape.half_life_ns
        return self.judge.decayed(taken.lots, t - taken.ts, half_life) if taken.lots else 0

    def walk(
        self, instrument: int, tape: Tape, rules: Rules, side: int, lots: int, bound_tick: int, t: int
    ) -> tuple[list[tuple[int, int]], OrderReason]:
        """Take up to `lots` from the levels opposite to `side`: [(tick, lots)] per level, and why it ended (2.3)."""
        opposite = -side
        fills: list[tuple[int, int]] = []
        for tick, displayed in tape.available(opposite):
            if lots == 0:
                break
            if side * tick > side * bound_tick:
                return fills, OrderReason.PRICE_BOUND
            consumed = self.consumed(instrument, tape, rules, opposite, tick, t)
            take = min(lots, max(0, displayed - consumed))
            if take > 0:
                key = tape.key(opposite, tick)
                self.taken[instrument, opposite, key] = Taken(consumed + take, t, tape.messages)
                fills.append((tick, take))
                lots -= take
        return fills, OrderReason.BEYOND_VISIBLE_DEPTH if lots else OrderReason.NONE
