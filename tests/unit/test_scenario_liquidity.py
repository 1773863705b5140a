"""What the speed of a price does to order books."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtester.scenario.liquidity import LEVELS, Book, books, level_of
from backtester.scenario.stored import load
from backtester.shipped import scenarios_dir

HOUR = 3600


def test_the_example_of_the_module() -> None:
    course = books({300: 0.034}, {}, 6 * HOUR)
    assert [(book.t, book.depth()[1]) for book in course] == [
        (0, 1.0),
        (300, 0.3),
        (300 + 4500, 0.45),
        (300 + 7200, 0.6),
        (300 + 10_800, 0.8),
        (300 + 14_400, 1.0),
    ]
    assert course[1].depth() == (0.2, 0.3, 0.29, 0.3, 0.38, 0.38)
    assert course[1].move == -0.034 and course[2].move == 0.0


def test_a_squeeze_is_the_mirror_of_a_crash() -> None:
    down, up = books({0: 0.07}, {}, HOUR), books({}, {0: 0.07}, HOUR)
    assert [(*book.depth()[3:], *book.depth()[:3]) for book in down] == [book.depth() for book in up]
    assert down[0].depth()[0] < down[0].depth()[3]


@pytest.mark.parametrize(
    "speed, left", [(0.0, 1.0), (0.01, 0.6), (0.0299, 0.45), (0.03, 0.3), (0.06, 0.1), (0.5, 0.02)]
)
def test_speed_makes_the_level(speed: float, left: float) -> None:
    assert LEVELS[level_of(speed)].hit[1] == left


def test_every_level_is_worse_than_the_one_before_and_shorter() -> None:
    for a, b in pairwise(LEVELS):
        assert all(x >= y for x, y in zip((*a.hit, *a.other), (*b.hit, *b.other), strict=True))
        assert (a.speed, a.spread_bps, a.refill_s) <= (b.speed, b.spread_bps, b.refill_s)
    assert all(a.lasts_s > b.lasts_s for a, b in pairwise(LEVELS[1:]))
    assert all(x <= y for level in LEVELS for x, y in zip(level.hit[:2], level.other[:2], strict=True))


def test_the_rule_is_near_what_was_measured_on_its_day() -> None:
    """Bids within 1 % at the times at which 2025-10-10 was measured, for its own falls within five minutes."""
    scenario = load(scenarios_dir() / "2025-10-10.parquet")
    measured, price = scenario.find("bid_depth_mid", "*", "*"), scenario.find("price_ratio", "*", "BTC")
    assert measured is not None and price is not None
    seconds = [t * 1_000_000_000 for t in range(0, scenario.span_ns // 1_000_000_000, 10)]
    line = price.at(np.array(seconds)).tolist()
    falls = {10 * k: max(0.0, 1.0 - low / max(line[max(0, k - 30) : k + 1])) for k, low in enumerate(line)}
    course = books(falls, {}, scenario.span_ns // 1_000_000_000)
    for t, left in zip((measured.t_ns // 1_000_000_000).tolist(), measured.values.tolist(), strict=True):
        ruled = next(book for book in reversed(course) if book.t <= t).depth()[1]
        assert 0.3 <= ruled / left <= 3.4, (t, ruled, left)


@given(st.dictionaries(st.integers(0, 5 * HOUR), st.floats(0, 0.3), max_size=8))
def test_changes_only_and_in_order(falls: dict[int, float]) -> None:
    course = books(falls, {}, 6 * HOUR)
    assert course[0].t == 0
    assert all(a.t < b.t and a[1:3] != b[1:3] for a, b in pairwise(course))
    assert max(book.bids for book in course) == max((level_of(size) for size in falls.values()), default=0)
    assert all(isinstance(book, Book) and book.asks == 0 for book in course)
