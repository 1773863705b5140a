"""Candles of a perp and its index become lines that agree with both."""

from __future__ import annotations

import pytest

from backtester.scenario.candles import Habits, Knots, Lines, price_lines
from backtester.scenario.facts import Candle, Candles, Price

S = 1_000_000_000
HABITS = Habits((0.2, 0.8), 20 * S)


def table(price: Price, interval_s: int, *rows: tuple[float, float, float, float], like: str = "") -> Candles:
    """Candles one after the other: (open, high, low, close)."""
    candles = tuple(Candle(k * interval_s * S, *row, 1.0) for k, row in enumerate(rows))
    return Candles("X", price, like, interval_s * S, "K", candles, (), ())


def seconds(line: Knots) -> dict[int, float]:
    return {t // S: round(value, 9) for t, value in sorted(line.items())}


def lines(*parts: Candles, rows: Knots | None = None, perps: dict[str, Knots] | None = None) -> Lines:
    return price_lines(parts, HABITS, rows or {}, perps or {})


#: Two minutes of the index: down from 100 to 90 at second 48, and back.
INDEX = table(Price.INDEX, 60, (100.0, 100.0, 90.0, 91.0), (91.0, 100.0, 91.0, 100.0))


def test_the_finer_index_draws_and_the_perp_says_the_basis() -> None:
    """Perp 99 at the start, 84.6 where the index has its 90, 100 at the end; a wick has 10 s to each side."""
    index, basis = lines(INDEX, table(Price.PERP, 120, (99.0, 101.0, 84.6, 100.0)))
    assert seconds(index) == {0: 100.0, 12: 100.0, 48: 90.0, 60: 91.0, 72: 91.0, 108: 100.0, 120: 100.0}
    knots = seconds(basis)
    assert (knots[0], knots[48], knots[120]) == (-0.01, -0.06, 0.0)
    assert knots[38] == pytest.approx(-0.01 * (1 - 38 / 120))  # the line between open and close
    assert knots[58] == pytest.approx(-0.01 * (1 - 58 / 120))


def test_the_perp_hits_its_own_low_and_high() -> None:
    both = lines(INDEX, table(Price.PERP, 120, (99.0, 103.0, 84.6, 100.0)))
    perp = both.perp()
    assert min(perp.values()) == pytest.approx(84.6)
    assert max(perp.values()) == pytest.approx(103.0)
    assert perp[0] == pytest.approx(99.0) and perp[120 * S] == pytest.approx(100.0)


def test_a_candle_is_never_left() -> None:
    """The index's second low of 90 would drag the perp to 90 · 1.02 = 91.8; its candle ends at 93."""
    index = table(Price.INDEX, 60, (100.0, 100.0, 89.0, 95.0), (95.0, 100.0, 90.0, 100.0))
    both = lines(index, table(Price.PERP, 120, (102.0, 103.0, 93.0, 102.0)))
    assert 93.0 <= min(both.perp().values()) == pytest.approx(93.0)
    assert both.perp()[72 * S] == pytest.approx(93.0)


def test_a_finer_perp_draws_and_the_index_follows() -> None:
    perp = table(Price.PERP, 60, (100.0, 100.0, 90.0, 91.0), (91.0, 100.0, 91.0, 100.0))
    both = lines(perp, table(Price.INDEX, 120, (101.0, 101.0, 95.0, 100.0)))
    assert seconds(both.perp())[48] == 90.0
    assert min(both.spot.values()) == pytest.approx(95.0)
    assert seconds(both.basis)[48] == round(90 / 95 - 1, 9)


def test_without_an_index_the_rows_give_it() -> None:
    """Perp 90 and a basis of −10 % make an index of 100."""
    index, basis = lines(table(Price.PERP, 60, (90.0, 90.0, 81.0, 81.0)), rows={0: -0.1})
    assert seconds(index) == {0: 100.0, 12: 100.0, 48: 90.0, 60: 90.0}
    assert basis == {0: -0.1}


def test_an_index_alone_needs_no_perp() -> None:
    index, basis = lines(INDEX, rows={0: -0.001})
    assert seconds(index)[48] == 90.0 and basis == {0: -0.001}


def test_where_the_finer_candles_end_the_others_draw() -> None:
    perp = table(Price.PERP, 120, (100.0, 100.0, 90.0, 99.0), (99.0, 99.0, 80.0, 98.0))
    both = lines(INDEX, perp)
    assert seconds(both.spot)[216] == round(80.0 / (1 + 99 / 100 - 1), 9)  # the last basis known is held
    assert min(both.perp().values()) == pytest.approx(80.0)


def test_like_another_symbol() -> None:
    """The model falls from 10 to 5 at second 30 and ends at 8; the copy from 100 to 60, where the model has its low."""
    model: Knots = {0: 10.0, 10 * S: 10.0, 20 * S: 8.0, 30 * S: 5.0, 60 * S: 8.0}
    index, _ = lines(table(Price.INDEX, 60, (100.0, 100.0, 60.0, 90.0), like="M"), perps={"M": model})
    assert seconds(index) == {0: 100.0, 10: 100.0, 20: 88.0, 30: 60.0, 60: 90.0}  # 8 · (10 + 12) / 2 = 88


def test_a_model_without_a_shape_is_no_model() -> None:
    index, _ = lines(table(Price.INDEX, 60, (100.0, 100.0, 60.0, 90.0), like="M"), perps={"M": {0: 10.0, 60 * S: 8.0}})
    assert seconds(index) == {0: 100.0, 12: 100.0, 48: 60.0, 60: 90.0}
