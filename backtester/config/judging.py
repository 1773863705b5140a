"""What a condition means: its fields, words and units against a `Table`, and its truth in Kleene's logic.

Truth is True, False or None, unknown: a figure that is not there makes a comparison unknown, and then false and
unknown is false, true or unknown is true, not unknown is unknown.

Figures are compared in the unit in which they are written down: beside one in per cent (a name that ends in `_pct`) a
plain number is per cent, beside one in bps it is bps. Beside a fraction it is one, and below 1: `margin_ratio_max > 40`
is an error that asks for `40%`. A time needs its unit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
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
    Number,
    Operand,
    Or,
    Share,
    Step,
    Word,
    Wrong,
)
from backtester.config.toml import did_you_mean
from backtester.texts import shortened

Truth = bool | None


class Kind(Enum):
    """How a figure is written down. The value is the unit of a plain number beside it, None where there is none."""

    AMOUNT = ""  # money, a size, a count
    FRACTION = "fraction"
    PERCENT = "%"
    BPS = "bps"
    TIME = "time"
    WORD = "word"
    WORDS = "words"  # several at once


_SHARES = (Kind.FRACTION, Kind.PERCENT, Kind.BPS)
_TEXTS = (Kind.WORD, Kind.WORDS)
#: What one of a unit is: (multiplied by, divided by), of a whole or in s.
_SCALES = {"": (1, 1), "%": (1, 100), "bps": (1, 10_000), "s": (1, 1), "m": (60, 1), "h": (3600, 1)}
_MOST_NAMED = 12


class Figure(NamedTuple):
    """A field that holds something. `words` are those that it can be, none for any."""

    kind: Kind
    words: tuple[str, ...] = ()


class Table(NamedTuple):
    """A record: its fields by name."""

    fields: Mapping[str, Figure | Table | Rows]


class Rows(NamedTuple):
    """Several of a kind, chosen by a selector; without one it is their number.

    names   what they may be called, None: not known beforehand
    shared  names that stand for several of them -> those that tell them apart
    """

    row: Figure | Table
    names: tuple[str, ...] | None = None
    shared: Mapping[str, tuple[str, ...]] = MappingProxyType({})


class Reading(NamedTuple):
    """What a field holds, and how the reader of a report sees it.

    value   a number in its base unit (shares of a whole, times in s), words, or None: unknown
    absent  unknown, as nothing there has the name of a selector; `text` says it
    """

    value: float | tuple[str, ...] | None
    text: str
    absent: bool = False


class Outcome(NamedTuple):
    """Whether a condition holds, and the figures that decided it: `loss_pct is 64.6`.

    absent  it is unknown for no other reason than that what it names is not there
    """

    truth: Truth
    said: tuple[str, ...]
    absent: bool = False


# --- its words -----------------------------------------------------------------------------------------------------


def check(condition: Condition, table: Table) -> Condition:
    """The condition as it is meant: with names that are words, the unit of every number, whole names of fields.

    Raises Wrong for what the table does not have and what cannot be compared.
    """
    match condition:
        case Not(inside):
            return Not(check(inside, table))
        case And(parts):
            return And(tuple(check(part, table) for part in parts))
        case Or(parts):
            return Or(tuple(check(part, table) for part in parts))
        case Membership(left, words):
            figure = find(table, left)
            if figure.kind not in _TEXTS:
                raise Wrong(left.column, f"{left} is a number, not a word", "compare it: < <= > >= == !=")
            return Membership(left, tuple(_checked_word(word, figure) for word in words))
        case Comparison():
            return _checked_comparison(condition, table)
        case Lasting(inside, length):
            return Lasting(check(inside, table), length)
    assert_never(condition)


def find(table: Table, field: Field) -> Figure:
    """The figure that a field names. Raises Wrong."""
    place: Figure | Table | Rows = table
    column = field.column
    for number, step in enumerate(field.steps):
        inside = place.fields if isinstance(place, Table) else {}
        if step.name not in inside:
            raise Wrong(column, f"there is no {_upto(field, number)}", _known(step.name, inside))
        place = inside[step.name]
        if isinstance(place, Rows):
            place = _chosen(place, step, column, is_last=number == len(field.steps) - 1)
        elif step.selector is not None:
            raise Wrong(column, f"{step.name} is one, there is nothing to choose", f"write {step.name}")
        column += len(str(step)) + 1
    if not isinstance(place, Figure):
        named = ", ".join(list(place.fields if isinstance(place, Table) else ())[:_MOST_NAMED])
        raise Wrong(field.column, f"{field} is a table", f"say one of its figures: {named}")
    return place


def _upto(field: Field, number: int) -> str:
    return shortened(".".join(map(str, (*field.steps[:number], field.steps[number].name))))


def _known(name: str, inside: Iterable[str]) -> str:
    names = list(inside)
    more = ", …" if len(names) > _MOST_NAMED else ""
    return did_you_mean(name, names) or (f"known: {', '.join(names[:_MOST_NAMED])}{more}" if names else "")


def _chosen(rows: Rows, step: Step, column: int, is_last: bool) -> Figure | Table:
    """A row, or without a selector the number of them."""
    if step.selector is None:
        if is_last:
            return Figure(Kind.AMOUNT)
        raise Wrong(column, f"{step.name} are several", f"choose one: {step.name}[{(rows.names or ('…',))[0]}]")
    wanted, place = step.selector.strip(), column + len(step.name)
    if rows.names is not None and wanted not in rows.names:
        raise Wrong(place, f"there is no {shortened(str(step))}", _known(wanted, rows.names))
    if apart := rows.shared.get(wanted):
        ways = ", ".join(f"{step.name}[{each}]" for each in apart[:_MOST_NAMED])
        raise Wrong(place, f"there are {len(apart)} {shortened(str(step))}", f"choose one: {ways}")
    return rows.row


def _checked_word(word: Word, figure: Figure) -> Word:
    if figure.words and word.text not in figure.words:
        hint = did_you_mean(word.text, figure.words) or f"known: {', '.join(figure.words)}"
        raise Wrong(word.column, f'"{shortened(word.text)}" is none of its words', hint)
    return word


def _checked_comparison(condition: Comparison, table: Table) -> Comparison:
    left, right = _whole(condition.left, condition.right), _whole(condition.right, condition.left)
    figure = _figure(left, table, other=right) or _figure(right, table, other=left)
    if figure is None:
        raise Wrong(condition.column, "compares no field")
    if figure.kind is Kind.WORDS:
        raise Wrong(condition.column, "holds several words", "write: in [word, …]")
    if figure.kind is Kind.WORD and condition.sign not in ("==", "!="):
        raise Wrong(condition.column, "words are equal or not", "== or !=")
    left, right = _operand(left, figure, table), _operand(right, figure, table)
    return replace(condition, left=left, right=right)


def _whole(operand: Operand, other: Operand) -> Operand:
    """`1.5% notional` beside `accounts[main].buffer_min` is that of accounts[main]."""
    if not isinstance(operand, Share) or not isinstance(other, Field) or len(operand.of.steps) > 1:
        return operand
    return replace(operand, of=replace(operand.of, steps=(*other.steps[:-1], *operand.of.steps)))


def _figure(operand: Operand, table: Table, other: Operand) -> Figure | None:
    """What an operand names. A bare name beside a word is none: it is a word itself."""
    if isinstance(operand, Share):
        return _find_in(table, operand.of, operand.column)
    if not isinstance(operand, Field):
        return None
    try:
        return find(table, operand)
    except Wrong:
        if isinstance(other, Field) and _is_bare(operand) and _is_word(other, table):
            return None
        raise


def _find_in(table: Table, field: Field, column: int) -> Figure:
    """The figure of a share; it has been given a place, so columns are those of the share."""
    try:
        return find(table, field)
    except Wrong as wrong:
        raise Wrong(column, str(wrong).partition(": ")[2], wrong.hint) from None


def _is_bare(field: Field) -> bool:
    return len(field.steps) == 1 and field.steps[0].selector is None


def _is_word(field: Field, table: Table) -> bool:
    try:
        return find(table, field).kind is Kind.WORD
    except Wrong:
        return False


def _operand(operand: Operand, figure: Figure, table: Table) -> Operand:
    """An operand as it is meant beside `figure`. Raises Wrong where the two cannot be compared."""
    match operand:
        case Number():
            return replace(operand, unit=_unit(operand, figure.kind))
        case Word():
            if figure.kind is not Kind.WORD:
                raise Wrong(operand.column, "a word beside a number")
            return _checked_word(operand, figure)
        case Share(_, of, column):
            _same(_find_in(table, of, column).kind, figure.kind, column)
        case Field(_, column):
            if figure.kind is Kind.WORD and _is_bare(operand) and operand.steps[0].name not in table.fields:
                return _checked_word(Word(operand.steps[0].name, column), figure)
            _same(find(table, operand).kind, figure.kind, column)
    return operand


def _same(kind: Kind, other: Kind, column: int) -> None:
    if kind is not other and not (kind in _SHARES and other in _SHARES):
        raise Wrong(column, "the two sides are not of one kind: money, share, time or word")


def _unit(number: Number, kind: Kind) -> str:
    """The unit of a number beside a figure."""
    unit, plain = number.unit, repr(number.value).removesuffix(".0")
    if kind in _SHARES and unit in ("", "%", "bps"):
        if kind is Kind.FRACTION and unit == "" and abs(number.value) >= 1.0:
            raise Wrong(number.column, "the field is a fraction, 1 is all of it", f"write {plain}%")
        return unit or (kind.value if kind is not Kind.FRACTION else "")
    if kind is Kind.TIME and unit in ("s", "m", "h"):
        return unit
    if kind is Kind.AMOUNT and unit == "":
        return unit
    hints = {
        Kind.TIME: f"write {plain}s, {plain}m or {plain}h",
        Kind.AMOUNT: f"a share of what? {plain}% equity_start" if unit == "%" else "write a plain number",
        Kind.WORD: "quote it if it is one",
    }
    raise Wrong(number.column, f"the field is {_CALLED[kind]}", hints.get(kind, f"write {plain}%"))


_CALLED = {
    Kind.AMOUNT: "an amount",
    Kind.FRACTION: "a fraction",
    Kind.PERCENT: "in per cent",
    Kind.BPS: "in bps",
    Kind.TIME: "a time",
    Kind.WORD: "a word",
    Kind.WORDS: "several words",
}


# --- its truth -----------------------------------------------------------------------------------------------------


def conjunction(truths: Iterable[Truth]) -> Truth:
    """False if one is, else unknown if one is."""
    found = set(truths)
    return False if False in found else None if None in found else True


def negation(truth: Truth) -> Truth:
    """Unknown stays it."""
    return None if truth is None else not truth


def judge(condition: Condition, read: Callable[[Field], Reading]) -> Outcome:
    """Whether a condition that was `check`ed holds, by what its fields hold."""
    match condition:
        case Not(inside):
            outcome = judge(inside, read)
            return outcome._replace(truth=negation(outcome.truth))
        case And(parts):
            return _joined([judge(part, read) for part in parts], conjunction)
        case Or(parts):
            return _joined([judge(part, read) for part in parts], _disjunction)
        case Membership(left, words):
            found = read(left)
            truth = None if not isinstance(found.value, tuple) else any(word.text in found.value for word in words)
            return Outcome(truth, (_said(left, found),), found.absent)
        case Comparison(left, sign, right):
            return _compared(left, sign, right, read)
        case Lasting():
            raise ValueError(f"no result is looked at for so long: {condition}")
    assert_never(condition)


def _disjunction(truths: Iterable[Truth]) -> Truth:
    return negation(conjunction(map(negation, truths)))


def _joined(outcomes: list[Outcome], join: Callable[[Iterable[Truth]], Truth]) -> Outcome:
    """The figures of the parts that came out as the whole did: those decided it."""
    truth = join(outcome.truth for outcome in outcomes)
    deciding = [outcome for outcome in outcomes if outcome.truth is truth]
    said = dict.fromkeys(said for outcome in deciding for said in outcome.said)
    return Outcome(truth, tuple(said), all(outcome.absent for outcome in deciding))


def _compared(left: Operand, sign: str, right: Operand, read: Callable[[Field], Reading]) -> Outcome:
    fields = [side.of if isinstance(side, Share) else side for side in (left, right)]
    read_of = {field: read(field) for field in fields if isinstance(field, Field)}
    said = tuple(dict.fromkeys(_said(field, found) for field, found in read_of.items()))
    ours, theirs = _value(left, read), _value(right, read)
    if ours is None or theirs is None:
        return Outcome(None, said, any(found.absent for found in read_of.values()))
    if isinstance(ours, tuple) or isinstance(theirs, tuple):
        return Outcome((ours == theirs) is (sign == "=="), said)
    below, equal = ours < theirs, ours == theirs
    truths = {"<": below, "<=": below or equal, ">": not below and not equal, ">=": not below, "==": equal}
    return Outcome(truths.get(sign, not equal), said)


def _value(operand: Operand, read: Callable[[Field], Reading]) -> float | tuple[str, ...] | None:
    """A number in its base unit, a word, or None."""
    match operand:
        case Number():
            return in_base(operand)
        case Word(text):
            return (text,)
        case Share(percent, of):
            whole = _value(of, read)
            return percent / 100 * whole if isinstance(whole, float | int) else None
        case Field():
            found = read(operand).value
            return None if isinstance(found, float) and math.isnan(found) else found
    assert_never(operand)


def in_base(number: Number) -> float:
    """A number in its base unit: shares of a whole, times in s. Example: 1.5% is 0.015."""
    times, by = _SCALES[number.unit]
    return number.value * times / by


def _said(field: Field, reading: Reading) -> str:
    if reading.absent:
        return reading.text
    return f"{field} is {reading.text}" if reading.value is not None else f"{field} is not known"
