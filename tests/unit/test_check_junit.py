"""A check as JUnit XML: what its readers (Jenkins, GitLab, GitHub actions for it) ask of the format."""

from __future__ import annotations

from xml.etree import ElementTree

from backtester.regress.check import Outcome, check
from backtester.regress.check_report import failure, verdict_line
from backtester.regress.junit import render_junit
from backtester.regress.tolerances import rules_of
from backtester.report.records import FailedCell, LimitReport, Named, PortfolioName, ReportModel
from tests.golden.handmade import SMALLER
from tests.unit.check_cases import CLEARLY, CRASH, result

#: Element -> the attributes that it must have, those that it may have, and its children.
SCHEMA: dict[str, tuple[set[str], set[str], set[str]]] = {
    "testsuites": (set(), set(), {"testsuite"}),
    "testsuite": ({"name", "tests", "failures", "errors", "skipped"}, set(), {"testcase"}),
    "testcase": ({"classname", "name"}, set(), {"failure", "error", "skipped", "system-out"}),
    "failure": ({"message"}, set(), set()),
    "error": ({"message"}, set(), set()),
    "skipped": ({"message"}, set(), set()),
    "system-out": (set(), set(), set()),
}


def junit(model: ReportModel, baseline: ReportModel | None, forgiven: int = 0) -> ElementTree.Element:
    """The document as it is parsed, after a look at its elements."""
    root = ElementTree.fromstring(
        render_junit(check(model, baseline, lambda portfolio: rules_of([]), max_failures=forgiven))
    )
    assert root.tag == "testsuites"
    for each in root.iter():
        must, may, children = SCHEMA[each.tag]
        assert must <= set(each.attrib) <= must | may
        assert {child.tag for child in each} <= children
    [suite] = root
    cases = list(suite)
    assert int(suite.attrib["tests"]) == len(cases)
    for count, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert int(suite.attrib[count]) == sum(case.find(kind) is not None for case in cases)
    assert len({(case.attrib["classname"], case.attrib["name"]) for case in cases}) == len(cases)
    return root


def child(case: ElementTree.Element, kind: str) -> ElementTree.Element:
    found = case.find(kind)
    assert found is not None
    return found


def test_a_cell_is_a_case_and_its_lines_the_failure() -> None:
    limited = CLEARLY._replace(limits=(LimitReport("loss_pct > 40", "warn", "breached", "loss_pct is 64.63 %"),))
    root = junit(result(limited, SMALLER), result(CRASH, SMALLER))
    worse, calm = root[0]
    assert (worse.attrib["classname"], worse.attrib["name"]) == (
        CRASH.portfolio.name,
        "2025-10-10 on hyperliquid@2026-08-22",
    )
    failure = child(worse, "failure")
    assert failure.attrib["message"].startswith("accounts[main].buffer_min: −480.00 → −580.00 (−100.00, worse)")
    assert child(worse, "system-out").text == "limit breached, a warning: loss_pct > 40 (loss_pct is 64.63 %)"
    assert list(calm) == []


def failed(status: str, code: int) -> FailedCell:
    error = "error[data] \x1b[31m<x>: gone\n  hint: none"
    return FailedCell(PortfolioName(CRASH.portfolio.name, ""), "other", CRASH.venue, Named(()), status, error, code)


def test_a_cell_without_a_result_is_an_error_or_skipped() -> None:
    broken, beside = failed("failed", 4), failed("not_applicable", 0)._replace(scenario="third")
    model = result(CRASH, broken, beside)
    _, error, skipped = junit(model, model)[0]
    assert child(error, "error").attrib["message"] == r"error[data] \x1b[31m<x>: gone"
    assert child(skipped, "skipped") is not None


def test_a_failure_that_is_forgiven_is_skipped_and_one_that_is_not_is_not_kept() -> None:
    model = result(CRASH, failed("failed", 4))
    rules = rules_of([])
    assert check(model, model, lambda portfolio: rules, max_failures=1).outcome is Outcome.KEPT
    found = check(model, model, lambda portfolio: rules)
    assert verdict_line(found) == "FAILED: 2 cells, 1 cell without a result"
    assert str(failure(found, "base")).endswith(": there is no result")
    _, skipped = junit(model, model, forgiven=1)[0]
    assert child(skipped, "skipped").attrib["message"] == r"error[data] \x1b[31m<x>: gone"


def test_without_a_baseline_every_cell_fails() -> None:
    root = junit(result(CRASH, SMALLER), None)
    assert [child(case, "failure").attrib["message"] for case in root[0]] == ["NO BASELINE: 2 cells"] * 2


def test_a_cell_that_is_gone_is_a_case_that_fails() -> None:
    root = junit(result(CRASH), result(CRASH, SMALLER))
    assert [case.find("failure") is None for case in root[0]] == [True, False]
