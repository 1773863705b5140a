"""What would stay unsaid, from the portfolio file to the report: each notice in a run of a whole cell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

from backtester.report.render import render_report
from backtester.run.request import Request
from backtester.run.session import run_cell
from tests.unit.market_tapes import Row
from tests.unit.report_runs import build_report
from tests.unit.run_cases import START, S, account, order, plan, portfolio, position, tape

FALL = [50_000] * 5 + [49_000] * 15
PROFIT = order("profit", type="limit", price=50_100.0, size=0.9, oco="x", reduce_only=True)
STOP = order("stop", type="stop_market", trigger_price=48_000.0, size=0.9, oco="x", reduce_only=True)
ABOVE = order("stop", type="stop_market", trigger_price=50_500.0, reduce_only=True)
TRAIL = order("trail", type="trailing_stop", callback="5%", activation_price=49_500.0, held="client")
LATE = {"algo": "twap", "held": "client", "interval": "5s"}

CASES = [
    ([order("cut", size=1.5)], "position_flipped", ["cut"], 0.5, "cut turned main BTC from long to short at 21:00:0"),
    ([plan("out", size=3.0, start="2s")], "position_flipped", ["out"], 2.0, "out turned main BTC from long to short"),
    ([order("s", type="stop_market", trigger_price=49_500.0, size=1.2)],
     "position_flipped", ["s"], 0.2, "s turned main BTC from long to short at 21:00:0"),
    ([ABOVE], "stop_never_in_place", ["stop"], 0.5, "stop market, sell 0.5 at 50,500.00) was never in place"),
    ([PROFIT, STOP], "oco_partial", ["profit", "stop"], 0.65, "filled 0.25 of 0.9 by 21:00:03"),
    ([order("far", type="stop_market", trigger_price=49_500.0, at="5h")],
     "order_not_sent", ["far"], 0.5, "far (main BTC stop market, sell 0.5) is due at 02:00:00 +5:00:00, after the end"),
    ([plan("late", start="5h", duration="10s", **LATE)],
     "plan_not_started", ["late"], 0.5, "begins at 02:00:00 +5:00:00, after the end of the run at 21:00:19"),
    ([plan("long", start="10s", duration="20s", **LATE)],
     "plan_unfinished", ["long"], 0.25, "left 0.25 of 0.5 undone; it was still at work at the end of the run"),
    ([TRAIL], "trailing_active_from_start", ["trail"], 0.5, "its activation price 49,500.00 was passed already"),
]  # fmt: skip


@pytest.mark.parametrize(("tables", "flag", "ids", "size", "words"), CASES, ids=lambda value: str(value)[:30])
def test_a_notice(tmp_path: Path, tables: list[str], flag: str, ids: list[str], size: float, words: str) -> None:
    bought = Row(START + 3 * S, "BTC", "trade", 1, 50_101.0, 0.25)
    path = portfolio(tmp_path, account(position(), *tables))
    made = run_cell(Request(path, tapes=(str(tape(tmp_path, FALL, more=[bought])),)))
    model = build_report([made])
    (cell,) = json.loads(render_report(model, "json", Console()))["cells"]
    # The tape trades 0.25 in all: no plan is a small part of that.
    (found,) = (each for each in cell["notices"] if each["flag"] != "participation_above_20_pct")
    assert (found["flag"], found["ids"], found["size"]) == (flag, ids, pytest.approx(size))
    assert words in found["text"] and flag in cell["flags"]
    for format in ("table", "markdown"):
        text = render_report(model, format, Console(width=250, color_system=None))
        assert f"{flag.replace('_', ' ')}: {found['text']}" in text
