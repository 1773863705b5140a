"""Guards: what they look at, when they fire, and what they write down (RULES 11)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from backtester.engine import spec
from backtester.enums import GuardEvent, GuardOp, Hold, Rearm
from tests.oracle import reducing
from tests.oracle.account import Account
from tests.oracle.guard import Guard, Looked
from tests.oracle.views import Sight, Value

JOINS = (GuardOp.AND, GuardOp.OR)
SIGNS = (GuardOp.BELOW, GuardOp.AT_MOST, GuardOp.ABOVE, GuardOp.AT_LEAST)


def keep_highest(account: Account, t: int) -> None:
    """What a drawdown is measured from, at a time of the account's mark grid (RULES 11.2)."""
    known = [equity for equity in (account.equity_high, Sight(account, t).equity_of_all()) if equity is not None]
    account.equity_high = max(known, default=None)


def look_at_all(account: Account, t: int) -> None:
    """Stage 5a of one account, at a time of its mark grid behind the start (RULES 11.1)."""
    holds = any(position.lots for position in account.positions)
    waits = any(not order.ended for order in account.orders)
    liquidated = any(pool.liquidated for pool in account.pools)
    for guard in account.guards:
        if holds or (waits and not liquidated):
            _look(guard, t)
        else:
            guard.since.clear()


def _look(guard: Guard, t: int) -> None:
    """RULES 11.4."""
    given, world = guard.spec, guard.account.world
    sight = Sight(guard.account, t)
    looked = judge(given.when, guard, sight, second=False)
    again = judge(given.rearm_when, guard, sight, second=True).truth if given.rearm_when else None
    guard.blind += looked.truth is None
    held_before, guard.held = guard.held, Hold.NONE
    if guard.confirm_ns is not None:
        if t >= guard.confirm_ns:
            guard.confirm_ns = None
            if looked.truth is False:
                guard.note(t, GuardEvent.PASSED, looked)
            else:
                reducing.act(guard, sight, looked)
        return
    if not guard.armed:
        guard.armed = _arms(given.rearm, looked.truth, again)
        world.note(given.rearm, guard.armed)
    if not guard.armed or not looked.truth:
        return
    if given.max_fires and guard.fires >= given.max_fires:
        guard.held = Hold.MAX_FIRES
    elif guard.ready_ns is not None and t < guard.ready_ns:
        guard.held = Hold.COOL_DOWN
    if guard.held == Hold.NONE:
        _fire(guard, sight, looked)
    elif guard.held != held_before:
        guard.note(t, GuardEvent.HELD, looked, guard.held)


def _arms(rearm: Rearm, truth: bool | None, again: bool | None) -> bool:
    match rearm:
        case Rearm.ALWAYS:
            return True
        case Rearm.WHEN_FALSE:
            return truth is False
        case Rearm.WHEN:
            return again is True


def _fire(guard: Guard, sight: Sight, looked: Looked) -> None:
    guard.armed = False
    guard.fires += 1
    guard.ready_ns = sight.t + guard.spec.cool_down_ns
    if guard.spec.confirm_ns > 0:
        guard.confirm_ns = sight.t + guard.spec.confirm_ns
    else:
        reducing.act(guard, sight, looked)


# -- conditions (RULES 11.3) -------------------------------------------------------------------------------------------


def judge(ops: Sequence[spec.GuardOp], guard: Guard, sight: Sight, second: bool) -> Looked:
    """Work a condition, operands first: whether it holds, and both sides of its first comparison that does."""
    values: list[Value] = []
    truths: list[bool | None] = []
    first: tuple[Value, Value] | None = None
    note = guard.account.world.note
    for number, op in enumerate(ops):
        if op.code == GuardOp.NUMBER:
            values.append(Fraction(op.value))
        elif op.code == GuardOp.METRIC:
            values.append(sight.metric(op))
            note(op.metric, values[-1] is not None)
            note(op.scope, values[-1] is not None)
        elif op.code == GuardOp.SHARE:
            values.append(_share(values.pop(), op.value))
        elif op.code in SIGNS:
            right, left = values.pop(), values.pop()
            truth = _compare(op.code, left, right, sight)
            truths.append(truth)
            first = (left, right) if first is None and truth else first
        elif op.code in JOINS:
            right_truth, left_truth = truths.pop(), truths.pop()
            truths.append(_join(left_truth, right_truth, on=op.code == GuardOp.OR))
        elif op.code == GuardOp.NOT:
            inside = truths.pop()
            truths.append(None if inside is None else not inside)
        else:
            truths.append(_lasts(truths.pop(), op.ns, guard.since, (second, number), sight.t))
        note(op.code)
    (truth,) = truths
    return Looked(truth, first)


def _share(value: Value, share: float) -> Value:
    if value is None:
        return None
    return value * share if isinstance(value, float) else value * Fraction(share)


def _compare(code: GuardOp, left: Value, right: Value, sight: Sight) -> bool | None:
    if left is None or right is None:
        return None
    match code:
        case GuardOp.BELOW:
            return sight.below(left, right)
        case GuardOp.AT_MOST:
            return not sight.below(right, left)
        case GuardOp.ABOVE:
            return sight.below(right, left)
        case _:
            return not sight.below(left, right)


def _join(left: bool | None, right: bool | None, on: bool) -> bool | None:
    """OR if `on` is true, AND if it is false: one such side decides, otherwise one UNKNOWN does."""
    if on in (left, right):
        return on
    return None if None in (left, right) else not on


def _lasts(
    inside: bool | None, ns: int, since: dict[tuple[bool, int], int], clock: tuple[bool, int], t: int
) -> bool | None:
    if not inside:
        since.pop(clock, None)
        return inside
    return since.setdefault(clock, t) <= t - ns
