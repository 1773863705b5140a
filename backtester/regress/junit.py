"""A check as JUnit XML, for whoever shows test results: a case per cell, its failure the lines that fail it."""

from __future__ import annotations

from xml.etree import ElementTree

from backtester.regress.check import CellName, Checked, Outcome
from backtester.regress.check_report import change_line, verdict_line
from backtester.regress.tolerances import FAIL, WARN
from backtester.report.records import FailedCell
from backtester.texts import printable


def render_junit(checked: Checked) -> str:
    """One document; text that XML does not know is escaped."""
    suite = ElementTree.Element("testsuite", name="backtester check")
    failing, warning = (_lines(checked, level) for level in (FAIL, WARN))
    for each in checked.cells:
        suite.append(_case(each, checked, failing.get(each.name, []), warning.get(each.name, [])))
    for count, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(count, str(len(suite.findall(f"testcase/{kind}"))))
    suite.set("tests", str(len(checked.cells)))
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, "unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _case(each: CellName, checked: Checked, failing: list[str], warning: list[str]) -> ElementTree.Element:
    cell = each.cell
    venue = f" on {cell.venue}" if cell.venue else ""
    variant = f" {cell.variant}" if cell.variant.items else ""
    name = f"{cell.scenario or 'tape as it is'}{venue}{variant}"
    case = ElementTree.Element("testcase", classname=printable(cell.portfolio.name), name=printable(name))
    if isinstance(cell, FailedCell) and cell.exit_code and each.is_there:
        _add(case, "error", cell.error.partition("\n")[0], cell.error.splitlines())
    elif isinstance(cell, FailedCell) and not failing:
        _add(case, "skipped", cell.error.partition("\n")[0], [])
    elif checked.outcome in (Outcome.NO_BASELINE, Outcome.NOT_COMPARABLE):
        _add(case, "failure", verdict_line(checked), failing)
    elif failing:
        _add(case, "failure", failing[0], failing)
    if warning:
        ElementTree.SubElement(case, "system-out").text = "\n".join(map(printable, warning))
    return case


def _lines(checked: Checked, level: str) -> dict[str, list[str]]:
    """The changes and limits of this level, by their cell."""
    found: dict[str, list[str]] = {}
    for change in checked.of(level):
        found.setdefault(change.cell, []).append(change_line(change))
    for breach in checked.limits(level):
        found.setdefault(breach.cell, []).append(breach.text)
    return found


def _add(case: ElementTree.Element, kind: str, message: str, lines: list[str]) -> None:
    ElementTree.SubElement(case, kind, message=printable(message)).text = "\n".join(map(printable, lines)) or None
