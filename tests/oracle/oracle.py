"""The second implementation of the engine: plain Python from RULES, everything looked at again at every step.

It shares the inputs (`engine.spec`) and the codes (`enums`) with the kernels, and nothing else. There is no heap, no
list of waiting orders and no trigger index here: what is due, what rests and what triggers is found by looking at all
orders of all worlds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from backtester.engine import spec
from backtester.enums import (
    EventFlag,
    EventKind,
    Fault,
    FillReason,
    Held,
    LedgerKind,
    Liquidity,
    OrderReason,
    OrderStatus,
    OrderType,
    Party,
    PriceSeries,
    Side,
    TimeInForce,
    TradingStatus,
)
from tests.oracle import liquidation
from tests.oracle.account import Order, World
from tests.oracle.exact import Judge
from tests.oracle.ladder import Event, Tape, is_depth
from tests.oracle.market import Market

DECISION, POST_ONLY_ARRIVAL, OTHER_ARRIVAL = range(3)  # phases of the agenda (RULES 1.3.7)

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
        self._rested = 0

    # -- the way through a tape (RULES 1.1 to 1.4) ---------------------------------------------------------------------

    def feed(self, records: Iterable[Any]) -> None:
        """Take one step: the rows of one message, or one other record. Works what is due before it."""
        assert not self.waiting, "attach the worlds first"
        self._step = [Event(*(record.item() if hasattr(record, "item") else record)) for record in records]
        ts = self._step[0].ts
        if self.now is None:
            self.now, self._worked = ts, ts - 1
        self._continue(until=ts)

    def attach(self, worlds: Sequence[spec.World]) -> None:
        """Open the worlds at the start (RULES 1.4) and go on where `feed` or `finish` paused."""
        assert self.waiting and self.started is not None
        self.waiting = False
        for given in worlds:
            first = sum(len(world.orders) for world in self.worlds)
            self.worlds.append(World(given, first, self.data, self.markets, self.tapes, self.judge))
        for order in self.orders:
            at_start = order.spec.at_ns == spec.START_NS
            order.due_ns = self.started if at_start else max(order.spec.at_ns, self.started)
            order.phase = self._arrival_phase(order) if at_start else DECISION
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
        times = [order.due_ns for order in self.orders if order.due_ns is not None]
        for market in self.markets:
            rules = market.rules
            intervals = [rules.mark_interval_ns, rules.funding_interval_ns]
            if rules.funding_premium:
                intervals.append(rules.funding_sample_ns)
            times += [(self._worked // interval + 1) * interval for interval in intervals]
        return min(times)

    def _market_stages(self, t: int) -> None:
        """RULES 1.3, stages 1 to 3: marks, premium samples, start."""
        for market in self.markets:
            if t % market.rules.mark_interval_ns == 0:
                market.update_mark()
        for market in self.markets:
            if market.rules.funding_premium and t % market.rules.funding_sample_ns == 0:
                market.sample_premium()
        marked = any(t % market.rules.mark_interval_ns == 0 for market in self.markets)
        ready = all(self._seen_both) and all(market.mark_float is not None for market in self.markets)
        if self.started is None and marked and ready:
            self.started, self.waiting = t, True

    def _account_stages(self, t: int) -> None:
        """RULES 1.3, stages 4 to 7: funding, margin, triggers on mark, agenda."""
        if self.started is not None:
            self._fund(t)
        if self.fault:
            return
        for market in self.markets:
            if t % market.rules.funding_interval_ns == 0:
                market.samples.clear()
        for world in self.worlds:
            for account in world.accounts:
                if t % account.rules.mark_interval_ns == 0:
                    liquidation.check_account(world, account, t)
        for market in self.markets:
            if t % market.rules.mark_interval_ns == 0:
                self._trigger(PriceSeries.MARK, [market], t)
        while due := [order for order in self.orders if order.due_ns == t]:
            self._work(min(due, key=lambda order: (order.phase, order.number)), t)

    # -- records (RULES 1.2) -------------------------------------------------------------------------------------------

    def _take(self, step: list[Event]) -> None:
        """One message or record: values, fills of resting orders, checks of changed pools, triggers."""
        event = step[0]
        assert self.now is not None
        if event.ts < self.now:
            self.fault = Fault.TIME_BACKWARDS
            return
        self.now = event.ts
        tape = self.tapes[event.instrument]
        if is_depth(event):
            tape.apply(step)
            if tape.crossed:
                self.fault = Fault.CROSSED
                return
            self._seen_both[event.instrument] |= tape.both_sides
            self._clamp_queues(step, tape)
            stepped = any(row.flags & EventFlag.STEP for row in step)
            self._cross(event.instrument, tape, FillReason.PATH_STEP if stepped else FillReason.BBO_CROSS)
        else:
            self._take_value(event, tape)
        for world in self.worlds:
            liquidation.check_changed(world, event.ts)
        series = {EventKind.TRADE: PriceSeries.LAST, EventKind.INDEX: PriceSeries.INDEX}.get(EventKind(event.kind))
        if series is not None:
            self._trigger(series, [m for m in self.markets if m.instrument == event.instrument], event.ts)

    def _take_value(self, event: Event, tape: Tape) -> None:
        """RULES 1.2a, and the fills of a trade."""
        match event.kind:
            case EventKind.TRADE:
                tape.last_tick = event.tick
                self._trade(event, tape)
            case EventKind.MARK:
                tape.mark_record = event.value
            case EventKind.INDEX:
                tape.index = event.value
            case EventKind.FUNDING:
                tape.funding = (event.ts, event.value)
            case EventKind.STATUS:
                tape.status = TradingStatus(event.lots)
            case EventKind.PATH_STEP:
                tape.translation = {Side.BUY: event.tick, Side.SELL: event.lots}
            case EventKind.LATENCY:
                tape.extra_latency_ns = round(event.value)
            case EventKind.REFILL:
                tape.half_life_ns = round(event.value * NS_PER_S)

    # -- resting orders (RULES 3.2 to 3.5) -----------------------------------------------------------------------------

    def _resting(self, world: World, instrument: int, side: int) -> list[Order]:
        """Own orders of one side, best price first, first come first served within a price."""
        found = [
            order
            for order in world.orders
            if order.status == OrderStatus.RESTING
            and order.side == side
            and order.position.market.instrument == instrument
        ]
        return sorted(found, key=lambda order: (-side * order.spec.limit_tick, order.rested))

    def _clamp_queues(self, step: Sequence[Event], tape: Tape) -> None:
        """RULES 3.3: each size a message sets bounds the queue there; levels a snapshot leaves out are set to 0."""
        displayed = [(event.side, event.tick, event.lots) for event in step if event.side != Side.NONE]
        for world in self.worlds:
            for side in (Side.BUY, Side.SELL):
                for order in self._resting(world, step[0].instrument, side):
                    here = [lots for at, tick, lots in displayed if (at, tick) == (side, order.spec.limit_tick)]
                    order.queue = min([order.queue, tape.levels(side).get(order.spec.limit_tick, 0), *here])

    def _trade(self, event: Event, tape: Tape) -> None:
        """RULES 3.2: one budget per trade and world."""
        if event.side == Side.NONE or tape.status == TradingStatus.HALTED:
            return
        side = -event.side
        for world in self.worlds:
            used = 0
            for order in self._resting(world, event.instrument, side):
                limit = order.spec.limit_tick
                if side * limit > side * event.tick:
                    size, reason = event.lots - used, FillReason.TRADE_THROUGH
                elif limit == event.tick:
                    size, reason = max(0, event.lots - order.queue - used), FillReason.TRADE_AT_LEVEL
                    order.queue = max(0, order.queue - event.lots)
                else:
                    break
                used += self._maker_fill(world, order, size, reason, event.ts)

    def _cross(self, instrument: int, tape: Tape, reason: FillReason) -> None:
        """RULES 3.4: the best opposite price has come to or through own orders."""
        if tape.status == TradingStatus.HALTED:
            return
        for world in self.worlds:
            for side in (Side.BUY, Side.SELL):
                for order in self._resting(world, instrument, side):
                    best, limit = tape.best(-side), order.spec.limit_tick
                    if best is None or side * limit < side * best:
                        break
                    assert self.now is not None
                    self._cross_one(world, order, tape, reason, self.now)

    def _cross_one(self, world: World, order: Order, tape: Tape, reason: FillReason, t: int) -> None:
        """Take what is available up to the order's own tick, as one fill at its limit."""
        market, limit = order.position.market, order.spec.limit_tick
        walk = world.consumption
        available = 0
        for tick, displayed in tape.from_best(-order.side):
            if order.side * tick <= order.side * limit:
                consumed = walk.consumed(market.instrument, tape, market.rules, -order.side, tick, t)
                available += max(0, displayed - consumed)
        size = self._maker_fill(world, order, available, reason, t)
        taken, _ = walk.walk(market.instrument, tape, market.rules, order.side, size, limit, t)
        assert sum(lots for _, lots in taken) == size

    def _maker_fill(self, world: World, order: Order, size: int, reason: FillReason, t: int) -> int:
        """Fill up to `size` at the order's own limit; a reduce-only order never opens (RULES 3.5). Returns the lots."""
        size = min(size, order.remaining)
        if size > 0 and order.spec.reduce_only:
            size = min(size, order.position.opposite_lots(order.side))
            if size == 0:
                order.end(OrderStatus.CANCELLED, OrderReason.REDUCE_ONLY_VOID)
        if size > 0:
            price = order.position.market.tape.price(order.spec.limit_tick)
            self._book(world, order, size, price, reason, Liquidity.MAKER, t)
        return max(0, size)

    def _book(
        self, world: World, order: Order, size: int, price: float, reason: FillReason, liquidity: Liquidity, t: int
    ) -> None:
        order.filled += size
        order.remaining -= size
        if order.remaining == 0:
            order.end(OrderStatus.FILLED)
        world.fill(t, order.position, order.side * size, price, reason, liquidity, order)

    # -- the agenda (RULES 1.3.7, 1.5) ---------------------------------------------------------------------------------

    def _arrival_phase(self, order: Order) -> int:
        return POST_ONLY_ARRIVAL if order.spec.tif == TimeInForce.POST_ONLY else OTHER_ARRIVAL

    def _world_of(self, order: Order) -> World:
        return next(world for world in self.worlds if order in world.orders)

    def _work(self, order: Order, t: int) -> None:
        """Work one agenda entry."""
        client_conditional = order.spec.type == OrderType.STOP_MARKET and order.spec.held == Held.CLIENT
        if order.decision_mid_half_ticks is None:
            order.decision_mid_half_ticks = order.position.market.tape.mid_half_ticks
        order.due_ns = None
        if client_conditional and order.trigger_ns is None:
            self._arm(order, t)  # at its decision, which at the start stands in the arrival phase
        elif order.phase == DECISION:
            self._send(order, t)
        else:
            order.arrival_ns = t
            if order.spec.type == OrderType.STOP_MARKET and order.trigger_ns is None:
                self._arm(order, t)
            else:
                self._arrive(self._world_of(order), order, t)

    def _send(self, order: Order, t: int) -> None:
        """A client's message decided at t (RULES 1.5)."""
        account, rules = order.account, order.account.rules
        extra = order.position.market.tape.extra_latency_ns
        earliest = t + rules.feed_latency_ns + order.spec.reaction_ns + rules.order_latency_ns + extra
        account.last_arrival_ns = _ceil_block(max(earliest, account.last_arrival_ns), rules.block_ns)
        self._schedule(order, account.last_arrival_ns)

    def _schedule(self, order: Order, arrival_ns: int) -> None:
        order.status = OrderStatus.IN_FLIGHT
        order.due_ns, order.phase = arrival_ns, self._arrival_phase(order)

    # -- conditional orders (RULES 4) ----------------------------------------------------------------------------------

    def _series_price(self, order: Order) -> float | None:
        market = order.position.market
        match order.spec.trigger_by:
            case PriceSeries.MARK:
                return market.mark_float
            case PriceSeries.LAST:
                return None if market.tape.last_tick is None else market.tape.price(market.tape.last_tick)
            case _:
                return market.tape.index

    def _beyond(self, order: Order) -> bool:
        """Whether the order's series has reached its trigger (RULES 4.1)."""
        tape, price = order.position.market.tape, self._series_price(order)
        if price is None:
            return False
        if order.spec.trigger_by == PriceSeries.LAST:
            assert tape.last_tick is not None
            tick = tape.last_tick
        else:
            tick = self.judge.floor(price / tape.spec.tick_size + 0.5)
        return order.side * tick >= order.side * order.spec.trigger_tick

    def _trigger(self, series: PriceSeries, markets: list[Market], t: int) -> None:
        """Fire what the changed series of these markets has reached, in the order of RULES 4.1."""
        fired = [
            order
            for order in self.orders
            if order.status == OrderStatus.UNTRIGGERED
            and order.spec.trigger_by == series
            and order.position.market in markets
            and self._beyond(order)
        ]
        for order in sorted(fired, key=lambda order: (order.side, order.side * order.spec.trigger_tick, order.number)):
            self._fire(order, t)

    def _arm(self, order: Order, t: int) -> None:
        """A conditional order begins to wait (RULES 4.2)."""
        order.status = OrderStatus.UNTRIGGERED
        if self._beyond(order):
            if order.account.rules.reject_breached_trigger:
                order.end(OrderStatus.REJECTED, OrderReason.TRIGGER_BREACHED)
            else:
                self._fire(order, t)

    def _fire(self, order: Order, t: int) -> None:
        """Trigger an order: what it sends is on its way (RULES 4.3)."""
        order.trigger_ns, order.trigger_price = t, self._series_price(order)
        order.decision_mid_half_ticks = order.position.market.tape.mid_half_ticks
        if order.spec.held == Held.CLIENT:
            self._send(order, t)
        else:
            rules = order.account.rules
            self._schedule(order, _ceil_block(t + rules.engine_latency_ns, rules.block_ns))

    # -- arrival (RULES 3.1) -------------------------------------------------------------------------------------------

    def _arrive(self, world: World, order: Order, t: int) -> None:
        """A market or limit order reaches the venue; the pool is checked when it traded."""
        refused = self._refuse(world, order)
        if refused != OrderReason.NONE:
            order.end(OrderStatus.REJECTED, refused)
            return
        reason = OrderReason.NONE
        if order.spec.tif != TimeInForce.POST_ONLY:
            reason = self._take_liquidity(world, order, t)
        if order.remaining and order.spec.type == OrderType.LIMIT and order.spec.tif != TimeInForce.IOC:
            order.status = OrderStatus.RESTING
            tape = order.position.market.tape
            order.queue = tape.levels(order.side).get(order.spec.limit_tick, 0)
            self._rested += 1
            order.rested = self._rested
        elif order.remaining:
            order.end(OrderStatus.CANCELLED, reason)
        liquidation.check_changed(world, t)

    def _refuse(self, world: World, order: Order) -> OrderReason:
        """Steps 1 to 4 of an arrival; a reduce-only order shrinks on the way."""
        tape, post_only = order.position.market.tape, order.spec.tif == TimeInForce.POST_ONLY
        if tape.status in (TradingStatus.HALTED, TradingStatus.CANCEL_ONLY):
            return OrderReason.VENUE_REFUSED
        if tape.status == TradingStatus.POST_ONLY and not post_only:
            return OrderReason.VENUE_REFUSED
        if order.spec.reduce_only:
            size = min(order.remaining, order.position.opposite_lots(order.side))
            if size == 0:
                return OrderReason.REDUCE_ONLY_VOID
            order.remaining = size
        best = tape.best(-order.side)
        if post_only and best is not None and order.side * order.spec.limit_tick >= order.side * best:
            return OrderReason.POST_ONLY_WOULD_CROSS
        return world.refuse_margin(order, order.remaining)

    def _take_liquidity(self, world: World, order: Order, t: int) -> OrderReason:
        """Step 5: walk up to the limit or the bound (RULES 2.1, 2.3). Why the walk ended."""
        market, rules = order.position.market, order.account.rules
        if order.spec.type == OrderType.LIMIT:
            bound = order.spec.limit_tick
        else:
            share = rules.stop_bound if order.spec.type == OrderType.STOP_MARKET else rules.market_bound
            bound = world.consumption.bound_tick(market.tape, order.side, share)
        taken, reason = world.consumption.walk(
            market.instrument, market.tape, rules, order.side, order.remaining, bound, t
        )
        for tick, lots in taken:
            price = market.tape.price(tick)
            self._book(world, order, lots, price, FillReason.TAKER_WALK, Liquidity.TAKER, t)
        return reason

    # -- funding (RULES 7) ---------------------------------------------------------------------------------------------

    def _fund(self, t: int) -> None:
        """Charge every position in order (RULES 7.1); at the start itself nothing is charged (1.3.4)."""
        assert self.started is not None
        due = [market for market in self.markets if t % market.rules.funding_interval_ns == 0]
        places = [
            (world, position)
            for world in self.worlds
            for position in world.positions
            if position.market in due and position.lots and t > self.started
        ]
        for world, position in places:
            market, pool = position.market, position.pool
            rate = market.funding_rate(t)
            if rate is None:
                self.fault = Fault.MISSING_FUNDING
                return
            payer = pool if market.rules.isolated_funding_from_margin else pool.account.cross
            amount = -position.lots * market.unit * market.funding_price() * rate
            world.pay(t, payer, amount, Party.FUNDING_POOL, LedgerKind.FUNDING)


def _ceil_block(ns: int, block_ns: int) -> int:
    """Round up to a multiple of the block; 0 is no block (RULES 1.5)."""
    return ns if block_ns == 0 else -(-ns // block_ns) * block_ns
