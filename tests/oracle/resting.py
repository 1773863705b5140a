"""Own orders in the ladder: what trades and crosses do to them (RULES 3.2, 3.4 to 3.6)."""

from __future__ import annotations

from backtester.enums import FillReason, Liquidity, OrderReason, OrderStatus, Side
from tests.oracle import links
from tests.oracle.account import Order
from tests.oracle.ladder import Event, Tape
from tests.oracle.world import World


def resting(world: World, instrument: int, side: int) -> list[Order]:
    """Own orders of one side, best price first, first come first served within a price."""
    found = [
        order
        for order in world.orders
        if order.status == OrderStatus.RESTING and order.side == side and order.position.market.instrument == instrument
    ]
    return sorted(found, key=lambda order: (-side * order.limit_tick, order.rested))


def trade(world: World, event: Event, tape: Tape) -> None:
    """RULES 3.2: one budget per trade and world."""
    if event.side == Side.NONE:
        return
    side, used = -event.side, 0
    for order in resting(world, event.instrument, side):
        if order.ended:  # cancelled by a fill before it
            continue
        limit = order.limit_tick
        if side * limit < side * event.tick or tape.halted:
            break
        if limit == event.tick:
            fresh = _unprinted(order, event)
            size, reason = max(0, fresh - order.queue - used), FillReason.TRADE_AT_LEVEL
            order.queue = max(0, order.queue - fresh)
            order.traded += event.lots
        else:
            size, reason = event.lots - used, FillReason.TRADE_THROUGH
        used += _maker_fill(world, order, size, reason, event.ts)


def cross(world: World, instrument: int, tape: Tape, reason: FillReason, t: int) -> None:
    """RULES 3.4: the best opposite price has come to or through own orders."""
    for side in (Side.BUY, Side.SELL):
        for order in resting(world, instrument, side):
            if order.ended:  # cancelled by a fill before it
                continue
            best = tape.best(-side)
            if best is None or side * order.limit_tick < side * best or tape.halted:
                break
            _cross_one(world, order, tape, reason, t)


def _cross_one(world: World, order: Order, tape: Tape, reason: FillReason, t: int) -> None:
    """Take what is available up to the order's own tick, as one fill at its limit."""
    market, limit = order.position.market, order.limit_tick
    store = world.consumption
    available = 0
    for tick, displayed in tape.available(-order.side):
        if order.side * tick <= order.side * limit:
            consumed = store.consumed(market.instrument, tape, market.rules, -order.side, tick, t)
            available += max(0, displayed - consumed)
    size = _maker_fill(world, order, available, reason, t)
    taken, _ = store.walk(market.instrument, tape, market.rules, order.side, size, limit, t)
    assert sum(lots for _, lots in taken) == size


def _unprinted(order: Order, trade: Event) -> int:
    """Lots of a trade that no message of the last second took out of the queue before (RULES 3.3)."""
    early = order.early_at(trade.ts)
    shown = min(trade.lots, early)
    order.early = early - shown
    order.account.world.note("shown before it prints", shown > 0)
    return trade.lots - shown


def _maker_fill(world: World, order: Order, size: int, reason: FillReason, t: int) -> int:
    """Fill up to `size` at the order's own limit; a reduce-only order never opens (RULES 3.5). Returns the lots."""
    size = min(size, order.remaining)
    if size > 0 and order.spec.reduce_only:
        size = min(size, order.position.opposite_lots(order.side))
        if size == 0:
            links.end(order, OrderStatus.CANCELLED, OrderReason.REDUCE_ONLY_VOID, t)
    if size > 0 and world.refuse_match(order, size):
        links.end(order, OrderStatus.CANCELLED, OrderReason.INSUFFICIENT_MARGIN, t)
        size = 0
    if size > 0:
        price = order.position.market.tape.price(order.limit_tick)
        world.fill_order(order, size, price, reason, Liquidity.MAKER, t)
    return max(0, size)
