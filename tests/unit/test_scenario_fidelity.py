"""How near a path is to candles: by hand, and a path that is wrong in one way for every bar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from backtester.scenario.facts import Candle, Candles, Price
from backtester.scenario.fidelity import Fidelity, Grade, Pair, grades, missed
from backtester.scenario.measure import measure, worst_fall
from backtester.scenario.path import ANY, Scenario, Series, constant

S = 1_000_000_000
STEP = 20 * S
Row = tuple[float, float, float, float]

#: Six minutes, and the perp every 20 s: open and both extremes of each, and the end.
ROWS: tuple[Row, ...] = (
    (100.0, 101.0, 98.0, 99.0),
    (99.0, 99.5, 90.0, 92.0),
    (92.0, 95.0, 92.0, 94.0),
    (94.0, 96.0, 93.0, 95.0),
    (95.0, 97.0, 94.0, 96.0),
    (96.0, 98.0, 95.0, 97.0),
)
LINE = (100, 101, 98, 99, 99.5, 90, 92, 95, 93, 94, 96, 93, 95, 97, 94, 96, 98, 95, 97)


def candles(*rows: Row, price: Price = Price.PERP, interval_s: int = 60, low_at: Mapping[int, int] = {}) -> Candles:
    listed = tuple(Candle(k * interval_s * S, *row, 1.0) for k, row in enumerate(rows))
    moments = tuple((a * S, b * S) for a, b in low_at.items())
    return Candles("BTC", price, "", interval_s * S, "K", listed, moments, ())


def path(changes: Mapping[int, float] = {}, basis: Series | None = None, every: int = 1) -> Scenario:
    """The line with other values at some steps, of which every so-manieth is a knot."""
    values = np.array([changes.get(k, price) for k, price in enumerate(LINE)]) / 100.0
    t_ns = np.arange(values.size) * STEP
    prices = Series(ANY, "BTC", "price_ratio", t_ns[::every], values[::every])
    series = (prices,) if basis is None else (prices, basis)
    return Scenario(
        "x", "x", "HIST", 0, int(t_ns[-1]), ((0, STEP),), series, start_prices={"BTC": 100.0}
    )  # fmt: skip


def only(scenario: Scenario, *parts: Candles) -> Fidelity:
    (measured,) = measure(scenario, parts)
    return measured


def test_by_hand() -> None:
    """The path's low is 90.09 where the candles have 90; 10 minutes after it nothing is known."""
    measured = only(path({5: 90.09}), candles(*ROWS))
    assert measured._replace(lows=0.0, low=0.0) == Fidelity(
        symbol="BTC",
        price="perp",
        candles=6,
        minutes=True,
        low=0.0,
        high=0.0,
        low_s=0.0,
        high_s=0.0,
        worst_1m=Pair(-0.070707, -0.070707),  # 92 / 99
        best_1m=Pair(0.021739, 0.021739),  # 94 / 92
        worst_5m=Pair(-0.04, -0.04),  # 96 / 100
        best_5m=Pair(-0.020202, -0.020202),  # 97 / 99
        range_1m=Pair(0.09596, 0.095051),  # 9.5 / 99 and 9.41 / 99
        outside=0.0,
        rebound_10m=None,
        rebound_30m=None,
        lows=0.0,
        long=0,
    )
    assert (measured.low, measured.lows) == (0.001, 0.001)
    assert missed(measured) == []


def test_the_true_line_meets_every_bar() -> None:
    assert missed(only(path(), candles(*ROWS))) == []


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        ({5: 89.8}, ["the low is -0.22% off, the bar is 0.1%", "16.7% of the candles are left, the bar is 5%"]),
        ({1: 100.5}, ["the high is -0.50% off, the bar is 0.1%"]),
        ({5: 91.0, 12: 90.0, 13: 95.0}, ["the low is 120 s away, the bar is 60", "16.7% of the candles are left"]),
        ({1: 99.0, 16: 101.0}, ["the high is 260 s away, the bar is 60", "16.7% of the candles are left"]),
        ({6: 93.0}, ["the worst minute is -6.06%, not -7.07%; the bar is 10% of its size"]),
        ({10: 96.5}, ["16.7% of the candles are left, the bar is 5%"]),
    ],
)
def test_each_bar_is_missed_by_a_path_that_is_wrong_there(changes: dict[int, float], faults: list[str]) -> None:
    found = missed(only(path(changes), candles(*ROWS)))
    assert len(found) == len(faults), found
    assert all(told.startswith(f"BTC perp: {fault}") for told, fault in zip(found, faults, strict=True))


