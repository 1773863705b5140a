"""The result document: the report model as JSON, keys in the order of the model."""

from __future__ import annotations

import math
from collections.abc import Iterator
from enum import IntEnum
from typing import Any

from backtester.config.values import Instant
from backtester.errors import engine_fault
from backtester.report.records import Cell, FailedCell, Named, ReportModel
from backtester.texts import iso_time, json_text

#: Series that the document leaves to path.parquet and depth.parquet.
NOT_IN_DOCUMENT = {"margin_paths", "market_paths"}


def render_json(model: ReportModel) -> str:
    """One JSON document, floats with all their digits, the same bytes for the same model.

    Raises an engine fault for a number that is not finite.
    """
    document = plain(model)
    try:
        return json_text(document) + "\n"
    except ValueError:
        place, number = next(_not_finite(document, "result"))
        raise engine_fault(place, f"{number} is not a finite number") from None


def plain(value: Any) -> Any:
    """A part of the model as what JSON knows: records are objects, enums their names in lower case."""
    if not isinstance(value, tuple):
        return value.name.lower() if isinstance(value, IntEnum) else value
    if isinstance(value, Instant):
        return iso_time(value.ts_ns)
    if isinstance(value, Named):
        return {key: plain(each) for key, each in value.items}
    if isinstance(value, FailedCell):  # with every key of a cell: a reader asks what it says, not what it is
        return dict.fromkeys(key for key in Cell._fields if key not in NOT_IN_DOCUMENT) | _fields(value)
    return _fields(value) if hasattr(value, "_fields") else [plain(each) for each in value]


def _fields(record: Any) -> dict[str, Any]:
    return {name: plain(each) for name, each in zip(record._fields, record, strict=True) if name not in NOT_IN_DOCUMENT}


def _not_finite(value: Any, where: str) -> Iterator[tuple[str, float]]:
    """Places of numbers that JSON has no word for."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _not_finite(each, f"{where}.{key}")
    elif isinstance(value, list):
        for i, each in enumerate(value):
            yield from _not_finite(each, f"{where}[{i}]")
    elif isinstance(value, float) and not math.isfinite(value):
        yield where, value
