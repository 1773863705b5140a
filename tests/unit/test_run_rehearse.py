"""Drills: a crash run again with something broken for the guards, and what is made of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backtester.config.command import Command
from backtester.enums import DrillVerdict, Limit, Outage
from backtester.errors import BacktesterError
from backtester.report.drilled import DrillReport
from backtester.report.rehearsal import BROKEN, rehearsal_sheet, rehearsals, said
from backtester.results.produce import produce
from backtester.run.drills import DRILLS
from backtester.run.rehearse import VENUE_DOWN_NS, WHIPSAW_NS, _venue_down, _whipsaw
from backtester.run.request import requests
from backtester.scenario.path import ANY, Scenario, Series
from tests.golden.handmade import CRASH, SMALLER

S = 1_000_000_000
PORTFOLIO = """\
name = "drilled"
[[accounts]]
name = "main"
venue = "hyperliquid"
collateral = {{ USDC = 250_000.0 }}
  [[accounts.positions]]
  symbol = "BTC"
  side = "long"
  size = 17.0
  margin_mode = "cross"
  leverage = 10
  [[accounts.positions]]
  symbol = "ETH"
  side = "short"
  size = 150.0
  margin_mode = "cross"
  leverage = 10
  [[accounts.orders]]
  id = "stop"
  symbol = "BTC"
  type = "stop_market"
  side = "sell"
  size = 4.0
  trigger_price = 104_000.0
  reduce_only = true
  held = "venue"
  {guard}
"""
SLOWLY = """
  [[accounts.guards]]
  id = "g"
  when = "return[BTC, 60s] < -1%"
  cool_down = "0s"
  do = ["reduce 1% of BTC"]
