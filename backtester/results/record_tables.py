"""The records of the report model as tables: a row per record, a column per field.

A column is named as its field is, one of a record within by the way there: `cells[].portfolio.loss` of the document is
`portfolio_loss` of `cells.parquet`. What has a table of its own is left to it, and so are the lists of a record. A
field that has the name of a key (`KEYS`) without being it is called `own_`: that is the venue of an account, where
`venue` names all venues of its cell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import IntEnum
from typing import Any, NamedTuple, get_args

import pyarrow as pa

from backtester.config.values import Instant
from backtester.report.executions import OrderReport
from backtester.report.fields import fields, is_list, is_record
from backtester.report.records import (
    AccountReport,
    Cell,
    FailedCell,
    FundingPayment,
    LiquidationReport,
    Named,
    PositionReport,
)
from backtester.results.columns import TIME, WORD, words

#: Columns that say which cell a row is of; every table begins with them.
CELL_KEYS = ("cell", "portfolio", "scenario", "venue", "variant")
#: All keys: these follow where they apply.
KEYS = (*CELL_KEYS, "account", "symbol", "order")

#: Tables by the name of their file.
Tables = Mapping[str, pa.Table]
Keyed = tuple[tuple[str, ...], NamedTuple]  # the further keys of a row, and its record


class _Source(NamedTuple):
    """Where the rows of a table come from."""

    records: tuple[type, ...]  # one row each; the table has the columns of all of them
    keys: tuple[str, ...]
    said: frozenset[str]  # fields that are keys
    rows: Callable[[Any], Iterable[Keyed]]  # of a cell


def _placed(cell: Cell) -> Iterator[Keyed]:
    return (((account.name, each.symbol), each) for account in cell.accounts for each in account.positions)


_PLACE = ("account", "symbol")
_SOURCES = {
    "cells": _Source(
        (Cell, FailedCell), (), frozenset({"portfolio.name", "scenario", "venue", "variant"}), lambda cell: [((), cell)]
    ),
    "accounts": _Source(
        (AccountReport,),
        ("account",),
        frozenset({"name"}),
        lambda cell: (((each.name,), each) for each in cell.accounts),
    ),
    "positions": _Source((PositionReport,), _PLACE, frozenset({"symbol"}), _placed),
    "orders": _Source(
        (OrderReport,),
        (*_PLACE, "order"),
        frozenset({*_PLACE, "id"}),
        lambda cell: (((each.account, each.symbol, each.id), each) for each in cell.orders),
    ),
    "liquidations": _Source(
        (LiquidationReport,),
        _PLACE,
        frozenset(_PLACE),
        lambda cell: (((each.account, each.symbol), each) for each in cell.liquidations),
    ),
    "funding": _Source(
        (FundingPayment,),
        _PLACE,
        frozenset(_PLACE),
        lambda cell: (((each.account, each.symbol), each) for each in cell.funding),
    ),
}
RECORD_TABLES = tuple(f"{name}.parquet" for name in _SOURCES)


def record_tables(cell: Cell | FailedCell) -> Tables:
    """The tables of one cell, without its own keys; of one that failed there is only that it did."""
    names = _SOURCES if isinstance(cell, Cell) else ("cells",)
    return {f"{name}.parquet": _table(_SOURCES[name], list(_SOURCES[name].rows(cell))) for name in names}


def _table(source: _Source, rows: Sequence[Keyed]) -> pa.Table:
    keys = {key: words([said[number] for said, _ in rows]) for number, key in enumerate(source.keys)}
    columns = dict.fromkeys(column for record in source.records for column in _columns(record))
    figures = {
        _own(each.name): each.of([row for _, row in rows]) for each in columns if ".".join(each.path) not in source.said
    }
    return pa.table(keys | figures)


def _own(name: str) -> str:
    return f"own_{name}" if name in KEYS else name


class _Column(NamedTuple):
    """A single value of each record, and how to get there."""

    path: tuple[str, ...]
    type: pa.DataType

    @property
    def name(self) -> str:
        return "_".join(self.path)

    def of(self, records: Iterable[NamedTuple]) -> pa.Array:
        values = [_stored(_at(record, self.path)) for record in records]
        return words(values) if self.type == WORD else pa.array(values, self.type)


def _columns(record: type, path: tuple[str, ...] = ()) -> Iterator[_Column]:
    """The single values of a record and of the records in it, and its lists of words."""
    for field in fields(record):
        place = (*path, field.name)
        if is_record(field.type):
            yield from _columns(field.type, place)
        elif is_list(field.type) and issubclass(get_args(field.type)[0], str):
            yield _Column(place, pa.list_(pa.string()))
        elif not is_list(field.type):
            yield _Column(place, _arrow_type(field.type))


def _arrow_type(kind: Any) -> pa.DataType:
    simple = {float: pa.float64(), int: pa.int64(), Instant: TIME}
    return simple.get(kind, WORD)


def _at(record: Any, path: Sequence[str]) -> Any:
    """What lies there; None where a record on the way is None, or is of another kind without such a field."""
    for name in path:
        record = getattr(record, name, None)
    return record


def _stored(value: Any) -> Any:
    """A single value as Arrow takes it."""
    if isinstance(value, Instant):
        return value.ts_ns
    if isinstance(value, IntEnum):
        return value.name.lower()
    return str(value) if isinstance(value, Named) else value
