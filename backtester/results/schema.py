"""The JSON Schema of the result document, made from the records that it is written from."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from types import UnionType
from typing import Any, get_args

from backtester.config.values import Instant
from backtester.report.fields import Field, fields, is_list, is_record
from backtester.report.json import NOT_IN_DOCUMENT
from backtester.report.records import SCHEMA_VERSION, Cell, FailedCell, Named, ReportModel

Schema = dict[str, Any]
_NULL: Schema = {"type": "null"}
_SINGLE: dict[type, Schema] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    Instant: {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$"},
    Named: {"type": "object", "additionalProperties": {"type": ["string", "number"]}},
}


def result_schema() -> Schema:
    """All of it: every key is there, in every record, and no other is."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Result of backtester run",
        **_record(ReportModel),
        "$defs": {record.__name__: _record(record) for record in _records(ReportModel, set())},
    }


def _records(record: type, seen: set[type]) -> Iterator[type]:
    """The records inside a record, each once."""
    for field in _written(record):
        for kind in _kinds(field.type):
            if is_record(kind) and kind not in seen:
                seen.add(kind)
                yield kind
                yield from _records(kind, seen)


def _kinds(kind: Any) -> tuple[Any, ...]:
    """What a field holds one or several of."""
    of = get_args(kind)[0] if is_list(kind) else kind
    return get_args(of) if isinstance(of, UnionType) else (of,)


def _written(record: type) -> list[Field]:
    return [field for field in fields(record) if field.name not in NOT_IN_DOCUMENT]


def _record(record: type) -> Schema:
    """One that failed has every key of a cell, empty but for its own."""
    nothing = {field.name: _NULL for field in _written(Cell)} if record is FailedCell else {}
    properties = {**nothing, **{field.name: _property(record, field) for field in _written(record)}}
    return {
        "type": "object",
        "description": " ".join((record.__doc__ or "").split()),
        "properties": properties,
        "required": [*properties],
        "additionalProperties": False,
    }


def _property(record: type, field: Field) -> Schema:
    """A field; two of them have one value each."""
    fixed = {"schema_version": SCHEMA_VERSION, "kind": "run"} if record is ReportModel else {}
    if field.name in fixed:
        return {"const": fixed[field.name]}
    found = _value(field.type)
    return {"anyOf": [found, _NULL]} if field.optional else found


def _value(kind: Any) -> Schema:
    if isinstance(kind, UnionType):
        return {"anyOf": [_value(each) for each in get_args(kind)]}
    if is_list(kind):
        of, _ = get_args(kind)
        return {"type": "array", "items": _value(of)}
    if is_record(kind):
        return {"$ref": f"#/$defs/{kind.__name__}"}
    if issubclass(kind, Enum):
        return {"enum": [each.name.lower() for each in kind]}
    return _SINGLE[kind]
