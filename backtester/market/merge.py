"""Streams that are in order of time, merged into one, in flat memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Columns of equal length: the first is ts_ns, not decreasing.
Columns = tuple[NDArray[Any], ...]


def merge_by_time(sources: Sequence[Iterator[Columns]]) -> Iterator[Columns]:
    """Merge streams of blocks by ts; the rows of equal ts stand together, those of an earlier source first.

    A block must end where ts changes, so that all that a source has up to the last ts of its block is known. What all
    sources know up to the smallest of these is complete and goes out: memory holds one block per source.
    """
    heads = [next(source, None) for source in sources]
    while live := [head for head in heads if head is not None]:
        horizon = min(head[0][-1] for head in live)
        parts: list[Columns] = []
        for place, head in enumerate(heads):
            if head is None:
                continue
            cut = int(np.searchsorted(head[0], horizon, side="right"))
            if cut:
                parts.append(tuple(column[:cut] for column in head))
            rest = tuple(column[cut:] for column in head)
            heads[place] = rest if len(rest[0]) else next(sources[place], None)
        yield _join(parts)


def _join(parts: list[Columns]) -> Columns:
    if len(parts) == 1:
        return parts[0]
    columns = tuple(np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(columns[0], kind="stable")
    return tuple(column[order] for column in columns)
