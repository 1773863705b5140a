"""How figures go over time: a line of blocks each, all on one axis."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from backtester.report.chart import gauge, held, sparkline
from backtester.texts import shortened

#: What is drawn: the lowest or highest value of a column, what is left of a whole, a factor of any size, on or off.
Kind = Literal["low", "high", "left", "factor", "switch"]
_WIDEST, _NARROWEST, _LABEL = 72, 8, 24


class Course(NamedTuple):
    """Values at places in [0, 1] of the axis, what they are called, and what is said of them behind the line."""

    label: str
    kind: Kind
    places: Sequence[float]
    values: Sequence[float]
    note: str


def course_lines(courses: Sequence[Course], axis: tuple[str, str], width: int) -> Iterator[str]:
    """One line a course, then the axis with its two ends; nothing where a line has no room for a picture."""
    label = min(max(len(each.label) for each in courses), _LABEL)
    room = min(width - label - 2 - max(len(each.note) for each in courses), _WIDEST)
    if room < _NARROWEST:
        return
    for each in courses:
        yield f"{shortened(each.label, label):>{label}} {_drawn(each, room)} {each.note}".rstrip()
    begin, end = axis
    yield f"{'UTC':>{label}} {begin}{end:>{max(room - len(begin), len(end) + 1)}}"


def _drawn(course: Course, width: int) -> str:
    """Example: what is left, 1, 0.5, 0, in three columns is █▄▁."""
    pick = min if course.kind in ("low", "left") else max
    shown = held(course.places, course.values, width, pick)
    match course.kind:
        case "left":
            return gauge(shown)
        case "factor":
            return sparkline([math.log(value) for value in shown])
        case "switch":
            return "".join("█" if value else "·" for value in shown)
        case _:
            return sparkline(shown)
