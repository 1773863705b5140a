"""The result document read back: what `report.json.plain` makes of the report model, the other way."""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import Enum
from functools import cache
from types import UnionType
from typing import Any, get_args

from backtester.config.values import Instant, parse_instant
from backtester.errors import BacktesterError, data_error
from backtester.report.fields import Field, fields, is_list, is_record
from backtester.report.json import NOT_IN_DOCUMENT
from backtester.report.records import SCHEMA_VERSION, Cell, FailedCell, Named, ReportModel
from backtester.texts import shortened

_LARGEST = 2**63  # beyond what a column holds


class Unreadable(Exception):
    """What is wrong with a value of the document, and where in it."""

    def __init__(self, place: str, message: str) -> None:
        super().__init__(message)
        self.place = place


def model_of(document: Any, source: str, remedy: str) -> ReportModel:
    """The report model of a result document, without the series that are not in it; `source` is its file.

    Raises a data error, with `remedy` as its hint, where it is no document of this version, or not a whole one.
    """
    _check_version(document, source, remedy)
    try:
        model: ReportModel = _record(ReportModel, document, "")
    except Unreadable as error:
        raise data_error(f"{source}, {error.place}", str(error), remedy) from None
    return model


def _check_version(document: Any, source: str, remedy: str) -> None:
    head = document if isinstance(document, dict) else {}
    kind, version = head.get("kind"), head.get("schema_version")
    if kind != "run":
        raise data_error(source, 'is no result of `backtester run`: its "kind" is not "run"', "name its directory")
    if type(version) is not int:
        raise data_error(f"{source}, schema_version", f"expected a whole number, found {_shown(version)}", remedy)
    if version != SCHEMA_VERSION:
        raise _other_version(version, source, remedy)


def _other_version(version: int, source: str, remedy: str) -> BacktesterError:
    message = f"has schema_version {version}; this program reads {SCHEMA_VERSION}"
    return data_error(source, message, "update this program" if version > SCHEMA_VERSION else remedy)


def _value(kind: Any, value: Any, place: str) -> Any:
    """A value of this type, as `plain` writes it."""
    if isinstance(kind, UnionType):
        return _cell(value, place)
    if is_record(kind):
        return _record(kind, value, place)
    if is_list(kind):
        return _list(kind, value, place)
    if issubclass(kind, Enum):
        return _named_in(kind, value, place)
    return _SINGLE[kind](value, place)


def _cell(value: Any, place: str) -> Cell | FailedCell:
    """One that failed has the keys of a cell, too: they say nothing."""
    if isinstance(value, dict) and value.get("status") not in ("ok", None):
        said = {key: each for key, each in value.items() if key in FailedCell._fields or each is not None}
        failed: FailedCell = _record(FailedCell, said, place)
        return failed
    cell: Cell = _record(Cell, value, place)
    return cell


def _record(kind: Any, value: Any, place: str) -> Any:
    if not isinstance(value, dict):
        raise _unexpected("an object", value, place)
    wanted = [field for field in fields(kind) if field.name not in NOT_IN_DOCUMENT]
    for key in value:
        if key not in kind._fields or key in NOT_IN_DOCUMENT:
            raise Unreadable(_within(place, shortened(key)), "is a key that this program does not know")
    left_out: dict[str, Any] = {name: () for name in kind._fields if name in NOT_IN_DOCUMENT}
    return kind(**left_out, **{field.name: _member(field, value, place) for field in wanted})


def _member(field: Field, value: dict[str, Any], place: str) -> Any:
    within = _within(place, field.name)
    if field.name not in value:
        raise Unreadable(within, "is missing")
    each = value[field.name]
    return None if each is None and field.optional else _value(field.type, each, within)


def _within(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _list(kind: Any, value: Any, place: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise _unexpected("a list", value, place)
    of, _ = get_args(kind)
    return tuple(_value(of, each, f"{place}[{number}]") for number, each in enumerate(value))


def _named_in(codes: type[Enum], value: Any, place: str) -> Enum:
    code = _names(codes).get(value) if isinstance(value, str) else None
    if code is None:
        raise _unexpected(f"one of {', '.join(_names(codes))}", value, place)
    return code


@cache
def _names(codes: type[Enum]) -> dict[str, Enum]:
    return {code.name.lower(): code for code in codes}


def _text(value: Any, place: str) -> str:
    if not isinstance(value, str):
        raise _unexpected("text", value, place)
    if any("\ud800" <= sign <= "\udfff" for sign in value):
        raise Unreadable(place, "half a character is no text")
    return value


def _number(value: Any, place: str) -> float:
    """A finite number; a whole one stays whole, so that it is written as it was."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or (isinstance(value, int) and abs(value) >= _LARGEST) or not math.isfinite(value):
        raise _unexpected("a number", value, place)
    number: float = value
    return number


def _whole(value: Any, place: str) -> int:
    if not isinstance(_number(value, place), int):
        raise _unexpected("a whole number", value, place)
    number: int = value
    return number


def _flag(value: Any, place: str) -> bool:
    if not isinstance(value, bool):
        raise _unexpected("true or false", value, place)
    return value


def _time(value: Any, place: str) -> Instant:
    try:
        return parse_instant(_text(value, place))
    except ValueError:
        raise _unexpected("a time such as 2025-10-10T21:15:00.000000000Z", value, place) from None


def _pairs(value: Any, place: str) -> Named:
    if not isinstance(value, dict):
        raise _unexpected("an object", value, place)
    return Named(
        tuple((_text(name, place), _word_or_number(each, _within(place, name))) for name, each in value.items())
    )


def _word_or_number(value: Any, place: str) -> str | float:
    return _text(value, place) if isinstance(value, str) else _number(value, place)


_SINGLE: dict[Any, Callable[[Any, str], Any]] = {
    str: _text,
    bool: _flag,
    float: _number,
    int: _whole,
    Instant: _time,
    Named: _pairs,
}


def _unexpected(expected: str, value: Any, place: str) -> Unreadable:
    return Unreadable(place, f"expected {expected}, found {_shown(value)}")


def _shown(value: Any) -> str:
    """A value of the document in a message. Examples: "x", 1.5, a list."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return f'"{shortened(value)}"'
    return f"{value:g}" if isinstance(value, float) or abs(value) < _LARGEST else "a larger one"
