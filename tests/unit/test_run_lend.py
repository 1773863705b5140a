"""`--proxy` where no tape has the market: the order book of another stands for it, at its price, and is called so."""

from __future__ import annotations

from pathlib import Path

import pytest

from backtester.enums import EventKind
from backtester.errors import BacktesterError
from backtester.market.move import Move, lent_events
from backtester.market.read import open_tape
from backtester.report.assumed import caution
from backtester.run.prices import parse_price
from backtester.run.request import Request
from backtester.run.session import run_cell
from backtester.scenario.grid import parse_proxies
from backtester.shipped import data_dir
from tests.unit import market_tapes
from tests.unit.market_tapes import Row, join, write
from tests.unit.report_runs import build_report
from tests.unit.run_cases import START, S, account, crash, differences, fills_of, order, portfolio, position, problems
from tests.unit.run_cases import tape as btc_tape

pytestmark = pytest.mark.compiled

FALL = [(0.0, 1.0), (10.0, 1.0), (20.0, 0.9), (50.0, 0.9)]


def request(directory: Path, proxy: str = "HYPE=BTC", *prices: str, written: str = "") -> Request:
    """1 BTC and 500 HYPE with a stop each, on a tape of BTC that begins at 50,000 and falls by 10 %."""
    stops = [order(f"{s}-stop", s, type="stop_market", trigger_price="mark-3%", size="all") for s in ("BTC", "HYPE")]
    path = portfolio(directory, written, account(position(), position("HYPE", size=500.0), *stops))
    base, fall = btc_tape(directory, [50_000] * 60), crash(directory, FALL, bases=["BTC"])
    named = parse_proxies([proxy] if proxy else [])
    return Request(path, scenario=str(fall), tapes=(str(base),), proxies=named, prices=tuple(map(parse_price, prices)))


@pytest.mark.parametrize("how", ["flag", "portfolio"])
def test_an_order_book_is_lent_at_the_price_that_is_asked_for(tmp_path: Path, how: str) -> None:
    """500 HYPE at 100 are worth what 1 BTC at 50,000 is: they meet the same levels and cost the same."""
    flags, written = {"flag": (("HYPE=100",), ""), "portfolio": ((), "[prices]\nHYPE = 100\n")}[how]
    result = run_cell(request(tmp_path, "HYPE=BTC", *flags, written=written))
    (btc,), (sol,) = fills_of(result, "BTC-stop"), fills_of(result, "HYPE-stop")
    instruments = {each.tape.symbol: each.tape for each in result.instruments}
    assert sol["ts"] == btc["ts"]
    assert sol["tick"] * instruments["HYPE"].tick_size * 500 == pytest.approx(btc["tick"] * 1.0, rel=1e-4)
    assert (instruments["HYPE"].base, instruments["HYPE"].venue) == ("HYPE", "hyperliquid")


def test_the_report_says_whose_order_book_it_is(tmp_path: Path) -> None:
    said = run_cell(request(tmp_path, "HYPE=BTC", "HYPE=100")).assumptions
    lent = "HYPE has no order book of its own, that of BTC stands for it: it begins at 100 instead of 50000, "
    assert f"{lent}its prices × and its sizes ÷ 0.002 (--proxy)" in said
    assert "HYPE moves like BTC times 1 (--proxy)" in said
    assert caution(said) == "CAUTION: order book lent: HYPE from BTC; HYPE moves like BTC times 1"


def test_a_portfolio_moves_to_a_tape_with_a_lent_order_book(tmp_path: Path) -> None:
    """Its price is the only one that HYPE has: it is no contradiction to --rebase."""
    assert run_cell(request(tmp_path, "HYPE=BTC", "HYPE=200")._replace(rebase=True)).fills.size


def test_a_market_that_only_lends_has_no_prices_to_show(tmp_path: Path) -> None:
    """The scenario drives BTC as well, but nobody holds it: its ladder is not laid out."""
    asked = request(tmp_path, "HYPE=BTC", "HYPE=200")
    alone = portfolio(tmp_path, account(position("HYPE", size=500.0)))
    found = run_cell(asked._replace(portfolio=alone))
    (shown,) = build_report([found]).inputs.scenarios
    assert [each.symbol for each in shown.realised] == ["HYPE"]


def test_a_market_that_only_lends_needs_no_path(tmp_path: Path) -> None:
    """BTC, whose order book HYPE takes, has no prices in the scenario, and nobody holds it."""
    path = crash(tmp_path, [(0.0, 1.0), (10.0, 1.0), (20.0, 0.8), (50.0, 0.8)], bases=["HYPE"], name="alone")
    asked = request(tmp_path, "HYPE=BTC", "HYPE=100")._replace(scenario=str(path))
    (found,) = problems(asked)  # of the account that has both
    assert found.message == "no price path for BTC"
    alone = portfolio(tmp_path, account(position("HYPE", size=500.0)))
    result = run_cell(asked._replace(portfolio=alone))
    assert result.market.instruments["index"][1] == pytest.approx(80.0)
    (shown,) = build_report([result]).inputs.scenarios
    assert [each.symbol for each in shown.realised] == ["HYPE"]


def test_a_market_that_lends_stays_what_it_is(tmp_path: Path) -> None:
    asked = request(tmp_path, "HYPE=BTC", "HYPE=100")
    alone = account(position(), order("BTC-stop", type="stop_market", trigger_price="mark-3%", size="all"))
    with_lent = fills_of(run_cell(asked), "BTC-stop")
    without = fills_of(
        run_cell(asked._replace(portfolio=portfolio(tmp_path, alone), proxies=(), prices=())), "BTC-stop"
    )
    assert with_lent[["ts", "tick", "lots"]].tolist() == without[["ts", "tick", "lots"]].tolist()


