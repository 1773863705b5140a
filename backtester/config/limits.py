"""Limits on a result, as a portfolio states them: `fail = ["verdict in [liquidated, insolvent]"]`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple

from pydantic import Field, PlainValidator

from backtester.config.conditions import Condition, Wrong, parse
from backtester.config.lines import Place
from backtester.config.toml import Document, Record
from backtester.config.values import Misread

#: What a breach does: it makes the exit code 1, or it is only said.
LEVELS = ("fail", "warn")


class Limit(NamedTuple):
    """A condition that must not hold."""

    text: str
    level: str  # of LEVELS
    condition: Condition


class Written(NamedTuple):
    """A condition and its text."""

    text: str
    condition: Condition


def parse_written(value: Any) -> Written:
    """A condition on a result, as text. Raises ValueError."""
    return _written(value, "loss_pct > 40", clocks=False)


def parse_guard(value: Any) -> Written:
    """A condition of a guard, as text. Raises ValueError."""
    return _written(value, "buffer < 10_000", clocks=True)


def _written(value: Any, example: str, clocks: bool) -> Written:
    if not isinstance(value, str):
        raise ValueError(f'expected a condition such as "{example}"')
    try:
        return Written(value, parse(value, clocks))
    except Wrong as wrong:
        raise Misread(str(wrong), wrong.hint) from None


Conditions = Annotated[tuple[Annotated[Written, PlainValidator(parse_written)], ...], Field(strict=False)]


class Limits(Record):
    """Conditions on the result of a cell."""

    fail: Conditions = ()
    warn: Conditions = ()

    def all(self) -> tuple[Limit, ...]:
        """All of them, those that fail first."""
        return tuple(limit for level in LEVELS for limit in self.of(level))

    def of(self, level: str) -> tuple[Limit, ...]:
        """Those of a level."""
        stated: Conditions = getattr(self, level)
        return tuple(Limit(each.text, level, each.condition) for each in stated)


def stated_limits(document: Document) -> Iterator[tuple[Place, Limit]]:
    """The limits of a portfolio as read, each with its place; malformed ones are skipped, the record names those."""
    stated = document.data.get("limits")
    for level in LEVELS:
        listed = stated.get(level) if isinstance(stated, dict) else None
        for number, value in enumerate(listed if isinstance(listed, list) else ()):
            try:
                text, condition = parse_written(value)
            except ValueError:
                continue
            yield ("limits", level, number), Limit(text, level, condition)
