"""`[prices]` and `--price`: the tape comes to the portfolio, and the report speaks in the user's prices."""

from __future__ import annotations

from pathlib import Path

import pytest

from backtester.errors import BacktesterError
from backtester.market.read import open_tape
from backtester.market.schema import TapeInstrument
from backtester.run.prices import Price, move_tape, parse_price
from backtester.run.request import Request
from backtester.run.session import run_cell, run_cells
from tests.unit.market_tapes import Row, write
from tests.unit.report_runs import build_report
from tests.unit.run_cases import (
    BTC,
    account,
    crash,
    differences,
    fills_of,
    order,
    order_row,
    portfolio,
    position,
    problems,
    tape,
)

pytestmark = pytest.mark.compiled


def request(directory: Path, *prices: str, written: str = "", stop: float = 97_000.0) -> Request:
    """1 BTC from 101,000 with a stop, on a tape that begins at 50,000 and falls by 10 %."""
    cut = order("stop", type="stop_market", trigger_price=stop, size=0.5)
    path = portfolio(directory, written, account(position(entry_price=101_000.0), cut))
    base = tape(directory, [50_000] * 60)
    fall = crash(directory, [(0.0, 1.0), (10.0, 1.0), (20.0, 0.9), (50.0, 0.9)])
    return Request(path, scenario=str(fall), tapes=(str(base),), prices=tuple(map(parse_price, prices)))


@pytest.mark.parametrize("how", ["flag", "portfolio"])
def test_the_tape_moves_to_the_prices_of_the_portfolio(tmp_path: Path, how: str) -> None:
    """Twice the price: the stop at 97,000 fires when 48,500 would, and fills at twice the price."""
    asked = request(tmp_path)
    here = portfolio(tmp_path, account(position(), order("stop", type="stop_market", trigger_price=48_500.0)))
    (as_it_is,) = fills_of(run_cell(asked._replace(portfolio=here)), "stop")
    said = {"flag": ("BTC=100_000",), "portfolio": ()}[how]
    written = {"flag": "", "portfolio": "[prices]\nBTC = 100_000\n"}[how]
    result = run_cell(request(tmp_path, *said, written=written))
    (fill,) = fills_of(result, "stop")
    assert fill["ts"] == as_it_is["ts"]
    assert fill["tick"] == pytest.approx(2 * as_it_is["tick"], abs=2)
    assert result.instruments[0].tape == BTC._replace(lot_size=BTC.lot_size / 2)
    assert "BTC: the tape begins at 100000 instead of 50000, its prices × and its sizes ÷ 2 (--price)" in (
        result.assumptions
    )


def test_a_flag_goes_over_the_portfolio(tmp_path: Path) -> None:
    result = run_cell(request(tmp_path, "BTC=100000", written="[prices]\nBTC = 3\n"))
    assert order_row(result, "stop")["filled"] > 0


def test_a_tape_that_is_where_it_is_asked_to_be_is_the_same_tape(tmp_path: Path) -> None:
    asked = request(tmp_path, "BTC=50000", stop=48_500.0)
    path = portfolio(tmp_path, account(position()))
    plain = run_cell(asked._replace(portfolio=path, prices=()))
    moved = run_cell(asked._replace(portfolio=path))
    assert differences(plain, moved) == []
    assert plain.assumptions == moved.assumptions


def test_prices_of_another_day_name_all_ways_out(tmp_path: Path) -> None:
    (found,) = problems(request(tmp_path))
    assert "is 101000 while BTC begins at 50000 here: prices of another day?" in str(found)
    assert all(flag in found.hint for flag in ("--price BTC=TODAY", "--rebase", "--as-written"))


def test_names_that_are_not_on_the_tape(tmp_path: Path) -> None:
    found = problems(request(tmp_path, "SOL=200", written="[prices]\nDOGE = 1\n"))
    assert [str(each) for each in found] == [
        f"error[config] {tmp_path / 'p.toml'}:3 prices.DOGE: DOGE is not on the tape\n  hint: it has BTC",
        "error[config] --price SOL=200: SOL is not on the tape\n  hint: it has BTC",
    ]


