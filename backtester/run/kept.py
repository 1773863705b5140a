"""The events of a pass, for those who want them more than once: kept where they fit, otherwise made anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

#: Ten million events: two hours of two busy markets. To make a stressed tape takes four times as long as to replay it.
KEPT_BYTES = 400_000_000


class Kept:
    """Chunks that `make` makes anew at every call, and that go by at least once."""

    def __init__(self, make: Callable[[], Iterator[np.ndarray]], most_bytes: int = KEPT_BYTES) -> None:
        self._make, self._most_bytes = make, most_bytes
        self._chunks: list[np.ndarray] | None = None

    def first(self) -> Iterator[np.ndarray]:
        """The chunks, kept if all of them fit."""
        chunks, left = list[np.ndarray](), self._most_bytes
        for chunk in self._make():
            left -= chunk.nbytes
            if left < 0:
                chunks.clear()
            else:
                chunks.append(chunk)
            yield chunk
        self._chunks = None if left < 0 else chunks

    def again(self) -> Iterator[np.ndarray]:
        """The same chunks from the beginning."""
        return iter(self._chunks) if self._chunks is not None else self._make()
