"""Courses on one axis: what is drawn of a column, and where nothing can be."""

from __future__ import annotations

import pytest

from backtester.report.chart import held
from backtester.report.course import Course, Kind, course_lines

AXIS = ("20:30", "22:30")


@pytest.mark.parametrize(
    ("kind", "values", "drawn"),
    [
        ("low", (3.0, 1.0, 2.0, 2.0), "█▁▅▅"),
        ("left", (1.0, 0.5, 0.0, 1.0), "█▄▁█"),
        ("factor", (1.0, 10.0, 100.0, 1000.0), "▁▃▆█"),
        ("switch", (0.0, 7.0, 4.0, 0.0), "·██·"),
    ],
)
def test_what_is_drawn(kind: Kind, values: tuple[float, ...], drawn: str) -> None:
    course = Course("x", kind, (0.0, 0.25, 0.5, 0.75), values, "note")
    line, axis = course_lines([course], AXIS, 15)
    assert line == f"x {''.join(sign * 2 for sign in drawn)} note"
    assert axis.split() == ["UTC", *AXIS]


def test_a_column_without_values_holds_the_last() -> None:
    assert held((0.0, 0.1, 0.75), (5.0, 4.0, 9.0), 4, min) == [4.0, 4.0, 4.0, 9.0]
    assert held((0.5,), (2.0,), 2, max) == [2.0, 2.0]


def test_no_picture_without_room() -> None:
    assert list(course_lines([Course("BTC mark", "low", (0.0,), (1.0,), "−12.8 % 21:20:18")], AXIS, 33)) == []
