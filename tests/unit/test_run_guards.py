"""Guards of a portfolio in a run: what they did, what became of the account without them, and how early they were."""

from __future__ import annotations

from pathlib import Path

import pytest

from backtester.enums import GuardEvent, Limit, OrderReason, Verdict
from backtester.errors import BacktesterError
from backtester.metrics.cell import Measured, measure
from backtester.report.guarded import BlockedReport
from backtester.report.records import Cell
from backtester.report.telling import guards_sheet
from backtester.report.timeline import timeline
from backtester.run.request import Request
from backtester.run.session import run_cell
from tests.unit.run_cases import CRASH, account, automation, guard, order, portfolio, position

#: Long 17 on 190,000: liquidated in the crash at 21:17:39, two pools of it are none.
HEAVY = position(size=17.0), "USDC = 190_000.0"


def told(tmp_path: Path, *guards: str, collateral: str = HEAVY[1], size: str = HEAVY[0]) -> Cell:
    book = portfolio(tmp_path, account(size, *guards, collateral=collateral))
    found = measure(run_cell(Request(book, scenario=CRASH)))
    assert isinstance(found, Measured)
    return found.cell


@pytest.mark.compiled
def test_one_that_alerts_changes_nothing_and_says_how_early_it_was(tmp_path: Path) -> None:
    cell = told(tmp_path, guard(when="buffer < 3% notional"))
    [alone] = told(tmp_path).accounts
    assert cell.accounts == (alone,) and alone.unguarded is None
    [found] = cell.guards
    assert found.first_ts is not None and found.lead_s is not None
    first = cell.liquidations[0].ts.ts_ns
    assert found.lead_s == (first - found.first_ts.ts_ns) / 1e9 > 0.0
    assert found.false_fires == 0
    assert {each.event for each in cell.actions} <= {GuardEvent.ALERT, GuardEvent.HELD}


@pytest.mark.compiled
def test_one_that_sells_says_what_it_saved(tmp_path: Path) -> None:
    """It cuts to a buffer of 8 % whenever less than 5 % are left; without it the account is liquidated."""
    cutting = guard(when="buffer < 5% notional", do=["reduce to buffer 8% notional"])
    cell, without = told(tmp_path, cutting), told(tmp_path)
    assert (cell.liquidations, without.verdict) == ((), Verdict.LIQUIDATED)
    assert cell.verdict is Verdict.REDUCED
    [main], [alone] = cell.accounts, without.accounts
    assert main.unguarded is not None
    assert main.unguarded.equity_end == pytest.approx(alone.equity_end)
    assert main.unguarded.effect == pytest.approx(main.equity_end - alone.equity_end)
    sent = [each for each in cell.actions if each.event is GuardEvent.ORDER]
    assert [each.order for each in sent] == [f"g {n}" for n in range(1, len(sent) + 1)]
    assert {each.id for each in cell.orders} == {each.order for each in sent}
    [found] = cell.guards
    assert found.lead_s is not None and found.lead_s > 0.0


@pytest.mark.compiled
def test_one_that_only_alerts_leaves_an_account_alerted(tmp_path: Path) -> None:
    cell = told(tmp_path, guard(when="loss > 1%"), collateral="USDC = 100_000.0", size=position(size=0.5))
    assert cell.verdict is Verdict.ALERTED
    assert cell.guards[0].false_fires == cell.guards[0].fires > 0 and cell.guards[0].lead_s is None


@pytest.mark.compiled
def test_a_return_between_two_marks_is_refused(tmp_path: Path) -> None:
    """Hyperliquid makes a mark every 3 s: of 2 s a return would always be nothing, 10 s would be 9."""
    for span in ("2s", "10s"):
        book = portfolio(tmp_path, account(position(), guard(when=f"return[BTC, {span}] < -1%")))
        with pytest.raises(BacktesterError, match="makes a mark every 3 s"):
            run_cell(Request(book, scenario=CRASH))


@pytest.mark.compiled
def test_what_limits_hold_back_is_told(tmp_path: Path) -> None:
    """It would cut to a buffer of 8 % at once, and may sell 200,000 a minute; then nothing, until a minute is over."""
    cutting = guard(when="buffer < 5% notional", do=["reduce to buffer 8% notional"])
    cell = told(tmp_path, cutting, automation(max_notional=200_000))
    held = [each for each in cell.actions if each.limit is Limit.MAX_NOTIONAL]
    assert {each.event for each in held} == {GuardEvent.HELD}
    assert {(each.position, each.order) for each in held} == {("BTC", "")}
    cut, *_, blocked = sorted(held, key=lambda each: -(each.size or 0.0))
    assert cut.wanted is not None and cut.size is not None and cut.wanted > cut.size > 0.0 == blocked.size
    [sent] = [each for each in cell.actions if each.ts == cut.ts and each.event is GuardEvent.ORDER]
    assert (sent.size, sent.wanted, sent.position) == (cut.size, cut.size, "BTC")
    [found] = cell.guards
    assert found.blocked == BlockedReport(0, 0, 0, 0, len(held), 0)
    assert f"guard g may send {cut.size:g} of {cut.wanted:g} BTC: as much was sent as may be" in [
        each.text for each in timeline(cell)
    ]
    [row] = guards_sheet(cell).rows
    assert row[-1] == f"max_notional {len(held)}"
    assert len(guards_sheet(told(tmp_path, cutting)).columns) == len(row) - 1


@pytest.mark.compiled
def test_what_is_withdrawn_is_told(tmp_path: Path) -> None:
    """An entry far below rests; the guard pauses what opens, and cancels all once more, of which nothing is left."""
    entry = order("low", side="buy", type="limit", size=0.1, price="mark-50%")
    late = order("late", side="buy", size=0.1, at="50m")
    pausing = guard(when="buffer < 5% notional", do=["pause 60m", "cancel all of BTC"], max_fires=1)
    cell = told(tmp_path, entry, late, pausing, size=position(size=15.0))
    assert {each.id: each.reason for each in cell.orders} == {"low": OrderReason.GUARD, "late": OrderReason.PAUSED}
    paused, cancelled, nothing = (each for each in cell.actions if each.event is not GuardEvent.HELD)
    assert (paused.event, cancelled.event, nothing.event) == (
        GuardEvent.PAUSE,
        GuardEvent.CANCEL,
        GuardEvent.NOTHING,
    )
    assert (cancelled.order, cancelled.position) == ("low", "BTC")
    texts = [each.text for each in timeline(cell)]
    assert any(text.startswith("guard g pauses what opens: buffer < 5% notional") for text in texts)
    assert any(text.startswith("guard g cancels low: buffer < 5% notional") for text in texts)
    assert "low ends as cancelled: guard" in texts and "late ends as cancelled: paused" in texts
