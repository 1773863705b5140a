"""What an order book displays by its distance from mid, and how buckets of time keep it."""

from __future__ import annotations

import numpy as np
import pytest

from backtester.engine.book.ladder import note_depth
from backtester.engine.jit import kernel
from backtester.engine.loop.recorder import fold
from backtester.engine.records import MARKET_PATH
from backtester.engine.state import CELL, NO_ASK, NO_BID, SIDE
from backtester.formulas.distance import DISTANCES_BPS


def _depth(cells: np.ndarray, sides: np.ndarray, k: int, mid2: int, lots: np.ndarray) -> None:
    note_depth(cells, sides[k], k, mid2, lots)


depth = kernel(_depth)


def depths(cells: np.ndarray, sides: np.ndarray, k: int, mid2: int) -> list[int]:
    lots = np.full(len(DISTANCES_BPS), -1)
    depth(cells, sides, k, mid2, lots)
    found: list[int] = lots.tolist()
    return found


@pytest.mark.parametrize("mid2", [20_000, 20_001, 19_937])
@pytest.mark.parametrize("k", [0, 1])
def test_lots_within_each_distance_of_mid(k: int, mid2: int) -> None:
    """Every level of its own size, no level beyond the edge: as a plain sum over all levels says."""
    cells, sides = np.zeros(24_000, CELL), np.zeros(2, SIDE)
    cells["lots"] = np.tile(np.arange(12_000), 2)
    sides["offset"], sides["best"], sides["edge"] = [0, 12_000], [9_960, 10_004], [9_700, 10_300]
    levels = range(9_700, 9_961) if k == 0 else range(10_004, 10_301)
    assert depths(cells, sides, k, mid2) == [
        sum(tick for tick in levels if 10_000 * abs(2 * tick - mid2) <= bps * mid2) for bps in DISTANCES_BPS
    ]


@pytest.mark.parametrize("k", [0, 1])
def test_an_empty_side_shows_nothing(k: int) -> None:
    sides = np.zeros(2, SIDE)
    sides["best"], sides["edge"] = [NO_BID, NO_ASK], [NO_ASK, NO_BID]
    assert depths(np.ones(100, CELL), sides, k, 100) == [0] * len(DISTANCES_BPS)


def test_joined_buckets_keep_the_least_of_each_distance() -> None:
    """Of the last two buckets one was never looked at: it says nothing about depth."""
    path = np.zeros((1, 4), MARKET_PATH)
    path["count"] = [[1, 2, 0, 1]]
    path["depth_min"][0, :, 0] = np.add.outer([5, 3, 0, 7], np.arange(len(DISTANCES_BPS)))
    path["depth_min"][0, :, 1] = np.add.outer([3, 5, 0, 8], np.arange(len(DISTANCES_BPS)))
    fold(path)
    assert path["count"].tolist() == [[3, 1, 0, 0]]
    assert path["depth_min"][0, :, 0, 0].tolist() == [3, 7, 0, 0]
    assert path["depth_min"][0, :, 1, -1].tolist() == [10, 15, 0, 0]
