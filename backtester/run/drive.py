"""The shell around the engine: it feeds chunks, drains records, doubles what is full, and names faults."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from backtester.bounds import MOST_TICKS
from backtester.engine import spec
from backtester.engine.allocate import WorldIndex, allocate_control, allocate_market, allocate_worlds
from backtester.engine.allocate_guards import allocate_marks, allocate_viewers, allocate_views
from backtester.engine.book.consumption import rehash
from backtester.engine.events import EVENT
from backtester.engine.loop.advance import advance
from backtester.engine.loop.recorder import fold
from backtester.engine.records import FILL, GUARD_EVENT, LEDGER, LIQUIDATION, PAYMENT
from backtester.engine.state import (
    CELL,
    CONSUMED,
    DEFAULT_CAPACITIES,
    ORDER,
    WAITING,
    Capacities,
    Market,
    Worlds,
)
from backtester.enums import Advance, Fault
from backtester.errors import BacktesterError, data_error, engine_fault
from backtester.texts import iso_time

_NO_EVENTS = np.zeros(0, EVENT)
_RECORDS = (
    ("fills", FILL),
    ("ledger", LEDGER),
    ("liquidations", LIQUIDATION),
    ("payments", PAYMENT),
    ("guard_events", GUARD_EVENT),
)


class Engine:
    """One pass over a tape. Feed chunks; when `feed` answers STARTED, attach worlds and `resume`; at the end `finish`.

    `market`, `worlds` and `control` are the engine's arrays; `fills`, `ledger`, `liquidations`, `payments` and
    `guard_events` are complete after `finish`.
    """

    def __init__(self, data: spec.MarketData, capacities: Capacities = DEFAULT_CAPACITIES) -> None:
        self.data = data
        self.capacities = capacities
        self.control = allocate_control(data.seed, capacities)
        self.market: Market = allocate_market(data, capacities)
        self.worlds: Worlds
        self.index: WorldIndex
        self.worlds, self.index = allocate_worlds(self.market, (), 0, capacities)
        self._events = _NO_EVENTS
        self._drained: dict[str, list[np.ndarray]] = {name: [] for name, _ in _RECORDS}

    @property
    def start_ts(self) -> int:
        """Time of the start (RULES 1.4), ns; 0 before it."""
        return int(self.control["start_ts"][0])

    def feed(self, events: np.ndarray) -> Advance:
        """Work one chunk (EVENT[n], cut between messages). Answers CHUNK_DONE or, once, STARTED."""
        self._events = events
        self.control["next"] = 0
        return self.resume()

    def resume(self) -> Advance:
        """Go on where the engine stands."""
        while True:
            status = Advance(advance(self.market, self.worlds, self._events, self.control))
            if status in (Advance.CHUNK_DONE, Advance.STARTED):
                return status
            if status == Advance.NEED_LADDER:
                self._grow_ladder(self._possible(int(self.control["need"][0])))
            elif status == Advance.NEED_RECORD:
                self._make_room(int(self.control["need"][0]))
            elif status == Advance.NEED_OVERLAY:
                self._grow_overlay()
            elif status == Advance.NEED_PATH:
                self._fold_paths()
            elif status == Advance.NEED_ORDER:
                self._add_orders(int(self.control["need"][0]))
            else:
                raise self._fault()

    def attach(self, worlds: Sequence[spec.World]) -> None:
        """Let worlds begin at the start that was just answered."""
        self.market.instruments["start_traded"] = self.market.instruments["traded"]
        self.worlds, self.index = allocate_worlds(self.market, worlds, self.start_ts, self.capacities)
        marks, viewers = allocate_marks(self.data, worlds), allocate_viewers(worlds)
        self.market = self.market._replace(
            viewers=viewers,
            views=allocate_views(self.data, len(viewers)),
            shared_marks=marks,
            seen_marks=np.repeat(marks[np.newaxis], len(viewers), axis=0),
        )
        self.control["orders"] = len(self.worlds.orders)
        highest = int(self.worlds.orders["limit_tick"].max(initial=0))
        if highest >= self.market.instruments["capacity"].min():
            self._grow_ladder(highest + 1)

    def finish(self) -> None:
        """Run what is due up to the last record, and complete the records."""
        self.control["finishing"] = 1
        self.feed(_NO_EVENTS)
        self._drain()
        self.worlds = self.worlds._replace(orders=self.worlds.orders[: int(self.control["orders"][0])])

    def run(self, chunks: Iterable[np.ndarray]) -> None:
        """Feed all of `chunks` to an engine whose worlds are attached, and finish."""
        for chunk in chunks:
            self.feed(chunk)
        self.finish()

    @property
    def fills(self) -> np.ndarray:
        """FILL[n] of worlds that record, in order."""
        return self._record("fills", FILL)

    @property
    def ledger(self) -> np.ndarray:
        """LEDGER[n] of worlds that record, in order."""
        return self._record("ledger", LEDGER)

    @property
    def liquidations(self) -> np.ndarray:
        """LIQUIDATION[n] of worlds that record, in order."""
        return self._record("liquidations", LIQUIDATION)

    @property
    def payments(self) -> np.ndarray:
        """PAYMENT[n] of worlds that record, in order."""
        return self._record("payments", PAYMENT)

    @property
    def guard_events(self) -> np.ndarray:
        """GUARD_EVENT[n] of worlds that record, in order."""
        return self._record("guard_events", GUARD_EVENT)

    def _record(self, name: str, dtype: np.dtype) -> np.ndarray:
        live = getattr(self.worlds, name)[: int(self.control[name][0])]
        return np.concatenate([*self._drained[name], live]) if self._drained[name] else live.copy()

    def _drain(self) -> None:
        for name, _ in _RECORDS:
            count = int(self.control[name][0])
            if count:
                self._drained[name].append(getattr(self.worlds, name)[:count].copy())
                self.control[name] = 0

    def _make_room(self, rows: int) -> None:
        """Drain the records; lengthen them when one step alone needs more than they hold."""
        self._drain()
        if rows > len(self.worlds.fills):
            length = max(rows, 2 * len(self.worlds.fills))
            self.worlds = self.worlds._replace(**{name: np.zeros(length, dtype) for name, dtype in _RECORDS})

    def _grow_overlay(self) -> None:
        old = self.worlds.overlay
        length = 2 * len(old)
        while length < 2 * (int(self.control["overlay"][0]) + int(self.control["need"][0])):
            length *= 2
        new = np.zeros(length, CONSUMED)
        rehash(old, new)
        self.worlds = self.worlds._replace(overlay=new)

    def _add_orders(self, needed: int) -> None:
        """Room for orders that guards make, and for their arrivals on the agenda, which is the first of the heaps."""
        worlds, more = self.worlds, max(needed, len(self.worlds.orders) // 2)
        behind = int(worlds.heaps["first"][1]) if len(worlds.heaps) > 1 else len(worlds.waiting)
        waiting = (worlds.waiting[:behind], np.zeros(more, WAITING), worlds.waiting[behind:])
        worlds.heaps["first"][1:] += more
        orders = np.concatenate([worlds.orders, np.zeros(more, ORDER)])
        self.worlds = worlds._replace(orders=orders, waiting=np.concatenate(waiting))

    def _fold_paths(self) -> None:
        fold(self.market.path)
        fold(self.worlds.path)
        self.control["path_width"] *= 2

    def _possible(self, cells: int) -> int:
        """The cells that the next record asks for. Raises a data error when no ladder has so many."""
        if 0 < cells <= MOST_TICKS + 1:
            return cells
        event = self._events[int(self.control["next"][0])]
        where = f"{self.data.instruments[int(event['instrument'])].symbol} at {iso_time(int(event['ts']))}"
        if cells <= 0:
            raise engine_fault(where, f"a level {-cells} ticks below the base ladder")
        message = f"a level of {cells - 1:,} ticks, a ladder holds {MOST_TICKS:,}"
        raise data_error(where, message, "the scenario raises its price too far")

    def _grow_ladder(self, cells: int) -> None:
        """Give every side room for `cells` ticks; untouched memory stays untouched."""
        sides, instruments = self.market.sides, self.market.instruments
        old_capacity = int(instruments["capacity"][0])
        capacity = old_capacity
        while capacity < cells:
            capacity *= 2
        try:
            new = np.zeros(len(sides) * capacity, CELL)
        except MemoryError:
            gib = len(sides) * capacity * CELL.itemsize / 2**30
            message = f"ladders of {capacity:,} ticks for {len(sides) // 2} instruments take {gib:,.1f} GiB"
            raise data_error("tape", message, "a coarser tick size, or fewer instruments") from None
        block = 4096
        for number in range(len(sides)):
            old = self.market.cells[number * old_capacity : (number + 1) * old_capacity]
            for begin in range(0, old_capacity, block):
                part = old[begin : begin + block]
                if part["message"].any():
                    new[number * capacity + begin : number * capacity + begin + len(part)] = part
        instruments["capacity"] = capacity
        sides["offset"] = np.arange(len(sides)) * capacity - sides["shift"]
        levels = np.zeros((len(sides), capacity), np.int32)
        for side in np.flatnonzero(sides["own_count"]):
            levels[side, :old_capacity] = self.worlds.levels[side]
        self.market, self.worlds = self.market._replace(cells=new), self.worlds._replace(levels=levels)

    def _fault(self) -> BacktesterError:
        fault = Fault(int(self.control["fault"][0]))
        item = int(self.control["fault_item"][0])
        now = int(self.control["now"][0])
        if fault in (Fault.MISSING_FUNDING, Fault.MISSING_INDEX):
            market = self.data.markets[item]
            symbol = self.data.instruments[market.instrument].symbol
            when = iso_time(int(self.control["due"][0]))
            if fault == Fault.MISSING_INDEX:
                hint = "add `index` rows, or accept the mid in their place with --assume-index-mid"
                return data_error(symbol, f"no index to charge funding on at {when}", hint)
            hint = "add `funding` rows, or accept none with --assume-funding-zero"
            return data_error(symbol, f"no funding rate for {when}", hint)
        symbol = self.data.instruments[item].symbol
        if fault == Fault.CROSSED:
            return data_error(
                f"{symbol} at {iso_time(now)}",
                "the ladder is crossed after a message",
                "see `backtester data check`, and its --repair",
            )
        if fault == Fault.TIME_BACKWARDS:
            return data_error(f"{symbol} after {iso_time(now)}", "ts decreases", "see `backtester data check`")
        return engine_fault(symbol, f"unknown fault {fault}")
