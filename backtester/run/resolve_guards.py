"""The guards of one account as the engine takes them: conditions in the order in which they are worked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from backtester.config.conditions import (
    And,
    Comparison,
    Condition,
    Field,
    Lasting,
    Not,
    Number,
    Operand,
    Or,
    Share,
    comparisons,
)
from backtester.config.guard_actions import Action, scope_of
from backtester.config.guards import CROSS, METRICS, WHOLE, WORST, Holdings, Of, understood
from backtester.config.judging import in_base
from backtester.config.portfolio import Account, Guard, Position
from backtester.config.values import parse_duration_ns
from backtester.engine import spec
from backtester.enums import GuardDo, GuardMetric, GuardScope, Rearm, Side
from backtester.enums import GuardOp as Op
from backtester.run.resolve_orders import order_key
from backtester.run.resolve_values import Values

_SIGNS: Mapping[str, Op] = MappingProxyType({"<": Op.BELOW, "<=": Op.AT_MOST, ">": Op.ABOVE, ">=": Op.AT_LEAST})
_SIDES = {Side.BUY: "long", Side.SELL: "short"}


class _Places(NamedTuple):
    """Where the engine finds what stands between brackets."""

    held: Holdings
    pools: Mapping[str, int]
    positions: Mapping[str, int]
    markets: Mapping[str, int]


def resolve_guards(account: Account, values: Values, positions: Sequence[spec.Position]) -> tuple[spec.Guard, ...]:
    """All guards of an account that holds `positions`."""
    if not account.guards:
        return ()
    _check_spans(account, values)
    places = _places(account, values)
    return tuple(_guard(account, guard, places) for guard in account.guards)


def _check_spans(account: Account, values: Values) -> None:
    """A return goes back by marks of the venue: between two of them there is none."""
    interval = values.profile.rules.mark_interval_ns
    for number, guard in enumerate(account.guards):
        conditions = {"when": guard.when.condition, "rearm": guard.rearm}
        for key, condition in conditions.items():
            for field in _fields(condition) if not (condition is None or isinstance(condition, bool)) else ():
                span = (field.steps[0].selector or "").partition(",")[2].strip()
                if span and parse_duration_ns(span) % interval:
                    message = f"{field}: {values.profile.name} makes a mark every {interval / 1e9:g} s"
                    values.fault(message, "guards", number, key, hint="write a multiple of it")


def _fields(condition: Condition) -> Iterator[Field]:
    for each in comparisons(condition):
        if isinstance(each, Comparison):
            sides = (side.of if isinstance(side, Share) else side for side in (each.left, each.right))
            yield from (side for side in sides if isinstance(side, Field))


def _places(account: Account, values: Values) -> _Places:
    named = [_name(account, position) for position in account.positions]
    isolated = [name for name, place in zip(named, account.positions, strict=True) if place.margin_mode == "isolated"]
    markets = {place.symbol: values.market(place.symbol) for place in account.positions}
    held = Holdings(tuple(markets), tuple(named), tuple(isolated))
    pools = {CROSS: 0, **{name: number for number, name in enumerate(isolated, 1)}}
    return _Places(held, pools, {name: number for number, name in enumerate(named)}, markets)


def _name(account: Account, position: Position) -> str:
    return f"{position.symbol}.{_SIDES[position.side]}" if account.position_mode == "hedge" else position.symbol


def _guard(account: Account, guard: Guard, places: _Places) -> spec.Guard:
    when = understood(guard.when.condition, places.held)
    sends = any(action.do is not GuardDo.ALERT for action in guard.do)
    again = sends if guard.rearm is None else guard.rearm
    condition = None if isinstance(again, bool) else understood(again, places.held)
    return spec.Guard(
        guard.id,
        tuple(_ops(when, places)),
        Rearm.WHEN if condition else Rearm.ALWAYS if again else Rearm.WHEN_FALSE,
        tuple(_ops(condition, places)) if condition else (),
        guard.cool_down_ns,
        guard.confirm_ns,
        guard.max_fires or 0,
        tuple(_action(action, when, places) for action in guard.do),
        account.automation.reaction_ns,
        order_key(account.name, guard.id),
    )


def _action(action: Action, when: Condition, places: _Places) -> spec.GuardAction:
    if action.do is GuardDo.ALERT:
        return spec.GuardAction(action.do)
    if action.do is GuardDo.PAUSE:
        return spec.GuardAction(action.do, ns=action.ns)
    if action.do is GuardDo.CANCEL:
        of = scope_of(action, when, places.held)
        scope, place = _scope(Of.MARKET, of, places) if of else (GuardScope.ACCOUNT, 0)
        return spec.GuardAction(action.do, scope, place, orders=action.orders)
    scope, place = _scope(Of.POSITIONS, scope_of(action, when, places.held), places)
    metric = GuardMetric[action.metric.upper()] if action.metric else GuardMetric.LEVERAGE
    share_of = int(GuardMetric[action.share_of.upper()]) if action.share_of else -1
    return spec.GuardAction(action.do, scope, place, action.value, metric, share_of, action.bound)


def _ops(condition: Condition, places: _Places) -> Iterator[spec.GuardOp]:
    """Operands ahead of what is done with them. Example: `a < 1 and b < 2`: a, 1, <, b, 2, <, and."""
    match condition:
        case Not(inside):
            yield from (*_ops(inside, places), spec.GuardOp(Op.NOT))
        case Lasting(inside, length):
            yield from (*_ops(inside, places), spec.GuardOp(Op.FOR, ns=round(in_base(length) * 1e9)))
        case And(parts) | Or(parts):
            join = spec.GuardOp(Op.AND if isinstance(condition, And) else Op.OR)
            for number, part in enumerate(parts):
                yield from _ops(part, places)
                yield from (join,) if number else ()
        case Comparison(left, sign, right):
            yield from (*_operand(left, places), *_operand(right, places), spec.GuardOp(_SIGNS[sign]))
        case _:
            raise AssertionError(f"no condition of a guard: {condition}")


def _operand(operand: Operand, places: _Places) -> Iterator[spec.GuardOp]:
    match operand:
        case Number():
            yield spec.GuardOp(Op.NUMBER, value=in_base(operand))
        case Share(percent, of):
            yield from (_metric(of, places), spec.GuardOp(Op.SHARE, value=percent / 100.0))
        case Field():
            yield _metric(operand, places)
        case _:
            raise AssertionError(f"no operand of a guard: {operand}")


def _metric(field: Field, places: _Places) -> spec.GuardOp:
    [step] = field.steps
    name, (selector, *span) = step.name, (step.selector or "").split(", ")
    scope, place = _scope(METRICS[name].of, selector, places)
    ns = parse_duration_ns(span[0]) if span else 0
    return spec.GuardOp(Op.METRIC, GuardMetric[name.upper()], scope, place, ns=ns)


def _scope(of: Of, selector: str, places: _Places) -> tuple[GuardScope, int]:
    if of in (Of.MARKET, Of.SPAN):
        return GuardScope.MARKET, places.markets[selector]
    if selector == WHOLE:
        return GuardScope.ACCOUNT, 0
    if selector == WORST:
        return GuardScope.WORST, 0
    if selector == CROSS or of is Of.POOL:
        return GuardScope.POOL, places.pools[selector]
    return GuardScope.POSITION, places.positions[selector]
