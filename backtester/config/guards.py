"""What guards can look at: the words of their conditions, and what those mean in one account (RULES 11.2).

    buffer < 10_000                            of the cross pool, as nothing else is said
    buffer[ETH] < 1.5% notional                of the isolated ETH, and a share of its notional
    margin_ratio[worst] > 80% for 30s          of the pool that is worst off
    return[BTC, 60s] < -3% or distance[BTC] < 2%

A condition is `understood` once every figure says what it is of, and every number its unit.
"""

from __future__ import annotations

from collections.abc import Mapping
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
)
from backtester.config.judging import Figure, Kind, Rows, Table, check
from backtester.config.tables import Table as RawTable
from backtester.config.tables import tables, text
from backtester.config.toml import did_you_mean
from backtester.config.values import parse_duration_ns

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
