"""Orders on their way: agenda entries, cancels, triggers and arrivals (RULES 1.5, 3.1, 4)."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from backtester.engine import spec
from backtester.enums import (
    FillReason,
    Held,
    Liquidity,
    OrderReason,
    OrderStatus,
    OrderType,
    Outage,
    PriceSeries,
    TimeInForce,
    TradingStatus,
    TriggerRounding,
)
from tests.oracle import liquidation
from tests.oracle.account import Order, Phase
from tests.oracle.market import Market


def plan(order: Order, start_ns: int) -> None:
    """Put an order and its cancel on the agenda when its world opens (RULES 1.4, 1.5)."""
    if order.spec.at_ns == spec.START_NS:
        order.status = OrderStatus.IN_FLIGHT  # decided already, so a cancel finds it under way
        order.agenda[_arrival_phase(order)] = start_ns
    else:
        order.agenda[Phase.DECISION] = max(order.spec.at_ns, start_ns)
    if order.spec.cancel_at_ns != -1:
        order.agenda[Phase.CANCEL_DECISION] = max(order.spec.cancel_at_ns, start_ns)


def work(order: Order, phase: Phase, t: int) -> None:
    """Work the agenda entry of an order (RULES 1.3.7)."""
    del order.agenda[phase]
    match phase:
        case Phase.CANCEL_DECISION:
            _decide_cancel(order, t)
        case Phase.CANCEL_ARRIVAL:
            _arrive_cancel(order)
        case Phase.SECOND_LOOK:
            _look_again(order, t)
        case _:
            _work_order(order, phase, t)


def _work_order(order: Order, phase: Phase, t: int) -> None:
    """A decision, or an arrival."""
    if order.decision_mid_half_ticks is None:
        order.decision_mid_half_ticks = order.position.market.tape.mid_half_ticks
    if _with_client(order):
        _arm(order, t)  # at its decision, which at the start stands in the arrival phase
    elif phase == Phase.DECISION:
        order.status = OrderStatus.IN_FLIGHT
        order.agenda[_arrival_phase(order)] = _message(order, order.spec.reaction_ns, t)
    else:
        order.arrival_ns = t
        if _from_client(order) and order.position.market.tape.takes_away(Outage.ORDERS_REFUSED):
            order.end(OrderStatus.REJECTED, OrderReason.VENUE_REFUSED)
        elif _has_to_fire(order):
            _arm(order, t)
        else:
            _arrive(order, t)


def _arrival_phase(order: Order) -> Phase:
    return Phase.POST_ONLY_ARRIVAL if order.spec.tif == TimeInForce.POST_ONLY else Phase.OTHER_ARRIVAL


def _has_to_fire(order: Order) -> bool:
    """Whether it is a conditional order that has not fired."""
    return order.spec.type == OrderType.STOP_MARKET and order.trigger_ns is None


def _with_client(order: Order) -> bool:
    """Whether its client watches its trigger, so that the venue knows nothing of it."""
    return _has_to_fire(order) and order.spec.held == Held.CLIENT


def _from_client(order: Order) -> bool:
    """Whether what arrives of an order comes from its client: all but what a venue-held trigger fired (RULES 1.7)."""
    return order.trigger_ns is None or order.spec.held == Held.CLIENT


def _message(order: Order, reaction_ns: int, t: int) -> int:
    """When a client's message about an order, decided at t, arrives (RULES 1.5)."""
    account, rules = order.account, order.account.rules
    extra = order.position.market.tape.extra_latency_ns
    earliest = t + rules.feed_latency_ns + reaction_ns + rules.order_latency_ns + extra
    account.last_arrival_ns = _ceil_block(max(earliest, account.last_arrival_ns), rules.block_ns)
    return account.last_arrival_ns


