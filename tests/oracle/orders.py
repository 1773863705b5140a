"""Orders on their way: agenda entries, triggers and arrivals (RULES 1.5, 3.1, 4)."""

from __future__ import annotations

from collections.abc import Iterable

from backtester.engine import spec
from backtester.enums import (
    FillReason,
    Held,
    Liquidity,
    OrderReason,
    OrderStatus,
    OrderType,
    PriceSeries,
    TimeInForce,
    TradingStatus,
)
from tests.oracle import liquidation
from tests.oracle.account import Order
from tests.oracle.market import Market

DECISION, POST_ONLY_ARRIVAL, OTHER_ARRIVAL = range(3)  # phases of the agenda (RULES 1.3.7)


def plan(order: Order, start_ns: int) -> None:
    """Put an order on the agenda when its world opens (RULES 1.4)."""
    at_start = order.spec.at_ns == spec.START_NS
    order.due_ns = start_ns if at_start else max(order.spec.at_ns, start_ns)
    order.phase = _arrival_phase(order) if at_start else DECISION


def work(order: Order, t: int) -> None:
    """Work the agenda entry of an order (RULES 1.3.7)."""
    conditional = order.spec.type == OrderType.STOP_MARKET and order.trigger_ns is None
    if order.decision_mid_half_ticks is None:
        order.decision_mid_half_ticks = order.position.market.tape.mid_half_ticks
    order.due_ns = None
    if conditional and order.spec.held == Held.CLIENT:
        _arm(order, t)  # at its decision, which at the start stands in the arrival phase
    elif order.phase == DECISION:
        _send(order, t)
    else:
        order.arrival_ns = t
        if conditional:
            _arm(order, t)
        else:
            _arrive(order, t)


def _arrival_phase(order: Order) -> int:
    return POST_ONLY_ARRIVAL if order.spec.tif == TimeInForce.POST_ONLY else OTHER_ARRIVAL


def _send(order: Order, t: int) -> None:
    """A client's message decided at t (RULES 1.5)."""
    account, rules = order.account, order.account.rules
    extra = order.position.market.tape.extra_latency_ns
    earliest = t + rules.feed_latency_ns + order.spec.reaction_ns + rules.order_latency_ns + extra
    account.last_arrival_ns = _ceil_block(max(earliest, account.last_arrival_ns), rules.block_ns)
    _schedule(order, account.last_arrival_ns)


def _schedule(order: Order, arrival_ns: int) -> None:
    order.status = OrderStatus.IN_FLIGHT
    order.due_ns, order.phase = arrival_ns, _arrival_phase(order)


def _ceil_block(ns: int, block_ns: int) -> int:
    """Round up to a multiple of the block; 0 is no block (RULES 1.5)."""
    return ns if block_ns == 0 else -(-ns // block_ns) * block_ns


# -- conditional orders (RULES 4) --------------------------------------------------------------------------------------


def trigger(orders: Iterable[Order], series: PriceSeries, markets: list[Market], t: int) -> None:
    """Fire what the changed series of these markets has reached, in the order of RULES 4.1."""
    fired = [
        order
        for order in orders
        if order.status == OrderStatus.UNTRIGGERED
        and order.spec.trigger_by == series
        and order.position.market in markets
        and _beyond(order)
    ]
    for order in sorted(fired, key=lambda order: (order.side, order.side * order.spec.trigger_tick, order.number)):
        _fire(order, t)


def _series_price(order: Order) -> float | None:
    market = order.position.market
    match order.spec.trigger_by:
        case PriceSeries.MARK:
            return market.mark_float
        case PriceSeries.LAST:
            return None if market.tape.last_tick is None else market.tape.price(market.tape.last_tick)
        case _:
            return market.tape.index


def _beyond(order: Order) -> bool:
    """Whether the order's series has reached its trigger (RULES 4.1)."""
    tape, price = order.position.market.tape, _series_price(order)
    if price is None:
        return False
    if order.spec.trigger_by == PriceSeries.LAST:
        assert tape.last_tick is not None
        tick = tape.last_tick
    else:
        tick = order.account.world.judge.floor(price / tape.spec.tick_size + 0.5)
    return order.side * tick >= order.side * order.spec.trigger_tick


def _arm(order: Order, t: int) -> None:
    """A conditional order begins to wait (RULES 4.2)."""
    order.status = OrderStatus.UNTRIGGERED
    if _beyond(order):
        if order.account.rules.reject_breached_trigger:
            order.end(OrderStatus.REJECTED, OrderReason.TRIGGER_BREACHED)
        else:
            _fire(order, t)


def _fire(order: Order, t: int) -> None:
    """Trigger an order: what it sends is on its way (RULES 4.3)."""
    order.trigger_ns, order.trigger_price = t, _series_price(order)
    order.decision_mid_half_ticks = order.position.market.tape.mid_half_ticks
    if order.spec.held == Held.CLIENT:
        _send(order, t)
    else:
        rules = order.account.rules
        _schedule(order, _ceil_block(t + rules.engine_latency_ns, rules.block_ns))


# -- arrival (RULES 3.1) -----------------------------------------------------------------------------------------------


def _arrive(order: Order, t: int) -> None:
    """A market or limit order reaches the venue; the pool is checked when it traded."""
    refused = _refuse(order)
    if refused != OrderReason.NONE:
        order.end(OrderStatus.REJECTED, refused)
        return
    world, reason = order.account.world, OrderReason.NONE
    if order.spec.tif != TimeInForce.POST_ONLY:
        reason = _take_liquidity(order, t)
    if order.remaining and order.spec.type == OrderType.LIMIT and order.spec.tif != TimeInForce.IOC:
        order.status = OrderStatus.RESTING
        order.queue = order.position.market.tape.levels(order.side).get(order.spec.limit_tick, 0)
        world.rested += 1
        order.rested = world.rested
    elif order.remaining:
        order.end(OrderStatus.CANCELLED, reason)
    liquidation.check_changed(world, t)


def _refuse(order: Order) -> OrderReason:
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
    return order.account.world.refuse_margin(order, order.remaining)


def _take_liquidity(order: Order, t: int) -> OrderReason:
    """Step 5: walk up to the limit or the bound (RULES 2.1, 2.3). Why the walk ended."""
    market, rules, world = order.position.market, order.account.rules, order.account.world
    if order.spec.type == OrderType.LIMIT:
        bound = order.spec.limit_tick
    else:
        share = rules.stop_bound if order.spec.type == OrderType.STOP_MARKET else rules.market_bound
        bound = world.consumption.bound_tick(market.tape, order.side, share)
    taken, reason = world.consumption.walk(market.instrument, market.tape, rules, order.side, order.remaining, bound, t)
    for tick, lots in taken:
        world.fill_order(order, lots, market.tape.price(tick), FillReason.TAKER_WALK, Liquidity.TAKER, t)
    return reason
