"""Whatever a tape shows: the scaled ladder is the sum of what it is made of, on its grid, and never crossed."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from backtester.engine.events import EVENT
from backtester.enums import EventKind
from backtester.market.move import Move, Stated
from backtester.market.scaled import Mover
from backtester.market.schema import TapeInstrument

ETH = TapeInstrument("venue", "ETH", "ETH", tick_size=0.1, lot_size=0.001)
MID = 40_000

moves = st.builds(
    lambda price, tick, share, spread: Move(
        ETH, 4_000.0, price, "SOL", Stated(price, price * tick, 0.01, share, spread)
    ),
    price=st.sampled_from([0.23372, 2.7, 207.44, 12_345.0]),
    tick=st.sampled_from([1e-6, 3e-5, 1e-3]),
    share=st.floats(0.001, 2.0),
    spread=st.floats(0.0, 20.0),
)
#: (is a new snapshot, side, distance from mid in ticks, lots)
levels = st.tuples(st.integers(0, 12).map(lambda n: n == 0), st.sampled_from([1, -1]), st.integers(1, 60))
messages = st.lists(st.tuples(levels, st.integers(0, 5_000)), min_size=1, max_size=60)


def tape(said: list[tuple[tuple[bool, int, int], int]]) -> np.ndarray:
    """EVENT[n] of one instrument, one message a row: a ladder around a mid that stays, so it is never crossed."""
    rows = [
        (ts, MID - side * away, lots, 0.0, 0, EventKind.SNAPSHOT if new else EventKind.DELTA, side)
        for ts, ((new, side, away), lots) in enumerate(said, 1)
    ]
    return np.array(rows, EVENT)


@given(messages, moves)
def test_the_ladder_is_the_scaled_sum_and_never_crossed(
    said: list[tuple[tuple[bool, int, int], int]], move: Move
) -> None:
    source, grid = tape(said), move.moved
    lender, shown = dict[tuple[int, int], int](), dict[tuple[int, int], int]()
    for row, out in zip(source, Mover([move]).moved(source), strict=True):
        if row["kind"] == EventKind.SNAPSHOT:
            lender, shown = {}, {}
        lender[int(row["side"]), int(row["tick"])] = int(row["lots"])
        shown[int(out["side"]), int(out["tick"])] = int(out["lots"])
        sums = defaultdict[tuple[int, int], int](int)
        for (side, tick), lots in lender.items():
            exact = tick * 0.1 * move.factor / grid.tick_size * (1.0 - side * move.half_spread)
            near = round(exact)
            outward = math.floor(exact) if side > 0 else math.ceil(exact)
            sums[side, max(1, near if abs(exact - near) < 1e-7 else outward)] += lots
        assert {key for key, lots in shown.items() if lots} == {key for key, lots in sums.items() if lots}
        for key, lots in sums.items():
            money = lots * 0.001 * move.stated.share / move.factor / grid.lot_size if move.stated else 0.0
            assert abs(shown[key] - money) <= max(1.0 - min(money, 1.0), 0.5) + 1e-6 * money
        bids, asks = ([tick for (side, tick), lots in shown.items() if lots and side == k] for k in (1, -1))
        assert not bids or not asks or max(bids) < min(asks)


@given(messages, moves, st.integers(0, 60))
def test_how_a_tape_is_cut_changes_nothing(said: list[tuple[tuple[bool, int, int], int]], move: Move, cut: int) -> None:
    source, mover = tape(said), Mover([move])
    parts = np.concatenate([mover.moved(source[:cut]), mover.moved(source[cut:])])
    assert parts.tolist() == Mover([move]).moved(source).tolist()
