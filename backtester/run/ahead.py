"""A tape is made while the engine works: the next chunk is ready when the last one is done."""

from __future__ import annotations

from collections.abc import Generator, Iterable

import numpy as np

from backtester.run.threads import threads


def ahead(chunks: Iterable[np.ndarray]) -> Generator[np.ndarray, None, None]:
    """The same chunks in the same order, each made by another thread while the one before it is in use."""
    source = iter(chunks)
    with threads(1) as maker:
        coming = maker.submit(next, source, None)
        while (chunk := coming.result()) is not None:
            coming = maker.submit(next, source, None)
            yield chunk
