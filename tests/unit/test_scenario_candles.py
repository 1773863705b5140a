"""Candles of a perp and its index become lines that agree with both."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from backtester.scenario.bridge import Knots, Piece
from backtester.scenario.candles import Lines, finest, price_lines
from backtester.scenario.facts import Candle, Candles, Price

S = 1_000_000_000
Row = tuple[float, float, float, float]


def table(price: Price, interval_s: int, *rows: Row, like: str = "", start: int = 0) -> Candles:
    """Candles one after the other: (open, high, low, close)."""
    candles = tuple(Candle((start + k * interval_s) * S, *row, 1.0) for k, row in enumerate(rows))
    return Candles("X", price, like, interval_s * S, "K", candles, (), ())


def lines(
    *parts: Candles, rows: Knots | None = None, models: Mapping[str, Lines] | None = None, until: int = 120
) -> Lines:
    return price_lines(parts, rows or {}, models or {}, [second * S for second in range(until + 1)], 0)


def where(line: Knots, price: float) -> list[int]:
    return [t // S for t, value in line.items() if value == pytest.approx(price, rel=1e-12)]


PERP = table(Price.PERP, 60, (100.0, 100.0, 90.0, 91.0), (91.0, 100.0, 91.0, 100.0))


def test_a_perp_alone_draws_itself_and_the_index_leaves_its_wicks_out() -> None:
    """Bodies from 91 to 100: the low of 90 is a wick of 1 %, which the index goes with; a low of 80 is not."""
    deep = table(Price.PERP, 60, (100.0, 100.0, 80.0, 91.0), (91.0, 100.0, 91.0, 100.0))
    for perp, low in ((PERP, 90.0), (deep, 90.0)):
        both = lines(perp)
        assert min(both.spot.values()) == pytest.approx(low)
        assert min(both.perp().values()) == pytest.approx(perp.rows[0].low)
    assert min(lines(deep).basis.values()) == pytest.approx(80.0 / 90.0 - 1.0)
    assert max(lines(PERP).basis.values()) == 0.0


def test_an_hour_has_no_wicks_of_its_own() -> None:
    assert not any(lines(table(Price.PERP, 3600, (100.0, 101.0, 80.0, 100.0)), until=3600).basis.values())


def test_rows_put_the_index_where_they_say() -> None:
    """Perp 90 at the start and a basis of −10 % make an index of 100; half a minute on −5 %, and so to the end."""
    both = lines(table(Price.PERP, 60, (90.0, 90.0, 81.0, 81.0)), rows={0: -0.1, 30 * S: -0.05}, until=60)
    assert both.spot[0] == pytest.approx(100.0)
    assert (both.basis[0], both.basis[30 * S], both.basis[60 * S]) == pytest.approx((-0.1, -0.05, -0.05))


def test_an_index_alone_needs_no_perp() -> None:
    index = table(Price.INDEX, 60, (100.0, 100.0, 90.0, 91.0), (91.0, 100.0, 91.0, 100.0))
    both = lines(index, rows={0: -0.001})
    assert min(both.spot.values()) == 90.0 and both.basis == {0: -0.001}


def test_candles_of_both_keep_their_own_lows_and_highs() -> None:
    """An index of the same minutes falls to 95 where the perp falls to 90, and of coarser candles too."""
    for interval, rows in (
        (60, [(101.0, 101.0, 95.0, 96.0), (96.0, 102.0, 96.0, 100.0)]),
        (120, [(101.0, 102.0, 95.0, 100.0)]),
    ):
        both = lines(PERP, table(Price.INDEX, interval, *rows))
        perp = both.perp()
        assert (min(perp.values()), max(perp.values())) == pytest.approx((90.0, 100.0))
        assert (min(both.spot.values()), max(both.spot.values())) == pytest.approx((95.0, 102.0))
        assert where(perp, 90.0)[0] in where(both.spot, 95.0)


def test_a_coarse_perp_copies_its_finer_index() -> None:
    index = table(Price.INDEX, 60, (100.0, 100.0, 90.0, 91.0), (91.0, 100.0, 91.0, 100.0))
    both = lines(index, table(Price.PERP, 120, (99.0, 103.0, 84.6, 100.0)))
    perp = both.perp()
    assert min(perp.values()) == pytest.approx(84.6) and max(perp.values()) == pytest.approx(103.0)
    assert where(perp, 84.6) == where(both.spot, 90.0)
    assert perp[0] == pytest.approx(99.0) and perp[120 * S] == pytest.approx(100.0)


def test_where_the_index_ends_its_distance_is_held() -> None:
    """The index ends 1 % over the perp, so it goes on 1 % over it."""
    both = lines(PERP, table(Price.INDEX, 60, (101.0, 101.0, 92.0, 91.91)))
    assert both.spot[120 * S] == pytest.approx(101.0)
    assert both.basis[90 * S] == pytest.approx(1 / 1.01 - 1)


def test_like_another_symbol() -> None:
    """The model falls from 10 to 5 at second 30 and ends at 8; the copy from 100 to 60, where the model has its low."""
    perp: Knots = {0: 10.0, 10 * S: 10.0, 20 * S: 8.0, 30 * S: 5.0, 60 * S: 8.0}
    model = Lines({t: price / 0.99 for t, price in perp.items()}, dict.fromkeys(perp, -0.01))
    both = lines(table(Price.PERP, 300, (100.0, 100.0, 60.0, 90.0), like="M"), models={"M": model}, until=300)
    copied = both.perp()
    assert (copied[0], copied[30 * S], copied[300 * S]) == pytest.approx((100.0, 60.0, 90.0))
    assert copied[20 * S] == pytest.approx(8.0 * (10.0 + 12.0) / 2.0)
    assert both.basis[30 * S] == pytest.approx(-0.01)  # and its basis


def test_a_model_without_a_shape_is_no_model() -> None:
    flat = Lines({0: 10.0, 60 * S: 8.0}, {})
    both = lines(table(Price.PERP, 60, (100.0, 100.0, 60.0, 90.0), like="M"), models={"M": flat}, until=60)
    assert min(both.perp().values()) == 60.0


def test_of_a_coarse_candle_counts_what_finer_ones_leave_open() -> None:
    """An hour from 100 to 90, with minutes 10 to 19 known: its high of 105 lies in the rest, its low of 80 does not."""
    known = table(Price.PERP, 600, (98.0, 99.0, 80.0, 85.0), start=600)
    hour = table(Price.PERP, 3600, (100.0, 105.0, 80.0, 90.0))
    before, told, after = finest([hour, known])
    assert before[:6] == (0, 600 * S, 100.0, 100.0, 98.0, 98.0)
    assert (told.low, told.close) == (80.0, 85.0)
    assert after[:6] == (1200 * S, 3600 * S, 85.0, 105.0, 85.0, 90.0)
    assert before.volume + after.volume == 0.0  # all of the hour's was the minutes'


def test_a_candle_that_finer_ones_fill_says_nothing() -> None:
    minutes = table(Price.PERP, 60, *[(100.0, 101.0, 99.0, 100.0)] * 2)
    pieces = finest([table(Price.PERP, 120, (100.0, 110.0, 90.0, 100.0)), minutes])
    assert [(piece.start, piece.end) for piece in pieces] == [(0, 60 * S), (60 * S, 120 * S)]
    assert all(isinstance(piece, Piece) and piece.high == 101.0 for piece in pieces)