def test_without_a_price_it_is_refused(tmp_path: Path) -> None:
    (found,) = problems(request(tmp_path))
    assert str(found) == (
        "error[usage] --proxy HYPE=BTC: nobody says what HYPE costs, to which the order book of BTC has to be moved\n"
        "  hint: say it: --price HYPE=PRICE, or in [prices]"
    )


def test_a_proxy_that_no_tape_has_lends_no_order_book(tmp_path: Path) -> None:
    found = problems(request(tmp_path, "HYPE=PUMP"))
    assert [each.message for each in found] == ["the tape has no HYPE"]


@pytest.mark.parametrize("tapes", [(), None])
def test_a_scaled_order_book_lends_none(tmp_path: Path, tapes: tuple[str, ...] | None) -> None:
    """That of SOL is ETH's already: to scale it twice would be to make it up."""
    asked = request(tmp_path, "HYPE=SOL", "HYPE=50")
    (found,) = problems(asked if tapes is None else asked._replace(tapes=tapes))
    assert str(found) == (
        "error[usage] --proxy HYPE=SOL: SOL has no order book to lend, its own is scaled from ETH's\n"
        "  hint: lend ETH's: --proxy HYPE=ETH --price HYPE=PRICE"
    )


def test_a_market_with_an_order_book_keeps_it(tmp_path: Path) -> None:
    """Only the path is lent, so no price is asked for."""
    asked = request(tmp_path)
    path = portfolio(tmp_path, account(position()))
    fall = crash(tmp_path, FALL, bases=["ETH"])
    lent = run_cell(asked._replace(portfolio=path, scenario=str(fall), proxies=parse_proxies(["BTC=ETH"])))
    assert [each.tape.symbol for each in lent.instruments] == ["BTC"]


def test_a_path_of_its_own_stays(tmp_path: Path) -> None:
    """HYPE falls by 20 % as its path says, whatever the factor of its proxy, and the report says so."""
    asked = request(tmp_path, "HYPE=BTC*1.5", "HYPE=100")
    path = crash(tmp_path, [(0.0, 1.0), (10.0, 1.0), (20.0, 0.8), (50.0, 0.8)], bases=["HYPE", "BTC"], name="both")
    result = run_cell(asked._replace(scenario=str(path)))
    assert result.market.instruments["index"].tolist() == [40_000.0, pytest.approx(80.0)]
    assert "HYPE moves on its own path, which scenario both has: not like BTC (--proxy)" in result.assumptions


def test_without_a_scenario_the_lent_order_book_runs_as_it_was_recorded(tmp_path: Path) -> None:
    asked = request(tmp_path, "HYPE=BTC", "HYPE=100")._replace(scenario=None)
    assert run_cell(asked).market.instruments["index"].tolist() == [50_000.0, pytest.approx(100.0)]
    (found,) = problems(asked._replace(proxies=parse_proxies(["HYPE=BTC*2"])))
    assert found.message == "there is no path to lend"


def test_a_shipped_tape_lends_too(tmp_path: Path) -> None:
    path = portfolio(tmp_path, account(position("HYPE", size=100.0)))
    asked = Request(path, proxies=parse_proxies(["HYPE=ETH"]), prices=(parse_price("HYPE=200"),))
    result = run_cell(asked)
    assert result.tape.name == "hyperliquid-eth.parquet"
    assert (data_dir() / result.tape.name).is_file()
    assert differences(result, run_cell(asked)) == []


def test_every_row_comes_twice(tmp_path: Path) -> None:
    """Its funding too, each with the place of the row that it was read from."""
    btc, eth = market_tapes.BTC, market_tapes.ETH
    rows = [
        Row(START, "BTC", "delta", 1, 100.1, 0.004),
        Row(START, "ETH", "delta", 1, 10.0, 1.0),
        Row(START + S, "BTC", "funding", 0, 0.0001, 3_600.0),
    ]
    plain = open_tape([write(tmp_path / "t.parquet", rows, [btc, eth])])
    lent = plain.made_by((*plain.made, Move(btc, 100.0, 50.0, lent_to="AAA")))
    assert [each.symbol for each in lent.instruments] == ["AAA", "BTC", "ETH"]
    found = join(lent.chunks())[["instrument", "kind", "tick", "lots"]].tolist()
    delta, funding = EventKind.DELTA, EventKind.FUNDING
    assert found == [
        (0, delta, 1_001, 8),  # 50.05 in ticks of 0.05, 0.008 in lots of 0.001
        (1, delta, 1_001, 4),
        (2, delta, 1_000, 100),
        (0, funding, 0, 3_600),
        (1, funding, 0, 3_600),
    ]
    places = [(place, row["instrument"]) for place, row in lent.funding_rows()]
    assert places == [(f"{tmp_path / 't.parquet'}:row 2", 0), (f"{tmp_path / 't.parquet'}:row 2", 1)]
    assert lent_events(join(plain.chunks()), (0, 1)).tolist() == join(plain.chunks()).tolist()


@pytest.mark.parametrize(
    ("symbol", "name"),
    [("BTC", "SOL"), ("BTCUSDT", "SOLUSDT"), ("BTCUSDT_250926", "SOLUSDT_250926"), ("XBT", "SOL")],
)
def test_what_it_is_called(symbol: str, name: str) -> None:
    moved = Move(market_tapes.BTC._replace(symbol=symbol), lent_to="SOL").moved
    assert (moved.symbol, moved.base) == (name, "SOL")
    assert Move(market_tapes.BTC._replace(symbol=symbol)).moved.symbol == symbol


def test_a_base_has_one_proxy() -> None:
    with pytest.raises(BacktesterError, match="SOL is named twice"):
        parse_proxies(["SOL=BTC", "SOL=ETH*1.2"])
