"""Chunks that are made ahead are the chunks that were asked for."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest

from backtester.run.ahead import ahead


def chunks(count: int, made: list[int]) -> Iterator[np.ndarray]:
    for n in range(count):
        made.append(n)
        yield np.full(2, n)
    if count > 3:
        raise ValueError("the tape ends here")


def test_the_same_chunks_in_the_same_order() -> None:
    assert [chunk.tolist() for chunk in ahead(chunks(3, []))] == [[0, 0], [1, 1], [2, 2]]


def test_what_is_wrong_with_a_chunk_is_raised_where_it_is_taken() -> None:
    stream = ahead(chunks(4, []))
    assert [int(next(stream)[0]) for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="ends here"):
        next(stream)


def test_one_chunk_is_made_ahead_and_no_more() -> None:
    made: list[int] = []
    stream = ahead(chunks(3, made))
    next(stream)
    for _ in range(500):  # until the other thread has made the next, and could make more
        if len(made) > 1:
            break
        time.sleep(0.01)
    stream.close()
    assert made == [0, 1]
