"""Runs on stressed tapes: which path an instrument follows, what the scenario and a shock change."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from backtester.config.command import Acceptances
from backtester.run.request import Request
from backtester.run.result import RunFailure, RunResult
from backtester.run.session import run_cell, run_cells
from backtester.scenario.grid import Proxy, parse_proxies
from backtester.scenario.shock import parse_shock
from backtester.shipped import scenarios_dir
from tests.unit.market_tapes import Row
from tests.unit.run_cases import (
    CRASH,
    FUNDING_HOUR,
    START,
    S,
    account,
    crash,
    demo,
    differences,
    fills_of,
    funding,
    order,
    plain,
    portfolio,
    position,
    problems,
    tape,
    venue,
)

pytestmark = pytest.mark.compiled


def test_a_stressed_run_has_the_clock_of_the_scenario() -> None:
    result = demo()
    assert result.scenario is not None
    assert (result.scenario.id, result.scenario.type) == (CRASH, "HIST")
    assert result.scenario.sha256 == hashlib.sha256((scenarios_dir() / f"{CRASH}.parquet").read_bytes()).hexdigest()
    assert result.scenario.summary.tiles == 5
    assert (result.start_ts, result.end_ts) == (1_760_128_200 * S, 1_760_135_400 * S)
    assert "the base tape is shorter than the scenario and was laid end to end 5 times" in result.assumptions


def test_a_scenario_of_the_user(tmp_path: Path) -> None:
    path = crash(tmp_path, [(0, 1.0), (4, 1.0), (5, 0.9), (9, 0.9)], name="mine")
    result = run_cell(plain(tmp_path)._replace(scenario=str(path)))
    assert result.scenario is not None
    assert (result.scenario.id, result.scenario.sha256) == ("mine", hashlib.sha256(path.read_bytes()).hexdigest())
    # 50,000 · 0.9 is 44,999 and 45,001: its mid is the index; the mark follows.
    assert result.market.instruments["index"].tolist() == [45_000.0]
    assert 45_000.0 <= result.market.markets["mark"][0] < 50_000.0


def test_unknown_scenario(tmp_path: Path) -> None:
    (found,) = problems(plain(tmp_path)._replace(scenario="2025-10-01"))
    assert str(found) == "error[config] scenario 2025-10-01: is not known\n  hint: did you mean '2025-10-10'?"


def test_a_symbol_without_a_path_needs_a_proxy(tmp_path: Path) -> None:
    path = crash(tmp_path, [(0, 1.0), (9, 0.9)], bases=["ETH"])
    request = plain(tmp_path)._replace(scenario=str(path))
    (found,) = problems(request)
    assert (found.message, found.hint) == ("no price path for BTC", "have ETH; borrow one: --proxy BTC=ETH*1.2")
    of_many = crash(tmp_path, [(0, 1.0), (9, 0.9)], bases=["AVAX", "ETH"], name="many")
    (found,) = problems(request._replace(scenario=str(of_many)))
    assert found.hint == "have AVAX, ETH; borrow one: --proxy BTC=ETH*1.2"
    thinner = crash(tmp_path, [(0, 1.0), (9, 0.9)], bases=["AVAX"], name="thinner")
    (found,) = problems(request._replace(scenario=str(thinner)))
    assert found.hint == (
        "have AVAX; none is as liquid as BTC: give it a path of its own, or state how far it goes beside one: "
        "--proxy BTC=AVAX*FACTOR"
    )
    result = run_cell(request._replace(proxies=(Proxy("BTC", "ETH", 0.5),)))
    assert result.market.instruments["index"].tolist() == [pytest.approx(47_500.0)]
    assert "BTC moves like ETH times 0.5 (--proxy)" in result.assumptions


def test_a_proxy_of_any_symbol(tmp_path: Path) -> None:
    """`*` is for what has neither a path nor a proxy of its own."""
    lacking = plain(tmp_path)._replace(scenario=str(crash(tmp_path, [(0, 1.0), (9, 0.9)], bases=["ETH"])))
    result = run_cell(lacking._replace(proxies=parse_proxies(["*=ETH*0.5"])))
    assert result.market.instruments["index"].tolist() == [pytest.approx(47_500.0)]
    assert "BTC moves like ETH times 0.5 (--proxy)" in result.assumptions
    own = run_cell(lacking._replace(proxies=parse_proxies(["*=ETH*0.5", "BTC=ETH"])))
    assert own.market.instruments["index"].tolist() == [pytest.approx(45_000.0)]
    assert [text for text in own.assumptions if "moves like" in text] == ["BTC moves like ETH times 1 (--proxy)"]


def test_a_proxy_of_any_symbol_leaves_paths_alone(tmp_path: Path) -> None:
    request = plain(tmp_path)._replace(scenario=str(crash(tmp_path, [(0, 1.0), (9, 0.9)])))
    result = run_cell(request._replace(proxies=parse_proxies(["*=ETH*0.5"])))
    assert result.market.instruments["index"].tolist() == [pytest.approx(45_000.0)]
    assert not any("--proxy" in text for text in result.assumptions)
    (idle,) = problems(plain(tmp_path)._replace(proxies=parse_proxies(["*=ETH*0.5"])))
    assert idle.message == "there is no path to lend"


def test_a_proxy_that_would_change_nothing_is_an_error(tmp_path: Path) -> None:
    request = plain(tmp_path)._replace(proxies=(Proxy("BTX", "BTC", 1.2),))
    (unheld,) = problems(request._replace(scenario=str(crash(tmp_path, [(0, 1.0), (9, 0.9)]))))
    assert str(unheld) == 'error[usage] --proxy: no account has a position in BTX\n  hint: did you mean "BTC"?'
    (_, idle) = problems(request)
    assert idle.message == "there is no path to lend"


def test_marks_of_the_tape_move_with_the_scenario(tmp_path: Path) -> None:
    path = portfolio(tmp_path, account(position(), venue=venue(tmp_path, mark_formula="tape")))
    marks = [Row(START + n * S, "BTC", "mark", 0, 50_100.0, 0.0) for n in range(10)]
    base = tape(tmp_path, more=marks)
    stress = crash(tmp_path, [(0, 1.0), (3, 1.0), (4, 0.9), (9, 0.9)])
    result = run_cell(Request(path, tapes=(str(base),), scenario=str(stress)))
    assert result.market.markets["mark"].tolist() == [pytest.approx(45_090.0)]


def test_the_seed_decides_which_trades_stay(tmp_path: Path) -> None:
    """Half of the trades: another seed keeps other ones, and a bid behind them fills otherwise."""
    prints = [Row(START + S + n * S // 10, "BTC", "trade", -1, 49_999.0, 1.0) for n in range(80)]
    bid = order("bid", type="limit", side="buy", size=90.0, price=49_999.0, tif="post_only")
    path = portfolio(tmp_path, account(position(), bid, collateral="USDC = 1e6"))
    stress = crash(tmp_path, [(0, 1.0), (9, 1.0)], columns={"trade_intensity": [(0, 0.5)]})
    base = str(tape(tmp_path, more=prints, lots=0.5))
    request = Request(path, tapes=(base,), scenario=str(stress))
    fills = [run_cell(request._replace(seed=seed)).fills["ts"].tolist() for seed in (0, 0, 1)]
    assert fills[0] == fills[1] != fills[2]
    assert 20 < len(fills[0]) // 2 < 60


def test_a_base_without_an_index_takes_its_mid_under_a_scenario(tmp_path: Path) -> None:
    path = portfolio(tmp_path, account(position()))
    stress = crash(tmp_path, [(0, 1.0), (9, 0.9)])
    result = run_cell(Request(path, tapes=(str(tape(tmp_path, index=False)),), scenario=str(stress)))
    assert "BTC: the base tape has no index, its mid stands for it" in result.assumptions


def test_the_mid_is_no_index_where_the_scenario_gives_one(tmp_path: Path) -> None:
    """A path one part in 100,000 down: the index is 49,999.5, the ladder cannot move by half a tick."""
    path = portfolio(tmp_path, account(position()))
    stress = crash(tmp_path, [(0, 1.0), (9, 0.999_99)])
    request = Request(path, tapes=(str(tape(tmp_path, index=False)),), scenario=str(stress))
    result = run_cell(request._replace(accept=Acceptances(index_mid=True)))
    assert result.market.instruments["index"].tolist() == [49_999.5]
    assert not result.data.instruments[0].index_from_mid
    assert differences(result, run_cell(request)) == []
    assert "BTC: the base tape has no index, its mid stands for it" in result.assumptions
    assert not any("--assume-index-mid" in line for line in result.assumptions)


def test_the_mid_is_the_index_where_the_scenario_leaves_the_tape_alone(tmp_path: Path) -> None:
    path = portfolio(tmp_path, account(position()))
    calm = crash(tmp_path, [(0, 1.0), (9, 1.0)])
    request = Request(path, tapes=(str(tape(tmp_path, index=False)),), scenario=str(calm))
    assert "no index rows" in problems(request)[0].message
    result = run_cell(request._replace(accept=Acceptances(index_mid=True)))
    assert result.data.instruments[0].index_from_mid
    assert any("(--assume-index-mid)" in line for line in result.assumptions)


def test_a_path_made_of_several(tmp_path: Path) -> None:
    """0.9 · 0.9 = 0.81 of 50,000; the digest is that of both files, the cell is named by both."""
    fall, more = (crash(tmp_path, [(0, 1.0), (3, 0.9), (9, 0.9)], name=name) for name in ("fall", "more"))
    result = run_cell(plain(tmp_path)._replace(scenario=f"{fall}+{more}"))
    assert result.market.instruments["index"].tolist() == [pytest.approx(40_500.0)]
    assert result.scenario is not None and result.scenario.id == "fall+more"
    digests = "".join(hashlib.sha256(path.read_bytes()).hexdigest() for path in (fall, more))
    assert result.scenario.sha256 == hashlib.sha256(digests.encode()).hexdigest()


def test_a_shock_of_nothing_is_the_tape_as_it_is(tmp_path: Path) -> None:
    request = plain(tmp_path, order("out", at="2s"))
    calm = run_cell(request)
    shocked = run_cell(request._replace(shock=parse_shock("depth=1")))
    assert differences(calm, shocked) == []
    assert (shocked.start_ts, shocked.end_ts) == (calm.start_ts, calm.end_ts)


def test_a_shock_of_the_tape_as_it_is(tmp_path: Path) -> None:
    """200 ms more until the order arrives; a touch of 49,999/50,001 three times as wide."""
    request = plain(tmp_path, order("out", at="2s"))
    calm, shocked = run_cell(request), run_cell(request._replace(shock=parse_shock("latency=+200ms,spread=3")))
    first, second = (fills_of(each, "out") for each in (calm, shocked))
    late = int(second["ts"][0] - first["ts"][0])
    assert late == pytest.approx(200_000_000, abs=70_000_000)  # arrivals are rounded up to blocks
    assert (first["price"][0], second["price"][0]) == (49_999.0, 49_997.0)
    assert shocked.scenario is not None and shocked.scenario.id == "neutral+latency=+200ms,spread=3"


def test_a_shock_is_bounded_by_the_symbols_of_the_tape_alone(tmp_path: Path) -> None:
    """At six times the depth of the crash SOL would be below 0; BTC is not."""
    path = portfolio(tmp_path, account(position(size=0.01)))
    deep = run_cell(Request(path, scenario=CRASH, shock=parse_shock("price=*6")))
    assert deep.scenario is not None and {each.symbol for each in deep.scenario.summary.realised} == {"BTC"}
    too_deep = problems(Request(path, scenario=CRASH, shock=parse_shock("price=*20")))
    assert all("/BTC price_ratio becomes" in each.message for each in too_deep)


def test_funding_of_the_tape_that_a_shock_takes_away_is_told(tmp_path: Path) -> None:
    """A shock that moves the ladder drives the instrument, and its funding comes from the path alone."""
    rows = [Row(FUNDING_HOUR, "BTC", "funding", 0, 0.001, 3600.0)]
    path = portfolio(tmp_path, account(position(), venue=venue(tmp_path, funding_premium=False)))
    request = Request(path, tapes=(str(tape(tmp_path, start=FUNDING_HOUR - 5 * S, more=rows)),))
    late = run_cell(request._replace(shock=parse_shock("latency=+1s")))
    assert funding(late) == [-50.0] and not any("left out" in line for line in late.assumptions)
    thin = request._replace(shock=parse_shock("depth=0.5"), accept=Acceptances(funding_zero=True))
    assert "BTC: the funding rows of the tape are left out under the stress" in run_cell(thin).assumptions


def test_a_column_set_by_hand_lies_below_the_shock(tmp_path: Path) -> None:
    """Three times as wide, and twice that: the best bid is 3 below the mid of 50,000, then 6."""
    request = plain(tmp_path, order("out", at="2s"))._replace(overrides=("scenario.spread_mult=3",))
    assert fills_of(run_cell(request), "out")["price"].tolist() == [49_997.0]
    both = run_cell(request._replace(shock=parse_shock("spread=2")))
    assert fills_of(both, "out")["price"].tolist() == [49_994.0]
    assert both.variant == (("scenario.spread_mult", "3"),)


def test_a_tape_of_the_year_1970_has_another_unit(tmp_path: Path) -> None:
    made = tape(tmp_path, start=1_760_130_000_000)
    (found,) = problems(Request(portfolio(tmp_path, account(position())), tapes=(str(made),)))
    assert str(found) == (
        f"error[data] {made}: begins at 1970-01-01T00:29:20.130000000Z, before 2009\n"
        "  hint: is the unit of ts (s, ms, us, ns) the right one?"
    )


def test_a_rebased_portfolio_runs_as_one_written_at_the_mark(tmp_path: Path) -> None:
    stop = order("stop", type="stop_market", trigger_price=94_000.0)
    here = order("stop", type="stop_market", trigger_price="mark-6%", size=1.0)
    there = portfolio(tmp_path, account(position(entry_price=100_000.0), stop))
    request = Request(there, tapes=(str(tape(tmp_path, [50_000] * 4 + [46_900] * 6)),), rebase=True)
    moved = run_cell(request)
    at_mark = run_cell(request._replace(portfolio=portfolio(tmp_path, account(position(size=2.0), here)), rebase=False))
    assert differences(moved, at_mark) == []
    assert fills_of(moved, "stop")["lots"].sum() == 100_000
    assert [line for line in moved.assumptions if "--rebase" in line] == [
        "main BTC: prices × and sizes ÷ 0.5: its entry moves from 100000 to the first mark, 50000 (--rebase)"
    ]


def test_what_is_wrong_with_one_of_several_cells(tmp_path: Path) -> None:
    request = plain(tmp_path)._replace(scenario="2025-10-01", venue="hyperliquid", overrides=("size=2",))
    (failed,) = run_cells([request])
    assert isinstance(failed, RunFailure)
    assert (failed.scenario, failed.venue, failed.variant) == ("2025-10-01", "hyperliquid", (("size", "2"),))
    assert failed.error.diagnostics == problems(request)
    assert isinstance(run_cells([request._replace(scenario=None)])[0], RunResult)
