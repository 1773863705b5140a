"""The finest candle wins: which times candles cover, and which of coarser ones are left something to tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

Times = NDArray[np.int64]


class Cover:
    """Times that candles cover: spans (start, end) that neither overlap nor touch, ascending. s or ns, all the same."""

    def __init__(self) -> None:
        self.starts = self.ends = np.empty(0, np.int64)

    def add(self, starts: Times, lengths: Times) -> None:
        """Cover candles as well."""
        starts = np.concatenate((self.starts, starts))
        ends = np.concatenate((self.ends, starts[len(self.starts) :] + lengths))
        order = np.argsort(starts, kind="stable")
        starts, reached = starts[order], np.maximum.accumulate(ends[order])
        breaks = np.flatnonzero(starts[1:] > reached[:-1]) + 1 if len(starts) else np.empty(0, np.int64)
        self.starts = starts[np.concatenate(([0], breaks)).astype(np.int64)] if len(starts) else starts
        self.ends = reached[np.concatenate((breaks - 1, [-1])).astype(np.int64)] if len(starts) else reached

    @property
    def length(self) -> int:
        """How much is covered."""
        return int((self.ends - self.starts).sum())

    @property
    def span(self) -> int:
        """From the first time that is covered to the last, gaps included."""
        return int(self.ends[-1] - self.starts[0]) if len(self.starts) else 0

    def inside(self, a: Times, b: Times) -> Times:
        """How much of each [a, b) is covered."""
        return self._before(b) - self._before(a)

    def gaps(self, end: int, start: int = 0) -> list[tuple[int, int]]:
        """What is not covered of [start, end)."""
        edges = [start, *(int(t) for span in zip(self.starts, self.ends, strict=True) for t in span), end]
        cut = [min(max(t, start), end) for t in edges]
        return [(a, b) for a, b in zip(cut[::2], cut[1::2], strict=True) if a < b]

    def _before(self, t: Times) -> Times:
        if not len(self.starts):
            return np.zeros(len(t), np.int64)
        whole = np.concatenate(([0], np.cumsum(self.ends - self.starts)))
        place = np.searchsorted(self.starts, t, side="right") - 1
        within = np.minimum(t, self.ends[place]) - self.starts[place]
        return np.where(place < 0, 0, whole[place] + within)


def telling(spans: Iterable[tuple[Times, Times]]) -> Iterator[NDArray[np.bool_]]:
    """Of candles from starts to ends, the finest first: those that none before them cover whole.

    Example: two minutes from 0, then fives from 0 and 300: both tell something; were there five minutes, only the
    second would.
    """
    cover = Cover()
    for starts, ends in spans:
        new = cover.inside(starts, ends) < ends - starts
        cover.add(starts[new], (ends - starts)[new])
        yield new


def covered(rows: pl.DataFrame) -> Cover:
    """The times that some candles cover."""
    cover = Cover()
    cover.add(rows["t"].to_numpy(), rows["seconds"].to_numpy())
    return cover


def finest_rows(rows: pl.DataFrame, venues: Sequence[str] = (), end: int | None = None) -> pl.DataFrame:
    """The candles of one symbol and price that tell something: those that finer ones do not cover whole, before `end`.

    Of two venues with the same interval the one named first in `venues` counts, else that with more candles.
    """
    counts = dict(rows["venue"].value_counts().iter_rows())
    ranks = {
        venue: (venues.index(venue) if venue in venues else len(venues), -counts[venue], venue) for venue in counts
    }
    found = rows.partition_by("seconds", "venue", as_dict=True)
    parts = [found[key] for key in sorted(found, key=lambda key: (key[0], ranks[str(key[1])]))]
    new = telling(_spans(part, end) for part in parts)
    kept = [part.filter(pl.Series(mask)) for part, mask in zip(parts, new, strict=True)]
    return pl.concat(kept).sort("t", "seconds") if kept else rows


def _spans(rows: pl.DataFrame, end: int | None) -> tuple[Times, Times]:
    starts = rows["t"].to_numpy()
    ends = starts + rows["seconds"].to_numpy()
    return starts, ends if end is None else np.minimum(ends, end)
