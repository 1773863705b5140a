"""Names that a scenario has no prices of: like which other one they move, how far, and who may say otherwise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backtester.errors import BacktesterError, NotApplicable
from backtester.run.result import RunResult
from backtester.run.session import run_cell
from backtester.scenario.build import build
from backtester.scenario.grid import Proxy, make_grid, parse_proxies
from backtester.scenario.library import find, ids
from backtester.scenario.others import LARGE, LEAST, RULE, beta_of, moves_over
from backtester.scenario.path import Others, Scenario, Series
from backtester.scenario.reader import read_facts
from backtester.scenario.shock import parse_shock
from backtester.scenario.stored import load, write
from tests.unit.run_cases import crash, plain
from tests.unit.scenario_tapes import BTC
from tests.unit.test_scenario_build import messages, small

TABLE = '[others]\nof = "BTC"\nwhy = "a guess"\n[[held]]'


def ratios(symbol: str, *values: float) -> Series:
    return Series("*", symbol, "price_ratio", np.arange(len(values)), np.array(values))


def test_the_farthest_name_says_how_far_any_other_goes() -> None:
    """The example of the module: 60 % over 15 %."""
    series = [ratios("BTC", 1, 0.1), ratios("ETH", 1.01, 0.85), ratios("XRP", 1, 0.5), ratios("LINK", 2, 0.4)]
    assert moves_over(series, "ETH") == pytest.approx({"LINK": 4.0, "XRP": 50 / 15})
    assert beta_of(series, "ETH") == 4.0
    assert beta_of(series[:2], "ETH") == LEAST


def test_of_a_squeeze_rises_are_measured() -> None:
    series = [ratios("ETH", 1, 0.99, 1.1), ratios("XRP", 1, 0.5, 1.3)]
    assert beta_of(series, "ETH") == 3.0
    assert beta_of([ratios("ETH", 1.0, 1.0), ratios("XRP", 1.0, 0.5)], "ETH") == LEAST


def test_facts_say_it_and_the_file_keeps_it(tmp_path: Path) -> None:
    measured = build(read_facts(small(tmp_path, ("[[held]]", TABLE))))
    assert measured.others == Others("BTC", LEAST, "a guess")
    stated = build(read_facts(small(tmp_path, ("[[held]]", TABLE.replace("why", "beta = 0.5\nwhy")))))
    assert stated.others == Others("BTC", 0.5, "a guess")
    write(stated, tmp_path / "kept.parquet")
    assert load(tmp_path / "kept.parquet").others == stated.others
    assert build(read_facts(small(tmp_path))).others is None


def test_what_facts_cannot_say_of_others(tmp_path: Path) -> None:
    wrong = TABLE.replace('"BTC"', '"ETH"').replace("why", "beta = 0.0\nwhy")
    said = messages(small(tmp_path, ("[[held]]", wrong)))
    assert '"ETH" has no candles' in said and "one of BTC" in said and "must be a number of more than 0" in said


def test_a_file_whose_others_have_no_prices_to_go_by(tmp_path: Path) -> None:
    whole = replace(build(read_facts(small(tmp_path))), others=Others("ETH", 2.0, ""))
    write(whole, tmp_path / "wrong.parquet")
    with pytest.raises(BacktesterError, match=r"backtester\.others is not what it should be"):
        load(tmp_path / "wrong.parquet")


def lacking(tmp_path: Path, beta: float = 0.5) -> Path:
    """A path of ETH, which falls 10 %, for a portfolio of BTC."""
    path = crash(tmp_path, [(0, 1.0), (9, 0.9)], bases=["ETH"])
    write(replace(load(path), title="x", others=Others("ETH", beta, "")), path)
    return path


def index_of(result: RunResult) -> float:
    """In whole cents: the last of the only market."""
    [index] = result.market.instruments["index"].tolist()
    return round(float(index), 2)


def said_of(result: RunResult) -> list[str]:
    return [line for line in result.assumptions if "moves like" in line]


@pytest.mark.compiled
def test_a_market_without_prices_moves_like_the_other_one(tmp_path: Path) -> None:
    request = plain(tmp_path)._replace(scenario=str(lacking(tmp_path)))
    assumed = run_cell(request)
    assert (index_of(assumed), said_of(assumed)) == (47_500.0, ["BTC moves like ETH times 0.5 (assumed)"])
    # a shock goes over what is lent: 20 % of ETH are 10 % of BTC
    assert index_of(run_cell(request._replace(shock=parse_shock("price=*2")))) == 45_000.0
    for said in ("*=ETH*2", "BTC=ETH*2"):
        by_hand = run_cell(request._replace(proxies=parse_proxies([said])))
        assert (index_of(by_hand), said_of(by_hand)) == (40_000.0, ["BTC moves like ETH times 2 (--proxy)"])
    with pytest.raises(NotApplicable, match="no price path for BTC"):
        run_cell(request._replace(proxies=parse_proxies(["*="])))


@pytest.mark.compiled
def test_a_market_with_prices_has_its_own(tmp_path: Path) -> None:
    path = crash(tmp_path, [(0, 1.0), (9, 0.9)])
    write(replace(load(path), title="x", others=Others("BTC", 0.5, "")), path)
    result = run_cell(plain(tmp_path)._replace(scenario=str(path)))
    assert (index_of(result), said_of(result)) == (45_000.0, [])


def test_an_assumed_path_that_falls_to_nothing_does_not_apply(tmp_path: Path) -> None:
    """What somebody asks for by hand is an error of theirs; what nobody asked for says nothing of the market."""
    path: Scenario = load(crash(tmp_path, [(0, 1.0), (9, 0.4)], bases=["ETH"]))
    assumed = Proxy(BTC.base, "ETH", 1.7, assumed=True)
    with pytest.raises(NotApplicable, match=r"BTC = ETH\*1.7 falls to 0 or below"):
        make_grid(path, [BTC], [assumed])
    with pytest.raises(BacktesterError, match="choose a smaller factor") as caught:
        make_grid(path, [BTC], [assumed._replace(assumed=False)])
    assert not isinstance(caught.value, NotApplicable)


@pytest.mark.parametrize("name", ids())
def test_what_is_shipped_says_how_other_names_move(name: str) -> None:
    scenario = find(name)
    if scenario.is_overlay or name == "decorrelation":  # BTC and ETH part: any other could go with either
        assert scenario.others is None
        return
    assert scenario.others is not None and scenario.others.of == "ETH"
    if scenario.type == "HIST":
        assert (scenario.others.beta, scenario.others.why) == (beta_of(scenario.series, "ETH"), RULE)


def test_other_names_go_farther_than_eth_by_no_one_factor() -> None:
    """What README says of them, and why no factor is below LEAST."""
    found = [moves_over(path.series, LARGE[0]).values() for path in map(find, ids()) if path.type == "HIST"]
    moves = [move for each in found for move in each]
    assert len(moves) >= 33 and min(moves) < 0.5 and max(moves) > 4.5
    assert float(np.median(moves)) == pytest.approx(1.4, abs=0.05)
    assert float(np.quantile(moves, 0.75)) == pytest.approx(LEAST, abs=0.05)
    assert float(np.quantile(moves, 0.9)) > 3.0
