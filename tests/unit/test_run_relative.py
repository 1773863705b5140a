"""`--set key=*1.5` in a run: sizes in whole lots, rules of a venue, and the same cell as the value itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from backtester.errors import BacktesterError
from backtester.run.request import Request
from backtester.run.result import RunResult
from backtester.run.session import run_cell, run_cells
from tests.unit.run_cases import account, crash, order, plan, portfolio, position, tape


def request(directory: Path, *overrides: str) -> Request:
    tables = (
        position(size=0.7),
        order("half", size="50%"),
        order("some", size="7_000 USD", at="2s"),
        plan(size=0.1, reduce_only=True),
    )
    path = portfolio(directory, account(*tables))
    return Request(path, overrides=overrides, tapes=(str(tape(directory)),))


def sizes(result: RunResult) -> list[int]:
    made = result.world.accounts[0]
    return [made.positions[0].lots, *(each.lots for each in made.orders[:2]), made.plans[0].lots]


def test_every_size_is_multiplied_once(tmp_path: Path) -> None:
    before = run_cell(request(tmp_path))
    after = run_cell(request(tmp_path, "*.size=*2"))
    assert sizes(after) == [2 * lots for lots in sizes(before)] == [140_000, 70_000, 28_000, 20_000]


def test_a_size_between_two_lots_is_rounded_down_when_a_factor_made_it(tmp_path: Path) -> None:
    assert sizes(run_cell(request(tmp_path, "positions.size=*0.333333")))[0] == 23_333
    with pytest.raises(BacktesterError, match="is no multiple of the lot"):
        run_cell(request(tmp_path, "positions.size=0.2333331"))
    with pytest.raises(BacktesterError, match="is less than a lot"):
        run_cell(request(tmp_path, "positions.size=*0.000001"))


def test_factors_are_compared_like_values(tmp_path: Path) -> None:
    found = run_cells([request(tmp_path)._replace(compare=("positions.size=*0.5,+100%,1.4",))])
    assert [sizes(each)[0] for each in found if isinstance(each, RunResult)] == [35_000, 140_000]


def test_a_rule_of_the_venue_is_multiplied(tmp_path: Path) -> None:
    plain, dear = (run_cell(request(tmp_path, *more)) for more in ((), ("venue.taker_fee=*2",)))
    assert dear.profiles[0].rules.taker_fee == 2 * plain.profiles[0].rules.taker_fee > 0
    with pytest.raises(BacktesterError, match="is no number that can be multiplied"):
        run_cell(request(tmp_path, "venue.mark_formula=*2"))


def test_a_column_of_a_scenario_is_multiplied(tmp_path: Path) -> None:
    made = request(tmp_path, "scenario.spread_mult=*2")._replace(scenario=str(crash(tmp_path, [(0, 1.0), (9, 0.9)])))
    assert any("spread_mult of the scenario is 2 times its own" in text for text in run_cell(made).assumptions)
