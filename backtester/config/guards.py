"""What guards can look at: the words of their conditions, and what those mean in one account (RULES 11.2).

    buffer < 10_000                            of the cross pool, as nothing else is said
    buffer[ETH] < 1.5% notional                of the isolated ETH, and a share of its notional
    margin_ratio[worst] > 80% for 30s          of the pool that is worst off
    return[BTC, 60s] < -3% or distance[BTC] < 2%

A condition is `understood` once every figure says what it is of, and every number its unit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple, assert_never

from backtester.config.conditions import (
    And,
    Comparison,
    Condition,
    Field,
    Lasting,
    Membership,
    Not,
    Operand,
    Or,
    Share,
    Step,
    Wrong,
    comparisons,
    parse,
)
from backtester.config.judging import Figure, Kind, Rows, Table, check
from backtester.config.lines import Place
from backtester.config.tables import Table as RawTable
from backtester.config.tables import tables, text
from backtester.config.toml import Fault, did_you_mean
from backtester.config.values import Misread, parse_duration_ns
from backtester.enums import GuardDo

CROSS, WHOLE, WORST = "cross", "account", "worst"
#: How long back a return goes at most.
LONGEST_RETURN_NS = 3_600_000_000_000


class Of(Enum):
    """What a metric is of."""

    POOL = "cross, an isolated position, worst or account"
    POSITIONS = "cross, a position, worst or account"
    ACCOUNT = "account"
    POSITION = "a position"
    MARKET = "a symbol of the account"
    SPAN = "a symbol of the account, and how long: [BTC, 60s]"


class Metric(NamedTuple):
    """One word of a condition."""

    kind: Kind
    of: Of


#: By its word.
METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "equity": Metric(Kind.AMOUNT, Of.POOL),
        "equity_start": Metric(Kind.AMOUNT, Of.POOL),
        "maintenance": Metric(Kind.AMOUNT, Of.POOL),
        "buffer": Metric(Kind.AMOUNT, Of.POOL),  # equity less maintenance
        "leverage": Metric(Kind.AMOUNT, Of.POOL),  # notional over equity
        "margin_ratio": Metric(Kind.FRACTION, Of.POOL),  # maintenance over equity
        "notional": Metric(Kind.AMOUNT, Of.POSITIONS),
        "net_notional": Metric(Kind.AMOUNT, Of.POSITIONS),  # long and short of one base netted
        "funding_24h": Metric(Kind.AMOUNT, Of.POSITIONS),  # above 0: paid
        "loss": Metric(Kind.FRACTION, Of.ACCOUNT),  # of the equity at the start
        "drawdown": Metric(Kind.FRACTION, Of.ACCOUNT),  # of the highest equity since
        "distance": Metric(Kind.FRACTION, Of.POSITION),  # of the mark, to that at which its pool breaches
        "mark": Metric(Kind.AMOUNT, Of.MARKET),
        "index": Metric(Kind.AMOUNT, Of.MARKET),
        "last": Metric(Kind.AMOUNT, Of.MARKET),
        "basis": Metric(Kind.FRACTION, Of.MARKET),
        "spread": Metric(Kind.FRACTION, Of.MARKET),
        "return": Metric(Kind.FRACTION, Of.SPAN),
        "funding": Metric(Kind.FRACTION, Of.MARKET),  # per interval
        "time_to_funding": Metric(Kind.TIME, Of.MARKET),
        "age": Metric(Kind.TIME, Of.MARKET),  # of what is seen of it
    }
)


class Holdings(NamedTuple):
    """What there is in an account to look at. A position of a hedge account is BTC.long or BTC.short."""

    symbols: tuple[str, ...]
    positions: tuple[str, ...]
    isolated: tuple[str, ...]

    @property
    def crossed(self) -> tuple[str, ...]:
        """The positions that are not isolated."""
        return tuple(each for each in self.positions if each not in self.isolated)

    def of(self, of: Of) -> tuple[str, ...]:
        """What can stand between the brackets."""
        if of is Of.POOL:
            return (CROSS, *self.isolated, WORST, WHOLE)
        if of is Of.POSITIONS:
            return (CROSS, *self.positions, WORST, WHOLE)
        if of is Of.ACCOUNT:
            return (WHOLE,)
        return self.positions if of is Of.POSITION else self.symbols


def understood(condition: Condition, held: Holdings) -> Condition:
    """The condition with what every figure is of, and the unit of every number. Raises Wrong."""
    for each in comparisons(condition):
        if isinstance(each, Membership) or each.sign in ("==", "!="):
            column = each.left.column if isinstance(each, Membership) else each.column
            raise Wrong(column, "a guard compares with < <= > >=")
    return check(_placed(condition, held), _table(held))


def _placed(condition: Condition, held: Holdings) -> Condition:
    match condition:
        case Not(inside):
            return Not(_placed(inside, held))
        case Lasting(inside, length):
            return Lasting(_placed(inside, held), length)
        case And(parts):
            return And(tuple(_placed(part, held) for part in parts))
        case Or(parts):
            return Or(tuple(_placed(part, held) for part in parts))
        case Comparison(left, _, right):
            return replace(condition, left=_of(left, right, held), right=_of(right, left, held))
        case Membership():
            return condition
    assert_never(condition)


def _of(operand: Operand, other: Operand, held: Holdings) -> Operand:
    """An operand that says what it is of; a share is of what stands on the other side."""
    if isinstance(operand, Share):
        [step, *rest] = operand.of.steps
        if not rest and step.selector is None and isinstance(other, Field):
            step = Step(step.name, other.steps[0].selector)
        return replace(operand, of=_named(replace(operand.of, steps=(step, *rest)), held))
    return _named(operand, held) if isinstance(operand, Field) else operand


def _named(field: Field, held: Holdings) -> Field:
    [step, *rest] = field.steps
    metric = METRICS.get(step.name)
    if rest or metric is None:
        raise Wrong(field.column, f"guards know no {field}", did_you_mean(step.name, METRICS))
    if step.selector is not None:
        return replace(field, steps=(Step(step.name, _selector(field, step.selector, metric.of, held)),))
    if metric.of is Of.ACCOUNT:
        return replace(field, steps=(Step(step.name, WHOLE),))
    if metric.of in (Of.POOL, Of.POSITIONS) and not held.isolated:
        return replace(field, steps=(Step(step.name, CROSS),))
    ways = ", ".join(f"{step.name}[{each}]" for each in held.of(metric.of)[:6])
    alone = "the account has an isolated position: " if metric.of in (Of.POOL, Of.POSITIONS) else ""
    raise Wrong(field.column, f"{alone}{step.name} of what?", f"write {ways or metric.of.value}")


def _selector(field: Field, selector: str, of: Of, held: Holdings) -> str:
    """What stands between the brackets, as it is compared with what there is."""
    symbol, *span = (each.strip() for each in selector.split(","))
    if of is not Of.SPAN:
        return ", ".join((symbol, *span))
    hint = f"write {field.steps[0].name}[{symbol or next(iter(held.symbols), 'BTC')}, 60s], of at most an hour"
    try:
        [length] = span
        ns = parse_duration_ns(length)
    except ValueError:
        raise Wrong(field.column, f"over how long is {field}?", hint) from None
    if not 0 < ns <= LONGEST_RETURN_NS:
        raise Wrong(field.column, f"{field} is over no such time", hint)
    if symbol not in held.symbols:
        hint = did_you_mean(symbol, held.symbols) or f"the account has {', '.join(held.symbols)}"
        raise Wrong(field.column, f"there is no {field}", hint)
    return f"{symbol}, {length}"


def _table(held: Holdings) -> Table:
    """The metrics as `config.judging` knows figures."""
    return Table(
        {
            name: Rows(Figure(metric.kind), None if metric.of is Of.SPAN else held.of(metric.of))
            for name, metric in METRICS.items()
        }
    )


def guard_faults(account: RawTable, place: Place) -> Iterator[Fault]:
    """What the conditions of an account's guards get wrong about it; malformed ones are left to the record."""
    held = holdings(account)
    for number, guard in tables(account, "guards"):
        here = (*place, "guards", number)
        when = _readable(text(guard, "when"))
        for key in ("when", "rearm"):
            if condition := _readable(text(guard, key)):
                try:
                    understood(condition, held)
                except Wrong as wrong:
                    yield Fault((*here, key), str(wrong), wrong.hint)
                    when = when if key == "rearm" else None
        yield from _action_faults(guard, when, held, here)


