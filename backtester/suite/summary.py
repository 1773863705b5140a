"""The page of a month, in Markdown: how it stands, what is new since the month before, every cell."""

from __future__ import annotations

from collections.abc import Iterator

from backtester.regress.cells import undated
from backtester.regress.compare import compare
from backtester.regress.material import parse_material
from backtester.regress.render import markdown_lines, tell
from backtester.report.gates import OK
from backtester.report.markdown import render_markdown
from backtester.report.records import Cell, ReportModel
from backtester.report.text import cell_name, limit_line
from backtester.texts import counted, markdown_text

#: Changes since the month before that are told.
MATERIAL = parse_material("0.5%,100,10bps,60s")


def summary(name: str, month: str, model: ReportModel, before: tuple[str, ReportModel] | None) -> str:
    """The page; `before` is the last month before it, with its result."""
    lines = [f"# {markdown_text(name)}, {month}", "", *_limits(model, before), ""]
    if before is not None:
        changes = tell(compare(before[1], model), MATERIAL)
        lines += [f"## Since {before[0]}", "", *markdown_lines(changes), ""]
    return "\n".join(lines) + "\n" + render_markdown(model, "none").lstrip("\n")


def _limits(model: ReportModel, before: tuple[str, ReportModel] | None) -> Iterator[str]:
    """Which limits are not kept, and which are new or cured since the month before."""
    now, was = breaches(model), breaches(before[1]) if before is not None else {}
    yield f"{counted(len(now), 'breach', 'breaches')} of limits" + (f", {len(was)} in {before[0]}" if before else "")
    for key, line in now.items():
        yield f"- {'**new** ' if before is not None and key not in was else ''}{markdown_text(line)}"
    for key, line in was.items():
        if key not in now:
            yield f"- **cured** {markdown_text(line)}"


Key = tuple[str, str, str, str, str]


def breaches(model: ReportModel) -> dict[Key, str]:
    """A line for every limit of a cell that is not kept."""
    return {_key(cell, each.text): f"{cell_name(cell)}: {limit_line(each)}" for cell in model.finished
            for each in cell.limits if each.outcome != OK}  # fmt: skip


def _key(cell: Cell, limit: str) -> Key:
    return (cell.portfolio.name, cell.scenario or "", undated(cell.venue), str(cell.variant), limit)