def _ceil_block(ns: int, block_ns: int) -> int:
    """Round up to a multiple of the block; 0 is no block (RULES 1.5)."""
    return ns if block_ns == 0 else -(-ns // block_ns) * block_ns


# -- cancels (RULES 1.5, 1.7) ------------------------------------------------------------------------------------------


def _decide_cancel(order: Order, t: int) -> None:
    """What is still with the client ends at once; about what has gone to the venue a message is sent."""
    if order.status == OrderStatus.PENDING or (order.live and _with_client(order)):
        order.end(OrderStatus.CANCELLED, OrderReason.CANCEL_REQUEST)
    elif order.live:
        order.agenda[Phase.CANCEL_ARRIVAL] = _message(order, 0, t)


def _arrive_cancel(order: Order) -> None:
    if not order.live:
        return
    if order.position.market.tape.takes_away(Outage.CANCELS_REFUSED):
        order.reason = OrderReason.OUTAGE
    else:
        order.end(OrderStatus.CANCELLED, OrderReason.CANCEL_REQUEST)


# -- conditional orders (RULES 4) --------------------------------------------------------------------------------------


def trigger(orders: Iterable[Order], series: PriceSeries, market: Market, t: int) -> None:
    """Fire what the changed series of a market has reached, in the order of RULES 4.1."""
    reached = [
        order
        for order in orders
        if order.armed and order.spec.trigger_by == series and order.position.market is market and _beyond(order)
    ]
    for order in sorted(reached, key=lambda order: (order.side, order.side * order.spec.trigger_tick, order.number)):
        _fire_or_hold(order, t)


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
        nearest = order.account.rules.trigger_rounding == TriggerRounding.NEAREST
        tick = order.account.world.judge.floor(price / tape.spec.tick_size + (0.5 if nearest else 1e-6))
    return order.side * tick >= order.side * order.spec.trigger_tick


def _arm(order: Order, t: int) -> None:
    """A conditional order begins to wait (RULES 4.2)."""
    order.status, order.reason = OrderStatus.UNTRIGGERED, OrderReason.NONE
    if _beyond(order):
        if order.account.rules.reject_breached_trigger:
            order.end(OrderStatus.REJECTED, OrderReason.TRIGGER_BREACHED)
        else:
            _fire_or_hold(order, t)


def _fire_or_hold(order: Order, t: int) -> None:
    """The trigger is reached (RULES 4.3, 4.4)."""
    reason = _why_held(order)
    if reason == OrderReason.NONE:
        _fire(order, t)
        return
    order.reason = reason
    order.hold_ns = t if order.hold_ns is None else order.hold_ns
    interval = order.account.rules.mark_interval_ns
    order.agenda[Phase.SECOND_LOOK] = (t // interval + 1) * interval


def _why_held(order: Order) -> OrderReason:
    """Price protection, or an outage that keeps whoever watches the trigger from acting (RULES 1.7, 4.4)."""
    tape = order.position.market.tape
    if order.spec.price_protect and _mark_is_far_from_last(order):
        return OrderReason.PRICE_PROTECTED
    bit = Outage.FEED_FROZEN if order.spec.held == Held.CLIENT else Outage.MATCHING_HALTED
    return OrderReason.OUTAGE if tape.takes_away(bit) else OrderReason.NONE


def _mark_is_far_from_last(order: Order) -> bool:
    market, protect = order.position.market, Fraction(order.account.rules.trigger_protect)
    if protect == 0 or market.tape.last_tick is None:
        return False
    apart = abs(market.mark - Fraction(market.tape.price(market.tape.last_tick)))
    return order.account.world.judge.less(protect * market.mark, apart)


def _look_again(order: Order, t: int) -> None:
    """A held order at the next time of its market's mark grid (RULES 4.4)."""
    if _beyond(order):
        _fire_or_hold(order, t)
    else:
        order.reason = OrderReason.NONE  # armed again


def _fire(order: Order, t: int) -> None:
    """Trigger an order: what it sends is on its way (RULES 4.3)."""
    order.trigger_ns, order.trigger_price = t, _series_price(order)
    order.decision_mid_half_ticks = order.position.market.tape.mid_half_ticks
    order.status, order.reason = OrderStatus.IN_FLIGHT, OrderReason.NONE
    if order.spec.held == Held.CLIENT:
        order.agenda[_arrival_phase(order)] = _message(order, order.spec.reaction_ns, t)
    else:
        rules = order.account.rules
        order.agenda[_arrival_phase(order)] = _ceil_block(t + rules.engine_latency_ns, rules.block_ns)


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
        order.status, order.reason = OrderStatus.RESTING, OrderReason.NONE
        order.queue = order.position.market.tape.levels(order.side).get(order.spec.limit_tick, 0)
        world.rested += 1
        order.rested = world.rested
    elif order.remaining:
        order.end(OrderStatus.CANCELLED, reason)
    liquidation.check_changed(world, t)


def _refuse(order: Order) -> OrderReason:
    """Steps 1 to 4 of an arrival; a reduce-only order shrinks on the way."""
    tape, post_only = order.position.market.tape, order.spec.tif == TimeInForce.POST_ONLY
    if tape.halted or tape.status == TradingStatus.CANCEL_ONLY:
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
        bound = market.bound_tick(order.side, share)
    taken, reason = world.consumption.walk(market.instrument, market.tape, rules, order.side, order.remaining, bound, t)
    for tick, lots in taken:
        world.fill_order(order, lots, market.tape.price(tick), FillReason.TAKER_WALK, Liquidity.TAKER, t)
    return reason
