"""The inside of a candle: its corners, its order, and a walk that leaves neither high nor low."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtester.scenario.bridge import FLAT, NS, Knots, Piece, cadence, shock, walk

MINUTE = 60 * NS
SECONDS = [second * NS for second in range(121)]


def piece(open_: float, high: float, low: float, close: float, trend: float = 0.0, start: int = 0) -> Piece:
    return Piece(start * MINUTE, (start + 1) * MINUTE, open_, high, low, close, 1.0, trend=trend)


def at(line: Knots, price: float) -> list[int]:
    return [t // NS for t, value in line.items() if value == price]


def test_the_shorter_way_at_one_speed() -> None:
    """Open 100, high 101, low 90, close 95: 1 + 11 + 5 in 60 s, so the high after 3.5 s and the low after 42.4."""
    line = walk(piece(100.0, 101.0, 90.0, 95.0), SECONDS, 0)
    assert at(line, 101.0) in ([3], [4]) and at(line, 90.0) == [42]
    assert list(line) == SECONDS[:60] and line[0] == 100.0


def test_a_rising_candle_has_its_low_first() -> None:
    line = walk(piece(95.0, 101.0, 90.0, 100.0), SECONDS, 0)
    assert at(line, 90.0) < at(line, 101.0)


@pytest.mark.parametrize("trend", [-1.0, 1.0])
def test_a_candle_that_goes_nowhere_goes_with_its_neighbours(trend: float) -> None:
    line = walk(piece(100.0, 105.0, 95.0, 100.0 + FLAT, trend), SECONDS, 0)
    assert (at(line, 105.0) < at(line, 95.0)) is (trend < 0.0)


def test_an_open_that_is_the_low_and_a_close_that_is_the_high() -> None:
    line = walk(piece(90.0, 100.0, 90.0, 100.0), SECONDS, 0)
    assert at(line, 90.0) == [0] and at(line, 100.0) == [59]


def test_published_moments_stand() -> None:
    line = walk(piece(100.0, 101.0, 90.0, 95.0)._replace(low_at=20 * NS, high_at=10 * NS), SECONDS, 0)
    assert at(line, 101.0) == [10] and at(line, 90.0) == [20]


def test_with_one_moment_inside_the_farther_extreme_has_it() -> None:
    assert walk(piece(100.0, 101.0, 90.0, 95.0), [0, 30 * NS, 60 * NS], 0) == {0: 100.0, 30 * NS: 90.0}
    assert walk(piece(100.0, 101.0, 90.0, 95.0), [0, 60 * NS], 0) == {0: 100.0}


@given(
    prices=st.lists(st.floats(50.0, 150.0), min_size=4, max_size=4),
    step=st.sampled_from([1, 5, 20]),
    origin=st.integers(0, 2**62),
)
def test_high_and_low_are_touched_and_never_passed(prices: list[float], step: int, origin: int) -> None:
    low, a, b, high = sorted(prices)
    line = walk(piece(a, high, low, b), SECONDS[::step], origin)
    assert min(line.values()) == low and max(line.values()) == high


def test_the_walk_is_as_rough_as_the_range_says() -> None:
    """Steps between corners have about the variance of Parkinson's estimate; the same moments, the same walk."""
    candle = piece(100.0, 110.0, 90.0, 95.0)
    line = list(walk(candle, SECONDS, 7).values())
    sigma = 20.0 / math.sqrt(4.0 * math.log(2.0) * 60.0)
    moves = [b - a for a, b in pairwise(line)]
    assert 0.5 * sigma < math.sqrt(sum(move * move for move in moves) / len(moves)) < 1.5 * sigma
    assert line == list(walk(candle, SECONDS, 7).values()) != list(walk(candle, SECONDS, 8 * MINUTE).values())


def test_shocks_have_mean_0_and_variance_1() -> None:
    shocks = [shock(k * NS) for k in range(4_000)]
    assert sum(shocks) / 4_000 == pytest.approx(0.0, abs=0.05)
    assert sum(x * x for x in shocks) / 4_000 == pytest.approx(1.0, abs=0.05)


def test_the_faster_the_minute_the_closer_the_steps() -> None:
    """Ranges of 0.5, 1.5 and 3 %: steps of 20, 5 and 1 s; an hour without minutes moves in calm steps."""
    minutes = [piece(100.0, 100.0 + move, 100.0, 100.0, start=k) for k, move in enumerate((0.5, 1.5, 3.0))]
    hour = Piece(3 * MINUTE, 63 * MINUTE, 100.0, 110.0, 90.0, 100.0, 1.0)
    steps = ((0, 20 * NS), (MINUTE, 5 * NS), (2 * MINUTE, NS), (3 * MINUTE, 60 * NS))
    assert cadence([[*minutes, hour]], 63 * MINUTE, 60 * NS) == steps
    assert cadence([[hour], minutes], 63 * MINUTE, 60 * NS) == steps  # of all symbols the fastest
