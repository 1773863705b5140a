"""Where cancels leave our orders in the queue of a level (RULES 3.3)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from backtester.enums import EventKind, QueueModel, Side
from tests.oracle.account import Order
from tests.oracle.exact import Judge
from tests.oracle.ladder import Event
from tests.oracle.resting import resting
from tests.oracle.world import World


def update(world: World, message: Sequence[Event], before: dict[Side, dict[int, int]]) -> None:
    """Each row of a message sets the size of its level, which was `before`; a snapshot sets all it leaves out to 0."""
    clears = any(event.kind == EventKind.SNAPSHOT for event in message)
    for side in (Side.BUY, Side.SELL):
        for order in resting(world, message[0].instrument, side):
            sizes = [event.lots for event in message if (event.side, event.tick) == (side, order.limit_tick)]
            if clears and not sizes:
                sizes = [0]
            displayed = before[side].get(order.limit_tick, 0)
            for lots in sizes:
                _set(order, displayed, lots)
                displayed = lots


def _set(order: Order, displayed: int, lots: int) -> None:
    """The level of an order goes from `displayed` to `lots`."""
    rules, world = order.account.rules, order.account.world
    behind = max(0, displayed - order.traded - order.queue)
    cancels = displayed - lots - order.traded
    gone = ahead(rules.queue_model, rules.queue_power, cancels, order.queue, behind, world.judge)
    moved = gone > 0 or rules.queue_model == QueueModel.PESSIMISTIC
    world.note(rules.queue_model, moved and min(order.queue - gone, lots) < order.queue)
    order.queue = min(order.queue - gone, lots)
    order.traded = 0


def ahead(model: QueueModel, power: float, cancels: int, queue: int, behind: int, judge: Judge) -> int:
    """How many of the cancels of a level were ahead of us."""
    if model == QueueModel.PESSIMISTIC or cancels <= 0:
        return 0
    expected = 0
    if queue > 0:
        weight, other = _weight(model, power, queue), _weight(model, power, behind)
        expected = judge.floor(cancels * weight / (weight + other))
    return min(queue, max(expected, cancels - behind))


def _weight(model: QueueModel, power: float, lots: int) -> float:
    return float(lots) ** power if model == QueueModel.PROB_POWER else math.log2(1 + lots)
