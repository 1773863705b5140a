"""Which position dragged which pool down: the line of the timeline and the table."""

from __future__ import annotations

import numpy as np
import pytest

from backtester.enums import LedgerKind
from backtester.report.contagion import contagion_sheet, dragged
from backtester.report.records import Cell, DragReport
from backtester.report.sheets import sheets
from backtester.report.timeline import timeline
from backtester.run.request import Request
from backtester.run.session import run_cell
from tests.golden.handmade import CRASH, POOL
from tests.unit.report_runs import build_report
from tests.unit.run_cases import CRASH as CRASH_PATH
from tests.unit.run_cases import DEMO

BTC = DragReport("BTC", -96_000.0, -90_000.0, 96 / 109)
ETH = DragReport("ETH", -13_000.0, -13_000.0, 13 / 109)
SOL = DragReport("SOL", 2_000.0, -50.0, None)
IDLE = DragReport("XRP", 0.0, 0.0, None)


def lines(*drags: DragReport) -> list[str]:
    return [*dragged("main", POOL._replace(drags=drags))]


def test_losers_come_by_their_loss_then_who_held_against_it() -> None:
    [line] = lines(ETH, SOL, BTC)
    assert line == (
        "main cross was dragged by BTC −96,000.00 (88.1 %), ETH −13,000.00 (11.9 %); SOL +2,000.00 held against it"
    )


def test_one_alone_dragged_only_itself() -> None:
    assert lines(BTC) == lines(BTC, IDLE) == lines() == []


def test_without_a_loss_nobody_dragged() -> None:
    assert lines(SOL, SOL._replace(position="HYPE")) == []


def test_of_many_the_line_names_three() -> None:
    many = [DragReport(f"M{n}", -100.0 + n, 0.0, 0.2) for n in range(5)]
    [line] = lines(*many)
    assert line == "main cross was dragged by M0 −100.00 (20.0 %), M1 −99.00 (20.0 %), M2 −98.00 (20.0 %), and 2 more"


def told(*drags: DragReport) -> Cell:
    main = CRASH.accounts[0]._replace(pools=(POOL._replace(drags=drags),))
    return CRASH._replace(accounts=(main, *CRASH.accounts[1:]))


def test_the_line_stands_between_breach_and_liquidation() -> None:
    texts = [event.text for event in timeline(told(BTC, SOL)) if event.kind in ("breach", "liquidation")]
    assert [text.split()[2] for text in texts] == ["falls", "was", "BTC,"]


def test_the_table_has_a_row_per_position() -> None:
    sheet = contagion_sheet(told(BTC, SOL, IDLE), "USDC")
    assert [row[2:] for row in sheet.rows] == [
        ("BTC", "−96,000.00", "88.1 %", "−90,000.00"),
        ("SOL", "+2,000.00", "–", "−50.00"),
    ]
    titles = [each.title for each in sheets(told(BTC, SOL), "USDC")]
    assert titles.index(sheet.title) == titles.index("Liquidations") + 1
    assert contagion_sheet(told(BTC), "USDC").rows == ()


@pytest.mark.compiled
@pytest.mark.parametrize("overrides", [(), ("positions.margin_mode=cross",)])
def test_what_positions_came_to_is_what_their_pool_lost(overrides: tuple[str, ...]) -> None:
    """Of the cross pool of the demo; with money that the isolated one took out of it and gave back."""
    result = run_cell(Request(DEMO, scenario=CRASH_PATH, overrides=overrides))
    [main, _] = build_report([result]).finished[0].accounts
    pool, row = main.pools[0], result.state.pools[0]
    first = result.liquidations[result.liquidations["pool"] == 0][0]
    assert pool.breach_ts is not None and pool.breach_ts.ts_ns == first["ts"]
    inside = np.flatnonzero(result.state.positions["pool"] == 0)
    booked = result.ledger[(result.ledger["pool"] == 0) & (result.ledger["ts"] < first["ts"])]
    moved = booked[(booked["kind"] == LedgerKind.MARGIN_TRANSFER) | ~np.isin(booked["position"], inside)]
    lost = float(first["equity"]) - float(row["balance_start"])  # its positions were entered at the first mark
    won = result.state.positions["breach_pnl"][inside]
    assert won.sum() + moved["amount"].sum() == pytest.approx(lost, abs=1e-6)
    assert len(moved) > 0 or overrides
    assert [each.since_start for each in pool.drags] == (won.tolist() if len(won) > 1 else [])
