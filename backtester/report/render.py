"""One report, four formats."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backtester.report.csv import render_csv
from backtester.report.json import render_json
from backtester.report.markdown import render_markdown
from backtester.report.records import ReportModel

if TYPE_CHECKING:
    from rich.console import Console


def render_report(model: ReportModel, format: str, console: Console) -> str:
    """The text of a report as table, json, csv or markdown; `console` decides width and colours of a table."""
    if format == "json":
        return render_json(model)
    if format == "csv":
        return render_csv(model)
    if format == "markdown":
        return render_markdown(model)
    from backtester.report.table import table_parts

    with console.capture() as capture:
        for part in table_parts(model):
            console.print(part)
    return "".join(line.rstrip() + "\n" for line in capture.get().splitlines())
