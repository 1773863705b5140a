"""What a guard does when it acts: it alerts, or makes positions smaller by orders of its own (RULES 11.5)."""

from __future__ import annotations

import math
from fractions import Fraction

from backtester.engine import spec
from backtester.enums import (
    GuardDo,
    GuardEvent,
    GuardMetric,
    Held,
    Hold,
    OrderStatus,
    OrderType,
    Side,
    TimeInForce,
)
from tests.oracle import latency
from tests.oracle.account import Account, Order, Pool, Position
from tests.oracle.exact import ZERO
from tests.oracle.guard import Guard, Looked
from tests.oracle.views import Sight, Value, maintenance, total

MOST_ORDERS, WITHIN_NS = 20, 60 * 10**9
PARTS = 10_000


def act(guard: Guard, sight: Sight, looked: Looked) -> None:
    """All actions, in order."""
    sent = 0
    for action in guard.spec.do:
        guard.account.world.note(action.do)
        if action.do == GuardDo.ALERT:
            guard.note(sight.t, GuardEvent.ALERT, looked)
        else:
            sent = _reduce(guard, action, sight, looked, sent)


def _reduce(guard: Guard, action: spec.GuardAction, sight: Sight, looked: Looked, sent: int) -> int:
    """Orders for the positions of a scope. How many the fire has sent by then."""
    positions = [position for position in sight.positions(action.scope, action.place) or [] if position.lots]
    wanted, world = _wanted(action, positions, sight), guard.account.world
    for position in positions:
        most, under_way = _most(position, sight), _under_way(guard.account, position)
        lots = min(wanted[position], most) - under_way
        world.note("a guard sends what the venue takes", lots > 0 and most < wanted[position])
        world.note("a guard knows what is under way", under_way > 0 and wanted[position] > 0)
        if lots <= 0:
            guard.note(sight.t, GuardEvent.NOTHING, looked)
        elif sum(sight.t - ns < WITHIN_NS for ns in guard.account.sent_ns) >= MOST_ORDERS:
            guard.note(sight.t, GuardEvent.HELD, looked, Hold.MAX_ORDERS)
        else:
            order = _send(guard, action, position, lots, sent, sight.t)
            guard.note(sight.t, GuardEvent.ORDER, looked, order=order.number)
            sent += 1
    return sent


def _send(guard: Guard, action: spec.GuardAction, position: Position, lots: int, sent: int, t: int) -> Order:
    """A message of the account, behind all orders so far."""
    account, world = guard.account, guard.account.world
    given = spec.Order(
        id=guard.spec.id,
        position=account.places.index(position),
        type=OrderType.MARKET,
        tif=TimeInForce.IOC,
        side=Side.SELL if position.lots > 0 else Side.BUY,
        lots=lots,
        reduce_only=True,
        held=Held.CLIENT,
        reaction_ns=guard.spec.reaction_ns,
        at_ns=t,
        bound=action.bound,
        key=latency.mix(guard.spec.key + 65536 * (guard.fires - 1) + sent) % 2**63,
    )
    order = Order(next(world.numbers), given, account, position, None, lots, 0, 0)
    order.guard, order.decided, order.status = guard, True, OrderStatus.IN_FLIGHT
    order.decision_mid_half_ticks = position.market.tape.mid_half_ticks
    account.orders.append(order)
    world.orders.append(order)
    account.sent_ns.append(t)
    arrival = latency.arrival_of_message(order, given.reaction_ns, latency.ORDER_DRAW, t)
    order.is_due(arrival, order.arrival_phase)
    return order


def _most(position: Position, sight: Sight) -> int:
    """What the venue takes of a market order, at the mark that is seen."""
    market, most = position.market, abs(position.lots)
    if market.spec.max_market_lots:
        most = min(most, market.spec.max_market_lots)
    if market.spec.max_market_quote and market.view is not None:
        taken = Fraction(market.spec.max_market_quote) / (market.unit * market.view.mark)
        most = min(most, sight.judge.floor(float(taken), market.mark_is_computed))
    return most


