"""A reference stands for its named tuple, in helpers that are not told which of the two they get."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from backtester.engine.jit import helper, kernel
from backtester.engine.reference import by_reference


class Pair(NamedTuple):
    first: np.ndarray
    second: np.ndarray


def _add(pair: Pair, amount: float) -> None:
    for i in range(len(pair.first)):
        pair.second[i] += pair.first[i] + amount


add = helper(_add)


def _add_twice(pair: Pair, amount: float) -> None:
    add(by_reference(pair), amount)
    add(pair, amount)


add_twice = kernel(_add_twice)


def test_a_helper_writes_through_a_reference() -> None:
    pair = Pair(np.arange(3), np.zeros(3))
    add_twice(pair, 0.5)
    assert pair.second.tolist() == [1.0, 3.0, 5.0]


def test_tuples_of_the_same_name_are_told_apart() -> None:
    floats, matrix = Pair(np.ones(2), np.zeros(2)), Pair(np.ones(2, np.int8), np.zeros(2, np.float32))
    add_twice(floats, 0.0)
    add_twice(matrix, 0.0)
    assert floats.second.tolist() == matrix.second.tolist() == [2.0, 2.0]
