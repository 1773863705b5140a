"""What each field of a cell measures: every one has its line in the table, and the table has no other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import pytest

from backtester.report.fields import Field, fields, is_list, is_record
from backtester.report.measures import MEASURES, NOT_COMPARED, Quantity, badness, measure_of
from backtester.report.records import Cell


def every(record: type) -> Iterator[tuple[type, Field]]:
    """All fields of a record and of the records in it."""
    for field in fields(record):
        yield record, field
        inner = get_args(field.type)[0] if is_list(field.type) and get_args(field.type) else field.type
        if is_record(inner) and f"{record.__name__}.{field.name}" not in NOT_COMPARED:
            yield from every(inner)


FIELDS = list(dict.fromkeys(every(Cell)))


def is_measured(field: Field) -> bool:
    """Not a record that is always there: its fields are."""
    return field.optional or not is_record(field.type)


@pytest.mark.parametrize(("record", "field"), FIELDS, ids=lambda each: getattr(each, "__name__", None) or each.name)
def test_every_field_is_in_the_table(record: type, field: Field) -> None:
    if not is_measured(field):
        return
    measure = measure_of(record, field.name)
    assert (measure is None) == (f"{record.__name__}.{field.name}" in NOT_COMPARED)


def test_nothing_else_is_in_it() -> None:
    known = {name for record, field in FIELDS for name in (field.name, f"{record.__name__}.{field.name}")}
    assert set(MEASURES) <= known
    assert known >= NOT_COMPARED


ENDINGS = {
    Quantity.PERCENT: ("_pct",),
    Quantity.BPS: ("_bps",),
    Quantity.TIME: ("_ts", "_by"),
    Quantity.DATE: ("_ts",),
    Quantity.DURATION: ("_ns",),
}


def test_names_say_their_units() -> None:
    endings = tuple(ending for several in ENDINGS.values() for ending in several)
    for record, field in FIELDS:
        measure = measure_of(record, field.name) if is_measured(field) else None
        if measure is not None and measure.quantity in ENDINGS:
            assert f"_{field.name}".endswith(ENDINGS[measure.quantity])
        else:
            assert not field.name.endswith(endings)


@pytest.mark.parametrize(
    ("name", "better", "worse"),
    [
        ("loss", 1.0, 2.0),
        ("buffer_min", 1.0, -1.0),
        ("fees", -1.0, -2.0),
        ("Shortfall.fees", 1.0, 2.0),
        ("required_topup", 1e9, None),
        ("breach_ts", None, 1.0),
        ("breach_ts", 2.0, 1.0),
        ("outcome", "ok", "breached"),
        ("outcome", "ok", "unknown"),
    ],
)
def test_what_is_worse(name: str, better: float | str | None, worse: float | str | None) -> None:
    before, after = (badness(MEASURES[name], name, value) for value in (better, worse))
    assert before is not None and after is not None and before < after


def test_what_is_neither() -> None:
    assert badness(MEASURES["notional"], "notional", 1.0) is None
    assert badness(MEASURES["buffer_min"], "buffer_min", None) is None
