"""`backtester postmortem`: a stored result as one page of what happened, and what would have helped."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from backtester.cli.console import emit, make_console, settings


def postmortem(
    ctx: typer.Context,
    directory: Annotated[Path, typer.Argument(help="A result that `run --out` stored.", metavar="DIR")],
) -> None:
    """Tell of the worst cell of a stored result what happened when, which margin died, and what would have helped.

    Example: backtester postmortem results/2025-10-10 --output postmortem.md
    """
    from backtester.report.postmortem import render_postmortem
    from backtester.results.document import read_document

    chosen = settings(ctx)
    emit(render_postmortem(read_document(directory), chosen.format, make_console(chosen)), chosen)
