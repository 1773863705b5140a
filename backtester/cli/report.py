"""`backtester report`: a stored result, told again without running anything."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from backtester.cli.console import DetailsOption, emit, make_console, settings


def report(
    ctx: typer.Context,
    directory: Annotated[Path, typer.Argument(help="A result that `run --out` stored.", metavar="DIR")],
    details: DetailsOption = "brief",
) -> None:
    """Report a stored result as the run did, in any format.

    Example: backtester report results/2025-10-10 --format markdown
    """
    from backtester.report.render import render_report
    from backtester.results.stored import read_result

    chosen = settings(ctx)
    model = read_result(directory)
    emit(render_report(model, chosen.format, make_console(chosen), details), chosen)