def _under_way(account: Account, position: Position) -> int:
    """What orders of guards may still fill of it."""
    mine = (order for order in account.orders if order.guard is not None and order.position is position)
    return sum(order.remaining for order in mine if not order.ended)


# -- sizes -------------------------------------------------------------------------------------------------------------


def _wanted(action: spec.GuardAction, positions: list[Position], sight: Sight) -> dict[Position, int]:
    if action.do == GuardDo.REDUCE_TO:
        part = _smallest_part(action, positions, sight)
        return {position: _part(position, part) for position in positions}
    share = Fraction(action.value)
    if action.do == GuardDo.REDUCE_AMOUNT:
        notional = sight.notional(positions)
        share = min(Fraction(1), share / notional) if notional else ZERO
        sight.account.world.note("a guard sizes nothing unseen", notional is None)
    hair = Fraction(1, 10**9)
    return {position: math.ceil(share * abs(position.lots) - hair) for position in positions}


def _part(position: Position, part: int) -> int:
    """So many ten-thousandths of its lots, rounded up."""
    return -(-part * abs(position.lots) // PARTS)


def _smallest_part(action: spec.GuardAction, positions: list[Position], sight: Sight) -> int:
    """Ten-thousandths that are closed so that the target is met, by bisection; none where that is not known."""
    met = _is_met(action, positions, sight, 0)
    sight.account.world.note("a guard sizes nothing unseen", met is None)
    if met in (True, None):
        return 0
    low, high = 0, PARTS
    while high - low > 1:
        middle = (low + high) // 2
        if _is_met(action, positions, sight, middle):
            high = middle
        else:
            low = middle
    sight.account.world.note("a guard closes a part", high < PARTS)
    return high


def _is_met(action: spec.GuardAction, positions: list[Position], sight: Sight, part: int) -> bool | None:
    """Whether the target is met once so much of the positions were closed; None is UNKNOWN."""
    closed = {position: _part(position, part) for position in positions}
    has = _after(action.metric, action, positions, closed, sight)
    target: Value = Fraction(action.value)
    if action.share_of >= 0:
        other = _after(GuardMetric(action.share_of), action, positions, closed, sight)
        target = None if other is None else Fraction(action.value) * other if isinstance(other, Fraction) else other
    if has is None or target is None:
        return None
    if action.metric == GuardMetric.BUFFER:
        return not sight.below(has, target)
    return not sight.below(target, has)


def _after(
    metric: GuardMetric,
    action: spec.GuardAction,
    positions: list[Position],
    closed: dict[Position, int],
    sight: Sight,
) -> Value:
    """A metric, once so many lots of the positions were closed at the marks seen, with the taker fee."""

    def value(position: Position, lots: int) -> Fraction | None:
        view = position.market.view
        return None if view is None else lots * position.market.unit * view.mark

    def left(position: Position) -> Fraction | None:
        return value(position, abs(position.lots) - closed.get(position, 0))

    if metric == GuardMetric.NOTIONAL:
        return total(left(position) for position in positions)
    pools: list[Pool] = sight.pools(action.scope, action.place) or []
    held = [position for pool in pools for position in pool.open_positions]
    notionals = [(position.market, left(position)) for position in held]
    before, gone = sight.equity(pools), total(value(position, lots) for position, lots in closed.items())
    equity = None
    if before is not None and gone is not None:
        equity = before - gone * Fraction(sight.account.rules.taker_fee)
    needed = total(None if worth is None else maintenance(market, worth) for market, worth in notionals)
    match metric:
        case GuardMetric.LEVERAGE:
            return sight.per_equity(total(worth for _, worth in notionals), equity)
        case GuardMetric.MARGIN_RATIO:
            return sight.per_equity(needed, equity)
        case _:
            return None if equity is None or needed is None else equity - needed
