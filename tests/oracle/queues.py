"""Where cancels leave our orders in the queue of a level (RULES 3.3)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from backtester.enums import EventKind, QueueModel, Side
from tests.oracle.account import Order
from tests.oracle.exact import Judge
from tests.oracle.ladder import Event, Tape, is_path_step
from tests.oracle.resting import resting
from tests.oracle.world import World

UNKNOWN = 2**62  # queue ahead at a level out of view (RULES 3.1)


def join(order: Order, tape: Tape) -> None:
    """An order comes to rest (RULES 3.1.10)."""
    order.displayed = tape.levels(order.side).get(order.limit_tick, 0)
    order.queue = order.displayed if tape.in_view(order.side, order.limit_tick) else UNKNOWN
    order.traded = order.early = 0
    order.account.world.note("level out of view", order.queue == UNKNOWN)


def update(world: World, message: Sequence[Event], tape: Tape) -> None:
    """Each row of a message sets the size of its level; a snapshot or a path step sets all levels in its view."""
    sets_all = is_path_step(message[0]) or any(event.kind == EventKind.SNAPSHOT for event in message)
    for side in (Side.BUY, Side.SELL):
        for order in resting(world, message[0].instrument, side):
            sizes = [event.lots for event in message if (event.side, event.tick) == (side, order.limit_tick)]
            if sets_all and not sizes:
                seen = tape.shows(side, order.limit_tick)
                world.note("queue out of view", not seen and order.queue > 0)
                sizes = [tape.levels(side).get(order.limit_tick, 0)] if seen else []
            for lots in sizes:
                _set(order, lots, message[0].ts)


def _set(order: Order, lots: int, t: int) -> None:
    """The level of an order gets the size `lots`."""
    rules, world, displayed = order.account.rules, order.account.world, order.displayed
    behind = max(0, displayed - order.traded - order.queue)
    cancels = displayed - lots - order.traded
    gone = ahead(rules.queue_model, rules.queue_power, cancels, order.queue, behind, world.judge)
    moved = gone > 0 or rules.queue_model == QueueModel.PESSIMISTIC
    world.note(rules.queue_model, moved and min(order.queue - gone, lots) < order.queue)
    was, order.queue = min(order.queue, displayed), min(order.queue - gone, lots)
    if order.queue < was:
        order.early = was - order.queue + order.early_at(t)
        order.early_ns = t
    order.displayed, order.traded = lots, 0


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
