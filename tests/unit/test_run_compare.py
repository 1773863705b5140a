"""Variants of a portfolio in one pass: each is what it would have been alone, and fails alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backtester.config.overrides import alternatives
from backtester.config.values import Collateral
from backtester.enums import FillReason
from backtester.errors import BacktesterError
from backtester.report.glance import glance
from backtester.report.records import Cell, Named
from backtester.run.request import Request
from backtester.run.result import ACTUAL, RunFailure, RunResult
from backtester.run.session import run_cell, run_cells
from backtester.run.variants import combinations
from tests.unit.market_tapes import Row
from tests.unit.report_runs import build_report
from tests.unit.run_cases import BTC, DEMO, START, S, account, order, plan, portfolio, position, same_bytes, tape

PLAN = "accounts[main].plans[exit].algo"


def request(directory: Path, *tables: str, **keys: Any) -> Request:
    """A run of 40 s at 50,000, falling to 49,000 at the end; 100 BTC on either side at every 10th tick."""
    path = portfolio(directory, account(position(), *tables))
    mids = [50_000] * 25 + [49_500] * 5 + [49_000] * 10
    return Request(path, tapes=(str(tape(directory, mids)),), **keys)


EXIT = plan("exit", algo="twap", start="2s", duration="20s", interval="5s", wait="3s", held="client")


def cells(made: Request) -> list[Cell]:
    """The cells of a run without what names its variant."""
    report = build_report(run_cells([made]))
    return [cell._replace(variant=Named(())) for cell in report.finished]


def test_each_variant_is_what_it_is_alone(tmp_path: Path) -> None:
    tables = (EXIT, order("stop", type="stop_market", trigger_price=49_600.0, size=0.25))
    made = request(tmp_path, *tables)
    words = [f"{PLAN}={algo}" for algo in ("twap", "passive", "market")]
    together = cells(made._replace(compare=(f"{PLAN}=twap,passive,market",)))
    alone = [cell for word in words for cell in cells(made._replace(overrides=(word,)))]
    assert together == alone
    assert len({tuple((each.id, each.status) for each in cell.orders) for cell in together}) == 3


def test_margin_modes_of_any_position(tmp_path: Path) -> None:
    """What the other mode lacks follows: a margin of 5,000 for a notional of 50,000 is a leverage of 10."""
    held = position(margin_mode="isolated", leverage=None, margin=5_000.0)
    path = portfolio(tmp_path, account(held))
    made = Request(path, tapes=(str(tape(tmp_path, [50_000] * 5)),), compare=("margin_mode=isolated,cross",))
    isolated, cross = run_cells([made])
    assert isinstance(isolated, RunResult) and isinstance(cross, RunResult)
    assert isolated.world.accounts[0].positions[0].margin == 5_000.0
    assert (
        cross.world.accounts[0].positions[0]._replace(isolated=True, margin=5_000.0)
        == (isolated.world.accounts[0].positions[0])
    )
    said = "main BTC: a margin of 5,000 is a leverage of 10x, its pool is the cross pool"
    assert said in cross.assumptions and said not in isolated.assumptions


@pytest.mark.compiled
def test_venues_of_any_portfolio() -> None:
    """Each on its own order book, its dollars counted as those that the venue takes; as `--venue` does it."""
    made = Request(DEMO, overrides=("positions.size=1",))
    first, second = run_cells([made._replace(compare=("venue=hyperliquid,binance-usdm",))])
    assert isinstance(first, RunResult) and isinstance(second, RunResult)
    assert [each.profiles[0].id for each in (first, second)] == ["hyperliquid", "binance-usdm"]
    assert second.portfolio.accounts[0].collateral == Collateral("USDT", 250_000.0)
    assert "main: 250,000 USDC count as USDT (--venue)" in second.assumptions


def test_the_tables_of_a_variant_are_numbered_as_if_it_were_alone(tmp_path: Path) -> None:
    made = request(tmp_path, order("out", at="1s"), EXIT, order("bid", type="limit", side="buy", price=49_200.0))
    second = run_cells([made._replace(compare=("positions[BTC].size=1,2,3",))])[1]
    alone = run_cell(made._replace(overrides=("positions[BTC].size=2",)))
    assert isinstance(second, RunResult)
    assert second.index == alone.index and second.world == alone.world
    for name in ("fills", "ledger", "liquidations", "payments"):
        assert same_bytes(getattr(second, name), getattr(alone, name)), name
    for name in ("worlds", "accounts", "pools", "positions", "plans", "parties", "inventory", "path"):
        assert same_bytes(getattr(second.state, name), getattr(alone.state, name)), name
    assert len(second.fills) and len(second.state.overlay)
    assert set(second.state.overlay["world"].tolist()) <= {0, 1}


def test_keys_make_every_combination(tmp_path: Path) -> None:
    assert combinations(("a=1",), ("b=x,y", "c=1,2,3")) == tuple(
        ("a=1", f"b={b}", f"c={c}") for b in "xy" for c in (1, 2, 3)
    )
    made = request(tmp_path, order(), compare=("margin_mode=cross,isolated", "orders[o].size=0.25,0.5"))
    found = [result.variant for result in run_cells([made]) if isinstance(result, RunResult)]
    assert found == [
        (("margin_mode", mode), ("orders[o].size", size)) for mode in ("cross", "isolated") for size in ("0.25", "0.5")
    ]


def test_rules_of_the_venue_can_be_compared(tmp_path: Path) -> None:
    made = request(tmp_path, order(at="1s"), compare=("venue.taker_fee=0,0.001",))
    free, dear = cells(made)
    assert free.accounts[0].pnl_fees == 0.0
    assert dear.accounts[0].pnl_fees == pytest.approx(-0.001 * 0.5 * (dear.orders[0].vwap or 0.0))
    assert dear.orders[0].vwap == free.orders[0].vwap


def test_a_variant_that_cannot_start_fails_alone(tmp_path: Path) -> None:
    good, bad = run_cells([request(tmp_path, order(), compare=("leverage=10,99",))])
    assert isinstance(good, RunResult) and isinstance(bad, RunFailure)
    assert bad.variant == (("leverage", "99"),) and "99x exceeds the 40x" in str(bad.error)
    report = build_report((good, bad))
    [sheet] = glance(report.cells, "USDC")
    assert [row[:2] for row in sheet.rows] == [("leverage=10", "survived"), ("leverage=99", "failed")]


def test_when_none_can_start_all_is_said_at_once(tmp_path: Path) -> None:
    failed = run_cells([request(tmp_path, order(), compare=("leverage=98,99",))])
    assert [each.variant for each in failed] == [(("leverage", "98"),), (("leverage", "99"),)]
    with pytest.raises(BacktesterError) as caught:
        build_report(failed)
    assert [str(found.message)[:3] for found in caught.value.diagnostics] == ["98x", "99x"]


def test_words_are_wrong_before_anything_runs(tmp_path: Path) -> None:
    failed = run_cells([request(tmp_path, EXIT, compare=(f"{PLAN}=twap,twop",))._replace(tapes=("absent",))])
    (found,) = {found for each in failed if isinstance(each, RunFailure) for found in each.error.diagnostics}
    assert found.where.startswith(f"--compare {PLAN}=twop") and found.hint == 'did you mean "twap"?'


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a=1,2", ("a=1", "a=2")),
        ("a.b[c].d = x , y", ("a.b[c].d=x", "a.b[c].d=y")),
        ("curve=[1, 2],tape", ("curve=[1, 2]", "curve=tape")),
        ("price=\"mark-1%\",'mark'", ('price="mark-1%"', "price='mark'")),
        ('collateral={ USDC = 1, X = 2 },"a,b"', ("collateral={ USDC = 1, X = 2 }", 'collateral="a,b"')),
    ],
)
def test_values_of_a_key(text: str, found: tuple[str, ...]) -> None:
    assert alternatives(text) == found


@pytest.mark.parametrize("text", ["a", "a=", "a=1", "a=1,1"])
def test_what_is_no_comparison(text: str) -> None:
    with pytest.raises(BacktesterError, match="--compare"):
        alternatives(text)


def test_the_comparison_names_what_differs_by_its_last_word(tmp_path: Path) -> None:
    made = request(tmp_path, order(at="1s"), compare=("orders[o].size=0.25,0.5",))
    [sheet] = glance(build_report(run_cells([made])).cells, "USDC")
    row = dict(zip([column.heading for column in sheet.columns], sheet.rows[1], strict=True))
    # 0.5 at 49,999, one tick below the mid: 0.045 % of fees
    assert (row["variant"], row["all fees"]) == ("size=0.5", "−11.25")


def test_without_variants_there_is_no_comparison(tmp_path: Path) -> None:
    report = build_report([run_cell(request(tmp_path, order()))])
    assert list(glance(report.cells, "USDC")) == []


def test_a_bracket_and_a_hedge_run_through(tmp_path: Path) -> None:
    """Half a BTC more at 50,001, stopped out in the fall to 49,500; the take-profit goes with it."""
    entry = order("in", side="buy", at="1s", take_profit=51_000.0, stop_loss=49_800.0)
    (cell,) = cells(request(tmp_path, entry))
    orders = {each.id: each for each in cell.orders}
    assert [orders[name].status.name for name in ("in", "in.tp", "in.sl")] == ["FILLED", "CANCELLED", "FILLED"]
    assert orders["in.tp"].reason.name == "OCO"
    assert orders["in.sl"].vwap == 49_499.0
    assert cell.accounts[0].positions[0].size_end == 1.0


@pytest.mark.parametrize("mode", ["one_way", "hedge"])
def test_a_bracket_closes_what_its_entry_filled(tmp_path: Path, mode: str) -> None:
    """Of 60 BTC at the best ask there are 50; the stop sells those, and the BTC that was there stays."""
    side = {"position_side": "long"} if mode == "hedge" else {}
    words: dict[str, Any] = {
        "type": "limit",
        "side": "buy",
        "size": 60.0,
        "price": 50_001.0,
        "tif": "ioc",
        "stop_loss": 49_800.0,
    }
    text = account(position(), order("in", at="1s", **words, **side), venue="binance-usdm", collateral="USDT = 1e6")
    text = text.replace("[[accounts.positions]]", f'position_mode = "{mode}"\n[[accounts.positions]]', 1)
    mids = [50_000] * 5 + [49_700] * 5
    made = tape(tmp_path, mids, instrument=BTC._replace(venue="binance-usdm", quote="USDT"))
    (cell,) = build_report([run_cell(Request(portfolio(tmp_path, text), tapes=(str(made),)))]).finished
    assert {each.id: each.filled_size for each in cell.orders} == {"in": 50.0, "in.sl": 50.0}
    assert cell.accounts[0].positions[0].size_end == 1.0


def test_a_curve_of_the_tape(tmp_path: Path) -> None:
    """Trades of 1, 3 and 4 BTC in the three slices of a plan, and one before it."""
    slices = plan("exit", algo="vwap", duration="15s", interval="5s", start="5s", curve="tape")
    path = portfolio(tmp_path, account(position(), slices))
    sizes = ((1, 9.0), (6, 1.0), (12, 3.0), (19, 4.0))
    trades = [Row(START + t * S + 7, "BTC", "trade", 1, 50_001.0, size) for t, size in sizes]
    made = run_cell(Request(path, tapes=(str(tape(tmp_path, [50_000] * 25, more=trades)),)))
    assert [each.target for each in made.world.accounts[0].orders] == [0.125, 0.5, 1.0]
    assert made.state.plans["committed"].tolist() == [50_000] * 2
    assert "main exit: its curve is the trading of this run, known beforehand" in made.assumptions
    assert set(made.fills["reason"]) == {FillReason.TAKER_WALK}
    sold = made.fills[made.fills["world"] == ACTUAL]
    assert sold["lots"].tolist() == [6_250, 18_750, 25_000]
