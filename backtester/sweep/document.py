"""The edges of survival for programs: a JSON document, and a CSV row for each of the two runs that certify one."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from backtester import __version__
from backtester.config.command import from_anywhere, words
from backtester.report.json import plain
from backtester.sweep.axes import AXES
from backtester.sweep.records import Found, Solution, Span, Tried, Unsolved

SCHEMA_VERSION = 1


def document(solution: Solution) -> dict[str, Any]:
    """All of it, every value that was tried too."""
    return {
        "kind": "solve",
        "schema_version": SCHEMA_VERSION,
        "engine_version": __version__,
        "seed": solution.seed,
        "for": solution.axis,
        "reporting_currency": solution.currency,
        "command": plain(from_anywhere(solution.command)),
        "rows": [_record(solution, row) for row in solution.rows],
    }


def _record(solution: Solution, row: Found | Unsolved) -> dict[str, Any]:
    base: dict[str, Any] = {"portfolio": row.portfolio, "scenario": row.scenario, "venue": row.venue}
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
        "command": typed(solution, row, tried),
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
COLUMNS = ("portfolio", "scenario", "venue", "status", "monotone", "tried", "edge", *_POINT)


def csv_rows(solution: Solution) -> Iterator[tuple[Any, ...]]:
    """COLUMNS, then the two neighbours of every edge, a row each; one row for what has none."""
    yield COLUMNS
    for row in solution.rows:
        yield from _csv_rows(solution, row)


def _csv_rows(solution: Solution, row: Found | Unsolved) -> Iterator[tuple[Any, ...]]:
    if isinstance(row, Unsolved):
        nothing = (None,) * (len(COLUMNS) - 6)
        yield (row.portfolio, row.scenario, row.venue, row.status, *nothing, row.error, None)
        return
    for edge, tried in (("lives_to", row.last), ("dies_at", row.death), ("refused_from", row.refusal)):
        if point := _point(solution, row, tried):
            place = (row.portfolio, row.scenario, row.venue, "ok", row.is_monotone, len(row.tried), edge)
            yield (*place, *(point[key] for key in _POINT))


def typed(solution: Solution, row: Found, tried: Tried) -> str:
    """What to type for this very cell."""
    turn = AXES[solution.axis].turn(tried.factor, row.pools, row.command.shock)
    seed = ["--seed", str(solution.seed)] if solution.seed else []
    return shlex.join(["backtester", *words(turn.of(row.command)), *seed])
