"""The engine's queue on two recordings: between what must and what can have happened, for every order."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from backtester.market.read import Tape
from scripts.real_queues import Place, Plan, Wait, measure, place, times
from scripts.real_takers import read
from tests.golden.recordings import binance_tape, hyperliquid_tape, needs_binance, needs_hyperliquid

S = 1_000_000_000

pytestmark = pytest.mark.compiled


def waits_on(make: Callable[[Path], Tape], directory: Path) -> list[Wait]:
    """Orders of 0.01 BTC, one every 5 s on each side, watched for 60 s."""
    instrument, events = read(make(directory / "tape.parquet"))
    return measure(instrument.spec, events, Plan(5 * S, 60 * S, round(0.01 / instrument.lot_size)))


def agree(waits: Sequence[Wait], count: int, filled: tuple[float, ...], medians: tuple[float, ...]) -> None:
    """The engine is never outside; shares filled and median waits, early, engine and late, are as measured."""
    assert len(waits) == count
    assert all(each.early_s <= each.engine_s <= each.late_s for each in waits)
    found = [times(column) for column in zip(*((w.early_s, w.engine_s, w.late_s) for w in waits), strict=True)]
    assert tuple(round(each.filled, 3) for each in found) == filled
    assert tuple(round(each.median, 1) for each in found) == medians
    # An order that is not filled in a minute was left behind by the market, not kept waiting by the queue.
    assert all(each.left for each in waits if math.isinf(each.engine_s))


@needs_hyperliquid
def test_waits_on_hyperliquid(tmp_path: Path) -> None:
    waits = waits_on(hyperliquid_tape, tmp_path)
    agree(waits, 810, filled=(0.802, 0.746, 0.725), medians=(7.6, 11.9, 16.7))
    assert place(waits) == Place(as_both=169, as_early=258, between=117, as_late=60)


@needs_binance
def test_waits_on_binance(tmp_path: Path) -> None:
    waits = waits_on(binance_tape, tmp_path)
    agree(waits, 112, filled=(0.929, 0.893, 0.884), medians=(2.0, 2.4, 2.4))
    assert place(waits) == Place(as_both=54, as_early=8, between=9, as_late=29)
