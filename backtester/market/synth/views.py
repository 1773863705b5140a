"""How a tape is seen when it is measured: its ladder in regular looks, its trades as takers."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Looks(NamedTuple):
    """N looks; axis 1 is the side (bid, ask), axis 2 starts at the best price."""

    step_ms: int
    first_ms: int
    fresh: NDArray[np.bool_]  # (N,)
    ticks: NDArray[np.int64]  # (N, 2, LEVELS)
    size: NDArray[np.float64]  # (N, 2, LEVELS), 0 beyond the last level
    near: NDArray[np.float64]  # (N, 2) within 1 bps, the best price included

    @property
    def mid(self) -> NDArray[np.float64]:
        """(N,) in ticks."""
        return np.asarray((self.ticks[:, 0, 0] + self.ticks[:, 1, 0]) / 2)

    @property
    def spread(self) -> NDArray[np.int64]:
        """(N,) in ticks."""
        return np.asarray(self.ticks[:, 1, 0] - self.ticks[:, 0, 0])


class Takers(NamedTuple):
    """One entry per taker: the trades of one stamp and side."""

    ts_ms: NDArray[np.int64]
    side: NDArray[np.int8]
    size: NDArray[np.float64]  # base units
    prices: NDArray[np.int64]  # how many different ones


def group_takers(
    ts_ms: NDArray[np.int64], side: NDArray[np.int8], price: NDArray[Any], size: NDArray[np.float64]
) -> Takers:
    """Joins consecutive trades of one stamp and side into takers; all arrays have the same length."""
    starts = np.flatnonzero(np.r_[True, (np.diff(ts_ms) != 0) | (np.diff(side) != 0)])
    ends = np.r_[starts[1:], len(ts_ms)]
    pairs = list(zip(starts, ends, strict=True))
    sizes = np.array([math.fsum(size[a:b]) for a, b in pairs])
    prices = np.array([len(set(price[a:b].tolist())) for a, b in pairs])
    return Takers(ts_ms[starts], side[starts], sizes, prices)


def mean(values: NDArray[Any]) -> float:
    """Exactly rounded sum over count, the same on every machine."""
    flat = np.asarray(values, np.float64).ravel()
    return math.fsum(flat) / len(flat)
