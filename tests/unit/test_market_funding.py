"""Recorded funding in its place (RULES 7.4)."""

from __future__ import annotations

import numpy as np
import pytest

from backtester.engine.events import EVENT
from backtester.enums import EventKind
from backtester.market.funding import in_place, offsets, placed

S = 1_000_000_000
HOUR = 3600 * S


def rows(*said: tuple[int, int], instrument: int = 0) -> np.ndarray:
    """Funding records (ts, hours to the next)."""
    events = np.zeros(len(said), EVENT)
    events["kind"], events["instrument"] = EventKind.FUNDING, instrument
    for n, (ts, hours) in enumerate(said):
        events[n]["ts"], events[n]["lots"] = ts, hours * 3600
    return events


def test_a_late_or_early_stamp_belongs_to_the_nearest_funding_time() -> None:
    recorded = rows((16 * HOUR + 3_000_000, 8), (24 * HOUR - 5, 8), (32 * HOUR + 61 * S, 8))
    assert offsets(recorded).tolist() == [3_000_000, -5, 61 * S]
    assert in_place(recorded).rows["ts"].tolist() == [16 * HOUR, 24 * HOUR]


def test_the_first_row_keeps_its_own_interval() -> None:
    """Before it is its past, after it the next row."""
    funding = in_place(rows((16 * HOUR, 8), (20 * HOUR, 4)))
    assert funding.rows["lots"].tolist() == [4 * 3600, 4 * 3600]
    assert funding.firsts["lots"].tolist() == [8 * 3600]


@pytest.mark.parametrize(
    ("said", "hours", "hole"),
    [
        ([(12, 4), (16, 4), (24, 8)], [4, 8, 8], None),  # the interval grows
        ([(8, 8), (16, 8), (20, 4)], [8, 4, 4], None),  # the interval shrinks
        ([(12, 4), (20, 4)], [4, 4], 16),
        ([(8, 8), (20, 4)], [8, 4], 16),
        ([(8, 8), (8, 8), (16, 8)], [8, 8], None),  # one row twice
        ([(4, 8), (12, 8), (20, 8)], [8, 8, 8], None),  # every 8 hours, but not at midnight
    ],
)
def test_how_long_it_is_to_the_next(said: list[tuple[int, int]], hours: list[int], hole: int | None) -> None:
    funding = in_place(rows(*((ts * HOUR, every) for ts, every in said)))
    assert (funding.rows["lots"] // 3600).tolist() == hours
    assert funding.holes == (() if hole is None else ((0, hole * HOUR),))


def test_instruments_do_not_see_each_other() -> None:
    both = np.concatenate([rows((8 * HOUR, 8), (16 * HOUR, 8)), rows((12 * HOUR, 4), (16 * HOUR, 4), instrument=1)])
    funding = in_place(both)
    assert funding.rows["instrument"].tolist() == [0, 1, 0, 1]
    assert funding.holes == ()


def test_rows_stand_behind_all_that_has_their_time() -> None:
    chunks = [np.zeros(3, EVENT), np.zeros(2, EVENT)]
    chunks[0]["ts"], chunks[1]["ts"] = [1, 2, 2], [5, 6]
    chunks[1]["kind"][0] = EventKind.FUNDING  # the one that was moved
    moved = rows((2, 1), (4, 1), (7, 1))
    found = [chunk[["ts", "kind"]].tolist() for chunk in placed(chunks, moved)]
    fund = int(EventKind.FUNDING)
    assert found == [[(1, 0), (2, 0), (2, 0), (2, fund)], [(4, fund), (6, 0)]]
