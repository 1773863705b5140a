"""The result document: the report model as JSON, keys in the order of the model."""

from __future__ import annotations

import math
from enum import IntEnum
from typing import Any

from backtester.config.values import Instant
from backtester.errors import engine_fault
from backtester.report.model import ReportModel
from backtester.report.records import Cell, FailedCell, Named
from backtester.texts import iso_time, json_text

#: Series that the document leaves to path.parquet and depth.parquet.
NOT_IN_DOCUMENT = {"margin_paths", "mark_paths"}


def render_json(model: ReportModel) -> str:
    """One JSON document, floats with all their digits, the same bytes for the same model.

    Raises an engine fault for a number that is not finite.
    """
    return json_text(plain(model)) + "\n"


def plain(value: Any, where: str = "result") -> Any:
    """A part of the model as what JSON knows: records are objects, enums their names in lower case."""
    if isinstance(value, Instant):
        return iso_time(value.ts_ns)
    if isinstance(value, Named):
        return {key: plain(each, f"{where}.{key}") for key, each in value.items}
    if isinstance(value, FailedCell):  # with every key of a cell: a reader asks what it says, not what it is
        return dict.fromkeys(key for key in Cell._fields if key not in NOT_IN_DOCUMENT) | _fields(value, where)
    if isinstance(value, IntEnum):
        return value.name.lower()
    if isinstance(value, tuple):
        fields = getattr(value, "_fields", None)
        if fields is None:
            return [plain(each, f"{where}[{i}]") for i, each in enumerate(value)]
        return _fields(value, where)
    if isinstance(value, float) and not math.isfinite(value):
        raise engine_fault(where, f"{value} is not a finite number")
    return value


def _fields(record: Any, where: str) -> dict[str, Any]:
    names = (name for name in record._fields if name not in NOT_IN_DOCUMENT)
    return {name: plain(getattr(record, name), f"{where}.{name}") for name in names}
