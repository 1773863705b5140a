"""The largest falls and rises: nothing is called earlier that was not, nothing is counted twice."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtester.scenario.cover import finest_rows
from backtester.scenario.moves import Move, scan, with_moves
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
    move = Move("X", "perp", 5, 0, 100.0, 60, 120, 90.0, "", None, None, 3, round(2.1 * year))
    assert move.frequency == "3 in 2.1 years: 1.4 a year"


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
