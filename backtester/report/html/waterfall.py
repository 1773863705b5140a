"""Steps from nothing to a whole, one below the other: several things to one scale, with an axis and all figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate, pairwise
from typing import NamedTuple

from backtester.report.html.plot import levels_between
from backtester.report.html.tree import Element, node

_STEP = 14  # pixels of the height of one part
_BAR = 9  # and of what is drawn of it
_AXIS = 16
_GAP = 4  # between a bar and its figure
_ROOM = 28.0  # per cent of the width that the longest figure needs on a phone


class Steps(NamedTuple):
    """One thing that had a cost, and its parts in the order in which they come about; a cost is positive."""

    name: str
    parts: tuple[tuple[str, float], ...]

    @property
    def ends(self) -> list[float]:
        """What it had come to before the first part, and after each."""
        return [*accumulate((part for _, part in self.parts), initial=0.0)]

    @property
    def taken(self) -> Steps:
        """The same without parts that are nothing."""
        return self._replace(parts=tuple(each for each in self.parts if each[1]))


class Scale(NamedTuple):
    """The values that are drawn, from the left of a page to where the longest figure still has room."""

    low: float
    high: float

    def place(self, value: float) -> float:
        """Per cent of the width."""
        return (100.0 - _ROOM) * (value - self.low) / (self.high - self.low)


def waterfall(title: str, rows: Iterable[Steps], unit: str, written: Callable[[float], str]) -> Iterator[Element]:
    """All of them to one scale, with what the colours mean; nothing where nothing had a cost."""
    given = [*rows]
    told = [row.taken for row in given if row.taken.parts]
    if not told:
        return
    ends = [end for row in told for end in row.ends]
    scale = Scale(min(ends), max(ends))
    seen = {name for row in told for name, _ in row.parts}
    names = [name for name in dict.fromkeys(name for row in given for name, _ in row.parts) if name in seen]
    legend = node("span", (node("span", name, class_=f"key {name}") for name in names), class_="legend")
    drawn = (node("div", _row(row, scale, unit, written), class_="fall") for row in told)
    yield node("figure", node("figcaption", title, legend), drawn, _axis(scale, unit))


def _row(row: Steps, scale: Scale, unit: str, written: Callable[[float], str]) -> Iterator[Element]:
    """Name, sum and steps."""
    yield node("p", node("span", row.name), node("b", f"{written(row.ends[-1])} {unit}"))
    height = _STEP * len(row.parts)
    parts = zip(row.parts, pairwise(row.ends), strict=True)
    steps = (
        drawn
        for number, ((name, part), ends) in enumerate(parts)
        for drawn in _step(name, part, scale, ends, number * _STEP, f"{name} {written(part)}")
    )
    yield node(
        "svg", _lines(scale), steps, class_="steps", width="100%", height=height, role="img", aria_label=row.name
    )


def _step(name: str, part: float, scale: Scale, ends: tuple[float, float], top: int, text: str) -> Iterator[Element]:
    """A bar from what it was to what it is, and its figure behind it."""
    left, right = scale.place(min(ends)), scale.place(max(ends))
    shape: dict[str, str | float] = {"x": f"{left:.2f}%", "width": f"{right - left:.2f}%", "y": top, "height": _BAR}
    yield node("rect", node("title", text), class_=f"step {name}", data_value=f"{part:.10g}", **shape)
    yield node("text", text, x=f"{right:.2f}%", y=top + _BAR, dx=_GAP)


def _lines(scale: Scale) -> Iterator[Element]:
    """One at nothing, and fainter ones at round values."""
    for level in _levels(scale):
        x = f"{scale.place(level):.2f}%"
        yield node("line", class_="grid" if level else "zero", x1=x, x2=x, y1="0", y2="100%")


def _axis(scale: Scale, unit: str) -> Element:
    """The round values; the unit beside nothing."""
    axis = node("svg", class_="steps axis", width="100%", height=_AXIS, aria_hidden="true")
    for level in _levels(scale):
        x = scale.place(level)
        anchor = "start" if x < 8.0 else "middle"
        said = f"{level + 0.0:,.10g}".replace("-", "−")
        axis.append(node("text", said if level else f"0 {unit}", x=f"{x:.2f}%", y=_AXIS, dy="-4", text_anchor=anchor))
    return axis


def _levels(scale: Scale) -> list[float]:
    return levels_between(scale.low, scale.high)
