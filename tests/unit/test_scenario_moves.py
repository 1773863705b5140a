"""The largest falls and rises: nothing is called earlier that was not, nothing is counted twice."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtester.scenario.cover import finest_rows
from backtester.scenario.moves import Move, events, scan, with_moves
from backtester.scenario.recorded import read_candles
from tests.unit.candle_cases import START, fall, flat, minutes, write


def moves(path: Path, *within: int, limit: int = 9, at_least: float = 0.01) -> list[Move]:
    return list(scan(read_candles([path]), within, limit, at_least))


def test_the_example_of_the_module(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", minutes((100, 101, 99, 99), (98, 98, 90, 91)))
    (move,) = [each for each in moves(path, 2) if each.size < 0]
    assert move.size == pytest.approx(90 / 101 - 1)
    assert (move.start, move.at, move.minutes) == (START, START + 60, 2.0)


def test_a_candle_says_nothing_of_the_order_of_its_extremes(tmp_path: Path) -> None:
    """High 110 and low 90 within one minute: a fall from the open of 100, not from the high."""
    path = write(tmp_path / "a.csv", minutes((100, 110, 90, 100), *flat(3)))
    assert [each.size for each in moves(path, 1)] == pytest.approx([-0.1, 0.1])


def test_moves_do_not_overlap_and_are_counted(tmp_path: Path) -> None:
    crash = [*fall(100, 98, 95), *fall(95, 97, 99), *flat(30), *fall(100, 97), *flat(30, 97)]
    path = write(tmp_path / "a.csv", minutes(*crash))
    falls = [each for each in moves(path, 5) if each.size < 0]
    assert [each.rank for each in falls] == [1, 2]
    assert [each.size for each in falls] == pytest.approx([-0.05, 97 / 100.05 - 1], abs=1e-3)
    assert falls[0].frequency == "1 in 65 minutes" and falls[0].a_year is None
    assert falls[0].back_10m == pytest.approx(1.01) and falls[1].back_10m == pytest.approx(0.0313, abs=1e-4)


def test_how_often_a_year() -> None:
    year = 31_557_600
    move = Move("X", "perp", 5, 0, 100.0, 60, 120, 90.0, "", None, None, 3, round(2.1 * year), 3 * year)
    assert move.frequency == "3 in 2.1 years: 1.4 a year"


def test_candles_of_crash_hours_say_nothing_of_a_year(tmp_path: Path) -> None:
    """Two hours a month apart: what is in them is counted in them, whatever their number."""
    hours = [minutes(*fall(100, 98, 95), *flat(58, 95), at=at) for at in (0, 30 * 86_400)]
    falls = [each for each in moves(write(tmp_path / "a.csv", *hours), 5) if each.size < 0]
    assert [each.frequency for each in falls] == ["1 in 2.0 hours of 30.0 days", "2 in 2.0 hours of 30.0 days"]
    move = falls[0]
    year = 31_557_600
    assert move._replace(scanned_s=2 * year, span_s=5 * year).a_year is None
    assert move._replace(scanned_s=2 * year, span_s=4 * year).a_year == 0.5


def test_one_crash_is_told_once(tmp_path: Path) -> None:
    """A fall of 5 % in two minutes within one of 8 % in twenty, and a rise beside it."""
    crash = [*flat(70), *fall(100, 98, 95), *flat(15, 95), *fall(95, 93, 92, 94, 96, 98), *flat(60, 98)]
    path = write(tmp_path / "a.csv", minutes(*crash, *fall(98, 95, 98), *flat(30, 98)))
    found = events(moves(path, 1, 5, 15, 60, at_least=0.02))
    assert [(each.within_m, round(each.size, 2)) for each in found] == [(60, -0.08), (5, -0.03), (5, 0.07), (5, 0.03)]
    other = found[0]._replace(symbol="ETH")
    assert events([*found, other]) == [*found, other]


def test_long_candles_say_nothing_of_short_times(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", minutes((100, 100, 90, 90), (90, 90, 90, 90), seconds=900))
    assert {each.within_m for each in moves(path, 1, 5, 15, 60)} == {15, 60}


def test_a_price_that_stays_where_it_is_makes_no_move(tmp_path: Path) -> None:
    """However small the moves that are asked for."""
    still = write(tmp_path / "a.csv", minutes(*fall(100, 100, 100, 100)))
    assert not moves(still, 1, 5, at_least=0.0)
    rising = write(tmp_path / "b.csv", minutes(*fall(100, 101, 102, 102)))
    assert {each.size > 0 for each in moves(rising, 1, 5, at_least=0.0)} == {True}


def test_time_that_two_candles_cover_is_scanned_once(tmp_path: Path) -> None:
    """Two of five minutes are missing: the candle of five that stands in for them covers the others as well."""
    fine = write(tmp_path / "a.csv", minutes(*fall(100, 98, 95, 95)), minutes(*fall(95, 95, 95, 95, 95, 95), at=300))
    coarse = write(tmp_path / "b.csv", minutes((100, 100, 95, 95), (95, 95, 95, 95), seconds=300))
    falls = [each for each in scan(read_candles([fine, coarse]), (5,), 1, 0.01) if each.size < 0]
    assert [(each.scanned_s, each.frequency) for each in falls] == [(600, "1 in 10 minutes")]


def test_a_long_candle_says_nothing_of_what_came_before_a_minute_in_it(tmp_path: Path) -> None:
    """Its low of 90 may come after the minute within it that rises to 100.5; its open of 101 came before."""
    fine = write(tmp_path / "a.csv", minutes((100, 100.5, 99.5, 100), (100, 100.2, 98, 99), at=60))
    coarse = write(tmp_path / "b.csv", minutes((101, 101, 90, 95), (95, 96, 94, 95), seconds=300))
    told = with_moves(finest_rows(read_candles([fine, coarse])), 300).filter(seconds=60)
    assert told["rise"].to_list() == pytest.approx([100.5 / 100 - 1, 100.2 / 99.5 - 1])
    assert told["fall"].to_list() == pytest.approx([99.5 / 101 - 1, 98 / 101 - 1])
    largest = {each.size > 0: each for each in scan(read_candles([fine, coarse]), (10,), 1, 0.0)}
    assert (largest[True].start, largest[True].at) == (START, START + 300)
    assert (largest[True].start_price, largest[True].price_there) == (90, 96)


closes = st.lists(st.floats(50, 200), min_size=2, max_size=40)


@given(closes=closes, within=st.integers(1, 10))
def test_every_move_is_in_the_candles(
    tmp_path_factory: pytest.TempPathFactory, closes: list[float], within: int
) -> None:
    path = write(tmp_path_factory.mktemp("c") / "a.csv", minutes(*fall(100.0, *closes)))
    found = moves(path, within, limit=99)
    prices = [100.0, *closes]
    for move in found:
        first, last = (move.start - START) // 60, (move.end - START) // 60
        assert 0 < last - first <= within
        assert move.price_there in prices[last - 1 : last + 1] and move.start_price in prices[first : first + 2]
    for side in (True, False):
        spans = sorted((each.start, each.end) for each in found if (each.size < 0) is side)
        assert all(b <= c for (_, b), (c, _) in pairwise(spans))
    worst = min((b / a - 1 for a, b in pairwise(prices)), default=0.0)
    if worst <= -0.01:
        assert min(each.size for each in found) <= worst
