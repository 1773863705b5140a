"""The curve of trading for a VWAP plan: from the tape as it is, or from the path that it runs under."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backtester.errors import BacktesterError
from backtester.market.read import Tape, open_tape
from backtester.run.volumes import Slices, Volumes
from backtester.scenario.path import ANY, Scenario, Series
from tests.unit.market_tapes import Row
from tests.unit.run_cases import BTC, START, S, tape


@pytest.fixture
def traded(tmp_path: Path) -> Tape:
    """Ten seconds, in which 2 BTC are traded at 1 s, 1 at 4 s exactly, 5 a nanosecond before 8 s."""
    sizes = ((START + S, 2.0), (START + 4 * S, 1.0), (START + 8 * S - 1, 5.0))
    rows = [Row(ts, "BTC", "trade", 1, 50_001.0, size) for ts, size in sizes]
    return open_tape([str(tape(tmp_path, more=rows))], ())


def path(**columns: tuple[tuple[float, float], ...]) -> Scenario:
    """A path of ten seconds with knots (second, value)."""
    series = tuple(
        Series(ANY, ANY, name, np.array([int(t * S) for t, _ in knots]), np.array([value for _, value in knots]))
        for name, knots in columns.items()
    )
    return Scenario("x", "x", "HYPT", START, START + 10 * S, ((0, S),), series)


def test_the_tape_as_it_is_counts_what_is_traded_in_each_slice(traded: Tape) -> None:
    lots = 1 / BTC.lot_size
    assert Volumes(traded, None).curve(0, Slices(START, 4 * S, 2)) == pytest.approx((2 * lots, 6 * lots))
    assert Volumes(traded, None).curve(0, Slices(START + S, S, 4)) == pytest.approx((2 * lots, 0.0, 0.0, lots))


def test_a_path_says_volume_times_intensity_averaged_over_each_slice(traded: Tape) -> None:
    """1 up to the middle of the second slice, then 3: 1 and 2; with twice as many trades from the second on: 1, 4."""
    volume = ((0.0, 1.0), (6.0, 3.0))
    slices = Slices(START, 4 * S, 2)
    assert Volumes(traded, path(volume_mult=volume)).curve(0, slices) == (1.0, 2.0)
    both = path(volume_mult=volume, trade_intensity=((0.0, 1.0), (4.0, 2.0)))
    assert Volumes(traded, both).curve(0, slices) == (1.0, 4.0)
    assert Volumes(traded, both).curve(0, Slices(START + S, 2 * S, 4)) == (1.0, 1.5, 4.0, 6.0)


def test_a_path_that_says_nothing_of_trading_is_flat(traded: Tape) -> None:
    assert Volumes(traded, path()).curve(0, Slices(START, S, 10)) == (1.0,) * 10


@pytest.mark.parametrize(
    ("slices", "why"),
    [
        (Slices(START, S, 10), "the run ends before the plan"),  # the tape's last row is at 9 s
        (Slices(START + 5 * S, S, 2), "nothing is traded while the plan runs"),
    ],
)
def test_what_cannot_be_known(traded: Tape, slices: Slices, why: str) -> None:
    with pytest.raises(BacktesterError) as caught:
        Volumes(traded, None).curve(0, slices)
    assert str(caught.value) == (
        f"error[data] BTC: the curve of its trading is not known: {why}\n  hint: give weights: curve = [1, 3, 2]"
    )


def test_a_path_that_ends_before_the_plan(traded: Tape) -> None:
    with pytest.raises(BacktesterError, match="the run ends before the plan"):
        Volumes(traded, path()).curve(0, Slices(START, S, 11))