def _action_faults(guard: RawTable, when: Condition | None, held: Holdings, place: Place) -> Iterator[Fault]:
    """Actions that do not say what they are about; `when` can be read and understood."""
    stated = guard.get("do")
    if stated == []:
        yield Fault((*place, "do"), "expected at least one, was none")
    if when is None or not isinstance(stated, list):
        return
    for number, written in enumerate(stated):
        try:
            action = parse_action(written)
        except ValueError:
            continue
        try:
            scope_of(action, understood(when, held), held)
        except Wrong as wrong:
            yield Fault((*place, "do", number), str(wrong).partition(": ")[2], wrong.hint)


def _readable(written: str) -> Condition | None:
    """A condition, None where it cannot be read: the record says why."""
    try:
        return parse(written, clocks=True) if written and written != "always" else None
    except Wrong:
        return None


def holdings(account: RawTable) -> Holdings:
    """What an account as it is written has to look at."""
    positions, isolated, symbols = list[str](), list[str](), list[str]()
    for _, each in tables(account, "positions"):
        if symbol := text(each, "symbol"):
            hedged = account.get("position_mode") == "hedge"
            name = f"{symbol}.{text(each, 'side')}" if hedged else symbol
            symbols.append(symbol)
            positions.append(name)
            if text(each, "margin_mode") == "isolated":
                isolated.append(name)
    return Holdings(tuple(dict.fromkeys(symbols)), tuple(positions), tuple(isolated))


def parse_rearm(value: object) -> bool | Condition:
    """`"always"`: True, `false`: False, or a condition. Raises ValueError."""
    if value == "always":
        return True
    if value is False:
        return False
    if not isinstance(value, str):
        raise ValueError('expected "always", false or a condition')
    try:
        return parse(value, clocks=True)
    except Wrong as wrong:
        raise Misread(str(wrong), wrong.hint) from None


