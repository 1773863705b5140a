"""The report as Markdown, for a pull request or a wiki: every column of every sheet."""

from __future__ import annotations

from collections.abc import Iterator

from backtester.report.glance import Details, is_whole
from backtester.report.outline import Beside, Block, Note, Opening, Picture, Sources, Whole, opening_lines, outline
from backtester.report.records import ReportModel
from backtester.report.sheet import Sheet
from backtester.report.summary import summary_line
from backtester.report.text import headline
from backtester.texts import markdown_text


def render_markdown(model: ReportModel, details: Details = "brief") -> str:
    """One Markdown document."""
    return "\n".join(_lines(model, details)) + "\n"


def _lines(model: ReportModel, details: Details) -> Iterator[str]:
    for block in outline(model, details, is_whole(details)):
        yield from _block_lines(block, model.reporting_currency)


def _block_lines(block: Block, currency: str) -> Iterator[str]:
    """A block, and a blank line before all but a headline; pictures and sources are left to the page."""
    if isinstance(block, Picture | Beside | Sources):
        return
    if isinstance(block, Sheet):
        yield from sheet_lines(block)
    elif isinstance(block, Note):
        yield from ("", markdown_text(block.text))
    elif isinstance(block, Whole):
        yield from (f"# {markdown_text(block.summary.sentence)}", "")
        lines = filter(None, (block.caution, summary_line(block.summary)))
        yield from (f"- {markdown_text(line)}" for line in lines)
    elif isinstance(block, Opening):
        yield from (f"# {markdown_text(headline(block.cell))}", "")
        yield from (f"- {markdown_text(line.strip())}" for _, line in opening_lines(block, currency))
    else:
        yield from ("", f"## {block.title}", "") if block.title else ("",)
        yield from (f"- {markdown_text(line)}" for line in block.lines)


def sheet_lines(sheet: Sheet) -> Iterator[str]:
    """A table below its heading."""
    yield from ("", f"## {markdown_text(sheet.title)}", "")
    yield _row(column.heading for column in sheet.columns)
    yield _row("---" if column.is_text else "---:" for column in sheet.columns)
    for row in sheet.rows:
        yield _row(row)
    for note in sheet.notes():
        yield from ("", markdown_text(note))


def _row(cells: Iterator[str] | tuple[str, ...]) -> str:
    return f"| {' | '.join(map(markdown_text, cells))} |"
