"""The edges of survival in five formats: a row for each scenario and venue of a portfolio, then its two runs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from backtester.report.markdown import sheet_lines
from backtester.report.naming import place_name, scenario_words, undated
from backtester.report.rendering import Rendering
from backtester.report.sheet import Column, Sheet
from backtester.report.text import NONE, changed, money, signed, when
from backtester.sweep.axes import AXES, Axis, times
from backtester.sweep.document import csv_rows, document, typed
from backtester.sweep.records import Fate, Found, Solution, Tried, Unsolved
from backtester.texts import counted, markdown_text

if TYPE_CHECKING:
    from rich.console import Console


def render_solution(solution: Solution, format: str, console: Console) -> str:
    """The text of it as table, json, csv, markdown or html; `console` decides the width of a table."""
    told = Rendering(
        title="What it lives to",
        document=lambda: document(solution),
        rows=csv_rows(solution),
        markdown=_markdown(solution),
        sheets=_sheets(solution),
        below=_lines(solution),
    )
    return told.text(format, console)


_PORTFOLIO = Column("portfolio", is_text=True)
_PLACE = (Column("scenario", is_text=True), Column("venue", is_text=True))
_COLUMNS = (
    Column("lives to", is_text=True),
    Column("buffer low"),
    Column("PnL", rank=3),
    Column("dies at", is_text=True),
    Column("there", is_text=True),
    Column("PnL", rank=2),
    Column("%", rank=1),
    Column("tried", rank=4),
    Column("monotone", rank=5, is_text=True),
)


def _sheets(solution: Solution) -> Iterator[Sheet]:
    yield from _matrix(solution)
    yield _sheet(solution)


def _matrix(solution: Solution) -> Iterator[Sheet]:
    """Scenario, or portfolio and scenario, by venue: what is lived to, where there are several of both."""
    axis = AXES[solution.axis]
    told = {
        _place(solution, row): row.status.replace("_", " ") if isinstance(row, Unsolved) else _lives_to(axis, row)
        for row in solution.rows
    }
    down = list(dict.fromkeys(place[:-1] for place in told))
    across = list(dict.fromkeys(place[-1] for place in told))
    if min(len(down), len(across)) < 2 or len(told) < len(solution.rows) or len(told) < len(down) * len(across):
        return
    *heads, _ = _heads(solution)
    columns = (*heads, *(Column(venue, is_text=True) for venue in across))
    rows = tuple((*row, *(told[*row, venue] for venue in across)) for row in down)
    title = " and ".join(head.heading for head in heads).capitalize()
    yield Sheet(f"{title} by venue: {axis.title} that is lived to", columns, rows, optional=True)


def _heads(solution: Solution) -> tuple[Column, ...]:
    return (_PORTFOLIO, *_PLACE) if _are_several(solution) else _PLACE


def _place(solution: Solution, row: Found | Unsolved) -> tuple[str, ...]:
    """What a table names a row by: the portfolio where there are several, the venue without the date of its rules."""
    place = (scenario_words(row.scenario), undated(row.venue))
    return (row.portfolio, *place) if _are_several(solution) else place


def _portfolios(solution: Solution) -> tuple[str, ...]:
    return tuple(dict.fromkeys(row.portfolio for row in solution.rows))


def _are_several(solution: Solution) -> bool:
    return len(_portfolios(solution)) > 1


def _sheet(solution: Solution) -> Sheet:
    axis, portfolios = AXES[solution.axis], _portfolios(solution)
    rows = tuple((*_place(solution, row), *_row(axis, row)) for row in solution.rows)
    of = counted(len(portfolios), "portfolio") if len(portfolios) > 1 else portfolios[0]
    title = f"Reverse stress of {of}: {axis.title}, the edge of survival; {solution.currency}"
    return Sheet(title, (*_heads(solution), *_COLUMNS), rows)


def _row(axis: Axis, row: Found | Unsolved) -> tuple[str, ...]:
    if isinstance(row, Unsolved):
        return (row.status.replace("_", " "), *(NONE,) * (len(_COLUMNS) - 1))
    return (
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
    return (money(figures.buffer_min), signed(-figures.loss)) if figures else (NONE, NONE)


def _victim(row: Found) -> tuple[str, ...]:
    """What became of the first death; a refusal is none, and says where it begins."""
    if row.refusal:
        return (f"{_begun(row.refusal)} {times(row.refusal.factor)}", NONE, NONE)
    figures = row.death.figures if row.death else None
    return (figures.words, signed(-figures.loss), _won(row.death)) if row.death and figures else (NONE, NONE, NONE)


def _begun(tried: Tried) -> str:
    """What a value is said to do: `lives at`, `dies at`, `refused from`."""
    return f"{tried.fate.value} {'from' if tried.fate is Fate.REFUSED else 'at'}"


def _won(tried: Tried) -> str:
    figures = tried.figures
    return NONE if figures is None or figures.loss_pct is None else changed(-figures.loss_pct / 100.0)


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
        name = f"{row.portfolio}, {name}" if _are_several(solution) else name
        if isinstance(row, Unsolved):
            yield f"{name}: {row.error.partition(chr(10))[0]}"
            continue
        yield name if row.is_monotone else f"{name} is not monotone: {_told_spans(axis, row)}"
        for each in _certifying(row):
            yield f"  {_told_run(axis, row, each)}"
            yield f"  {typed(solution, row, each)}"


def _certifying(row: Found) -> tuple[Tried, ...]:
    """The two neighbours of the answer; where it is not monotone those of every other edge, too."""
    if row.is_monotone:
        return tuple(filter(None, (row.last, row.next)))
    return tuple(each for one, other in pairwise(row.spans) for each in (one.last, other.first))


def _told_run(axis: Axis, row: Found, tried: Tried) -> str:
    """Example: dies at ×1.5: liquidated, PnL −23.0 % (−1,234.00), buffer low −5.00, liquidated at 21:13:39 +43:39."""
    told, factor = _told(axis, row, tried), times(tried.factor)
    begin = f"{_begun(tried)} {told}" + (f" ({factor})" if told != factor else "")
    figures = tried.figures
    if figures is None:
        return f"{begin}: {tried.error.partition(chr(10))[0]}"
    won = f"PnL {_won(tried)} ({signed(-figures.loss)})"
    text = f"{begin}: {figures.words}, {won}, buffer low {money(figures.buffer_min)}"
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
