"""A tape at another price level: the worked example, and what stays however far it is moved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtester.engine.events import EVENT
from backtester.enums import EventKind
from backtester.errors import BacktesterError
from backtester.market.move import Move, moved_events
from backtester.market.read import open_tape
from tests.unit.market_tapes import BTC, ETH, Row, join, write


def events(*rows: tuple[EventKind, int, int, float]) -> np.ndarray:
    """EVENT records of instrument 0 from (kind, tick, lots, value)."""
    out = np.zeros(len(rows), EVENT)
    for row, (kind, tick, lots, value) in zip(out, rows, strict=True):
        row["kind"], row["tick"], row["lots"], row["value"] = kind, tick, lots, value
    return out


def test_the_worked_example() -> None:
    """A bid of 2 BTC at 117,040.9, moved so that 117,041.0 is 68,000: 3.442 BTC at 67,999.95."""
    move = Move(BTC, first=117_041.0, price=68_000.0)
    (row,) = moved_events(events((EventKind.SNAPSHOT, 1_170_409, 2_000, 0.0)), [move])
    assert (move.tick_parts, move.lot_parts) == (2, 1)
    assert (move.moved.tick_size, move.moved.lot_size) == (0.05, 0.001)
    assert (row["tick"] * 0.05, row["lots"]) == (pytest.approx(67_999.95), 3_442)
    assert row["tick"] * 0.05 * row["lots"] * 0.001 == pytest.approx(117_040.9 * 2.0, rel=2e-4)


@given(
    factor=st.floats(0.001, 1_000.0),
    tick=st.integers(1, 10_000),
    lots=st.integers(1, 10_000_000),
)
def test_no_two_levels_become_one_and_none_is_lost(factor: float, tick: int, lots: int) -> None:
    move = Move(BTC, first=1.0, price=factor)
    delta = EventKind.DELTA
    here, above, gone = moved_events(
        events((delta, tick, lots, 0.0), (delta, tick + 1, lots + 1, 0.0), (delta, tick, 0, 0.0)), [move]
    )
    assert above["tick"] > here["tick"] == gone["tick"]
    assert above["lots"] > here["lots"] > gone["lots"] == 0
    assert abs(here["tick"] / move.tick_parts - tick * factor) <= 0.5 / move.tick_parts * (1 + 1e-9)
    assert abs(here["lots"] / move.lot_parts - lots / factor) <= 0.5 / move.lot_parts * (1 + 1e-9)


def test_prices_move_and_rates_and_codes_stay() -> None:
    rows = events(
        (EventKind.MARK, 0, 0, 100.0),
        (EventKind.INDEX, 0, 0, 101.0),
        (EventKind.FUNDING, 0, 3_600, 0.0001),
        (EventKind.STATUS, 0, 2, 0.0),
    )
    out = moved_events(rows, [Move(BTC, first=100.0, price=50.0)])
    assert out["value"].tolist() == [50.0, 50.5, 0.0001, 0.0]
    assert out["lots"].tolist() == [0, 0, 3_600, 2]


def test_only_what_was_asked_for_moves(tmp_path: Path) -> None:
    rows = [Row(1, "BTC", "delta", 1, 100.1, 0.003), Row(2, "ETH", "delta", 1, 10.0, 1.0)]
    tape = open_tape([write(tmp_path / "t.parquet", rows, [BTC, ETH])])
    moved = tape.made_by([Move(BTC, first=100.0, price=200.0), Move(ETH)])
    assert [each.tick_size for each in moved.instruments] == [0.1, 0.01]
    assert [each.lot_size for each in moved.instruments] == [0.0005, 0.01]
    assert join(moved.chunks())[["tick", "lots"]].tolist() == [(2_002, 3), (1_000, 100)]
    assert join(tape.chunks())[["tick", "lots"]].tolist() == [(1_001, 3), (1_000, 100)]


@pytest.mark.parametrize(
    "row", [(EventKind.DELTA, 1 << 26, 1, 0.0), (EventKind.INDEX, 0, 0, 1e12)], ids=["tick", "index"]
)
def test_what_no_ladder_holds_is_refused(row: tuple[EventKind, int, int, float]) -> None:
    with pytest.raises(BacktesterError, match="BTC: a price or size of the tape is too large once its prices"):
        moved_events(events(row), [Move(BTC, first=1.0, price=3.0)])


@pytest.mark.parametrize("price", [1e-12, 1e12])
def test_nothing_wraps_at_the_ends_of_what_a_price_may_be(price: float) -> None:
    """1e17 times as many lots, or ten million times as many ticks: refused before they are made whole numbers."""
    delta, move = EventKind.DELTA, Move(BTC, first=100_000.0, price=price)
    with pytest.raises(BacktesterError, match="BTC: a price or size of the tape is too large once its prices"):
        moved_events(events((delta, 1_001, 1 << 44, 0.0), (delta, 1 << 27, 0, 0.0)), [move])
