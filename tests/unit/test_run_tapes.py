"""Named tapes and shipped ones under one scenario: who gives which market, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backtester.market.read import open_tape
from backtester.run.prices import parse_price
from backtester.run.request import Request
from backtester.run.session import run_cell
from backtester.scenario.grid import parse_proxies
from tests.unit.market_tapes import BTC, ETH, Row, join, write
from tests.unit.run_cases import BTC as HYPERLIQUID_BTC
from tests.unit.run_cases import START, S, account, crash, portfolio, position, problems, tape

pytestmark = pytest.mark.compiled

DAY = 86_400 * S
SOL = HYPERLIQUID_BTC._replace(symbol="SOL", base="SOL")
FALL = [(0.0, 1.0), (10.0, 1.0), (20.0, 0.9), (100.0, 0.9)]


def request(directory: Path, *symbols: str) -> Request:
    """Positions in a scenario of 100 s, with a tape of SOL that is 40 s long and of another month."""
    path = portfolio(directory, account(*(position(each, size=0.01) for each in symbols)))
    base = tape(directory, [20_000] * 40, start=START + 30 * DAY, instrument=SOL)
    fall = crash(directory, FALL, bases=["BTC", "ETH", "SOL"])
    return Request(path, scenario=str(fall), tapes=(str(base),))


def test_shipped_tapes_add_the_markets_that_the_named_one_lacks(tmp_path: Path) -> None:
    result = run_cell(request(tmp_path, "BTC", "SOL"))
    assert result.tape.name == "tape.parquet + hyperliquid-btc.parquet"
    marks = dict(zip([each.tape.symbol for each in result.instruments], result.market.markets["mark"], strict=True))
    assert marks == {"BTC": pytest.approx(117_014.5 * 0.9, rel=2e-3), "SOL": pytest.approx(18_000.0, rel=1e-2)}
    laid = "hyperliquid-btc.parquet, of another time, is laid beside their first 0.65 minutes"
    assert f"BTC is on none of the named tapes: {laid}" in result.assumptions
    assert any("laid end to end 3 times" in each for each in result.assumptions)


def test_a_market_that_the_named_tape_has_comes_from_it(tmp_path: Path) -> None:
    assert run_cell(request(tmp_path, "SOL")).tape.name == "tape.parquet"


def test_a_shipped_tape_may_lend_beside_a_named_one(tmp_path: Path) -> None:
    """BTC is neither on the named tape nor traded, and lends its order book to HYPE; SOL, if named, is enough."""
    asked = request(tmp_path, "HYPE", "SOL")._replace(prices=(parse_price("HYPE=0.2"),))
    lent = run_cell(asked._replace(proxies=parse_proxies(["HYPE=BTC"])))
    assert lent.tape.name == "tape.parquet + hyperliquid-btc.parquet"
    assert run_cell(asked._replace(proxies=parse_proxies(["HYPE=SOL"]))).tape.name == "tape.parquet"


def test_without_a_scenario_only_the_named_tape_is_replayed(tmp_path: Path) -> None:
    (found,) = problems(request(tmp_path, "BTC", "SOL")._replace(scenario=None))
    assert (found.message, found.hint) == ("the tape has no BTC", "it has SOL")


def test_a_named_tape_without_any_of_the_markets_is_said_to_give_none(tmp_path: Path) -> None:
    """Under a scenario; without one it is a mistake."""
    asked = request(tmp_path, "BTC")
    result = run_cell(asked)
    assert result.tape.name == "tape.parquet + hyperliquid-btc.parquet"
    assert any(each.startswith("BTC is on none of the named tapes: ") for each in result.assumptions)
    (found,) = problems(asked._replace(scenario=None))
    assert found.message == "the tape has no BTC"


def test_a_market_of_another_venue_is_not_replaced(tmp_path: Path) -> None:
    """A named tape that an account cannot trade on is told, not left aside."""
    asked = request(tmp_path, "BTC", "SOL")
    other = write(tmp_path / "other.parquet", [Row(START)], [HYPERLIQUID_BTC._replace(venue="binance-usdm")])
    (found,) = problems(asked._replace(tapes=(*asked.tapes, str(other))))
    assert found.message == "the tape has BTC of binance-usdm, the account is at hyperliquid"


def test_tapes_of_different_times_begin_and_end_together(tmp_path: Path) -> None:
    """BTC from 0 to 4 s, ETH from 100 to 102 s: both from 0 to 2 s, the rows of one time in the order of symbols."""
    btc = [Row(START + n * S, "BTC", "delta", 1, 100.0, 0.001 * (n + 1)) for n in range(5)]
    eth = [Row(START + (100 + n) * S, "ETH", "delta", 1, 10.0, 0.01 * (n + 1)) for n in range(3)]
    one = open_tape([write(tmp_path / "btc.parquet", btc, [BTC])])
    other = open_tape([write(tmp_path / "eth.parquet", eth, [ETH])])
    both = other.beside(one)
    assert (both.first_ts_ns, both.last_ts_ns) == (START + 100 * S, START + 102 * S)
    rows = join(both.chunks(2))
    assert ((rows["ts"] - START) // S).tolist() == [100, 100, 101, 101, 102, 102]
    assert rows["instrument"].tolist() == [0, 1] * 3
    assert rows["lots"].tolist() == [1, 1, 2, 2, 3, 3]
    assert np.array_equal(join(one.chunks())["ts"], START + np.arange(5) * S)
