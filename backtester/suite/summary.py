"""The page of a month, in Markdown: how it stands, what is new since the month before, every cell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from backtester.regress.cells import pair_cells
from backtester.regress.compare import compare
from backtester.regress.material import parse_material
from backtester.regress.render import markdown_lines, tell
from backtester.report.gates import Breach, breaches
from backtester.report.markdown import render_markdown
from backtester.report.naming import AnyCell, cell_name
from backtester.report.records import Cell, ReportModel
from backtester.report.text import limit_line
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
    """Which limits are breached, and which are new or cured since the month before."""
    month, cells = (before[0], before[1].cells) if before is not None else ("", ())
    pairs = pair_cells(cells, model.cells)
    was, now = _by_pair(pair.before for pair in pairs), _by_pair(pair.after for pair in pairs)
    yield f"{counted(len(now), 'breach', 'breaches')} of limits" + (f", {len(was)} in {month}" if month else "")
    yield from (f"- **failed** {markdown_text(cell_name(cell))}" for cell in model.failed if cell.exit_code)
    for key, each in now.items():
        yield _line(each, "**new** " if month and key not in was else "")
    for key, each in was.items():
        if key not in now:
            yield _line(each, f"**{_became(pairs[key[0]].after, each)}** ")


def _became(cell: AnyCell | None, breach: Breach) -> str:
    """What became of a breach that is no longer one: cured only where the limit still stands, and is kept."""
    if not isinstance(cell, Cell):
        return "not known now"
    return "cured" if breach.limit.text in {each.text for each in cell.limits} else "no limit now"


def _by_pair(cells: Iterable[AnyCell | None]) -> dict[tuple[int, str, str], Breach]:
    """What is breached, by the number of the cell's pair, level and text."""
    return {(n, each.limit.level, each.limit.text): each for n, cell in enumerate(cells) for each in breaches([cell])}


def _line(breach: Breach, mark: str) -> str:
    return f"- {mark}{markdown_text(f'{cell_name(breach.cell)}: {limit_line(breach.limit)}')}"
