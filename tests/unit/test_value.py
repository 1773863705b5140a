"""What a contract is worth: the worked examples, and the same bits for a number, a column and a kernel."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from backtester.engine import value as compiled
from backtester.engine.jit import kernel
from backtester.formulas.value import price_of, walked, worth


@kernel
def worth_in_a_kernel(lots: int, unit: float, price: float) -> float:
    value: float = compiled.worth(lots, unit, price)
    return value


@kernel
def walked_in_a_kernel(tick_lots: float, unit: float, tick_size: float) -> float:
    value: float = compiled.walked(tick_lots, unit, tick_size)
    return value


def test_a_short_is_worth_less_than_nothing() -> None:
    assert worth(-3, 0.001, 100_000.0) == pytest.approx(-300.0)


def test_pnl_is_what_lots_are_worth_now_less_what_they_were_worth_at_entry() -> None:
    assert worth(3, 0.001, 100_000.0) - worth(3, 0.001, 90_000.0) == pytest.approx(30.0)


def test_a_walk_is_worth_what_its_levels_are_worth() -> None:
    unit, tick_size = Fraction(1, 10), Fraction(1, 2)
    levels = ((1, 100), (2, 103))
    sums = sum(lots * tick for lots, tick in levels)
    assert walked(sums, unit, tick_size) == Fraction(153, 10)
    assert walked(sums, unit, tick_size) == sum(worth(lots, unit, tick * tick_size) for lots, tick in levels)


def test_average_entry_is_the_price_of_the_cost() -> None:
    assert price_of(270.0, 3, 0.001) == pytest.approx(90_000.0)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_price_of_what_lots_are_worth_is_their_price(sign: int) -> None:
    assert price_of(worth(7 * sign, 0.1, 4_123.7), 7 * sign, 0.1) == pytest.approx(4_123.7, rel=1e-15)


def test_numbers_columns_and_kernels_have_the_same_bits() -> None:
    random = np.random.default_rng(5)
    lots, unit, price = random.integers(-(10**9), 10**9, 500), random.random(500), random.random(500) * 1e5
    one_by_one = [worth(*each) for each in zip(lots.tolist(), unit.tolist(), price.tolist(), strict=True)]
    assert worth(lots, unit, price).tolist() == one_by_one
    assert [worth_in_a_kernel(*each) for each in zip(lots, unit, price, strict=True)] == one_by_one
    sums = [walked(*each) for each in zip(lots.tolist(), unit.tolist(), price.tolist(), strict=True)]
    assert [walked_in_a_kernel(float(n), u, p) for n, u, p in zip(lots, unit, price, strict=True)] == sums
