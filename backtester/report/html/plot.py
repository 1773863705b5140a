"""Pictures over time: where a moment and a value lie, the lines behind them, bands, and marks upon them.

A picture is as wide as its page and as high as its frame says. Places are shares of both in per cent, so that one
drawing serves a phone, a screen and a sheet of paper; only bands are stretched, texts and marks keep their size.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import NamedTuple

from backtester.report.html.tree import Element, add, node

#: Places in time that a band is drawn with, and that a reader can point at.
GRAIN = 240
_SECOND = 1_000_000_000
_STEPS_S = (1, 5, 10, 30, 60, 300, 600, 1_200, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400, 604_800)
_MOST_TIMES, _MOST_LEVELS = 9, 5
_ROOM = 4.0  # per cent of the width that a word stands in
HEAD, FOOT = 8.0, 12.0  # per cent of the height that no value lies in: marks above, the clock below


class Span(NamedTuple):
    """The time that all pictures of a run share, ns."""

    begin: int
    end: int

    def place(self, ts_ns: int) -> float:
        """Per cent of the width."""
        return min(max(100.0 * (ts_ns - self.begin) / max(1, self.end - self.begin), 0.0), 100.0)

    def begin_of(self, grain: int) -> int:
        """When a grain of the width begins, ns."""
        return self.begin + (self.end - self.begin) * grain // GRAIN

    def clock(self, ts_ns: int) -> str:
        """A moment for a reader; with its day where the span is longer than one. Example: 13 Mar 02:20:00."""
        form = "%H:%M:%S" if self.end - self.begin <= 86_400 * _SECOND else "%d %b %H:%M:%S"
        return f"{datetime.fromtimestamp(ts_ns // _SECOND, UTC):{form}}"

    def ticks(self) -> Iterator[tuple[int, str]]:
        """Round times, few enough to be read, and how they are written."""
        seconds = (self.end - self.begin) / _SECOND
        step = next((s for s in _STEPS_S if seconds / s <= _MOST_TIMES), _STEPS_S[-1])
        form = "%H:%M:%S" if step < 60 else "%H:%M" if step < 86_400 else "%d %b"
        for tick in range(-(-self.begin // (step * _SECOND)), self.end // (step * _SECOND) + 1):
            yield tick * step * _SECOND, f"{datetime.fromtimestamp(tick * step, UTC):{form}}"


class Band(NamedTuple):
    """Lowest and highest of a figure in each grain of time; None before it was first known."""

    name: str
    kind: str  # how it is drawn: a class of the style sheet
    lowest: tuple[float | None, ...]
    highest: tuple[float | None, ...]


def band(name: str, kind: str, span: Span, times: Sequence[int], low: Sequence[float], high: Sequence[float]) -> Band:
    """A series in grains; where nothing was measured it is what it was."""
    lows: list[float | None] = [None] * GRAIN
    highs: list[float | None] = [None] * GRAIN
    for ts_ns, lowest, highest in zip(times, low, high, strict=True):
        grain = min(int(span.place(ts_ns) * GRAIN / 100.0), GRAIN - 1)
        lows[grain] = lowest if (seen := lows[grain]) is None else min(seen, lowest)
        highs[grain] = highest if (seen := highs[grain]) is None else max(seen, highest)
    for grain in range(1, GRAIN):
        if lows[grain] is None:
            lows[grain], highs[grain] = lows[grain - 1], highs[grain - 1]
    return Band(name, kind, tuple(lows), tuple(highs))


class Mark(NamedTuple):
    """Something that happened: a sign at a time, at a value or above the picture."""

    ts_ns: int
    value: float | None
    sign: str
    kind: str  # how it is drawn: a class of the style sheet
    text: str  # what a reader is told who points at it
    radius: float | None = None  # of a dot in place of the sign, pixels


class Phase(NamedTuple):
    """A stretch of time with something in common, shaded behind what happened in it."""

    begin: int
    end: int  # ns
    kind: str  # how it is drawn: a class of the style sheet
    text: str  # what a reader is told who points at it


#: What marks of a kind stand for; those of lines are of the colour of their line.
SIGNS: Mapping[str, str] = MappingProxyType(
    {
        "stop": "▲ a stop fires",
        "forced": "✕ liquidation, or below maintenance",
        "sell": "● sold, area by size",
        "buy": "● bought, area by size",
        "thin": "▒ thin order book: a quarter of usual or less",
        "outage": "▒ outage of the venue",
        "latency": "▬ messages take longer",
        "interval": "▬ another funding interval",
        "alert": "◇ a guard alerts",
        "guard": "◆ a guard sends an order",
    }
)


#: Phases that are drawn as a strip, so high and so far from the top, pixels; all others are as high as the picture.
_STRIP = 5
_STRIPS: Mapping[str, int] = MappingProxyType({"latency": 0, "interval": _STRIP + 1})


#: Where the word of a phase stands that may lie over another one, pixels.
_LINES: Mapping[str, int] = MappingProxyType({"outage": -32})


class Frame:
    """The part of time and values that a picture shows: all bands, all marks at a value, and whatever is named."""

    def __init__(self, span: Span, bands: Sequence[Band], marks: Sequence[Mark] = (), *others: float) -> None:
        known = [value for each in bands for value in (*each.lowest, *each.highest) if value is not None]
        values = [*known, *(mark.value for mark in marks if mark.value is not None), *others]
        low, high = min(values), max(values)
        room = 0.04 * (high - low) or abs(high) * 0.01 or 1.0
        self.span, self.low, self.high = span, low - room, high + room

    def height(self, value: float) -> float:
        """Per cent from the top."""
        share = (self.high - value) / (self.high - self.low)
        return HEAD + (100.0 - HEAD - FOOT) * min(max(share, 0.0), 1.0)

    def levels(self) -> list[float]:
        """Round values, few enough to be read."""
        return levels_between(self.low, self.high)


def levels_between(low: float, high: float) -> list[float]:
    """Round values, few enough to be read. Example: between -1.0 and 12.0 they are 0.0, 5.0 and 10.0."""
    step = round_up((high - low) / _MOST_LEVELS)
    return [n * step for n in range(math.ceil(low / step), math.floor(high / step) + 1)]


def round_up(value: float) -> float:
    """To 1, 2 or 5 times a power of ten. Example: 0.23 is 0.5."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= value)


