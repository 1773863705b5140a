"""Chunks go by as often as somebody wants them; those that fit are made once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from backtester.run.kept import Kept


class Maker:
    """Three chunks of eight bytes, and how often they were made."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self) -> Iterator[np.ndarray]:
        self.made += 1
        return iter([np.array([n]) for n in range(3)])


@pytest.mark.parametrize(("room", "made"), [(24, 1), (23, 3), (0, 3)])
def test_what_fits_is_made_once(room: int, made: int) -> None:
    maker = Maker()
    kept = Kept(maker, room)
    for chunks in (kept.first, kept.again, kept.again):
        assert [int(chunk[0]) for chunk in chunks()] == [0, 1, 2]
    assert maker.made == made


def test_what_did_not_go_by_whole_is_made_anew() -> None:
    maker = Maker()
    kept = Kept(maker)
    next(kept.first())
    assert len(list(kept.again())) == 3 and maker.made == 2