def test_a_tape_of_depth_and_trades_begins_at_its_mid(tmp_path: Path) -> None:
    asked = request(tmp_path, "BTC=100000", stop=95_000.0)
    bare = tape(tmp_path, [50_000] * 60, index=False)
    found = run_cell(asked._replace(tapes=(str(bare),)))
    assert (
        "BTC: the tape begins at 100000 instead of 50000, its prices × and its sizes ÷ 2 (--price)" in found.assumptions
    )


@pytest.mark.parametrize(("late_s", "begins"), [(30, 60.0), (90, 100.0)])
def test_an_index_that_comes_late_is_not_where_the_tape_begins(tmp_path: Path, late_s: int, begins: float) -> None:
    levels = [Row(kind="snapshot", side=side, price=100.0 + 0.1 * -side) for side in (1, -1)]
    clear = Row(kind="snapshot", side=0, price=None, size=0.0)
    late = Row(ts=1_000 + late_s * 10**9, kind="index", side=0, price=60.0, size=None)
    file = write(tmp_path / "t.parquet", [clear, *levels, late])
    [move] = move_tape(open_tape([file]), [parse_price("BTC=50")]).moves
    assert move.first == pytest.approx(begins)


def test_an_index_that_is_no_price_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "t.parquet", [Row(kind="index", side=0, price=1e-300, size=None)])
    with pytest.raises(BacktesterError, match="BTC: begins at 1e-300: no price"):
        move_tape(open_tape([file]), [parse_price("BTC=50")])


def test_a_base_is_meant_at_every_venue(tmp_path: Path) -> None:
    """BTC is the symbol of one and the base of the other: both begin at the price, unless one is named alone."""
    here = TapeInstrument("hyperliquid", "BTC", "BTC", tick_size=0.1, lot_size=0.001, quote="USDC")
    there = TapeInstrument("binance-usdm", "BTCUSDT", "BTC", tick_size=0.1, lot_size=0.001, quote="USDT")
    files = [
        write(tmp_path / f"{each.venue}.parquet", [Row(symbol=each.symbol, kind="index", side=0, price=100.0)], [each])
        for each in (here, there)
    ]
    both = move_tape(open_tape(files), [parse_price("BTC=50")])
    assert [(move.written.symbol, move.price) for move in both.moves] == [("BTCUSDT", 50.0), ("BTC", 50.0)]
    apart = move_tape(open_tape(files), map(parse_price, ("BTC=50", "BTCUSDT=51")))
    assert [(move.written.symbol, move.price) for move in apart.moves] == [("BTCUSDT", 51.0), ("BTC", 50.0)]


@pytest.mark.parametrize(("said", "written"), [(("BTC=100_000",), ""), ((), "[prices]\nBTC = 100_000\n")])
def test_the_tape_comes_to_the_portfolio_or_the_portfolio_to_the_tape(
    tmp_path: Path, said: tuple[str, ...], written: str
) -> None:
    (found,) = problems(request(tmp_path, *said, written=written)._replace(rebase=True))
    assert str(found) == (
        "error[usage] --rebase: the tape was moved to the price of the portfolio: BTC\n"
        "  hint: leave out --rebase, or the price (--price, [prices])"
    )


def test_prices_are_compared_each_on_a_tape_of_its_own(tmp_path: Path) -> None:
    asked = request(tmp_path, written="[prices]\nBTC = 100_000\n")
    both = run_cells([asked._replace(compare=("prices.BTC=90_000,100_000",))])
    alone = [run_cell(asked._replace(overrides=(f"prices.BTC={price}",))) for price in ("90_000", "100_000")]
    assert build_report(both).cells == build_report(alone).cells


def test_prices_on_the_command_line() -> None:
    assert parse_price(" BTC = 68_000") == Price("BTC", 68_000.0, "--price  BTC = 68_000")


@pytest.mark.parametrize(
    "text", ["BTC", "BTC=", "=1", "BTC=0", "BTC=-1", "BTC=nan", "BTC=inf", "BTC=1e13", "BTC=1e-13", "BTC=x"]
)
def test_prices_that_are_none(text: str) -> None:
    with pytest.raises(BacktesterError, match="expected SYMBOL=PRICE"):
        parse_price(text)
