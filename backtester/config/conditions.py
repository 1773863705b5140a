"""Conditions: `verdict in [liquidated, insolvent] or accounts[main].buffer_min < 1.5% notional`, from text to a tree.

    condition  = both { "or" both }                 binding: not, and, or
    both       = negation { "and" negation }
    negation   = "not" negation | judged
    judged     = ( "(" condition ")" | comparison ) [ "for" number "s" | "m" | "h" ]
    comparison = operand ("<" | "<=" | ">" | ">=" | "==" | "!=") operand | field "in" "[" word { "," word } "]"
    operand    = field | word | number [ "%" | "bps" | "s" | "m" | "h" ] | number "%" field
    field      = name [ "[" selector "]" ] { "." name [ "[" selector "]" ] }

A word that is no name (`"2025-10-10"`) is quoted. `1.5% notional` is that share of another figure of the same thing.
Which fields there are and what they hold is not known here: `config.judging` asks a `Table` and a reader. The clock
`for 30s` (true at every look for so long) is for guards, which look again and again.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from backtester.texts import shortened

#: Nothing that a person writes is longer, or nested deeper.
LONGEST, DEEPEST = 1_000, 16
SIGNS = ("<=", ">=", "==", "!=", "<", ">")
UNITS = ("%", "bps", "s", "m", "h")
KEYWORDS = ("not", "and", "or", "in", "for")
_LENGTHS = ("s", "m", "h")

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_STEP = rf"({_NAME})(?:\[([^\[\]]*)\])?"
_TOKEN = re.compile(
    rf"""\s*(?:(?P<number>-?\d+(?:_\d+)*(?:\.\d+)?(?:[eE][+-]?\d+)?)
    | (?P<quoted>"[^"]*"|'[^']*')
    | (?P<keyword>(?:{"|".join(KEYWORDS)})\b)
    | (?P<field>{_STEP}(?:\.{_STEP})*)
    | (?P<mark>{"|".join(SIGNS)}|[%()\[\],])
    | (?P<end>\Z))""",
    re.VERBOSE | re.ASCII,
)
_EACH_STEP = re.compile(_STEP, re.ASCII)
_THOUSANDS = re.compile(r"-?\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?", re.ASCII)


class Wrong(ValueError):
    """What is wrong with a condition, and where: `column` counts from 1."""

    def __init__(self, column: int, message: str, hint: str = "") -> None:
        super().__init__(f"column {column}: {message}")
        self.column, self.hint = column, hint


# --- the tree ------------------------------------------------------------------------------------------------------
# Dataclasses, so that `a and b` is not `a or b`, and a node is the same wherever in a text it stands.


@dataclass(frozen=True, slots=True)
class Step:
    """One part of a field: `positions[BTC]`; without brackets the selector is None."""

    name: str
    selector: str | None

    def __str__(self) -> str:
        return self.name if self.selector is None else f"{self.name}[{self.selector}]"


@dataclass(frozen=True, slots=True)
class Field:
    """A figure by its name, or a word: only who knows the fields can tell."""

    steps: tuple[Step, ...]
    column: int = field(compare=False)

    def __str__(self) -> str:
        return ".".join(map(str, self.steps))


@dataclass(frozen=True, slots=True)
class Word:
    """A word to compare with."""

    text: str
    column: int = field(compare=False)

    def __str__(self) -> str:
        if re.fullmatch(_NAME, self.text) and self.text not in KEYWORDS:
            return self.text
        return f"'{self.text}'" if '"' in self.text else f'"{self.text}"'


@dataclass(frozen=True, slots=True)
class Number:
    """A number and its unit, one of UNITS, "" for none."""

    value: float
    unit: str
    column: int = field(compare=False)

    def __str__(self) -> str:
        gap = " " if self.unit == "bps" else ""
        return f"{repr(self.value).removesuffix('.0')}{gap}{self.unit}"


@dataclass(frozen=True, slots=True)
class Share:
    """A share of a figure, in per cent: `1.5% notional`."""

    percent: float
    of: Field
    column: int = field(compare=False)

    def __str__(self) -> str:
        return f"{Number(self.percent, '%', self.column)} {self.of}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two operands and one of SIGNS between them."""

    left: Operand
    sign: str
    right: Operand
    column: int = field(compare=False)

    def __str__(self) -> str:
        return f"{self.left} {self.sign} {self.right}"


