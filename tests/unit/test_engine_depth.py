"""The displayed depth near the best price."""

from __future__ import annotations

import numpy as np
import pytest

from backtester.engine.book.ladder import depth_within
from backtester.engine.jit import kernel
from backtester.engine.state import CELL, NO_ASK, NO_BID, SIDE


def _depth(cells: np.ndarray, sides: np.ndarray, k: int, limit: int) -> int:
    found: int = depth_within(cells, sides[k], k, limit)
    return found


depth = kernel(_depth)


@pytest.mark.parametrize(
    ("k", "limit", "lots"),
    [
        (0, 48, 48 + 49),
        (0, 0, sum(range(20, 50))),  # no level lies beyond the edge
        (0, 60, 0),
        (1, 52, 51 + 52),
        (1, 99, sum(range(51, 81))),
        (1, 40, 0),
    ],
)
def test_from_the_best_price_to_the_limit(k: int, limit: int, lots: int) -> None:
    cells, sides = np.zeros(200, CELL), np.zeros(2, SIDE)
    cells["lots"] = np.tile(np.arange(100), 2)
    sides["offset"], sides["best"], sides["edge"] = [0, 100], [49, 51], [20, 80]
    assert depth(cells, sides, k, limit) == lots


@pytest.mark.parametrize("k", [0, 1])
def test_an_empty_side_shows_nothing(k: int) -> None:
    sides = np.zeros(2, SIDE)
    sides["best"], sides["edge"] = [NO_BID, NO_ASK], [NO_ASK, NO_BID]
    assert depth(np.ones(100, CELL), sides, k, 50) == 0
