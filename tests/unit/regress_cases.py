"""The parts of a report that can change one by one, for tests of comparisons."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import Any, NamedTuple

from backtester.config.values import Instant
from backtester.report.records import Named

SERIES = {"margin_paths", "market_paths", "phases"}
Put = Callable[[Any], Any]


class Leaf(NamedTuple):
    """A single value in a record, and how to put another in its place."""

    path: tuple[str | int, ...]  # names of fields, numbers of rows
    value: Any
    replaced: Put  # by this value: the whole record


def leaves(record: Any) -> Iterator[Leaf]:
    """All of a record, down to its numbers, times and words, without the series of its charts."""
    return _of_record(record, (), lambda whole: whole)


def _of_record(record: Any, path: tuple[str | int, ...], put: Put) -> Iterator[Leaf]:
    for name in record._fields:
        if name not in SERIES:

            def replaced(new: Any, name: str = name) -> Any:
                return put(record._replace(**{name: new}))

            yield from _within(getattr(record, name), (*path, name), replaced)


def _within(value: Any, path: tuple[str | int, ...], put: Put) -> Iterator[Leaf]:
    """`put` makes the whole record of what stands there instead."""
    if isinstance(value, Named):
        for number, (key, each) in enumerate(value.items):

            def named(new: Any, number: int = number, key: str = key) -> Any:
                return put(Named((*value.items[:number], (key, new), *value.items[number + 1 :])))

            yield Leaf((*path, key), each, named)
    elif not isinstance(value, tuple) or isinstance(value, Instant):
        yield Leaf(path, value, put)
    elif hasattr(value, "_fields"):
        yield from _of_record(value, path, put)
    else:
        for number, each in enumerate(value):

            def row(new: Any, number: int = number) -> Any:
                return put((*value[:number], new, *value[number + 1 :]))

            yield from _within(each, (*path, number), row)


def another(value: Any, step: float = 1.5) -> Any:
    """A value of the same type that is not this one; of None a number."""
    if isinstance(value, IntEnum):
        return next(code for code in type(value) if code is not value)
    if isinstance(value, Instant):
        return Instant(value.ts_ns + round(step * 1e9))
    if isinstance(value, str):
        return f"x{value}"
    return step if value is None else value + (step if isinstance(value, float) else 1)
