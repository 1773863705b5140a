"""Every renderer on one hand-made report, byte for byte."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from backtester.errors import BacktesterError, ExitCode
from backtester.report.csv import COLUMNS
from backtester.report.render import render_report
from tests.golden.handmade import CRASH, MODEL

SameText = Callable[[str, str], None]


def console(width: int) -> Console:
    return Console(width=width, color_system=None, highlight=False, markup=False, emoji=False, force_terminal=False)


def rendered(format: str, width: int = 160) -> str:
    return render_report(MODEL, format, console(width), "all")


@pytest.mark.parametrize(
    ("name", "format"), [("report.json", "json"), ("report.md", "markdown"), ("report.csv", "csv")]
)
def test_a_format(same_text: SameText, name: str, format: str) -> None:
    same_text(name, rendered(format))


@pytest.mark.parametrize("width", [160, 80])
def test_a_table(same_text: SameText, width: int) -> None:
    found = rendered("table", width)
    same_text(f"report-{width}.txt", found)
    assert max(map(len, found.splitlines())) <= width


@pytest.mark.parametrize("width", [20, 40, 60, 100, 250])
def test_a_table_fits_any_terminal(width: int) -> None:
    found = rendered("table", width)
    assert "LIQUIDATED" in found
    assert max(map(len, found.splitlines())) <= width


def test_colour_is_the_console_s_choice() -> None:
    coloured = Console(width=100, force_terminal=True, color_system="standard")
    assert "\x1b[1;31mLIQUIDATED" in render_report(MODEL, "table", coloured)
    assert "\x1b" not in rendered("table")


# --- the result document -------------------------------------------------------------------------------------------

#: Every record of the document and its keys, in order.
DOCUMENT = """
- kind schema_version engine_version seed reporting_currency command inputs assumptions warnings cells receipt
command portfolios scenarios venues shock tapes instruments set compare prices proxies fail_on warn_on stale_after
  rebase drills accept
command.accept funding_zero index_mid order_book as_written frozen_order_book
inputs portfolios tape scenarios venues
inputs.portfolios.0 name sha256
inputs.tape name sha256
inputs.venues.0.sources.0 key text
receipt inputs results
inputs.scenarios.0 name sha256 assumed_share title type tiles realised sources
inputs.venues.0 name sha256 rules_date assumed_share sources
cells.0 scenario venue variant status error verdict flags portfolio accounts orders liquidations funding
  plans system start_ts end_ts trades notices reached limits actions guards phases
  missed drills
cells.0.portfolio name title equity_start equity_end equity_end_exit equity_min loss loss_pct net_delta pools
  pools_liquidated buffer_min fees
cells.0.accounts.0 name venue collateral carried_in equity_start equity_end equity_min equity_min_ts buffer_min
  buffer_min_ts
  margin_ratio_max required_topup required_topup_by pnl_total pnl_price pnl_funding pnl_fees pnl_liquidation
  slippage reconciliation_error positions equity_end_unliquidated pools fees_maker
  fees_taker topup_too_little topup_equity_end topup_limit notional remedies exit headroom unguarded
cells.0.accounts.0.positions.0 symbol margin_mode size_start size_end entry_price liquidation_price
  liquidation_price_end bankruptcy_price liquidation_distance_min pnl_price funding fees slippage slippage_bps
  bankruptcy_price_end position
cells.0.accounts.0.pools.0 pool buffer_min buffer_min_ts margin_ratio_max breach_ts required_topup required_topup_by
  deficit drags
cells.0.accounts.0.pools.0.drags.0 position since_entry since_start share
cells.0.accounts.0.remedies.0 id value not_enough equity_end settings
cells.0.orders.0 id symbol type status reason trigger_ts trigger_price arrive_ts size filled_size vwap unfilled_size
  levels maker_share slippage account side done_ts stop_price result gap_bps fills
  limit_price limit_gap_bps activation_price peak_price fees_maker fees_taker law plan
