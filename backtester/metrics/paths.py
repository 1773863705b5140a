"""How margin and markets went over time, for charts and tables: what the engine kept of every bucket."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from backtester.engine.records import UNSEEN
from backtester.metrics.names import Names
from backtester.report.records import MarginPath, MarketPath
from backtester.run.result import RunResult


class Kept(NamedTuple):
    """What was kept of the margin of an account of any world, or of one of its pools."""

    account: int
    pool: int | None  # None: of the whole account
    path: np.ndarray  # PATH[bucket]


def kept(result: RunResult, accounts: Sequence[int]) -> Iterator[Kept]:
    """The margin of each account, then that of its pools that held something, where it has several."""
    state = result.state
    for account in accounts:
        row = state.accounts[account]
        yield Kept(account, None, state.path[int(row["path"])])
        for pool in range(int(row["pool_first"]), int(row["pool_first"] + row["pool_count"])):
            place = int(state.pools[pool]["path"])
            if place >= 0 and np.isfinite(state.path[place]["buffer_min"][state.path[place]["count"] > 0]).any():
                yield Kept(account, pool, state.path[place])


def margin_paths(result: RunResult, names: Names) -> Iterator[MarginPath]:
    """The margin paths of every account of ACTUAL, buckets that saw a check."""
    for account, pool, path in kept(result, range(len(result.world.accounts))):
        series = _seen(result, path, "equity_min", "equity_max", "maintenance_max", "buffer_min")
        yield MarginPath(names.account(account), None if pool is None else names.pool(pool), *series)


def market_paths(result: RunResult, names: Names) -> Iterator[MarketPath]:
    """Mark and displayed depth of every market, buckets that saw one."""
    for market, venue in names.markets().items():
        number, row = int(result.market.markets[market]["instrument"]), result.market.path[market]
        symbol, grid = result.instruments[number].tape.symbol, names.instrument_grid(number)
        walked = np.flatnonzero((row["count"] > 0) & (row["depth_min"][:, 0, 0] != UNSEEN))
        lots = row["depth_min"][walked]  # [bucket, side, distance]
        bids, asks = (tuple(array("d", map(grid.size, each)) for each in lots[:, side].T.tolist()) for side in (0, 1))
        times, lowest, highest = _seen(result, row, "mark_min", "mark_max")
        yield MarketPath(
            symbol, venue, result.path_width_ns, times, lowest, highest, _begins(result, walked), bids=bids, asks=asks
        )


def _begins(result: RunResult, buckets: np.ndarray) -> array[int]:
    """Where buckets of a path begin, ns."""
    return array("q", (result.start_ts + buckets * result.path_width_ns).tobytes())


def _seen(result: RunResult, path: np.ndarray, *columns: str) -> Iterator[array[Any]]:
    """Where the buckets of a path begin in which something was measured, ns, and these columns of them."""
    seen = np.flatnonzero(path["count"])
    yield _begins(result, seen)
    yield from (array("d", path[column][seen].tobytes()) for column in columns)
