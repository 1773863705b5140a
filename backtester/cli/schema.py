"""`backtester schema`: what every key of the result document holds, for who reads it by program."""

from __future__ import annotations

import typer

from backtester.cli.console import emit, settings
from backtester.errors import usage_error


def schema(ctx: typer.Context) -> None:
    """Print the JSON Schema of the result document (result.json, --format json).

    Example: backtester schema --output result.schema.json
    """
    from backtester.results.schema import result_schema
    from backtester.texts import json_text

    chosen = settings(ctx)
    if chosen.format not in ("table", "json"):
        raise usage_error("--format", f"a schema is JSON, not {chosen.format}", "leave it out")
    emit(json_text(result_schema()) + "\n", chosen)
