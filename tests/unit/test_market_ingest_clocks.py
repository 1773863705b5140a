"""The recorder's clock: the line under all points, and what receive times are kept."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtester.market.encode import NO_TIME
from backtester.market.ingest.clocks import ClockFit, ClockLine, receive_clock

MS = 1_000_000


def fit(points: list[tuple[int, int]]) -> ClockFit:
    """Of (receive time, receive − exchange)."""
    found = ClockFit()
    for recv, offset in points:
        found.add(recv, recv - offset)
    return found


def line_of(points: list[tuple[int, int]]) -> ClockLine:
    line = fit(points).line()
    assert line is not None
    return line


def test_worked_example() -> None:
    line = line_of([(0, 5), (10, 6), (20, 9)])
    assert (line.offset_at(0), line.offset_at(10), line.offset_at(20)) == (5, 6, 7)
    assert line.drift_ppm == 100_000
    assert line.mean_delay_ns == pytest.approx(2 / 3)
    assert (line.first_ns, line.last_ns, line.smallest_ns) == (0, 20, 5)


def test_drift_is_found_behind_the_noise() -> None:
    """A clock 1.2 s behind that loses 5 µs a second; messages take 3 ms or more, every seventh just that."""
    noise = [0 if place % 7 == 0 else 40 * MS // (1 + place % 11) for place in range(500)]
    points = [(place * 1_000 * MS, -1_200 * MS - 5_000 * place + 3 * MS + each) for place, each in enumerate(noise)]
    line = line_of(points)
    assert line.drift_ppm == pytest.approx(-5)
    assert line.offset_at(0) == -1_197 * MS
    assert line.mean_delay_ns == pytest.approx(sum(noise) / len(noise))


POINTS = st.lists(st.tuples(st.integers(0, 12), st.integers(-9, 9)), min_size=2, max_size=12).filter(
    lambda points: len({recv for recv, _ in points}) > 1
)


@given(POINTS)
def test_no_line_below_the_points_is_closer(points: list[tuple[int, int]]) -> None:
    """Against every line through two points that has no point under it."""
    points.sort()
    line = line_of(points)
    total = Fraction(0)
    for recv, offset in points:
        height = line.offset_ns + Fraction(line.rise_ns * (recv - line.from_ns), line.run_ns)
        assert height <= offset
        assert line.offset_at(recv) <= height < line.offset_at(recv) + 1
        total += offset - height
    assert line.mean_delay_ns == pytest.approx(float(total / len(points)), abs=1e-9)
    for x, y in points:
        for next_x, next_y in points:
            if x < next_x:
                delays = [v - y - Fraction((next_y - y) * (u - x), next_x - x) for u, v in points]
                assert min(delays) < 0 or sum(delays) >= total


def test_receive_times_that_go_backwards_are_counted() -> None:
    found = fit([(0, 5), (10, 5), (8, 4), (9, 5), (20, 6)])
    assert found.backwards == 2
    line = found.line()
    assert line is not None and line.smallest_ns == 4 and line.last_ns == 20


def test_one_time_makes_no_line() -> None:
    assert fit([(7, 1), (7, 3)]).line() is None
    clock = receive_clock(None, 5 * MS)
    assert clock(7) == NO_TIME and "too few messages" in clock.words


def test_possible_times_are_kept_as_they_are() -> None:
    clock = receive_clock(line_of([(0, 5), (10, 6), (20, 0)]), None)
    assert clock(15) == 15 and clock(NO_TIME) == NO_TIME
    assert clock.words == "recv_ts as recorded, not checked against the exchange's clock"


def test_times_before_the_exchange_are_left_out() -> None:
    clock = receive_clock(line_of([(0, 9 * MS), (10, 9 * MS), (20, -1_500_000)]), None)
    assert clock(20) == clock(0) == NO_TIME
    assert clock.words == "recv_ts left out: it lies up to 1.5 ms before the exchange's time, so it is no latency"


def test_a_declared_fastest_message_sets_the_clock() -> None:
    """Sent at 100 and 200 ms by the exchange's clock, received by one that runs 50 ms behind: on the way 2 and 5 ms."""
    points = [(52 * MS, -48 * MS), (155 * MS, -45 * MS), (252 * MS, -48 * MS)]
    clock = receive_clock(line_of(points), 2 * MS)
    assert [clock(recv) for recv, _ in points] == [102 * MS, 205 * MS, 302 * MS]
    assert clock(NO_TIME) == NO_TIME
    assert clock.words == "recv_ts set so that the fastest message took 2 ms, as declared"