@dataclass(frozen=True, slots=True)
class Membership:
    """Whether a field is one of some words; of a field that holds several, whether one of them is."""

    left: Field
    words: tuple[Word, ...]

    def __str__(self) -> str:
        return f"{self.left} in [{', '.join(map(str, self.words))}]"


@dataclass(frozen=True, slots=True)
class Lasting:
    """Something that has been true at every look for so long."""

    inside: Condition
    length: Number  # in s, m or h

    def __str__(self) -> str:
        whole = f"({self.inside})" if isinstance(self.inside, Not | Lasting) else _inside(self.inside)
        return f"{whole} for {self.length}"


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    inside: Condition

    def __str__(self) -> str:
        return f"not {_inside(self.inside)}"


@dataclass(frozen=True, slots=True)
class And:
    """All of them."""

    parts: tuple[Condition, ...]

    def __str__(self) -> str:
        return " and ".join(map(_inside, self.parts))


@dataclass(frozen=True, slots=True)
class Or:
    """One of them or more."""

    parts: tuple[Condition, ...]

    def __str__(self) -> str:
        return " or ".join(map(_inside, self.parts))


Operand = Field | Word | Number | Share
Condition = Comparison | Membership | Lasting | Not | And | Or


def _inside(condition: Condition) -> str:
    """A part of a condition; parentheses where they are needed, and between `and` and `or`."""
    return f"({condition})" if isinstance(condition, And | Or) else str(condition)


def comparisons(condition: Condition) -> Iterator[Comparison | Membership]:
    """The parts of a condition that are judged by themselves, as they are written."""
    match condition:
        case Not(inside) | Lasting(inside):
            yield from comparisons(inside)
        case And(parts) | Or(parts):
            for part in parts:
                yield from comparisons(part)
        case _:
            yield condition


# --- from text -----------------------------------------------------------------------------------------------------


def parse(text: str, clocks: bool = False) -> Condition:
    """The tree of a condition; `clocks`: it may say `for 30s`. Raises Wrong."""
    if len(text) > LONGEST:
        raise Wrong(LONGEST, f"longer than {LONGEST:,} characters")
    parser = _Parser(text, clocks)
    condition = parser.condition(0)
    if parser.token.kind != "end":
        raise parser.expected('"and", "or" or the end')
    return condition


def parse_field(text: str) -> Field:
    """A field alone: `accounts[main].buffer_min`. Raises Wrong."""
    parser = _Parser(text)
    field = parser.field()
    if parser.token.kind != "end":
        raise parser.expected("the end")
    return field


class _Token(NamedTuple):
    kind: str  # of a group of _TOKEN
    text: str
    column: int


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while at <= len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise _unreadable(text, at)
        kind = str(found.lastgroup)
        yield _Token(kind, found[kind], found.start(kind) + 1)
        if kind == "end":
            return
        at = found.end()


def _unreadable(text: str, at: int) -> Wrong:
    column = at + len(text[at:]) - len(text[at:].lstrip()) + 1
    rest = text[column - 1 :]
    hints = {"=": 'equal is "=="', "!": 'write "not", or "!="', "&": 'write "and"', "|": 'write "or"'}
    if rest[0] in "\"'":
        return Wrong(column, "a quote that does not end")
    return Wrong(column, f'cannot read "{shortened(rest, 20)}"', hints.get(rest[0], ""))


