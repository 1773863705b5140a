"""What the fields of the report's records hold, read from their annotations: whoever stores them asks here."""

from __future__ import annotations

from functools import cache
from types import NoneType
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

from backtester.config.values import Instant
from backtester.report.records import Named


class Field(NamedTuple):
    """One field: its type, and whether it may be None beside it."""

    name: str
    type: Any
    optional: bool


@cache
def fields(record: type) -> tuple[Field, ...]:
    """The fields of a record, in order. Example: of `vwap: float | None` that is `("vwap", float, True)`."""
    return tuple(_field(name, hint) for name, hint in get_type_hints(record).items())


def _field(name: str, hint: Any) -> Field:
    several = get_args(hint)
    if NoneType not in several:
        return Field(name, hint, False)
    [kind] = (each for each in several if each is not NoneType)
    return Field(name, kind, True)


def is_record(kind: Any) -> bool:
    """Whether it has fields of its own: a time and names with values are single values."""
    return hasattr(kind, "_fields") and kind not in (Instant, Named)


def is_list(kind: Any) -> bool:
    """Whether it is a tuple of any length."""
    return get_origin(kind) is tuple
