"""A check as JUnit XML, for whoever shows test results: a case per cell, its failure the lines that fail it."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree

from backtester.regress.check import CellName, Checked, Outcome
from backtester.regress.check_report import change_line, verdict_line
from backtester.regress.tolerances import FAIL, WARN
from backtester.report.records import FailedCell
from backtester.texts import printable


def render_junit(checked: Checked) -> str:
    """One document; text that XML does not know is escaped."""
    suite = ElementTree.Element("testsuite", name="backtester check")
    for each in checked.cells:
        suite.append(_case(each, checked))
    for count, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(count, str(len(suite.findall(f"testcase/{kind}"))))
    suite.set("tests", str(len(checked.cells)))
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, "unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _case(each: CellName, checked: Checked) -> ElementTree.Element:
    cell = each.cell
    venue = f" on {cell.venue}" if cell.venue else ""
    variant = f" {cell.variant}" if cell.variant.items else ""
    name = f"{cell.scenario or 'tape as it is'}{venue}{variant}"
    case = ElementTree.Element("testcase", classname=printable(cell.portfolio.name), name=printable(name))
    failing = [*_lines(each, checked, FAIL)]
    if isinstance(cell, FailedCell) and cell.exit_code and each.is_there:
        _add(case, "error", cell.error.partition("\n")[0], cell.error.splitlines())
    elif isinstance(cell, FailedCell) and not failing:
        _add(case, "skipped", cell.error.partition("\n")[0], [])
    elif checked.outcome in (Outcome.NO_BASELINE, Outcome.NOT_COMPARABLE):
        _add(case, "failure", verdict_line(checked), failing)
    elif failing:
        _add(case, "failure", failing[0], failing)
    if warnings := [*_lines(each, checked, WARN)]:
        ElementTree.SubElement(case, "system-out").text = "\n".join(map(printable, warnings))
    return case


def _lines(each: CellName, checked: Checked, level: str) -> Iterator[str]:
    """The changes and limits of a cell of this level."""
    yield from (change_line(change) for change in checked.of(level) if change.cell == each.name)
    yield from (breach.text for breach in checked.limits(level) if breach.cell == each.name)


def _add(case: ElementTree.Element, kind: str, message: str, lines: list[str]) -> None:
    ElementTree.SubElement(case, kind, message=printable(message)).text = "\n".join(map(printable, lines)) or None