def picture(
    label: str,
    span: Span,
    bands: Sequence[Band],
    marks: Sequence[Mark],
    *others: float,
    phases: Sequence[Phase] = (),
) -> Element:
    """A drawing of these bands and marks with the lines behind them, high enough to show `others` too."""
    frame = Frame(span, bands, marks, *others)
    stretched = node("svg", viewBox="0 0 100 100", preserveAspectRatio="none", width="100%", height="100%")
    add(stretched, *(_drawn(each, frame) for each in bands))
    signs = (_sign(each, frame) for each in marks)
    shades = (shade for each in phases for shade in _shade(each, span))
    return canvas(
        label, span, [*shades, *_levels(frame), *times(span), stretched], signs, _legend(bands, marks, phases)
    )


def _shade(each: Phase, span: Span) -> Iterator[Element]:
    """A stretch as high as the picture, and its word where there is room for one."""
    begin, end = span.place(each.begin), span.place(each.end)
    told = node("title", f"{span.clock(each.begin)} to {span.clock(each.end)} {each.text}")
    shape = {"class_": f"phase {each.kind}", "x": f"{begin:.2f}%", "width": f"{end - begin:.2f}%"}
    if each.kind in _STRIPS:
        yield node("rect", told, **shape, y=_STRIPS[each.kind], height=_STRIP)
        return
    yield node("rect", told, **shape, height="100%")
    if end - begin > _ROOM:
        yield node(
            "text",
            each.kind,
            class_=f"phase {each.kind}",
            x=f"{begin:.2f}%",
            y="100%",
            dx="3",
            dy=_LINES.get(each.kind, -18),
        )