def parse_confirm(value: object) -> int:
    """A duration, or `"human"`: 30 s, what a person takes who has to be woken. ns; raises ValueError."""
    return 30 * 10**9 if value == "human" else parse_duration_ns(value)


class Action(NamedTuple):
    """One thing that a guard does, as it is written."""

    text: str
    do: GuardDo
    value: float = 0.0  # share, quote, or what `metric` shall be at most (buffer: at least)
    metric: str = ""
    share_of: str = ""  # metric that `value` is a share of
    of: str = ""  # scope, "" for that of the condition
    bound: float = 0.0


#: What a position can be reduced to.
TARGETS = ("leverage", "margin_ratio", "notional", "buffer")
_NUMBER = r"(?P<number>\d+(?:_\d+)*(?:\.\d+)?)\s*(?P<percent>%?)"
_ACTION = re.compile(
    rf"(?:(?P<close>close)|reduce\s+(?:to\s+(?P<metric>[a-z_]+)\s+)?{_NUMBER}(?:\s+(?P<share_of>[a-z_]+))??)"
    r"(?:\s+of\s+(?P<of>[^\s]+))?(?:\s+within\s+(?P<bps>\d+(?:\.\d+)?)\s*bps)?",
    re.ASCII,
)
_EXAMPLES = '"alert", "close", "reduce 25% of BTC within 50 bps", "reduce to leverage 5"'


def parse_action(value: object) -> Action:
    """What a guard does. Raises ValueError.

    Examples: alert; close; reduce 25%; reduce 50_000 of cross; reduce to buffer 3% notional of ETH within 100 bps.
    """
    if value == "alert":
        return Action("alert", GuardDo.ALERT)
    found = _ACTION.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None or not isinstance(value, str):
        raise ValueError(f"expected one of {_EXAMPLES}")
    of, bound = found["of"] or "", float(found["bps"] or 0.0) / 10_000
    if found["bps"] and not bound:
        raise Misread(f"an order that goes 0 bps far fills nothing: {value}", "without it: as far as the venue lets it")
    if found["close"]:
        return Action(value, GuardDo.REDUCE_SHARE, 1.0, of=of, bound=bound)
    number = float(found["number"].replace("_", "")) / (100.0 if found["percent"] else 1.0)
    if metric := found["metric"]:
        return _target(Action(value, GuardDo.REDUCE_TO, number, metric, found["share_of"] or "", of, bound), found)
    if found["share_of"] or not number or (found["percent"] and number > 1.0):
        raise ValueError(f"expected one of {_EXAMPLES}")
    do = GuardDo.REDUCE_SHARE if found["percent"] else GuardDo.REDUCE_AMOUNT
    return Action(value, do, number, of=of, bound=bound)


def _target(action: Action, found: re.Match[str]) -> Action:
    if action.metric not in TARGETS:
        raise Misread(f"nothing is reduced to {action.metric}", did_you_mean(action.metric, TARGETS))
    of_money = {action.metric, action.share_of} <= {"notional", "buffer"}
    if action.share_of and (not of_money or not found["percent"]):
        raise Misread(f"a share of what? {action.text}", "write buffer 3% notional")
    if not action.value:
        raise Misread(f"nothing is left then: {action.text}", "write close")
    is_share = METRICS[action.metric].kind is Kind.FRACTION
    if bool(found["percent"]) != (is_share or bool(action.share_of)):
        raise Misread(f"{action.metric} is {'a share' if is_share else 'no share'}: {action.text}", "")
    return action


def scope_of(action: Action, condition: Condition, held: Holdings) -> str:
    """Which positions an action is about: those it names, else those of its condition. Raises Wrong."""
    if action.do is GuardDo.ALERT:
        return ""
    of = action.of or _only_one(action, condition, held)
    known = held.of(Of.POSITIONS)
    if of not in known:
        raise Wrong(1, f"there is no {of} to reduce", did_you_mean(of, known) or f"known: {', '.join(known)}")
    if action.metric and action.metric != "notional" and held.isolated and of not in (CROSS, *held.crossed):
        why = "what is closed of an isolated position takes its margin along, and that does not change"
        raise Wrong(1, f"{action.text} of {of}: {why}", "say cross, a share, an amount or to notional")
    return of


def _only_one(action: Action, condition: Condition, held: Holdings) -> str:
    """What a condition is of, if that is one thing. Raises Wrong."""
    known = held.of(Of.POSITIONS)
    named = {
        (each.steps[0].selector or "").partition(",")[0]
        for comparison in comparisons(condition)
        if isinstance(comparison, Comparison)
        for side in (comparison.left, comparison.right)
        if isinstance(each := side.of if isinstance(side, Share) else side, Field)
    }
    if len(named) != 1 or not named <= {*known}:
        ways = ", ".join(f"{action.text} of {each}" for each in known[:4])
        raise Wrong(1, f"{action.text} of what?", f"write {ways}")
    return named.pop()
