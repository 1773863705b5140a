"""`backtester scenarios`: which stress paths there are, what they say and where each figure comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from backtester.cli import draft
from backtester.cli.completion import scenarios, scenarios_or_all
from backtester.cli.console import Settings, check_file, emit, emit_rows, settings, talk

app = typer.Typer(help="Stress paths: list, show, build and check them.", no_args_is_help=True)
app.command()(draft.draft)

Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[ID|FILE|GROUP]…",
        autocompletion=scenarios_or_all,
        help="As --scenario takes them: all, crashes, squeezes, 2020..2022, … Default: all shipped ones.",
    ),
]
Name = Annotated[
    str,
    typer.Argument(
        metavar="ID|FILE[+…]",
        autocompletion=scenarios,
        help="A shipped scenario, or a .parquet or .toml file; several laid over each other by +.",
    ),
]


@app.command("list")
def list_scenarios(ctx: typer.Context, names: Names = None) -> None:
    """List the scenarios that come with the program; `grade` has a letter for each symbol (README)."""
    from backtester.cli.scenario_list import list_text, listed

    emit(list_text(listed(_asked(names)), settings(ctx)), settings(ctx))


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
    from backtester.cli.scenario_text import blocks, series_text
    from backtester.cli.scenario_text import figures as figures_of
    from backtester.scenario.fidelity import claimed
    from backtester.scenario.library import find, locate_parts

    scenario, tables = find(name), locate_parts(name)
    if sources:
        emit_rows("scenario_sources", ("key", "source"), scenario.sources, settings(ctx))
    elif figures:
        rows = [row for path in tables for row in figures_of(path.with_suffix(".toml"))]
        columns = ("symbol", "venue", "column", "time", "value", "source", "note")
        emit_rows("scenario_figures", columns, rows, settings(ctx))
    elif fidelity:
        emit(measured_text(claimed(scenario), settings(ctx)), settings(ctx))
    elif settings(ctx).format in ("json", "csv"):
        emit(series_text(scenario, tables, settings(ctx)), settings(ctx))
    else:
        emit("\n".join(blocks(scenario, tables, settings(ctx))), settings(ctx))


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
    names: Names = None,
    against: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Measure one path against the candles of a second source, Parquet or CSV."),
    ] = None,
    symbol: Annotated[str, typer.Option(help="Whose candles --against has, if it does not say.")] = "",
    price: Annotated[
        Literal["perp", "index", "mark"], typer.Option(help="Of which price --against has candles, if it does not say.")
    ] = "perp",
    fidelity: Annotated[
        bool, typer.Option("--fidelity", help="What was measured, of each symbol and price, in place of the grades.")
    ] = False,
) -> None:
    """Check that path tables are what their facts compile to, and as near to the candles as the bars ask."""
    from backtester.cli.fidelity import graded, measured_text
    from backtester.errors import BacktesterError, Diagnostic
    from backtester.scenario.build import check_file
    from backtester.scenario.fidelity import Fidelity, claimed, grades, missed
    from backtester.scenario.library import locate
    from backtester.scenario.stored import load

    if against is not None:
        _check_against(names or [], against, symbol, price, settings(ctx))
        return
    rows, measured, problems = [], list[tuple[str, Fidelity]](), list[Diagnostic]()
    for name in _asked(names):
        try:
            path = locate(name)
            scenario = load(path)
            facts = path.with_suffix(".toml")
            if facts.exists():
                check_file(facts)
            problems += [Diagnostic("data", scenario.id, text) for each in scenario.fidelity for text in missed(each)]
            detail = "compiled from its facts" if facts.exists() else "no facts beside it"
            rows.append((scenario.id, "ok", " ".join(graded(grades(scenario))), detail))
            measured += [(scenario.id, each) for each in claimed(scenario)]
        except BacktesterError as error:
            problems += error.diagnostics
    if problems:
        raise BacktesterError(problems)
    if fidelity:
        emit(measured_text([each for _, each in measured], settings(ctx), [id for id, _ in measured]), settings(ctx))
        return
    emit_rows("scenarios_check", ("id", "status", "grade", "detail"), rows, settings(ctx))


def _asked(names: list[str] | None) -> tuple[str, ...]:
    """What names and groups stand for, each once; all shipped scenarios, overlays too, without any."""
    from backtester.config.command import scenarios_of
    from backtester.scenario.library import ids, members

    words = [word for text in names or () for word in scenarios_of(text)]
    return tuple(dict.fromkeys(each for word in words for each in members(word) or (word,))) or ids()


def _check_against(names: list[str], file: Path, symbol: str, price: str, options: Settings) -> None:
    """Measure one path against a file of candles. Raises BacktesterError with the bars that are missed."""
    from backtester.cli.fidelity import measured_text
    from backtester.errors import BacktesterError, Diagnostic, usage_error
    from backtester.scenario.against import candles_beside
    from backtester.scenario.fidelity import missed
    from backtester.scenario.library import find
    from backtester.scenario.measure import measure

    if len(names) != 1:
        raise usage_error("--against", "measures one scenario", "backtester scenarios check ID --against FILE")
    scenario = find(names[0])
    measured = measure(scenario, candles_beside(scenario, file, symbol, price))
    emit(measured_text(measured, options), options)
    if faults := [Diagnostic("data", scenario.id, text) for each in measured for text in missed(each)]:
        raise BacktesterError(faults)
