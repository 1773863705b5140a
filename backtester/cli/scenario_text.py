"""What a scenario does, told to a reader: a picture over time, its figures with their sources, how near it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from backtester.cli.console import Cell, Settings, make_console, rows_text
from backtester.cli.scenario_list import clock, in_percent, lasting, start_text

if TYPE_CHECKING:
    from backtester.report.course import Course as Line
    from backtester.report.course import Kind
    from backtester.scenario.courses import Course, Key
    from backtester.scenario.path import Scenario, Series

_RAW = ("symbol", "venue", "column", "knots", "start", "low", "low_at", "high", "high_at", "end", "source")
_SHOWN = ("symbol", "column", "low", "high", "end", "source")
NOTHING_CLAIMED = "hypothetical: none of it is claimed to have happened, so there is nothing that it could be near to"
_LABELS = {
    "mark": "mark",
    "bid_depth_near": "bid depth",
    "ask_depth_near": "ask depth",
    "spread_mult": "spread",
    "funding_rate": "funding",
    "outage": "outage",
}


def series_text(scenario: Scenario, tables: tuple[Path, ...], options: Settings) -> str:
    """Every series of the path in JSON or CSV: its start, extremes and end, and the keys of its sources."""
    sources = _sources(tables)
    return rows_text("scenario", _RAW, [_raw(scenario, s, sources) for s in scenario.series], options)


def blocks(scenario: Scenario, tables: tuple[Path, ...], options: Settings) -> Iterator[str]:
    """All that is shown of a scenario to a reader. `tables`: the files that it is composed of."""
    from backtester.cli.fidelity import measured_text
    from backtester.scenario.fidelity import claimed, grades, missed
    from backtester.texts import printable

    begins = start_text(scenario, "%Y-%m-%d %H:%M UTC")
    lasts = lasting(scenario.span_ns)
    title = _wrapped(printable(f"{scenario.id}: {scenario.title}"), options)
    yield f"{title}\n{scenario.type}, {begins}, {lasts}\n"
    if options.format == "table":
        yield from _picture(scenario, make_console(options).width)
    sources = _sources(tables)
    yield rows_text("scenario", _SHOWN, [_shown(_raw(scenario, s, sources)) for s in scenario.series], options)
    used = {key for keys in sources.values() for key in keys}
    if rows := [each for each in scenario.sources if each.key in used]:
        yield rows_text("scenario_sources", ("source", "what it is"), rows, options)
    if measured := claimed(scenario):
        yield measured_text(measured, options)
        letters = ", ".join(f"{symbol} {grade}" for symbol, grade in grades(scenario).items())
        faults = [f"\n{fault}" for each in measured for fault in missed(each)]
        yield f"{_wrapped(f'a pair is candles/path, in per cent; grade {letters}', options)}{''.join(faults)}\n"
    elif scenario.type != "HIST":
        yield _wrapped(NOTHING_CLAIMED, options) + "\n"
    if others := scenario.others:
        told = f"any other name moves like {others.of} times {others.beta:g} (assumed). {others.why}"
        yield _wrapped(printable(told), options) + "\n"
    if scenario.assumed:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in scenario.assumed.items())
        yield _wrapped(f"assumed {scenario.assumed_share:.0%}, the mean of {shares}", options) + "\n"


def _wrapped(text: str, options: Settings) -> str:
    from textwrap import fill

    return fill(text, make_console(options).width)


def figures(path: Path) -> Iterator[tuple[Cell, ...]]:
    """Every figure of a facts file, then what it leaves out."""
    from backtester.scenario.reader import read_facts

    facts = read_facts(path)
    for table in facts.tables:
        for position, column in enumerate(table.columns):
            for figure in table.figures:
                value = figure.values[position] * table.scale
                when = clock(facts.start_ns, figure.t_ns)
                yield table.symbol, table.venue, column, when, value, figure.source, figure.note
    for each in facts.unused:
        yield None, None, "not applied", None, None, each.source, f"{each.figure}: {each.why}"


def _sources(tables: tuple[Path, ...]) -> Mapping[Key, tuple[str, ...]]:
    """Of every series the keys of its sources; nothing of a path without facts beside it."""
    from backtester.scenario.courses import sources_of
    from backtester.scenario.reader import read_facts

    found: dict[Key, tuple[str, ...]] = {}
    for facts in (path.with_suffix(".toml") for path in tables):
        for key, names in (sources_of(read_facts(facts)) if facts.exists() else {}).items():
            found[key] = tuple(dict.fromkeys((*found.get(key, ()), *names)))
    return found


def _raw(scenario: Scenario, s: Series, sources: Mapping[Key, tuple[str, ...]]) -> tuple[Cell, ...]:
    start, low, high = scenario.start_ns or 0, int(s.values.argmin()), int(s.values.argmax())
    first, last = float(s.values[0]), float(s.values[-1])
    lowest = (float(s.values[low]), clock(start, int(s.t_ns[low])))
    highest = (float(s.values[high]), clock(start, int(s.t_ns[high])))
    source = " ".join(sources.get((s.venue, s.symbol, s.column), ()))
    return s.symbol, s.venue, s.column, int(s.values.size), first, *lowest, *highest, last, source


def _shown(row: tuple[Cell, ...]) -> tuple[Cell, ...]:
    """A row for eyes: words, few digits, and no second time of a value that stays."""
    symbol, venue, column, _, _, low, _, high, _, last, source = row
    whose = f"{symbol}" if venue == "*" else f"{symbol} {venue}"
    edges = (_digits(low), _digits(high)) if low != high else ("", "")
    return whose, f"{column}".replace("_", " "), *edges, _digits(last), source


def _digits(value: Cell) -> str:
    """Four, or all before the point. Examples: 0.0016, 28,800."""
    return f"{value:,.0f}" if isinstance(value, float) and abs(value) >= 1000 else f"{value:.4g}"


def _picture(scenario: Scenario, width: int) -> Iterator[str]:
    """How it goes over time, one line for each course."""
    from backtester.report.course import course_lines
    from backtester.scenario.courses import courses
    from backtester.texts import printable

    lines = [_line(scenario, each) for each in courses(scenario)]
    start = scenario.start_ns or 0
    axis = clock(start, 0), clock(start, scenario.span_ns)
    if lines:
        yield "".join(f"{printable(line)}\n" for line in course_lines(lines, axis, width))


def _line(scenario: Scenario, course: Course) -> Line:
    """A course as it is drawn, and what is said of its extreme: where it is farthest from its start."""
    from backtester.report.course import Course as Line

    values, first = course.values, course.values[0]
    low, high = values.index(min(values)), values.index(max(values))
    name = _LABELS[course.column]
    whose = [*([] if course.symbol == "*" else [course.symbol]), name, *([] if course.venue == "*" else [course.venue])]
    places = [min(max(t / max(1, scenario.span_ns), 0.0), 1.0) for t in course.t_ns]

    def line(kind: Kind, at: int, said: str) -> Line:
        when = clock(scenario.start_ns or 0, course.t_ns[at])
        return Line(" ".join(whose), kind, places, values, said if low == high else f"{said} {when}")

    match course.column:
        case "mark":
            falls = first / values[low] >= values[high] / first
            at = low if falls else high
            return line("low" if falls else "high", at, f"{in_percent(values[at] / first - 1.0)} %")
        case "spread_mult":
            return line("factor", high, f"×{values[high]:,.4g}")
        case "funding_rate":
            falls = -values[low] > values[high]
            at = low if falls else high
            return line("low" if falls else "high", at, f"{in_percent(values[at], 4)} %")
        case "outage":
            return line("switch", high, "from")
        case _:
            return line("left", low, f"×{values[low]:.4g}")
