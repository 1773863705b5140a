"""The second implementation of the engine: plain Python from RULES, everything looked at again at every step.

It shares the inputs (`engine.spec`) and the codes (`enums`) with the kernels, and nothing else. There is no heap, no
list of waiting orders and no trigger index here: what is due, what rests and what triggers is found by looking at all
orders of all worlds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any

from backtester.engine import spec
from backtester.enums import (
    EventKind,
    Fault,
    FillReason,
    LedgerKind,
    Outage,
    Party,
    PriceReference,
    PriceSeries,
    Side,
    TradingStatus,
)
from tests.oracle import guards, liquidation, orders, plans, queues, resting, triggers, views
from tests.oracle.account import Order
from tests.oracle.exact import ZERO, Judge
from tests.oracle.ladder import Event, Tape, is_message, is_path_step
from tests.oracle.market import Market
from tests.oracle.world import World

NS_PER_S = 1_000_000_000


class Oracle:
    """Feed it steps; when `started` is set and `waiting` is true, attach the worlds; then feed on and finish."""

    def __init__(self, data: spec.MarketData) -> None:
        self.data = data
        self.judge = Judge()
        self.tapes = [Tape(instrument) for instrument in data.instruments]
        self.markets = [Market(number, data, self.tapes, self.judge) for number in range(len(data.markets))]
        self.worlds: list[World] = []
        self.started: int | None = None
        self.waiting = False  # for attach
        self.fault = Fault.NONE
        self.now: int | None = None  # ts of the last record
        self._worked: int = 0  # last t whose clocks and agenda were worked
        self._step: list[Event] = []
        self._seen_both = [False] * len(self.tapes)

    # -- the way through a tape (RULES 1.1 to 1.4) ---------------------------------------------------------------------

    def feed(self, records: Iterable[Any]) -> None:
        """Take one step: the rows of one message, or one other record. Works what is due before it."""
        assert not self.waiting, "attach the worlds first"
        self._step = [Event(*(record.item() if hasattr(record, "item") else record)) for record in records]
        ts = self._step[0].ts
        if self.now is None:
            self.now, self._worked = ts, ts - 1
            for market in self.markets:
                market.miss_samples(ts)
        self._continue(until=ts)

    def attach(self, worlds: Sequence[spec.World]) -> None:
        """Open the worlds at the start (RULES 1.4) and go on where `feed` or `finish` paused."""
        assert self.waiting and self.started is not None
        self.waiting = False
        for given in worlds:
            first = sum(len(world.orders) for world in self.worlds)
            self.worlds.append(World(given, first, self.data, self.markets, self.tapes, self.judge))
        numbers = count(len(self.orders))
        for world in self.worlds:
            world.numbers = numbers
        for order in self.orders:
            orders.schedule(order, self.started)
        self._account_stages(self.started)
        self._worked = self.started
        if self._step:
            self._continue(until=self._step[0].ts)
        else:
            self.finish()

    def finish(self) -> None:
        """Work what is due up to the last ts (RULES 1.3)."""
        if self.now is not None:
            self._continue(until=self.now + 1)
            if not self.waiting and not self.fault:
                for world in self.worlds:
                    liquidation.end_waiting(world, self.now)

    @property
    def orders(self) -> list[Order]:
        """All orders of all worlds, by number."""
        return [order for world in self.worlds for order in world.orders]

    def _continue(self, until: int) -> None:
        """Work every due time before `until`, then the step that was fed."""
        while not self.fault and (t := self._next_due()) < until:
            self._market_stages(t)
            if self.waiting:
                return
            self._account_stages(t)
            self._worked = t
        step, self._step = self._step, []
        if step and not self.fault:
            self._take(step)

    def _next_due(self) -> int:
        """The next time at which a clock hits or an agenda entry is due (RULES 1.3)."""
        times = [due_ns for order in self.orders for due_ns, _ in order.agenda]
        for market in self.markets:
            rules = market.rules
            intervals = [rules.mark_interval_ns]
            if rules.funding_premium:
                intervals.append(rules.funding_sample_ns)
            times += [(self._worked // interval + 1) * interval for interval in intervals]
            times.append(market.next_funding(self._worked))
        return min(times)

    def _market_stages(self, t: int) -> None:
        """RULES 1.3, stages 1 to 3: marks, premium samples, start."""
        for market in self.markets:
            if t % market.rules.mark_interval_ns == 0:
                market.update_mark(t)
        for market in self.markets:
            if market.rules.funding_premium and t % market.rules.funding_sample_ns == 0:
                market.sample_premium()
        marked = any(t % market.rules.mark_interval_ns == 0 for market in self.markets)
        ready = all(self._seen_both) and all(market.mark_float is not None for market in self.markets)
        if self.started is None and marked and ready:
            self.started, self.waiting = t, True

    def _account_stages(self, t: int) -> None:
        """RULES 1.3, stages 4 to 7: funding, margin, guards, triggers on mark, agenda."""
        funded = [market for market in self.markets if market.next_funding(t - 1) == t]
        if self.started is not None and t > self.started:
            self._fund(funded, t)
        if self.fault:
            return
        for market in funded:
            market.charged = market.funding_rate(t) or ZERO
            market.samples.clear()
        for world in self.worlds:
            for account in world.accounts:
                if t % account.rules.mark_interval_ns == 0:
                    liquidation.check_account(world, account, t)
        if self.started is not None:
            self._guard(t, self.started)
        for market in self.markets:
            if t % market.rules.mark_interval_ns == 0:
                triggers.trigger(self.orders, PriceSeries.MARK, market, t)
        while due := [
            (phase, order.number, order) for order in self.orders for due_ns, phase in order.agenda if due_ns == t
        ]:
            phase, _, order = min(due)
            orders.work(order, phase, t)

    def _guard(self, t: int, started: int) -> None:
        """RULES 1.3, stage 5a: what clients see is taken from the start on, guards look behind it."""
        for market in self.markets:
            if t % market.rules.mark_interval_ns == 0:
                views.take(market, t)
        for world in self.worlds:
            for account in world.accounts:
                if t % account.rules.mark_interval_ns == 0:
                    guards.keep_highest(account, t)
                    if t > started:
                        guards.look_at_all(account, t)

    # -- records (RULES 1.2) -------------------------------------------------------------------------------------------

    def _take(self, step: list[Event]) -> None:
        """One message or record: values, fills of resting orders, checks of changed pools, triggers."""
        event = step[0]
        self.fault = self._refuse(event)
        if self.fault:
            return
        self.now = event.ts
        tape = self.tapes[event.instrument]
        if is_message(step):
            self._take_message(step, tape)
            if self.fault:
                return
        elif event.kind == EventKind.INDEX and tape.takes_away(Outage.MARK_FROZEN):
            return
        else:
            _take_value(event, tape)
            if event.kind == EventKind.FUNDING:
                for market in self._markets_of(event.instrument):
                    market.take_funding(event.ts, event.lots)
            if event.kind == EventKind.TRADE:
                plans.count_trade(self.worlds, event)
                for world in self.worlds:
                    resting.trade(world, event, tape)
        for world in self.worlds:
            liquidation.check_changed(world, event.ts)
        series = {EventKind.TRADE: PriceSeries.LAST, EventKind.INDEX: PriceSeries.INDEX}.get(EventKind(event.kind))
        if series is not None:
            for market in self._markets_of(event.instrument):
                triggers.trigger(self.orders, series, market, event.ts)

    def _markets_of(self, instrument: int) -> list[Market]:
        return [market for market in self.markets if market.instrument == instrument]

    def _refuse(self, event: Event) -> Fault:
        """What is wrong with a record before it is taken (RULES 1.1)."""
        assert self.now is not None
        if event.ts < self.now:
            return Fault.TIME_BACKWARDS
        return Fault.NONE

    def _take_message(self, step: list[Event], tape: Tape) -> None:
        """RULES 1.1, 3.3, 3.4."""
        tape.apply(step)
        if tape.crossed:
            self.fault = Fault.CROSSED
            return
        event = step[0]
        self._seen_both[event.instrument] |= tape.both_sides
        for world in self.worlds:
            queues.update(world, step, tape)
            reason = FillReason.PATH_STEP if is_path_step(event) else FillReason.BBO_CROSS
            resting.cross(world, event.instrument, tape, reason, event.ts)

    # -- funding (RULES 7) ---------------------------------------------------------------------------------------------

    def _fund(self, markets: list[Market], t: int) -> None:
        """Charge every position in order (RULES 7.1)."""
        rates = {market: market.funding_rate(t) for market in markets}
        places = [
            (world, position)
            for world in self.worlds
            for position in world.positions
            if position.market in rates and position.lots
        ]
        for world, position in places:
            market, pool, rate = position.market, position.pool, rates[position.market]
            if rate is None:
                self.fault = Fault.MISSING_FUNDING
                return
            if market.rules.funding_price == PriceReference.INDEX and market.tape.index is None:
                self.fault = Fault.MISSING_INDEX
                return
            payer = pool if market.rules.isolated_funding_from_margin else pool.account.cross
            amount = -position.lots * market.unit * market.funding_price() * rate
            world.pay(t, payer, amount, Party.FUNDING_POOL, LedgerKind.FUNDING)


def _take_value(event: Event, tape: Tape) -> None:
    """RULES 1.2a."""
    match event.kind:
        case EventKind.TRADE:
            tape.last_tick = event.tick
            if event.side != Side.NONE:
                tape.printed[-event.side, event.tick] += event.lots
            tape.trade(event)
        case EventKind.MARK:
            tape.mark_record = event.value
        case EventKind.INDEX:
            tape.index = event.value
        case EventKind.FUNDING:
            tape.funding = (event.ts, event.value)
        case EventKind.STATUS:
            tape.status = TradingStatus(event.lots)
        case EventKind.OUTAGE:
            tape.outage = Outage(round(event.value))
        case EventKind.LATENCY:
            tape.extra_latency_ns = round(event.value)
        case EventKind.REFILL:
            tape.half_life_ns = round(event.value * NS_PER_S)
