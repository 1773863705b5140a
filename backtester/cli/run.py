"""`backtester run`: one portfolio through crashes, on the order book."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from backtester.cli.console import Settings, emit, make_console, settings, talk
from backtester.errors import usage_error


def run(
    ctx: typer.Context,
    portfolio: Annotated[Path, typer.Argument(help="What is held and ordered (TOML).", metavar="PORTFOLIO")],
    scenario: Annotated[
        str | None, typer.Option("--scenario", metavar="ID,…|all", help="Crashes to replay; none: the tape as it is.")
    ] = None,
    venue: Annotated[
        str | None,
        typer.Option("--venue", metavar="ID[@DATE|@scenario]", help="Rules for every account; newest unless dated."),
    ] = None,
    tape: Annotated[
        list[str] | None, typer.Option("--tape", metavar="PATH|NAME", help="Base tape; may be given more than once.")
    ] = None,
    instrument: Annotated[
        list[str] | None,
        typer.Option("--instrument", metavar="BTC:tick=0.1,lot=0.001", help="Describe a symbol of a bare tape."),
    ] = None,
    override: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a value of the portfolio.")
    ] = None,
    proxy: Annotated[
        list[str] | None, typer.Option("--proxy", metavar="SOL=ETH*1.2", help="A path for a symbol without one.")
    ] = None,
    assume_funding_zero: Annotated[
        bool, typer.Option("--assume-funding-zero", help="Charge nothing where the tape has no funding rate.")
    ] = False,
    assume_index_mid: Annotated[
        bool, typer.Option("--assume-index-mid", help="Take the mid where the tape has no index.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Store result.json and the tables there.")
    ] = None,
) -> None:
    """Replay crashes through the order book and report what became of the portfolio.

    Example: backtester run data/demo-portfolio.toml --scenario 2025-10-10
    """
    chosen = settings(ctx)
    _check_directory(out)
    from backtester.engine.jit import CACHE_DIR
    from backtester.market.schema import parse_instruments
    from backtester.report.model import build_report
    from backtester.report.render import render_report
    from backtester.report.tables import write_tables
    from backtester.run.resolve import Acceptances
    from backtester.run.session import Request, is_warm, run_cell
    from backtester.scenario.grid import parse_proxy

    request = Request(
        portfolio=portfolio,
        overrides=tuple(override or ()),
        venue=venue,
        tapes=tuple(tape or ()),
        instruments=parse_instruments(instrument or ()),
        proxies=tuple(parse_proxy(text) for text in proxy or ()),
        accept=Acceptances(assume_funding_zero, assume_index_mid),
        seed=chosen.seed,
    )
    if not is_warm():
        talk(f"compiling kernels, once per machine and version (cache: {CACHE_DIR})", chosen)
    results = []
    for name in _scenarios(scenario):
        with _progress(chosen, name or "tape") as advance:
            results.append(run_cell(request._replace(scenario=name), advance))
    report = build_report(results)
    if out is not None:
        write_tables(results, report, out)
    emit(render_report(report, chosen.format, make_console(chosen)), chosen)


def _scenarios(text: str | None) -> tuple[str | None, ...]:
    """The scenarios named by `--scenario`, each once; all of them are there."""
    if text is None:
        return (None,)
    from backtester.scenario.library import ids, locate

    if text == "all":
        return ids()
    names = tuple(dict.fromkeys(name for name in text.split(",") if name))
    if not names:
        raise usage_error("--scenario", "names none", "see `backtester scenarios list`")
    for name in names:
        locate(name)
    return names


def _check_directory(out: Path | None) -> None:
    """Make the target of --out and prove that it can be written before the run, so that a bad one fails at once."""
    if out is None:
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise usage_error("--out", f"cannot write to {out}: {error.strerror}", "name a directory of yours") from error


@contextmanager
def _progress(chosen: Settings, name: str) -> Iterator[Callable[[float], None]]:
    """A progress bar on stderr, on a terminal only."""
    if not (chosen.progress and sys.stderr.isatty()):
        yield lambda fraction: None
        return
    from rich.progress import Progress

    with Progress(console=make_console(chosen, stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=1.0)
        yield lambda fraction: bar.update(task, completed=fraction)
