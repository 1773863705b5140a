"""The edges of survival in four formats: a row for each scenario and venue, then the runs that certify it."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from backtester import __version__
from backtester.config.command import from_anywhere, words
from backtester.report.json import plain
from backtester.report.markdown import sheet_lines
from backtester.report.naming import place_name, scenario_words, undated
from backtester.report.sheet import Column, Sheet
from backtester.report.text import NONE, money, percent, when
from backtester.sweep.axes import AXES, Axis, times
from backtester.sweep.records import Fate, Found, Solution, Span, Tried, Unsolved
from backtester.texts import csv_cell, json_text, markdown_text, printable

if TYPE_CHECKING:
    from rich.console import Console

SCHEMA_VERSION = 1


def render_solution(solution: Solution, format: str, console: Console) -> str:
    """The text of it as table, json, csv or markdown; `console` decides the width of a table."""
    if format == "json":
        return json_text(_document(solution)) + "\n"
    if format == "csv":
        return _csv(solution)
    if format == "markdown":
        return "\n".join(_markdown(solution)).lstrip("\n") + "\n"
    from backtester.report.table import SheetView

    with console.capture() as capture:
        for sheet in _sheets(solution):
            console.print(SheetView(sheet, blank_after=sheet.optional))
    table = [line.rstrip() for line in capture.get().splitlines()]
    return "\n".join([*table, "", *map(printable, _lines(solution))]) + "\n"


# --- for readers ---------------------------------------------------------------------------------------------------

_COLUMNS = (
    Column("scenario", is_text=True),
    Column("venue", is_text=True),
    Column("lives to", is_text=True),
    Column("buffer low"),
    Column("loss", rank=3),
    Column("dies at", is_text=True),
    Column("there", is_text=True),
    Column("loss", rank=2),
    Column("%", rank=1),
    Column("tried", rank=4),
    Column("monotone", rank=5, is_text=True),
)


def _sheets(solution: Solution) -> Iterator[Sheet]:
    yield from _matrix(solution)
    yield _sheet(solution)


def _matrix(solution: Solution) -> Iterator[Sheet]:
    """Scenario by venue: what is lived to, where there are several of both."""
    axis = AXES[solution.axis]
    told = {
        _place(row): row.status.replace("_", " ") if isinstance(row, Unsolved) else _lives_to(axis, row)
        for row in solution.rows
    }
    down, across = (list(dict.fromkeys(place[n] for place in told)) for n in (0, 1))
    if min(len(down), len(across)) < 2 or len(told) < len(solution.rows) or len(told) < len(down) * len(across):
        return
    columns = (Column("scenario", is_text=True), *(Column(venue, is_text=True) for venue in across))
    rows = tuple((scenario, *(told[scenario, venue] for venue in across)) for scenario in down)
    yield Sheet(f"Scenario by venue: {axis.title} that is lived to", columns, rows, optional=True)


def _place(row: Found | Unsolved) -> tuple[str, str]:
    """Scenario and venue as a table names them, the date of the rules left out."""
    return (scenario_words(row.scenario), undated(row.venue))


def _sheet(solution: Solution) -> Sheet:
    axis = AXES[solution.axis]
    rows = tuple(_row(axis, row) for row in solution.rows)
    title = f"Reverse stress of {solution.portfolio}: {axis.title}, the edge of survival; {solution.currency}"
    return Sheet(title, _COLUMNS, rows)


def _row(axis: Axis, row: Found | Unsolved) -> tuple[str, ...]:
    place = _place(row)
    if isinstance(row, Unsolved):
        return (*place, row.status.replace("_", " "), *(NONE,) * (len(_COLUMNS) - 3))
    return (
        *place,
        _lives_to(axis, row),
        *_survivor(row.last),
        _dies_at(axis, row),
        *_victim(row),
        f"{len(row.tried)}",
        "yes" if row.is_monotone else "no",
    )


def _lives_to(axis: Axis, row: Found) -> str:
    if row.last is None:
        return NONE
    return _told(axis, row, row.last) + ("" if row.next else " and beyond")


def _dies_at(axis: Axis, row: Found) -> str:
    if row.death is None:
        return NONE
    return _told(axis, row, row.death) + ("" if row.last else " already")


def _survivor(tried: Tried | None) -> tuple[str, ...]:
    figures = tried.figures if tried else None
    return (money(figures.buffer_min), money(figures.loss)) if figures else (NONE, NONE)


def _victim(row: Found) -> tuple[str, ...]:
    """What became of the first death; a refusal is none, and says where it begins."""
    if row.refusal:
        return (f"{_begun(row.refusal)} {times(row.refusal.factor)}", NONE, NONE)
    figures = row.death.figures if row.death else None
    return (figures.words, money(figures.loss), _lost(row.death)) if row.death and figures else (NONE, NONE, NONE)


def _begun(tried: Tried) -> str:
    """What a value is said to do: `lives at`, `dies at`, `refused from`."""
    return f"{tried.fate.value} {'from' if tried.fate is Fate.REFUSED else 'at'}"


def _lost(tried: Tried) -> str:
    figures = tried.figures
    return NONE if figures is None or figures.loss_pct is None else percent(figures.loss_pct / 100.0)


def _told(axis: Axis, row: Found, tried: Tried) -> str:
    """A value in the unit of its axis; its factor where nothing ran."""
    return times(tried.factor) if tried.figures is None else axis.told(tried.factor, tried.figures, row.collateral)


def _markdown(solution: Solution) -> Iterator[str]:
    for sheet in _sheets(solution):
        yield from sheet_lines(sheet)
        yield ""
    for line in _lines(solution):
        is_command = line.lstrip().startswith("backtester ")
        yield f"    {line.strip()}" if is_command else markdown_text(line.strip())
        yield ""


def _lines(solution: Solution) -> Iterator[str]:
    """What the table has no room for: the two runs of every edge, and what is not monotone."""
    axis = AXES[solution.axis]
    for row in solution.rows:
        name = place_name(row.scenario, row.venue)
        if isinstance(row, Unsolved):
            yield f"{name}: {row.error.partition(chr(10))[0]}"
            continue
        yield name if row.is_monotone else f"{name} is not monotone: {_told_spans(axis, row)}"
        for each in _certifying(row):
            yield f"  {_told_run(axis, row, each)}"
            yield f"  {_command(solution, row, each)}"


def _certifying(row: Found) -> tuple[Tried, ...]:
    """The two neighbours of the answer; where it is not monotone those of every other edge, too."""
    if row.is_monotone:
        return tuple(filter(None, (row.last, row.next)))
    return tuple(each for one, other in pairwise(row.spans) for each in (one.last, other.first))


def _told_run(axis: Axis, row: Found, tried: Tried) -> str:
    """Example: dies at ×1.5: liquidated, loss 23.0 % (1,234.00), buffer low −5.00, liquidated at 21:13:39 +43:39."""
    told, factor = _told(axis, row, tried), times(tried.factor)
    begin = f"{_begun(tried)} {told}" + (f" ({factor})" if told != factor else "")
    figures = tried.figures
    if figures is None:
        return f"{begin}: {tried.error.partition(chr(10))[0]}"
    text = (
        f"{begin}: {figures.words}, loss {_lost(tried)} ({money(figures.loss)}), buffer low {money(figures.buffer_min)}"
    )
    first = figures.first_liquidation
    return text if first is None else f"{text}, first liquidation {when(first, figures.start)}"


def _told_spans(axis: Axis, row: Found) -> str:
    """Example: lives to ×1.02, dies from ×1.03 to ×1.40, lives from ×1.41."""
    said = []
    for number, span in enumerate(row.spans):
        begin = f" from {_told(axis, row, span.first)}" if number else ""
        end = f" to {_told(axis, row, span.last)}" if number < len(row.spans) - 1 else ""
        said.append(f"{span.fate.value}{begin}{end}")
    return ", ".join(said)


def _command(solution: Solution, row: Found, tried: Tried) -> str:
    """What to type for this very cell."""
    turn = AXES[solution.axis].turn(tried.factor, row.pools, row.command.shock)
    seed = ["--seed", str(solution.seed)] if solution.seed else []
    return shlex.join(["backtester", *words(turn.of(row.command)), *seed])


# --- for programs --------------------------------------------------------------------------------------------------


def _document(solution: Solution) -> dict[str, Any]:
    return {
        "kind": "solve",
        "schema_version": SCHEMA_VERSION,
        "engine_version": __version__,
        "seed": solution.seed,
        "for": solution.axis,
        "portfolio": solution.portfolio,
        "reporting_currency": solution.currency,
        "command": plain(from_anywhere(solution.command)),
        "rows": [_record(solution, row) for row in solution.rows],
    }


def _record(solution: Solution, row: Found | Unsolved) -> dict[str, Any]:
    base: dict[str, Any] = {"scenario": row.scenario, "venue": row.venue}
    if isinstance(row, Unsolved):
        nothing = dict.fromkeys(("lives_to", "dies_at", "refused_from", "monotone", "spans", "tried"))
        return base | {"status": row.status} | nothing | {"error": row.error}
    return base | {
        "status": "ok",
        "lives_to": _point(solution, row, row.last),
        "dies_at": _point(solution, row, row.death),
        "refused_from": _point(solution, row, row.refusal),
        "monotone": row.is_monotone,
        "spans": [_span(row, span) for span in row.spans],
        "tried": [{"factor": float(each.factor), "fate": each.fate.value} for each in row.tried],
        "error": None,
    }


def _span(row: Found, span: Span) -> dict[str, Any]:
    return {"fate": span.fate.value, "first": float(span.first.factor), "last": float(span.last.factor)}


def _point(solution: Solution, row: Found, tried: Tried | None) -> dict[str, Any] | None:
    if tried is None:
        return None
    figures, axis = tried.figures, AXES[solution.axis]
    return {
        "factor": float(tried.factor),
        "value": None if figures is None else axis.value(tried.factor, figures, row.collateral),
        "fate": tried.fate.value,
        "verdict": None if figures is None else plain(figures.verdict),
        "loss": None if figures is None else figures.loss,
        "loss_pct": None if figures is None else figures.loss_pct,
        "buffer_min": None if figures is None else figures.buffer_min,
        "first_liquidation": None if figures is None else plain(figures.first_liquidation),
        "error": tried.error or None,
        "command": _command(solution, row, tried),
    }


_POINT = (
    "factor",
    "value",
    "fate",
    "verdict",
    "loss",
    "loss_pct",
    "buffer_min",
    "first_liquidation",
    "error",
    "command",
)
COLUMNS = ("scenario", "venue", "status", "monotone", "tried", "edge", *_POINT)


def _csv(solution: Solution) -> str:
    """COLUMNS, then the two neighbours of every edge, a row each; one row for what has none."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in solution.rows:
        writer.writerows([*map(csv_cell, each)] for each in _csv_rows(solution, row))
    return buffer.getvalue()


def _csv_rows(solution: Solution, row: Found | Unsolved) -> Iterator[tuple[Any, ...]]:
    if isinstance(row, Unsolved):
        nothing = (None,) * (len(COLUMNS) - 3)
        yield (row.scenario, row.venue, row.status, *nothing[:-2], row.error, None)
        return
    for edge, tried in (("lives_to", row.last), ("dies_at", row.death), ("refused_from", row.refusal)):
        if point := _point(solution, row, tried):
            place = (row.scenario, row.venue, "ok", row.is_monotone, len(row.tried), edge)
            yield (*place, *(point[key] for key in _POINT))