cells.0.orders.0.slippage delay_bps spread_bps depth_bps impact_bps fee_bps total_bps
cells.0.orders.0.law prefactor volatility_day volume_day share walk_bps law_bps ratio
cells.0.plans.0 id account symbol side status size filled_size unfilled_size vwap start_ts end_ts first_fill_ts
  last_fill_ts decision_price arrival_price end_price arrival_slippage_bps market_vwap vwap_slippage_bps
  market_volume participation maker_share fees fees_maker fees_taker children children_filled children_refused
  largest_child shortfall law algo
cells.0.plans.0.shortfall delay trading opportunity fees total delay_bps trading_bps opportunity_bps fees_bps total_bps
cells.0.trades.0 account symbol margin_mode price_pnl fees_maker fees_taker fees_liquidation funding net delay spread
  depth impact carried_in size closed_size entry_price exit_price mark_price breakeven_price breakeven_funding
  funding_intervals position
cells.0.orders.0.fills.0 ts price size liquidity reason age_ns
cells.0.liquidations.0 ts account symbol stage cause trigger_mark size filled_size vwap worst_price bankruptcy_price
  slippage_bps fee levels side position margin_mode
cells.0.funding.0 ts account symbol size rate price notional amount position
cells.0.actions.0 ts account guard event held limit order position wanted size seen bound
cells.0.guards.0 account id when fires first_ts lead_s false_fires blocked blind blind_first_ts blind_last_ts
cells.0.guards.0.blocked halted stale collar max_order max_notional max_orders
cells.0.drills.0 id ts verdict limit limit_ts equity_end loss harm share_60s false_notional liquidated
cells.0.phases.0 start_ts end_ts kind symbol value text
cells.0.notices.0 flag ts account symbol ids size text
cells.0.limits.0 text level outcome figure
cells.0.system insurance_start insurance_end deficit
"""
RECORDS = [line.split() for line in DOCUMENT.replace("\n  ", " ").strip().splitlines()]


def at_path(document: Any, path: str) -> Any:
    for step in path.split(".") if path != "-" else ():
        document = document[int(step) if step.isdigit() else step]
    return document


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record[0])
def test_keys_and_their_order(record: list[str]) -> None:
    path, *keys = record
    assert list(at_path(json.loads(rendered("json")), path)) == keys


def test_times_enums_and_unknowns_in_the_document() -> None:
    document = json.loads(rendered("json"))
    cell = document["cells"][0]
    assert cell["orders"][0]["arrive_ts"] == "2025-10-10T21:20:00.450000000Z"
    assert cell["verdict"] == "liquidated"
    assert (cell["orders"][0]["type"], cell["orders"][0]["side"]) == ("stop_market", "sell")
    assert cell["orders"][2]["vwap"] is None
    assert document["cells"][1]["variant"] == {"positions[BTC].size": "0.5"}


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_an_engine_fault(number: float) -> None:
    broken = MODEL._replace(cells=(CRASH._replace(portfolio=CRASH.portfolio._replace(loss=number)),))
    with pytest.raises(BacktesterError, match=r"portfolio\.loss") as caught:
        render_report(broken, "json", console(80))
    assert caught.value.exit_code is ExitCode.ENGINE


def test_the_csv_has_a_row_per_cell_without_details(same_text: SameText) -> None:
    found = render_report(MODEL, "csv", console(160), "none")
    same_text("report-cells.csv", found)
    rows = list(csv.DictReader(io.StringIO(found)))
    assert [(row["scenario"], row["verdict"]) for row in rows] == [
        (cell.scenario or "", cell.verdict.name.lower()) for cell in MODEL.finished
    ]
    assert [float(row["loss"]) for row in rows] == [cell.portfolio.loss for cell in MODEL.finished]


def test_the_csv_has_a_row_per_account_and_position() -> None:
    rows = list(csv.DictReader(io.StringIO(rendered("csv"))))
    assert tuple(rows[0]) == COLUMNS
    assert [(row["account"], row["symbol"]) for row in rows[:4]] == [
        ("main", ""),
        ("main", "BTC"),
        ("calm", ""),
        ("calm", "BTC"),
    ]
    assert rows[0]["equity_end"] == "293.69"
    assert rows[1]["equity_end"] == ""
    assert rows[1]["liquidation_price"] == "96202.53164556962"
    assert rows[4]["variant"] == "positions[BTC].size=0.5"