"""


@pytest.fixture(scope="module")
def drilled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, DrillReport]:
    """What became of every drill of a policy that sells slowly."""
    path = tmp_path_factory.mktemp("drills") / "p.toml"
    path.write_text(PORTFOLIO.format(guard=SLOWLY))
    [cell] = produce(Command((str(path),), ("2025-10-10",), drills=("all",))).model.finished
    assert [each.id for each in cell.drills] == list(DRILLS)
    assert cell.missed == sum(each.verdict is DrillVerdict.MISSED for each in cell.drills)
    unguarded = cell.accounts[0].unguarded
    assert unguarded is not None
    for each in cell.drills:
        if each.id not in ("whipsaw", "venue_down"):
            assert each.loss == pytest.approx(cell.portfolio.equity_end - each.equity_end)
            assert each.harm == pytest.approx(unguarded.equity_end - each.equity_end)
    return {each.id: each for each in cell.drills}


@pytest.mark.compiled
def test_what_sends_without_an_end_is_held_by_the_limit(drilled: dict[str, DrillReport]) -> None:
    """At each look, 3 s apart, one order: the 21st of a minute."""
    loop = drilled["loop"]
    assert (loop.limit, loop.limit_ts) == (Limit.NONE, None)  # twenty a minute
    tripled = drilled["triple"]
    assert tripled.limit is Limit.MAX_ORDERS
    assert tripled.share_60s is not None and drilled["late"].share_60s is not None
    assert tripled.share_60s > drilled["late"].share_60s > 0.0


@pytest.mark.compiled
def test_the_winning_leg_is_taken_away(drilled: dict[str, DrillReport]) -> None:
    """The short of ETH wins in the fall: without it the account is worse off."""
    assert drilled["leg_adl"].loss > 0.0
    assert drilled["leg_adl"].verdict is DrillVerdict.MISSED


@pytest.mark.compiled
def test_a_stop_that_is_gone_is_told(drilled: dict[str, DrillReport]) -> None:
    assert drilled["stop_lost"].verdict is not DrillVerdict.NOT_REACHED


@pytest.mark.compiled
def test_what_nobody_confirms_is_not_reached_where_nothing_is_confirmed(drilled: dict[str, DrillReport]) -> None:
    assert drilled["no_human"].verdict is DrillVerdict.NOT_REACHED
    assert (drilled["no_human"].loss, drilled["no_human"].limit) == (0.0, Limit.NONE)


@pytest.mark.compiled
def test_nothing_is_rehearsed_without_guards(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text(PORTFOLIO.format(guard=""))
    model = produce(Command((str(path),), ("2025-10-10",), drills=("late",), fail_on=("missed > 0",))).model
    [cell] = model.finished
    assert (cell.missed, cell.drills) == (None, ())
    assert model.warnings == ("no account has guards: nothing was rehearsed",)
    assert [each.outcome for each in cell.limits] == ["unknown"]


@pytest.mark.compiled
def test_a_tape_as_it_is_has_no_drill_of_prices(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text(PORTFOLIO.format(guard=SLOWLY))
    model = produce(Command((str(path),), drills=("late,whipsaw",))).model
    [cell] = model.finished
    assert [each.id for each in cell.drills] == ["late"]
    assert "drill whipsaw needs a scenario: not tried" in model.assumptions


def test_drills_by_name() -> None:
    def asked(*names: str) -> tuple[str, ...]:
        [request] = requests(Command(("data/guarded-portfolio.toml",), drills=names))
        return request.drills

    assert asked() == ()
    assert asked("all") == DRILLS
    assert asked("late,blind", "late") == ("late", "blind")
    with pytest.raises(BacktesterError, match='there is no drill latte\n  hint: did you mean "late"') as error:
        asked("latte")
    assert error.value.exit_code == 2


def test_every_drill_is_explained() -> None:
    assert set(BROKEN) == set(DRILLS)


def path_of(*series: Series) -> Scenario:
    return Scenario("p", "p", "HIST", 0, 600 * S, ((0, S),), series)


def test_a_whipsaw_goes_back_to_where_it_came_from_and_stays() -> None:
    """1, then 0.8 at 200 s; from 100 s, at 0.9, back: half of it a minute later."""
    fall = Series(ANY, "BTC", "price_ratio", np.array([0, 200 * S, 300 * S]), np.array([1.0, 0.8, 0.85]))
    [back] = _whipsaw(path_of(fall), 100 * S).series
    times = np.array([0, 50, 100, 160, 220, 500]) * S
    assert back.at(times) == pytest.approx([1.0, 0.95, 0.9, 0.95, 1.0, 1.0])
    assert back.t_ns[-1] == 100 * S + WHIPSAW_NS


def test_a_venue_that_is_down_takes_nothing_and_shows_nothing() -> None:
    flat = Series(ANY, "BTC", "price_ratio", np.array([0]), np.array([1.0]))
    down = _venue_down(path_of(flat), 100 * S).find("outage", ANY, "BTC")
    assert down is not None
    bits = float(Outage.ORDERS_REFUSED | Outage.CANCELS_REFUSED | Outage.FEED_FROZEN)
    assert down.at(np.array([0, 99 * S, 100 * S, 100 * S + VENUE_DOWN_NS])).tolist() == [0.0, 0.0, bits, 0.0]


def test_the_worst_stand_first() -> None:
    sheet = rehearsal_sheet(CRASH._replace(drills=CRASH.drills[::-1]), "USDC")
    assert sheet.title == "Rehearsal: 1 missed, 1 caught; USDC"
    assert [row[0] for row in sheet.rows] == ["late", "triple"]
    assert sheet.rows[1][3:5] == ("caught", "max_orders 21:30:00")


def test_several_cells_have_a_row_a_drill() -> None:
    assert [*rehearsals((CRASH, SMALLER))] == []
    other = CRASH._replace(scenario="2024-08-05", drills=CRASH.drills[:1])
    [sheet] = rehearsals((CRASH, other))
    assert sheet.rows == (("late", "MISSED", "MISSED"), ("triple", "caught", "–"))
    assert said(DrillVerdict.NOT_REACHED) == "not reached"
