"""What is kept of the way: per bucket of time, how high and low an account, a margin pool and a market went."""

from __future__ import annotations

import numpy as np

from backtester.engine.book.ladder import note_depth
from backtester.engine.jit import helper
from backtester.engine.records import DEPTH_EVERY, UNSEEN


@helper
def _begins(path: np.ndarray, bucket: int) -> bool:
    """Whether a bucket is the first of its DEPTH_EVERY with a mark."""
    seen = 0
    for before in path[bucket - bucket % DEPTH_EVERY : bucket]:
        seen += before["count"]
    return seen == 0


@helper
def note_market(m, c: np.void, market: int, bucket: int) -> None:
    """Keep the mark's range, what was traded so far and, at the first look at some buckets, the depth by distance."""
    k = m.markets[market]
    n = k["instrument"]
    row = m.path[market, bucket]
    if row["count"] == 0:
        if _begins(m.path[market], bucket):
            for i in range(2):
                note_depth(m.cells, m.sides[2 * n + i], i, m.instruments[n]["mid2"], row["depth_min"][i])
        else:
            row["depth_min"][:] = UNSEEN
        row["mark_min"] = k["mark"]
        row["mark_max"] = k["mark"]
    row["count"] += 1
    row["mark_min"] = min(row["mark_min"], k["mark"])
    row["mark_max"] = max(row["mark_max"], k["mark"])
    row["traded"] = m.instruments[n]["traded"]


@helper
def note_margin(w, path: int, bucket: int, equity: float, needed: float, buffer: float) -> None:
    """Keep the range of equity, the highest maintenance and the tightest buffer of an account or of a pool."""
    row = w.path[path, bucket]
    if row["count"] == 0:
        row["equity_min"] = equity
        row["equity_max"] = equity
        row["maintenance_max"] = needed
        row["buffer_min"] = buffer
    row["count"] += 1
    row["equity_min"] = min(row["equity_min"], equity)
    row["equity_max"] = max(row["equity_max"], equity)
    row["maintenance_max"] = max(row["maintenance_max"], needed)
    row["buffer_min"] = min(row["buffer_min"], buffer)


def fold(path: np.ndarray) -> None:
    """Join neighbouring buckets of path[row, bucket] in place; the greater of two holds, the smaller of a `_min`."""
    a, b = path[:, 0::2].copy(), path[:, 1::2].copy()
    half = path[:, : a.shape[1]]
    path[:, a.shape[1] :] = np.zeros((), path.dtype)
    half["count"] = a["count"] + b["count"]
    for name in (path.dtype.names or ())[1:]:
        both = (np.minimum if name.endswith("_min") else np.maximum)(a[name], b[name])
        unseen_a, unseen_b = ((each["count"] == 0).reshape(*each.shape, *(1,) * (both.ndim - 2)) for each in (a, b))
        half[name] = np.where(unseen_a, b[name], np.where(unseen_b, a[name], both))
