"""Cells over months: two dates of one venue are two cells, a moved date, a month without it and a failure none."""

from __future__ import annotations

from time import process_time

import pytest

from backtester.config.suite import Suite
from backtester.regress.cells import pair_cells
from backtester.report.records import Cell, FailedCell, LimitReport, PortfolioName, ReportModel
from backtester.suite.history import courses
from backtester.suite.summary import summary
from tests.unit.check_cases import CRASH, result

BOOK = Suite(name="book", portfolios=("book.toml",))
LIMIT = LimitReport("loss_pct > 40", "fail", "breached", "loss_pct is 64.63 %")


def at(date: str, scenario: str = "2025-10-10", outcome: str = "breached") -> Cell:
    return CRASH._replace(
        venue=f"hyperliquid@{date}", scenario=scenario, limits=(LIMIT._replace(outcome=outcome),)
    )  # fmt: skip


def page(now: ReportModel, before: ReportModel | None) -> list[str]:
    lines = summary(BOOK, "2026-11", now, {"2026-10": before} if before else {}).markdown().splitlines()
    return lines[2 : lines.index("", 2)]


def test_breaches_of_two_dates_of_a_venue_are_two() -> None:
    both = result(at("2025-10-10"), at("2026-08-22"))
    assert page(both, None)[0] == "Limits: 2 breaches"
    kept = result(at("2025-10-10"), at("2026-08-22", outcome="ok"))
    new = page(both, kept)
    assert new[0] == "Limits: 2 breaches; in 2026-10 1 breach"
    assert [line.startswith("- **new** ") for line in new[1:]] == [False, True]
    assert [line.startswith("- **cured** ") for line in page(kept, both)[1:]] == [False, True]


def test_a_breach_of_newer_rules_is_not_new() -> None:
    assert page(result(at("2026-10-01")), result(at("2026-08-22")))[1].startswith("- book, 2025")


def test_a_cell_that_failed_is_not_cured() -> None:
    unknown = LIMIT._replace(outcome="unknown", figure="there is no result")
    failed = FailedCell(
        PortfolioName("book", ""), CRASH.scenario, at("2026-08-22").venue, CRASH.variant, "failed", "x", 4, (unknown,)
    )
    assert page(result(failed), result(at("2026-08-22"))) == [
        "Limits: 0 breaches, 1 unknown; in 2026-10 1 breach",
        "- **failed** book, 2025-10-10 on hyperliquid@2026-08-22",
        "- book, 2025-10-10 on hyperliquid@2026-08-22: limit unknown: loss_pct > 40 (there is no result)",
    ]
    assert page(result(failed._replace(limits=(), venue="")), result(at("2026-08-22"))) == [
        "Limits: 0 breaches; in 2026-10 1 breach",
        "- **failed** book, 2025-10-10",
        "- **not known now** book, 2025-10-10 on hyperliquid@2026-08-22: limit breached: loss_pct > 40 "
        "(loss_pct is 64.63 %)",
    ]


def test_a_limit_that_warns_and_fails_is_two() -> None:
    cell = at("2026-08-22")._replace(limits=(LIMIT, LIMIT._replace(level="warn")))
    found = page(result(cell), None)
    assert (found[0], len(found)) == ("Limits: 2 breaches", 3)


# --- history -------------------------------------------------------------------------------------------------------


def months(*cells: tuple[Cell, ...]) -> dict[str, ReportModel]:
    return {f"2026-{number:02d}": result(*each) for number, each in enumerate(cells, 1)}


def test_two_dates_are_two_courses() -> None:
    both = (at("2025-10-10"), at("2026-08-22"))
    found = courses(months(both, both))
    assert [(each.name, [*each.cells]) for each in found] == [
        (f"book, 2025-10-10 on hyperliquid@{date}", ["2026-01", "2026-02"]) for date in ("2025-10-10", "2026-08-22")
    ]


def test_a_course_goes_on_with_newer_rules_and_over_a_gap() -> None:
    first, other, newer = at("2026-08-22"), at("2026-08-22", "2020-03-12"), at("2026-10-01")
    found = courses(months((first, other), (other,), (newer, other)))
    assert [(each.name, [*each.cells]) for each in found] == [
        ("book, 2025-10-10 on hyperliquid", ["2026-01", "2026-03"]),
        ("book, 2020-03-12 on hyperliquid", ["2026-01", "2026-02", "2026-03"]),
    ]
    assert [*found[0].cells.values()] == [first, newer]


@pytest.mark.parametrize("dates", [("2026-08-22", "2026-08-22"), ("2026-08-22", "2026-10-01")])
def test_ten_thousand_cells_are_no_problem(dates: tuple[str, str]) -> None:
    before, after = ([at(date, f"path-{number}") for number in range(10_000)] for date in dates)
    begin = process_time()
    assert all(pair.before and pair.after for pair in pair_cells(before, after))
    assert process_time() - begin < 3.0


def test_the_page_says_what_the_summary_says() -> None:
    told = summary(BOOK, "2026-11", result(at("2026-08-22")), {"2026-10": result(at("2026-08-22", outcome="ok"))})
    page = told.html()
    assert "<h1>book, 2026-11</h1>" in page and "<strong>new</strong>" in page
    assert "Since 2026-10" in page and "From month to month" in page
    assert "From month to month" in told.markdown()


def test_the_first_month_has_no_past() -> None:
    told = summary(BOOK, "2026-11", result(at("2026-08-22")), {})
    assert told.changes is None and told.past is None
    assert "Since" not in told.html() and "From month to month" not in told.markdown()
