"""A check as JUnit XML, for whoever shows test results: a case per cell, its failure the lines that fail it."""

from __future__ import annotations

from xml.etree import ElementTree

from backtester.regress.check import Checked, CheckedCell, Outcome
from backtester.regress.check_report import change_line, verdict_line
from backtester.regress.tolerances import FAIL, WARN
from backtester.report.naming import place_name, variant_words
from backtester.report.records import FailedCell
from backtester.report.text import limit_line
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


def _case(each: CheckedCell, checked: Checked) -> ElementTree.Element:
    cell, failing, warning = each.pair.cell, _lines(each, FAIL), _lines(each, WARN)
    name = f"{place_name(cell.scenario, cell.venue)}{variant_words(cell.variant)}"
    case = ElementTree.Element("testcase", classname=printable(cell.portfolio.name), name=printable(name))
    if cell in checked.failures and each.pair.after is not None:
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


def _lines(each: CheckedCell, level: str) -> list[str]:
    """The changes and limits of this level."""
    changes = [change_line(judged.change) for judged in each.changes if judged.level == level]
    return changes + [limit_line(breach.limit) for breach in each.breaches if breach.limit.level == level]


def _add(case: ElementTree.Element, kind: str, message: str, lines: list[str]) -> None:
    ElementTree.SubElement(case, kind, message=printable(message)).text = "\n".join(map(printable, lines)) or None
