"""`backtester scenarios`: which stress paths there are, what they say and where each figure comes from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from backtester.cli import draft
from backtester.cli.completion import scenarios
from backtester.cli.console import Cell, Settings, check_file, emit, emit_rows, rows_text, settings, talk

if TYPE_CHECKING:
    from backtester.scenario.path import Scenario

_SECOND_NS = 1_000_000_000

app = typer.Typer(help="Stress paths: list, show, build and check them.", no_args_is_help=True)
app.command()(draft.draft)

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
    """List the scenarios that come with the program; `grade` has a letter for each symbol (README)."""
    from backtester.cli.fidelity import graded
    from backtester.scenario.fidelity import grades, worst_fall
    from backtester.scenario.library import find, ids

    rows = []
    for name in ids():
        path = find(name)
        start, minutes = _start(path.start_ns or 0), path.span_ns / 60e9
        fall = None if path.is_overlay else round(worst_fall(path), 4)
        symbols, letters, assumed = " ".join(path.symbols), graded(grades(path).values()), round(path.assumed_share, 4)
        rows.append((path.id, path.type, start, minutes, symbols, letters, fall, assumed, path.title))
    columns = ("id", "type", "start", "minutes", "symbols", "grade", "worst_fall", "assumed_share", "title")
    emit_rows("scenarios", columns, rows, settings(ctx))


@app.command()
def show(
    ctx: typer.Context,
    name: Name,
    sources: Annotated[bool, typer.Option("--sources", help="What the source keys stand for.")] = False,
    figures: Annotated[
        bool, typer.Option("--figures", help="Every figure of the facts with its source, and what the path leaves out.")
    ] = False,
    fidelity: Annotated[
        bool, typer.Option("--fidelity", help="How near the path is to the candles that it was made from.")
    ] = False,
) -> None:
    """Show what a scenario does to each symbol, and how near it is to what happened; --figures, --sources: why."""
    from backtester.cli.fidelity import measured_text
    from backtester.scenario.library import find, locate_parts

    scenario = find(name)
    if sources:
        emit_rows("scenario_sources", ("key", "source"), scenario.sources, settings(ctx))
    elif figures:
        rows = [row for path in locate_parts(name) for row in _figures(path.with_suffix(".toml"))]
        columns = ("symbol", "venue", "column", "time", "value", "source", "note")
        emit_rows("scenario_figures", columns, rows, settings(ctx))
    elif fidelity:
        emit(measured_text(scenario.fidelity, settings(ctx)), settings(ctx))
    elif settings(ctx).format in ("json", "csv"):
        emit(_series_text(scenario, settings(ctx)), settings(ctx))
    else:
        emit("\n".join(_blocks(scenario, settings(ctx))), settings(ctx))


def _blocks(scenario: Scenario, options: Settings) -> Iterator[str]:
    """All that is shown of a scenario to a reader."""
    from backtester.cli.fidelity import measured_text
    from backtester.scenario.fidelity import grades, missed

    yield _series_text(scenario, options)
    if scenario.fidelity:
        yield measured_text(scenario.fidelity, options)
        letters = ", ".join(f"{symbol} {grade}" for symbol, grade in grades(scenario).items())
        faults = [f"\n{fault}" for each in scenario.fidelity for fault in missed(each)]
        yield f"grade {letters}; a pair is candles/path, in per cent{''.join(faults)}\n"
    if scenario.assumed:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in scenario.assumed.items())
        yield f"assumed {scenario.assumed_share:.0%}, the mean of {shares}\n"


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


def _series_text(scenario: Scenario, options: Settings) -> str:
    rows: list[tuple[Cell, ...]] = []
    for s in scenario.series:
        low, high = int(s.values.argmin()), int(s.values.argmax())
        start = scenario.start_ns or 0
        edge = (float(s.values[0]), float(s.values[-1]))
        lowest = (float(s.values[low]), _clock(start, int(s.t_ns[low])))
        highest = (float(s.values[high]), _clock(start, int(s.t_ns[high])))
        rows.append((s.symbol, s.venue, s.column, int(s.values.size), edge[0], *lowest, *highest, edge[1]))
    columns = ("symbol", "venue", "column", "knots", "start", "low", "low_at", "high", "high_at", "end")
    return rows_text("scenario", columns, rows, options)


@app.command()
def build(
    ctx: typer.Context,
    facts: Annotated[list[Path], typer.Argument(metavar="FACTS.toml…", help="Facts files.")],
) -> None:
    """Compile facts into the path table beside them (<id>.parquet); another file of that name stays but for --force."""
    from backtester.scenario.build import build_file, is_compiled
    from backtester.scenario.stored import load

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
    against: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Measure one path against the candles of a second source, Parquet or CSV."),
    ] = None,
    symbol: Annotated[str, typer.Option(help="Whose candles --against has, if it does not say.")] = "",
    price: Annotated[
        Literal["perp", "index", "mark"], typer.Option(help="Of which price --against has candles, if it does not say.")
    ] = "perp",
) -> None:
    """Check that path tables are what their facts compile to, and as near to the candles as the bars ask."""
    from backtester.cli.fidelity import graded
    from backtester.errors import BacktesterError, Diagnostic
    from backtester.scenario.build import check_file
    from backtester.scenario.fidelity import grades, missed
    from backtester.scenario.library import ids, locate, members
    from backtester.scenario.stored import load

    if against is not None:
        _check_against(names or [], against, symbol, price, settings(ctx))
        return
    rows, problems = [], list[Diagnostic]()
    asked = [each for said in names or () for each in members(said) or (said,)]
    for name in asked or ids():
        try:
            path = locate(name)
            scenario = load(path)
            facts = path.with_suffix(".toml")
            if facts.exists():
                check_file(facts)
            problems += [Diagnostic("data", scenario.id, text) for each in scenario.fidelity for text in missed(each)]
            detail = "compiled from its facts" if facts.exists() else "no facts beside it"
            rows.append((scenario.id, "ok", graded(grades(scenario).values()), detail))
        except BacktesterError as error:
            problems += error.diagnostics
    if problems:
        raise BacktesterError(problems)
    emit_rows("scenarios_check", ("id", "status", "grade", "detail"), rows, settings(ctx))


def _check_against(names: list[str], file: Path, symbol: str, price: str, options: Settings) -> None:
    """Measure one path against a file of candles. Raises BacktesterError with the bars that are missed."""
    from backtester.cli.fidelity import measured_text
    from backtester.errors import BacktesterError, Diagnostic, usage_error
    from backtester.scenario.against import read_candles
    from backtester.scenario.fidelity import measure, missed
    from backtester.scenario.library import find

    if len(names) != 1:
        raise usage_error("--against", "measures one scenario", "backtester scenarios check ID --against FILE")
    scenario = find(names[0])
    measured = measure(scenario, read_candles(file, scenario, symbol, price))
    emit(measured_text(measured, options), options)
    if faults := [Diagnostic("data", scenario.id, text) for each in measured for text in missed(each)]:
        raise BacktesterError(faults)


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
