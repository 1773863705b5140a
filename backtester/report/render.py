"""One report, five formats."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backtester.report.csv import render_csv
from backtester.report.glance import Details
from backtester.report.json import render_json
from backtester.report.markdown import render_markdown
from backtester.report.records import ReportModel

if TYPE_CHECKING:
    from rich.console import Console


def render_report(model: ReportModel, format: str, console: Console, details: Details = "brief") -> str:
    """The text of a report as table, json, csv, markdown or html; `console` decides width and colours of a table.

    `details` says which cells a table, markdown or html tells, and how: json and csv have them all.
    """
    if format == "json":
        return render_json(model)
    if format == "csv":
        return render_csv(model, details)
    if format == "markdown":
        return render_markdown(model, details)
    if format == "html":
        from backtester.report.html.page import render_html

        return render_html(model, details)
    from backtester.report.table import table_parts

    with console.capture() as capture:
        for part in table_parts(model, details):
            console.print(part)
    return "".join(line.rstrip() + "\n" for line in capture.get().splitlines())
