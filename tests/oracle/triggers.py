"""Conditional orders: placed, armed, trailed, held and fired (RULES 4.1 to 4.5)."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from backtester.enums import Held, OrderReason, OrderStatus, OrderType, Outage, PriceSeries, TriggerRounding
from tests.oracle import latency, links
from tests.oracle.account import TAKE_PROFITS, Order, Phase
from tests.oracle.market import Market


def trigger(orders: Iterable[Order], series: PriceSeries, market: Market, t: int) -> None:
    """Fire what the changed series of a market has reached, in the order of RULES 4.1."""
    waiting = [
        order for order in orders if order.armed and order.spec.trigger_by == series and order.position.market is market
    ]
    for order in waiting:
        _trail(order)
    for order in sorted((order for order in waiting if _beyond(order)), key=_rank):
        if order.armed:  # not cancelled by one that fired before it
            _fire_or_hold(order, t)


def place(order: Order, t: int) -> None:
    """A conditional order begins to wait, unless what it waits for is there already (RULES 4.2)."""
    trails = order.spec.type == OrderType.TRAILING_STOP
    is_there = _past_activation(order) if trails else _beyond(order)
    if is_there and order.account.rules.reject_breached_trigger and not order.with_client:
        links.end(order, OrderStatus.REJECTED, OrderReason.TRIGGER_BREACHED, t)
        return
    _arm(order)
    if is_there and not trails:
        _fire_or_hold(order, t)


def look_again(order: Order, t: int) -> None:
    """A held order at the next time of its market's mark grid (RULES 4.4)."""
    if _beyond(order):
        _fire_or_hold(order, t)
    else:
        _arm(order)


def _arm(order: Order) -> None:
    """From now on its series is watched; a trailing one takes its value of now (RULES 4.5)."""
    world = order.account.world
    order.status, order.reason = OrderStatus.UNTRIGGERED, OrderReason.NONE
    world.armed += 1
    order.waited = world.armed
    _trail(order)


# -- the series and the trigger (RULES 4.1, 4.5) -----------------------------------------------------------------------


def _rank(order: Order) -> tuple[int, int, int, int]:
    """Falls before rises, nearest first, then by number; trailing ones last, in the order in which they were armed."""
    if order.spec.type == OrderType.TRAILING_STOP:
        return (1, order.waited, 0, 0)
    direction = _direction(order)
    return (0, direction, direction * order.trigger_tick, order.number)


def _direction(order: Order) -> int:
    """+1 when it waits for a rise, −1 for a fall."""
    return -order.side if order.spec.type in TAKE_PROFITS else order.side


def _series_price(order: Order) -> float | None:
    market = order.position.market
    match order.spec.trigger_by:
        case PriceSeries.MARK:
            return market.mark_float
        case PriceSeries.LAST:
            return None if market.tape.last_tick is None else market.tape.price(market.tape.last_tick)
        case _:
            return market.tape.index


def _series_tick(order: Order) -> int | None:
    tape, price = order.position.market.tape, _series_price(order)
    if price is None or order.spec.trigger_by == PriceSeries.LAST:
        return tape.last_tick if price is not None else None
    nearest = order.account.rules.trigger_rounding == TriggerRounding.NEAREST
    computed = order.spec.trigger_by == PriceSeries.MARK and order.position.market.mark_is_computed
    judge = order.account.world.judge
    return judge.floor(price / tape.spec.tick_size + (0.5 if nearest else 1e-6), computed)


def _beyond(order: Order) -> bool:
    """Whether the order's series has reached its trigger."""
    tick = _series_tick(order)
    if tick is None or (order.spec.type == OrderType.TRAILING_STOP and order.peak is None):
        return False
    return _direction(order) * tick >= _direction(order) * order.trigger_tick


def _past_activation(order: Order) -> bool:
    """Whether the series of a trailing stop that has an activation is there or beyond."""
    tick, activation = _series_tick(order), order.spec.activation_tick
    return activation != 0 and tick is not None and order.side * tick <= order.side * activation


def _trail(order: Order) -> None:
    """The peak of an active trailing stop, and its trigger (RULES 4.5)."""
    given, tick = order.spec, _series_tick(order)
    if given.type != OrderType.TRAILING_STOP or tick is None:
        return
    if order.peak is None:
        if given.activation_tick and not _past_activation(order):
            return
        order.peak = tick
        order.account.world.note("trailing activation" if given.activation_tick else "trailing at once")
    elif order.side * tick < order.side * order.peak:
        order.peak = tick
        order.account.world.note("trailing rate" if given.callback_rate > 0 else "trailing ticks")
    if given.callback_rate > 0:
        trigger_ticks = order.peak * (1 + order.side * given.callback_rate)
        judge = order.account.world.judge
        order.trigger_tick = judge.ceil(trigger_ticks - 1e-6) if order.side > 0 else judge.floor(trigger_ticks + 1e-6)
    else:
        order.trigger_tick = order.peak + order.side * given.callback_ticks


# -- held and fired (RULES 4.3, 4.4) -----------------------------------------------------------------------------------


def _fire_or_hold(order: Order, t: int) -> None:
    """The trigger is reached."""
    reason = _why_held(order)
    if reason == OrderReason.NONE:
        _fire(order, t)
        return
    order.reason = reason
    order.hold_ns = t if order.hold_ns is None else order.hold_ns
    interval = order.account.rules.mark_interval_ns
    order.is_due((t // interval + 1) * interval, Phase.SECOND_LOOK)


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


def _fire(order: Order, t: int) -> None:
    """Trigger an order: what it sends is on its way."""
    order.trigger_ns, order.trigger_price = t, _series_price(order)
    order.decision_mid_half_ticks = order.position.market.tape.mid_half_ticks
    order.status, order.reason = OrderStatus.IN_FLIGHT, OrderReason.NONE
    if order.sent_by_venue:
        order.is_due(latency.arrival_at_venue(order, t), order.arrival_phase)
    else:
        arrival = latency.arrival_of_message(order, order.spec.reaction_ns, latency.ORDER_DRAW, t)
        order.is_due(arrival, order.arrival_phase)
    links.fired(order, t)