def test_a_published_moment_of_the_low_is_what_counts() -> None:
    """The path has it at 100 s; published were 61 s and 30 s before."""
    measured = only(path(), candles(*ROWS, low_at={60: 70}))
    assert measured.low_s == 30.0
    assert only(path(), candles(*ROWS)).low_s == 0.0


def test_straight_lines_at_long_knots_do_not_pass() -> None:
    """Knots 2 minutes apart through candles of a minute; and 5 minutes apart through an hour, if they are steep."""
    told = only(path(every=6), candles(*ROWS))
    assert told.long == 3 and any("3 straight lines are longer than the candles" in each for each in missed(told))
    knots = np.arange(13) * 300 * S
    for fall, long in ((0.04, 0), (0.06, 1)):
        line = Series(ANY, "BTC", "price_ratio", knots, np.where(knots > 0, 1.0 - fall, 1.0))
        hour = replace(path(), end_ns=3600 * S, series=(line,))
        assert only(hour, candles((100.0, 100.0, 94.0, 94.0), interval_s=3600)).long == long


def test_coarse_candles_say_nothing_of_minutes() -> None:
    measured = only(path(), candles((100.0, 101.0, 90.0, 94.0), (94.0, 98.0, 93.0, 97.0), interval_s=180))
    assert (measured.candles, measured.minutes, measured.worst_1m, measured.range_1m) == (2, False, None, None)
    assert missed(measured) == []


def test_a_mark_is_the_median_and_its_lows_are_judged() -> None:
    """A basis of -10 % since 20 s: at 40 and 60 s its mean of 30 s is -6.67 and -10 %, the mark 93.33 and 90."""
    basis = Series(ANY, "BTC", "basis_bps", np.array([0, STEP - S, STEP]), np.array([0.0, 0.0, -1000.0]))
    still = path(dict.fromkeys(range(len(LINE)), 100.0), basis)
    mark = candles((100.0, 100.0, 93.333333, 93.4), (90.0, 90.0, 90.0, 90.0), price=Price.MARK)
    told = only(still, mark)
    assert told.lows == 0.0
    assert missed(told) == []
    off = candles((100.0, 100.0, 93.333333, 93.4), (90.4, 90.5, 90.4, 90.5), price=Price.MARK)
    assert missed(only(still, off)) == ["BTC mark: a low is -44.2 bps off, the bar is 30"]


def graded(scenario: Scenario, *parts: Candles) -> Grade:
    return grades(replace(scenario, fidelity=measure(scenario, parts)))["BTC"]


def test_grades() -> None:
    """A: minutes of both, B: of the perp, C: coarser ones, D: a bar is missed, -: hypothetical or never measured."""
    perp, index = candles(*ROWS), candles(*ROWS, price=Price.INDEX)
    coarse = candles((100.0, 101.0, 90.0, 94.0), (94.0, 98.0, 93.0, 97.0), interval_s=180)
    assert graded(path(), perp, index) is Grade.A
    assert graded(path(), perp) is Grade.B
    assert graded(path(), coarse) is Grade.C
    assert graded(path(), index) is Grade.C
    assert graded(path({5: 89.8}), perp, index) is Grade.D
    assert graded(replace(path(), type="HYPT"), perp) is Grade.NONE
    assert graded(path()) is Grade.NONE


def test_the_worst_fall_is_from_the_highest_price_before() -> None:
    assert worst_fall(path()) == pytest.approx(90.0 / 101.0 - 1.0)
    assert worst_fall(path(basis=constant("BTC", "basis_bps", -100.0))) == pytest.approx(90.0 / 101.0 - 1.0)
    assert worst_fall(Scenario("o", "o", "HYPT", -S, S, (), ())) == 0.0


def test_what_is_stored_comes_back() -> None:
    measured = only(path(), candles(*ROWS))
    assert Fidelity.of(measured._asdict()) == measured
    with pytest.raises(KeyError):
        Fidelity.of({"symbol": "BTC"})
