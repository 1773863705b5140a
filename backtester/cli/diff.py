"""`backtester diff`: what changed between two stored results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from backtester.cli.console import emit, make_console, settings
from backtester.errors import ExitCode

_RESULT = "A result that `run --out` stored."


def diff(
    ctx: typer.Context,
    before: Annotated[Path, typer.Argument(help=_RESULT, metavar="BEFORE")],
    after: Annotated[Path, typer.Argument(help="The one to compare with it.", metavar="AFTER")],
    material: Annotated[
        str | None,
        typer.Option(
            "--material",
            metavar="0.5%,100",
            help="Count the changes that are within a share of the old value, or within an amount of the reporting "
            "currency, instead of telling them; 1bps (of shares, too) and 10s may follow. Sizes and prices have the "
            "share alone. Verdicts, counts, words, and rows that are new or gone are always told; texts, fills one by "
            "one and children of plans only without it.",
        ),
    ] = None,
) -> int:
    """Say what changed from one stored result to another, the worst first; other inputs are named before.

    Exit code 0: no change is told; 1: they differ.

    Example: backtester diff results/2026-10 results/2026-11 --material 0.5%,100
    """
    from backtester.regress.compare import compare
    from backtester.regress.material import ANY, parse_material
    from backtester.regress.render import render_comparison, tell
    from backtester.results.document import read_document

    chosen = settings(ctx)
    least = ANY if material is None else parse_material(material)
    told = tell(compare(read_document(before), read_document(after)), least)
    emit(render_comparison(told, chosen.format, make_console(chosen)), chosen)
    return ExitCode.GATE if told.lines else ExitCode.OK