class _Parser:
    """Precedence descent, a token ahead."""

    def __init__(self, text: str, clocks: bool = False) -> None:
        self.text, self.clocks = text, clocks
        self.tokens = _tokens(text)
        self.token = next(self.tokens)

    def condition(self, depth: int) -> Condition:
        parts = [self.both(depth)]
        while self.takes("or"):
            parts.append(self.both(depth))
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def both(self, depth: int) -> Condition:
        parts = [self.negation(depth)]
        while self.takes("and"):
            parts.append(self.negation(depth))
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def negation(self, depth: int) -> Condition:
        if depth > DEEPEST:
            raise Wrong(self.token.column, f"nested deeper than {DEEPEST}")
        return Not(self.negation(depth + 1)) if self.takes("not") else self.judged(depth)

    def judged(self, depth: int) -> Condition:
        if self.takes("("):
            condition = self.condition(depth + 1)
            self.need(")", '"and", "or" or ")"')
        else:
            condition = self.comparison()
        column = self.token.column
        if not self.takes("for"):
            return condition
        if not self.clocks:
            raise Wrong(column, "a result is looked at once", "for is for guards: leave it out")
        return Lasting(condition, self.length())

    def length(self) -> Number:
        """Example: 30s."""
        if self.token.kind != "number":
            raise self.expected("how long, such as 30s")
        found = self.number()
        if not isinstance(found, Number) or found.unit not in _LENGTHS or found.value <= 0.0:
            raise Wrong(found.column, "expected how long, such as 30s", f"a number above 0 and {', '.join(_LENGTHS)}")
        return found

    def comparison(self) -> Condition:
        left, sign = self.operand(), self.token
        if self.takes("in"):
            if not isinstance(left, Field):
                raise Wrong(left.column, "a field stands before in")
            return Membership(left, tuple(self.words()))
        if sign.text not in SIGNS or sign.kind != "mark":
            raise self.expected("one of < <= > >= == != in")
        self.token = next(self.tokens)
        return Comparison(left, sign.text, self.operand(), sign.column)

    def words(self) -> Iterator[Word]:
        self.need("[", '"[" and words')
        yield self.word()
        while self.takes(","):
            yield self.word()
        self.need("]", '"," or "]"')

    def word(self) -> Word:
        token = self.token
        if token.kind == "quoted" or (token.kind == "field" and re.fullmatch(_NAME, token.text)):
            self.token = next(self.tokens)
            return Word(token.text[1:-1] if token.kind == "quoted" else token.text, token.column)
        raise self.expected("a word", 'quote what is no name: "2025-10-10"')

    def operand(self) -> Operand:
        if self.token.kind == "number":
            return self.number()
        if self.token.kind == "quoted":
            return self.word()
        return self.field()

    def field(self) -> Field:
        token = self.token
        if token.kind != "field":
            raise self.expected("a field, a number or a word")
        self.token = next(self.tokens)
        return Field(tuple(Step(*found.groups()) for found in _EACH_STEP.finditer(token.text)), token.column)

    def number(self) -> Number | Share:
        token = self.token
        if found := _THOUSANDS.match(self.text, token.column - 1):
            written = found[0].replace(",", "_")
            raise Wrong(token.column, "a number has no commas", f"write {written} or {written.replace('_', '')}")
        self.token = next(self.tokens)
        value = float(token.text)
        if not math.isfinite(value):
            raise Wrong(token.column, "a number that large does not exist")
        unit = self.token.text if self.token.text in UNITS and self.token.kind in ("mark", "field") else ""
        if unit:
            self.token = next(self.tokens)
        if unit == "%" and self.token.kind == "field":
            return Share(value, self.field(), token.column)
        return Number(value, unit, token.column)

    def takes(self, text: str) -> bool:
        """Whether this keyword or mark is next; it is then behind us."""
        if self.token.kind not in ("keyword", "mark") or self.token.text != text:
            return False
        self.token = next(self.tokens)
        return True

    def need(self, text: str, words: str) -> None:
        if not self.takes(text):
            raise self.expected(words)

    def expected(self, words: str, hint: str = "") -> Wrong:
        found = "the end" if self.token.kind == "end" else f'"{shortened(self.token.text, 20)}"'
        return Wrong(self.token.column, f"expected {words}, found {found}", hint)
