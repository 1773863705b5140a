"""The limits on what guards send, as they are written and as the engine takes them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from backtester.config.automation import Automation
from backtester.config.portfolio import load_portfolio
from backtester.config.values import Percent
from backtester.engine import spec
from backtester.enums import PriceSeries
from backtester.errors import BacktesterError
from backtester.run.request import Request
from backtester.run.session import run_cell
from tests.unit.run_cases import CRASH, account, guard, portfolio, position

ALL = """[accounts.automation]
reaction = "100ms"
window = "30s"
kill = {empty = 5, loss = 10_000, resume_after = "10m"}
stale = "5s"
collar = {bound = "2%", against = "last"}
max_order = 250_000
max_notional = "40%"
max_orders = 7
"""


def written(tmp_path: Path, automation: str) -> Path:
    """What its table of limits says begins on line 17."""
    return portfolio(tmp_path, account(position(), guard(do=["close"]), automation))


def test_all_that_can_be_said(tmp_path: Path) -> None:
    [made] = load_portfolio(written(tmp_path, ALL)).portfolio.accounts
    found = made.automation
    assert (found.reaction_ns, found.window_ns, found.stale_ns) == (100 * 10**6, 30 * 10**9, 5 * 10**9)
    assert found.kill is not None and found.collar is not None
    assert (found.kill.empty, found.kill.loss, found.kill.resume_after_ns) == (5, 10_000.0, 600 * 10**9)
    assert (found.collar.bound, found.collar.against) == (Percent(0.02), PriceSeries.LAST)
    assert (found.max_order, found.max_notional, found.max_orders) == (250_000.0, Percent(0.4), 7)


def test_without_a_word_there_is_no_limit_but_on_how_many() -> None:
    assert (Automation().window_ns, Automation().max_orders) == (60 * 10**9, 20)
    assert not spec.Automation().asks and not spec.Automation(1, max_orders=3).asks
    for one in (
        spec.Automation(kill_empty=1),
        spec.Automation(stale_ns=1),
        spec.Automation(collar=0.1),
        spec.Automation(max_order=1.0),
        spec.Automation(max_share=0.1),
    ):
        assert one.asks


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("windw = '60s'", 'automation.windw: unknown key\n  hint: did you mean "window"?'),
        ("window = '0s'", 'automation.window: expected an interval of "1ms" or more'),
        ("kill = {}", "automation.kill: nothing throws this switch"),
        ("kill = {resume_after = '1m'}", "automation.kill: nothing throws this switch"),
        ("kill = {empty = 0}", "automation.kill.empty: expected at least 1, was 0"),
        ("kill = {los = 3}", "automation.kill.los: unknown key"),
        ("kill = 3", "automation.kill: expected a table"),
        ("stale = 5", "automation.stale: expected a duration"),
        ("collar = {against = 'index'}", "automation.collar.bound: missing key"),
        ("collar = {bound = '2%', against = 'mark'}", 'automation.collar.against: expected "index" or "last"'),
        ("collar = {bound = 2}", "automation.collar.bound: expected a share"),
        ("max_order = '40%'", "automation.max_order: expected a number"),
        ("max_notional = '0%'", "automation.max_notional: expected a notional above 0"),
        ("max_notional = '140%'", "automation.max_notional: expected a notional above 0"),
        ("max_notional = -1", "automation.max_notional: expected a notional above 0"),
        ("max_orders = 0", "automation.max_orders: expected at least 1, was 0"),
        ("max_orders = 100_000", "automation.max_orders: expected at most 1000"),
    ],
)
def test_what_is_wrong_is_one_line_at_its_place(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(BacktesterError) as error:
        load_portfolio(written(tmp_path, f"[accounts.automation]\n{line}\n"))
    [diagnostic] = error.value.diagnostics
    assert f"accounts.0.{message}" in str(error.value)
    assert ":17 " in diagnostic.where


@pytest.mark.compiled
def test_a_budget_in_which_no_order_fits_is_refused(tmp_path: Path) -> None:
    for line in ("max_order = 5", "max_notional = 0.5"):
        with pytest.raises(BacktesterError) as error:
            run_cell(Request(written(tmp_path, f"[accounts.automation]\n{line}\n"), scenario=CRASH))
        [diagnostic] = error.value.diagnostics
        assert "is less than the smallest order of BTC, 10" in diagnostic.message
        assert diagnostic.where.endswith(f"accounts.0.automation.{line.split()[0]}")


def test_what_is_not_said_is_off() -> None:
    plain = spec.Automation()
    assert (plain.kill_loss, plain.max_order, plain.max_notional, plain.max_share) == (math.inf,) * 4
    assert plain.collar_by is PriceSeries.INDEX