def _legend(bands: Sequence[Band], marks: Sequence[Mark], phases: Sequence[Phase]) -> Element:
    """What bands and marks mean."""
    lines = [node("span", each.name, class_=f"key {each.kind.split()[-1]}") for each in bands]
    drawn = [*(mark.kind for mark in marks), *(phase.kind for phase in phases)]
    kinds = [kind for kind in dict.fromkeys(drawn) if kind in SIGNS]
    return node("span", lines, (node("span", SIGNS[kind], class_=f"sign {kind}") for kind in kinds), class_="legend")


def canvas(
    label: str, span: Span, behind: Iterable[Element], before: Iterable[Element], *legend: Element, **more: str | float
) -> Element:
    """A figure with its caption; what lies behind the line of the pointer, and before it."""
    ends = {"data_begin": span.begin // 1_000_000, "data_end": span.end // 1_000_000}  # ms, as scripts count
    shape = {"class_": "plot", "role": "img", "aria_label": label, "tabindex": "0"}
    drawn = node("svg", **{**shape, **ends, **more})
    add(drawn, *behind, node("line", class_="pointer", y1="0", y2="100%"), *before)
    return node("figure", node("figcaption", label, legend, node("output")), drawn)


def _levels(frame: Frame) -> Iterator[Element]:
    for level in frame.levels():
        y = frame.height(level)
        yield node("line", class_="grid", x1="0", x2="100%", y1=f"{y:.2f}%", y2=f"{y:.2f}%")
        yield node("text", f"{level + 0.0:,.10g}".replace("-", "−"), class_="level", x="0", y=f"{y:.2f}%", dy="-3")


def times(span: Span) -> Iterator[Element]:
    """A line at each round time, and the clock below."""
    for number, (ts_ns, text) in enumerate(span.ticks()):
        x = span.place(ts_ns)
        yield node("line", class_="grid", x1=f"{x:.2f}%", x2=f"{x:.2f}%", y1="0", y2="100%")
        anchor = "start" if x < 4.0 else "end" if x > 96.0 else "middle"
        kind = "time odd" if number % 2 else "time"
        yield node("text", text, class_=kind, x=f"{x:.2f}%", y="100%", dy="-4", text_anchor=anchor)


def _drawn(each: Band, frame: Frame) -> Element:
    """An area between highs and lows; its figures stand beside it for whoever points at it, or tests it."""
    known = [grain for grain in range(GRAIN) if each.lowest[grain] is not None]
    points = [(grain, each.highest[grain]) for grain in known] + [(grain, each.lowest[grain]) for grain in known[::-1]]
    path = "L".join(f"{100.0 * (grain + 0.5) / GRAIN:.2f} {frame.height(value or 0.0):.2f}" for grain, value in points)
    return node(
        "path",
        class_=f"band {each.kind}",
        d=f"M{path}Z" if path else "",
        data_name=each.name,
        data_low=_numbers(each.lowest),
        data_high=_numbers(each.highest),
    )


def _numbers(values: Sequence[float | None]) -> str:
    return ",".join("" if value is None else f"{value:.10g}" for value in values)


def _sign(each: Mark, frame: Frame) -> Element:
    x = f"{frame.span.place(each.ts_ns):.2f}%"
    y = f"{frame.height(each.value):.2f}%" if each.value is not None else "1em"
    if each.radius is not None:
        sign = node("circle", class_=f"mark {each.kind}", cx=x, cy=y, r=each.radius)
    else:
        sign = node("text", each.sign, class_=f"mark {each.kind}", x=x, y=y, text_anchor="middle", dy="0.35em")
    add(sign, node("title", f"{frame.span.clock(each.ts_ns)} {each.text}"))
    return sign
