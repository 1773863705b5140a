"""A result against its baseline: what fails, what warns, what cannot be compared."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from rich.console import Console

from backtester.config.tolerance_tables import Tolerances
from backtester.enums import Verdict
from backtester.regress.check import Checked, Outcome, check
from backtester.regress.check_report import failure, render_check, verdict_line
from backtester.regress.tolerances import FAIL, PASS, WARN, Rules, rules_of
from backtester.report.records import FailedCell, FileInput, LimitReport, PortfolioName, ReportModel
from tests.golden.handmade import MAIN, SMALLER
from tests.unit.check_cases import BETTER, CLEARLY, CRASH, SLIGHTLY, result

BASELINE = result(CRASH)


def checked(
    model: ReportModel, baseline: ReportModel | None = BASELINE, across: bool = False, **tables: Any
) -> Checked:
    rules = rules_of([Tolerances.model_validate(tables)])
    return check(model, baseline, lambda portfolio: rules, across)


def levels(found: Checked) -> dict[str, str]:
    return {each.change.place: each.level for each in found.changes}


BUFFER = "accounts[main].buffer_min"


@pytest.mark.parametrize(
    ("cell", "tables", "level"),
    [
        (SLIGHTLY, {}, PASS),
        (CLEARLY, {}, FAIL),
        (SLIGHTLY, {"money": "0%"}, FAIL),
        (CLEARLY, {"money": "100"}, PASS),
        (CLEARLY, {"money": "99.9"}, FAIL),
        (CLEARLY, {"money": "25%"}, PASS),
        (CLEARLY, {"money": "25%", "warn": {"money": "20%"}}, WARN),
        (CLEARLY, {"figures": {"accounts.buffer_min": "100"}}, PASS),
        (CLEARLY, {"money": "100", "figures": {"accounts.buffer_min": "0%"}}, FAIL),
        (BETTER, {}, FAIL),
        (BETTER, {"direction": "worse"}, PASS),
        (BETTER, {"direction": "worse", "warn": {"money": "0%"}}, PASS),
        (CLEARLY, {"direction": "worse"}, FAIL),
    ],
)
def test_a_change_is_judged_by_its_tolerance(cell: Any, tables: dict[str, Any], level: str) -> None:
    found = checked(result(cell), **tables)
    assert levels(found) == {BUFFER: level}
    assert found.outcome is (Outcome.FAILED if level == FAIL else Outcome.KEPT)


def test_a_portfolio_overrides_its_suite() -> None:
    suite, own = (Tolerances.model_validate(table) for table in ({"money": "0%", "time": "5s"}, {"money": "100"}))
    rules = rules_of([suite, own])
    assert rules.fail.kinds["money"].amount == 100.0
    assert rules.fail.kinds["time"].amount == 5.0


def test_the_rules_of_a_portfolio_are_made_once() -> None:
    asked = []

    def rules(portfolio: str) -> Rules:
        asked.append(portfolio)
        return rules_of([])

    found = check(result(CLEARLY, SMALLER), result(CRASH), rules)
    assert len(found.changes) == 2 and asked == [CRASH.portfolio.name]


def test_a_limit_is_of_its_cell_though_two_are_called_alike() -> None:
    twice = result(*limited("fail").cells, CRASH)
    assert [len(each.breaches) for each in checked(twice, result(CRASH, CRASH)).cells] == [1, 0]


def test_a_figure_that_is_not_known_any_more_is_no_improvement() -> None:
    lost = CRASH._replace(accounts=(MAIN._replace(buffer_min=None), CRASH.accounts[1]))
    assert levels(checked(result(lost), direction="worse")) == {BUFFER: FAIL}
    assert levels(checked(result(CRASH), result(lost), direction="worse")) == {BUFFER: PASS}


def test_cells_that_only_one_has_fail_in_any_direction() -> None:
    for before, after in (((CRASH, SMALLER), (CRASH,)), ((CRASH,), (CRASH, SMALLER))):
        found = checked(result(*after), result(*before), direction="worse")
        assert levels(found) == {"": FAIL}


def test_a_cell_that_comes_to_nothing_fails() -> None:
    failed = FailedCell(
        PortfolioName(CRASH.portfolio.name, ""),
        CRASH.scenario,
        CRASH.venue,
        CRASH.variant,
        "failed",
        "error[data] gone",
        4,
    )
    assert levels(checked(result(failed), direction="worse")) == {"": FAIL}


# --- limits --------------------------------------------------------------------------------------------------------


def limited(level: str, outcome: str = "breached") -> ReportModel:
    return result(CRASH._replace(limits=(LimitReport("loss_pct > 40", level, outcome, "loss_pct is 64.6 %"),)))


def test_a_limit_that_is_not_kept_fails_though_the_baseline_did_not_keep_it() -> None:
    found = checked(limited("fail"), limited("fail"))
    assert (found.outcome, found.changes) == (Outcome.FAILED, ())
    reason = failure(found, "base")
    assert reason is not None
    assert reason.message == "limit breached: loss_pct > 40 (loss_pct is 64.6 %)"
    assert verdict_line(found) == "FAILED: 1 cell, 1 limit breached"


def test_a_limit_that_warns_does_not() -> None:
    found = checked(limited("warn", "unknown"), limited("warn", "unknown"))
    assert found.outcome is Outcome.KEPT
    assert verdict_line(found) == "KEPT: 1 cell, 1 limit that warns unknown"


# --- what cannot be compared ---------------------------------------------------------------------------------------


def others() -> dict[str, ReportModel]:
    inputs = BASELINE.inputs
    older, changed = inputs.venues[0]._replace(rules_date="2020-01-01"), inputs.scenarios[0]._replace(sha256="0" * 64)
    return {
        "engine": BASELINE._replace(engine_version="9.9"),
        "seed": BASELINE._replace(seed=8),
        "currency": BASELINE._replace(reporting_currency="USDT"),
        "tape": BASELINE._replace(inputs=inputs._replace(tape=FileInput("btc.parquet", "0" * 64))),
        "venue": BASELINE._replace(inputs=inputs._replace(venues=(older,))),
        "scenario": BASELINE._replace(inputs=inputs._replace(scenarios=(changed,))),
        "command.set": BASELINE._replace(command=BASELINE.command._replace(set=())),
    }


@pytest.mark.parametrize("input", others())
def test_other_inputs_are_not_comparable(input: str) -> None:
    found = checked(result(CRASH), others()[input])
    assert (found.outcome, found.changes) == (Outcome.NOT_COMPARABLE, ())
    assert [each.input for each in found.reasons] == [input]
    reason = failure(found, "base")
    assert reason is not None
    assert reason.message.startswith(f"not comparable: it was made with {input} ")
    assert checked(result(CRASH), others()[input], across=True).outcome is Outcome.KEPT


def test_another_portfolio_is_what_is_checked() -> None:
    inputs = BASELINE.inputs._replace(portfolios=(FileInput("portfolio.toml", "0" * 64),))
    found = checked(result(CRASH)._replace(inputs=inputs))
    assert (found.outcome, found.reasons) == (Outcome.KEPT, ())
    assert found.comparison is not None
    assert [each.input for each in found.comparison.inputs] == ["portfolio"]


def test_a_scenario_whose_cell_fails_is_a_cell_that_fails() -> None:
    inputs = BASELINE.inputs._replace(scenarios=())
    assert checked(result(CRASH)._replace(inputs=inputs)).outcome is Outcome.KEPT


def test_no_baseline() -> None:
    found = checked(result(CRASH), None)
    assert (found.outcome, found.comparison, found.changes) == (Outcome.NO_BASELINE, None, ())
    reason = failure(found, "base")
    assert reason is not None
    assert (reason.where, reason.message, reason.hint) == (
        "base",
        "there is no baseline",
        "make one of this result with --update",
    )


# --- formats -------------------------------------------------------------------------------------------------------

WORSE = CLEARLY._replace(verdict=Verdict.INSOLVENT, portfolio=CRASH.portfolio._replace(loss=9_695.0))


def rendered(format: str, found: Checked) -> str:
    return render_check(found, format, Console(width=120, color_system=None, markup=False, highlight=False))


def test_the_one_line_that_says_why() -> None:
    found = checked(result(WORSE))
    reason = failure(found, "base")
    assert reason is not None
    assert reason.where.endswith("2025-10-10 on hyperliquid@2026-08-22")
    assert reason.message == "verdict: liquidated → insolvent (worse), and 1 more line"
    assert failure(checked(result(CRASH)), "base") is None


def test_markdown_is_the_summary_of_a_job() -> None:
    lines = rendered("markdown", checked(result(WORSE))).splitlines()
    assert lines[0] == (
        "**FAILED**: 2 changes beyond tolerance (2 worse) in 1 of 1 cell, 1 change that may be"
    )  # fmt: skip
    assert "## Beyond tolerance, the worst first; USDC" in lines
    assert "| ~ | verdict | liquidated | insolvent |  | worse |" in lines
    folded = lines[lines.index("<details><summary>1 change that may be</summary>") :]
    assert "| ~ | portfolio.loss | 9,694.06 | 9,695.00 | +0.94 | worse |" in folded
    assert folded[-1] == "</details>"


def test_json_and_csv_have_all_lines_with_their_levels() -> None:
    found = checked(result(WORSE))
    document = json.loads(rendered("json", found))
    assert (document["kind"], document["outcome"], document["cells"]) == ("check", "failed", 1)
    assert [(each["level"], each["place"]) for each in document["changes"]] == [
        ("fail", "verdict"),
        ("fail", BUFFER),
        ("pass", "portfolio.loss"),
    ]
    rows = list(csv.DictReader(io.StringIO(rendered("csv", found))))
    assert [(each["level"], each["place"]) for each in rows] == [
        ("fail", "verdict"),
        ("fail", BUFFER),
        ("pass", "portfolio.loss"),
    ]
    [row] = csv.DictReader(io.StringIO(rendered("csv", checked(limited("fail"), limited("fail")))))
    assert (row["level"], row["change"]) == ("fail", "breached")
    assert row["after"] == "limit breached: loss_pct > 40 (loss_pct is 64.6 %)"


def test_a_table_ends_with_the_verdict() -> None:
    lines = rendered("table", checked(result(WORSE))).splitlines()
    assert lines[0] == "Beyond tolerance, the worst first; USDC"
    assert lines[-1].startswith("FAILED: 2 changes beyond tolerance (2 worse)")
