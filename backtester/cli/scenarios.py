"""`backtester scenarios`: which stress paths there are, what they say and where each figure comes from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backtester.cli.completion import scenarios
from backtester.cli.console import Cell, Settings, check_file, emit_rows, settings, talk

if TYPE_CHECKING:
    from backtester.scenario.path import Scenario

_SECOND_NS = 1_000_000_000

app = typer.Typer(help="Stress paths: list, show, build and check them.", no_args_is_help=True)

Name = Annotated[
    str,
    typer.Argument(
        metavar="ID|FILE[+…]",
        autocompletion=scenarios,
        help="A shipped scenario, or a .parquet or .toml file; several laid over each other by +.",
    ),
]


@app.command("list")
def list_scenarios(ctx: typer.Context) -> None:
    """List the scenarios that come with the program."""
    from backtester.scenario.library import find, ids

    rows = []
    for name in ids():
        scenario = find(name)
        start, minutes = _start(scenario.start_ns or 0), scenario.span_ns / 60e9
        symbols = " ".join(scenario.symbols)
        rows.append((scenario.id, scenario.type, start, minutes, symbols, scenario.assumed_share, scenario.title))
    columns = ("id", "type", "start", "minutes", "symbols", "assumed_share", "title")
    emit_rows("scenarios", columns, rows, settings(ctx))


@app.command()
def show(
    ctx: typer.Context,
    name: Name,
    sources: Annotated[bool, typer.Option("--sources", help="What the source keys stand for.")] = False,
    figures: Annotated[
        bool, typer.Option("--figures", help="Every figure of the facts with its source, and what the path leaves out.")
    ] = False,
) -> None:
    """Show what a scenario does to each symbol; with --figures or --sources, why."""
    from backtester.scenario.library import find, locate_parts

    scenario = find(name)
    if sources:
        emit_rows("scenario_sources", ("key", "source"), scenario.sources, settings(ctx))
    elif figures:
        rows = [row for path in locate_parts(name) for row in _figures(path.with_suffix(".toml"))]
        columns = ("symbol", "venue", "column", "time", "value", "source", "note")
        emit_rows("scenario_figures", columns, rows, settings(ctx))
    else:
        _emit_series(scenario, settings(ctx))


def _figures(path: Path) -> Iterator[tuple[Cell, ...]]:
    """Every figure of a facts file, then what it leaves out."""
    from backtester.scenario.reader import read_facts

    facts = read_facts(path)
    for table in facts.tables:
        for position, column in enumerate(table.columns):
            for figure in table.figures:
                value = figure.values[position] * table.scale
                when = _clock(facts.start_ns, figure.t_ns)
                yield table.symbol, table.venue, column, when, value, figure.source, figure.note
    for each in facts.unused:
        yield None, None, "not applied", None, None, each.source, f"{each.figure}: {each.why}"


def _emit_series(scenario: Scenario, options: Settings) -> None:
    rows: list[tuple[Cell, ...]] = []
    for s in scenario.series:
        low, high = int(s.values.argmin()), int(s.values.argmax())
        start = scenario.start_ns or 0
        edge = (float(s.values[0]), float(s.values[-1]))
        lowest = (float(s.values[low]), _clock(start, int(s.t_ns[low])))
        highest = (float(s.values[high]), _clock(start, int(s.t_ns[high])))
        rows.append((s.symbol, s.venue, s.column, int(s.values.size), edge[0], *lowest, *highest, edge[1]))
    columns = ("symbol", "venue", "column", "knots", "start", "low", "low_at", "high", "high_at", "end")
    emit_rows("scenario", columns, rows, options)


@app.command()
def build(
    ctx: typer.Context,
    facts: Annotated[list[Path], typer.Argument(metavar="FACTS.toml…", help="Facts files.")],
) -> None:
    """Compile facts into the path table beside them (<id>.parquet); another file of that name stays but for --force."""
    from backtester.scenario.build import build_file, is_compiled
    from backtester.scenario.path import load

    rows, options = [], settings(ctx)
    for path in facts:
        check_file("build", path.with_suffix(".parquet"), options.force or is_compiled(path))
        talk(f"compiling {path}", options)
        target = build_file(path)
        scenario = load(target)
        rows.append((scenario.id, str(target), len(scenario.series), sum(s.values.size for s in scenario.series)))
    emit_rows("scenarios_built", ("id", "file", "series", "knots"), rows, options)


@app.command()
def check(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ID|FILE]…", autocompletion=scenarios, help="Default: all shipped ones."),
    ] = None,
) -> None:
    """Check that path tables are valid and are what their facts compile to."""
    from backtester.errors import BacktesterError, Diagnostic
    from backtester.scenario.build import check_file
    from backtester.scenario.library import ids, locate
    from backtester.scenario.path import load

    rows, problems = [], list[Diagnostic]()
    for name in names or ids():
        try:
            path = locate(name)
            scenario = load(path)
            facts = path.with_suffix(".toml")
            if facts.exists():
                check_file(facts)
            rows.append((scenario.id, "ok", "compiled from its facts" if facts.exists() else "no facts beside it"))
        except BacktesterError as error:
            problems += error.diagnostics
    if problems:
        raise BacktesterError(problems)
    emit_rows("scenarios_check", ("id", "status", "detail"), rows, settings(ctx))


def _start(start_ns: int) -> str:
    """When a path begins: a date, or for an overlay an offset from the low."""
    from datetime import UTC, datetime

    if start_ns <= 0:
        return _clock(start_ns, 0)
    return datetime.fromtimestamp(start_ns // _SECOND_NS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _clock(start_ns: int, t_ns: int) -> str:
    """A time of a path: of the day, or for an overlay from the low. Examples: 21:20:15, low-02:00, low+08:00."""
    seconds = (start_ns + t_ns) // _SECOND_NS
    if start_ns <= 0:
        return f"low{'-' if seconds < 0 else '+'}{abs(seconds) // 60:02d}:{abs(seconds) % 60:02d}"
    return f"{seconds // 3600 % 24:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
