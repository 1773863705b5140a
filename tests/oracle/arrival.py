"""Orders that reach the order book: the ten steps of RULES 3.1, and orders of one account that meet (3.7)."""

from __future__ import annotations

from fractions import Fraction

from backtester.enums import (
    FillReason,
    Liquidity,
    OrderReason,
    OrderStatus,
    OrderType,
    PostOnly,
    SelfTrade,
    TimeInForce,
    TradingStatus,
)
from tests.oracle import links, liquidation, plans, queues
from tests.oracle.account import Order
from tests.oracle.resting import resting


def arrive(order: Order, t: int) -> None:
    """An order without a trigger, or one that has fired; the pool is checked when it traded."""
    world = order.account.world
    plans.tell_fill(order)
    refused = _refuse(order)
    if refused != OrderReason.NONE:
        links.end(order, OrderStatus.REJECTED, refused, t)
        return
    reason = OrderReason.NONE
    if order.spec.tif != TimeInForce.POST_ONLY:
        limit = order.limit_tick if order.has_limit else _bound_tick(order)
        met, end_before = _meet(order, limit, t)
        if order.spec.tif == TimeInForce.FOK and _available(order, limit, t, end_before) < order.remaining:
            links.end(order, OrderStatus.CANCELLED, OrderReason.FOK_KILLED, t)
            return
        for other in met:
            links.end(other, OrderStatus.CANCELLED, OrderReason.SELF_TRADE, t)
        reason = _take_liquidity(order, limit, end_before, t)
    stays = order.has_limit and order.spec.tif in (TimeInForce.GTC, TimeInForce.POST_ONLY)
    if order.remaining and stays and reason != OrderReason.SELF_TRADE:
        order.status, order.reason = OrderStatus.RESTING, OrderReason.NONE
        queues.join(order, order.position.market.tape)
        world.rested += 1
        order.rested = world.rested
    elif order.remaining:
        links.end(order, OrderStatus.CANCELLED, reason, t)
    liquidation.check_changed(world, t)


# -- refused (steps 1 to 6) --------------------------------------------------------------------------------------------


def _refuse(order: Order) -> OrderReason:
    """Why it is rejected; a reduce-only order shrinks on the way, a post-only one may get another limit."""
    tape, post_only = order.position.market.tape, order.spec.tif == TimeInForce.POST_ONLY
    if tape.halted or tape.status == TradingStatus.CANCEL_ONLY:
        return OrderReason.VENUE_REFUSED
    if tape.status == TradingStatus.POST_ONLY and not post_only:
        return OrderReason.VENUE_REFUSED
    sent = order.remaining
    if order.spec.reduce_only:
        size = min(order.remaining, order.position.opposite_lots(order.side))
        if size == 0:
            return OrderReason.REDUCE_ONLY_VOID
        order.remaining = size
    if _too_small(order, sent):
        return OrderReason.MIN_SIZE
    if _too_large(order):
        return OrderReason.MAX_SIZE
    if _beyond_band(order):
        return OrderReason.PRICE_BAND
    if post_only and not _reprice(order):
        return OrderReason.POST_ONLY_WOULD_CROSS
    return order.account.world.refuse_margin(order, order.remaining)


def _too_small(order: Order, sent: int) -> bool:
    """Step 3: the notional of what was sent, at the limit or the mark, is below what the market takes."""
    market, by_mark = order.position.market, not order.has_limit
    least = market.spec.min_close_quote if order.spec.reduce_only else market.spec.min_order_quote
    if least == 0 or order.sent_by_venue:
        return False
    price = market.mark if by_mark else order.limit_tick * Fraction(market.tape.spec.tick_size)
    notional, bound = sent * market.unit * price, Fraction(least) * (1 - Fraction(1, 10**9))
    return order.account.world.judge.less(notional, bound, by_mark and market.mark_is_computed)


def _too_large(order: Order) -> bool:
    """Step 3: lots, or notional at the mark, above what the market takes; 0 is no bound."""
    market, judge = order.position.market, order.account.world.judge
    given = market.spec
    lots, quote = given.max_market_lots, given.max_market_quote
    if order.has_limit:
        lots, quote = given.max_limit_lots, given.max_limit_quote
    notional = order.remaining * market.unit * market.mark
    return 0 < lots < order.remaining or (quote > 0 and judge.less(Fraction(quote), notional, market.mark_is_computed))


def _beyond_band(order: Order) -> bool:
    """Step 4."""
    band = order.account.rules.limit_band
    if not order.has_limit or band == 0:
        return False
    return order.side * order.limit_tick > order.side * order.position.market.bound_tick(order.side, band)


def _reprice(order: Order) -> bool:
    """Step 5: a post-only order may stand where it is, or one tick better than the best opposite price."""
    best = order.position.market.tape.best(-order.side)
    if best is None or order.side * order.limit_tick < order.side * best:
        return True
    if order.account.rules.post_only == PostOnly.REJECT or best - order.side < 1:
        return False
    order.limit_tick = best - order.side
    order.account.world.note(PostOnly.REPRICE)
    return True


def _bound_tick(order: Order) -> int:
    """How far an order without a limit may go (RULES 2.1)."""
    rules = order.account.rules
    share = rules.market_bound if order.spec.type == OrderType.MARKET else rules.stop_bound
    if order.spec.bound > 0:
        share = order.spec.bound
        order.account.world.note("own bound")
    return order.position.market.bound_tick(order.side, share)


# -- own orders on the other side (steps 7 and 8, RULES 3.7) -----------------------------------------------------------


def _meet(order: Order, limit: int, t: int) -> tuple[list[Order], int | None]:
    """The own orders that go, and the tick before which the walk ends."""
    mode = order.account.rules.self_trade
    met = [
        other
        for other in resting(order.account.world, order.position.market.instrument, -order.side)
        if other.account is order.account
        and order.side * other.limit_tick <= order.side * limit
        and _available(order, limit, t, other.limit_tick) < order.remaining
    ]
    if not met:
        return [], None
    order.account.world.note(mode)
    best = met[0].limit_tick
    match mode:
        case SelfTrade.CANCEL_MAKER:
            return met, None
        case SelfTrade.CANCEL_TAKER:
            return [], best
        case SelfTrade.CANCEL_BOTH:
            return [other for other in met if other.limit_tick == best], best
        case _:
            return [], None


def _available(order: Order, limit: int, t: int, end_before: int | None) -> int:
    """What can be had up to a limit, and at better ticks than `end_before` (RULES 2.2)."""
    market, store, total = order.position.market, order.account.world.consumption, 0
    for tick, displayed in market.tape.available(-order.side):
        better = end_before is None or order.side * tick < order.side * end_before
        if better and order.side * tick <= order.side * limit:
            consumed = store.consumed(market.instrument, market.tape, market.rules, -order.side, tick, t)
            total += max(0, displayed - consumed)
    return total


def _take_liquidity(order: Order, limit: int, end_before: int | None, t: int) -> OrderReason:
    """Step 9: the walk (RULES 2.3). Why it ended."""
    market, world = order.position.market, order.account.world
    if end_before is not None:
        limit = end_before - order.side
    taken, reason = world.consumption.walk(
        market.instrument, market.tape, market.rules, order.side, order.remaining, limit, t
    )
    for tick, lots in taken:
        world.fill_order(order, lots, market.tape.price(tick), FillReason.TAKER_WALK, Liquidity.TAKER, t)
    return reason if end_before is None else OrderReason.SELF_TRADE
