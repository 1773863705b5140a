"""What an order is told at its decision: its size by a plan or its parent, its limit by a peg (RULES 4.6, 4.7)."""

from __future__ import annotations

import math
from collections.abc import Iterable

from backtester.enums import Peg
from tests.oracle.account import Order, Plan
from tests.oracle.exact import Judge
from tests.oracle.ladder import Event
from tests.oracle.world import World


def count_trade(worlds: Iterable[World], event: Event) -> None:
    """A trade of the tape, for the plans that have begun."""
    for world in worlds:
        for account in world.accounts:
            for plan in account.plans:
                place = account.spec.positions[plan.spec.position]
                if plan.traded is not None and world.markets[place.market].instrument == event.instrument:
                    plan.traded += event.lots


def tell(order: Order) -> bool:
    """Say its size and its limit; False when there is nothing to do, or nothing to peg it to."""
    return _tell_size(order) and _tell_limit(order)


def _tell_size(order: Order) -> bool:
    plan, world = order.plan, order.account.world
    if plan is None:
        tell_fill(order)
        return order.remaining > 0
    if plan.traded is None:
        plan.traded = 0
    due = _wanted(plan, order.spec.target, world.judge) - _committed(plan)
    if plan.spec.max_child_lots:
        if due > plan.spec.max_child_lots:
            world.note("plan max_child_lots")
        due = min(due, plan.spec.max_child_lots)
    order.remaining = max(due, 0)
    world.note("plan rate" if plan.spec.rate > 0 else "plan target", due > 0)
    return due > 0


def tell_fill(order: Order) -> None:
    """As large as what its parent has filled by now, if that is its size."""
    if not order.spec.size_of_parent or order.plan is not None:
        return
    account, before = order.account, order.remaining
    order.remaining = account.orders[order.spec.parent].filled
    account.world.note("size of the parent", order.remaining not in (0, order.spec.lots))
    account.world.note("grown with the parent", order.decided and order.remaining > before)


def _wanted(plan: Plan, target: float, judge: Judge) -> int:
    """Lots that should be done or under way by now."""
    assert plan.traded is not None
    if plan.spec.rate > 0:
        return min(plan.spec.lots, judge.floor(plan.spec.rate * plan.traded))
    return min(plan.spec.lots, math.floor(target * plan.spec.lots + 1e-9))


def _committed(plan: Plan) -> int:
    """Lots done, and lots that decided children may still fill."""
    return sum(child.filled + (child.remaining if child.decided and not child.ended else 0) for child in plan.children)


def _tell_limit(order: Order) -> bool:
    if order.spec.peg == Peg.NONE:
        return True
    own = order.spec.peg == Peg.PRIMARY
    best = order.position.market.tape.best(order.side if own else -order.side)
    if best is None:
        return False
    order.limit_tick = best
    order.account.world.note(order.spec.peg)
    return True
