"""The page of a month, in Markdown and HTML: breaches, what is new since the month before, the past, every cell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from backtester.config.suite import Suite
from backtester.regress.cells import pair_cells
from backtester.regress.compare import compare
from backtester.regress.material import parse_material
from backtester.regress.render import Told, ending, markdown_lines, sheets_of, tell
from backtester.report.gates import BREACHED, UNKNOWN, Breach, breaches
from backtester.report.html.page import page, told_cells
from backtester.report.html.sheets import table
from backtester.report.html.tree import Element, node
from backtester.report.markdown import render_markdown, sheet_lines
from backtester.report.naming import AnyCell, cell_name
from backtester.report.records import Cell, ReportModel
from backtester.report.sheet import Sheet
from backtester.report.text import limit_line
from backtester.suite.history import FIGURES, history_sheet
from backtester.texts import counted, markdown_text

#: The files of the page.
SUMMARY, PAGE = "summary.md", "summary.html"
#: Changes since the month before that are told one by one: what a mail can hold.
MOST_CHANGES = 40


class Line(NamedTuple):
    """A breach, or a cell that failed; `mark` says what is new about it: failed, new, cured and so on."""

    mark: str
    text: str


class Summary(NamedTuple):
    """What the page of a month says; what it was before is missing in the first month."""

    title: str
    standing: str  # of breaches, now and in the month before
    lines: tuple[Line, ...]
    since: str
    changes: Told | None
    past: Sheet | None
    model: ReportModel

    def markdown(self) -> str:
        """As Markdown: for a mail, a ticket or a job summary."""
        marks = (f"- {f'**{mark}** ' if mark else ''}{markdown_text(text)}" for mark, text in self.lines)
        lines = [f"# {markdown_text(self.title)}", "", self.standing, *marks, ""]
        if self.changes is not None:
            lines += [f"## Since {self.since}", "", *markdown_lines(self.changes), ""]
        past = [*sheet_lines(self.past), ""] if self.past is not None else []
        return "\n".join(lines) + "\n" + render_markdown(self.model, "none").lstrip("\n") + "\n".join(past)

    def html(self) -> str:
        """As a page, with the worst cell told whole."""
        return page(self.title, [node("section", self._opening()), *told_cells(self.model, "brief")])

    def _opening(self) -> Iterator[Element]:
        marks = (node("li", node("strong", mark), " " if mark else "", text) for mark, text in self.lines)
        yield from (node("h1", self.title), node("p", self.standing), node("ul", marks))
        if self.changes is not None:
            yield node("h2", f"Since {self.since}")
            yield from map(table, sheets_of(self.changes))
            yield from (node("p", line) for line in ending(self.changes))
        if self.past is not None:
            yield table(self.past)


def summary(suite: Suite, month: str, model: ReportModel, earlier: Mapping[str, ReportModel]) -> Summary:
    """What to say of a month of a suite; `earlier`: the results of the months before it, the oldest first."""
    since = max(earlier, default="")
    before = earlier.get(since)
    pairs = pair_cells(before.cells if before else (), model.cells)
    was, now = _by_pair(pair.before for pair in pairs), _by_pair(pair.after for pair in pairs)
    new = {key for key in now if before and key not in was}
    lines = [
        *(Line("failed", cell_name(cell)) for cell in model.failed if cell.exit_code),
        *(_line("new" if key in new else "", breach) for key, breach in now.items()),
        *(_line(_became(pairs[key[0]].after, breach), breach) for key, breach in was.items() if key not in now),
    ]
    return Summary(
        title=f"{suite.name}, {month}",
        standing=f"Limits: {_numbers(now.values())}" + (f"; in {since} {_numbers(was.values())}" if before else ""),
        lines=tuple(lines),
        since=since,
        changes=_changes(suite, month, model, since, before) if before else None,
        past=history_sheet({**earlier, month: model}, FIGURES) if earlier else None,
        model=model,
    )


def _changes(suite: Suite, month: str, model: ReportModel, since: str, before: ReportModel) -> Told:
    """The worst of what changed, and the command that tells all of it."""
    command = f"backtester diff {suite.archive}/{since} {suite.archive}/{month}"
    return tell(compare(before, model), parse_material(suite.material), MOST_CHANGES, command)


def _numbers(found: Iterable[Breach]) -> str:
    """How many limits are breached, and of how many nothing is known. Example: 7 breaches, 2 unknown."""
    outcomes = Counter(each.limit.outcome for each in found)
    unknown = f", {outcomes[UNKNOWN]:,} unknown" if outcomes[UNKNOWN] else ""
    return f"{counted(outcomes[BREACHED], 'breach', 'breaches')}{unknown}"


def _line(mark: str, breach: Breach) -> Line:
    return Line(mark, f"{cell_name(breach.cell)}: {limit_line(breach.limit)}")


def _became(cell: AnyCell | None, breach: Breach) -> str:
    """What became of a breach that is no longer one: cured only where the limit still stands, and is kept."""
    if not isinstance(cell, Cell):
        return "not known now"
    return "cured" if breach.limit.text in {each.text for each in cell.limits} else "no limit now"


def _by_pair(cells: Iterable[AnyCell | None]) -> dict[tuple[int, str, str], Breach]:
    """What is breached, by the number of the cell's pair, level and text."""
    return {(n, each.limit.level, each.limit.text): each for n, cell in enumerate(cells) for each in breaches([cell])}
