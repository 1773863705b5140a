"""What is measured of a tape, on ladders small enough to count by hand; and how two tapes are compared."""

from __future__ import annotations

import os
from collections.abc import Iterable

import numpy as np
import pytest
from numpy.typing import NDArray

from backtester.engine.events import EVENT
from backtester.enums import EventKind
from backtester.errors import BacktesterError
from backtester.market.synth.compare import TOLERANCES, Compared, compare, misfit
from backtester.market.synth.figures import BANDS_BPS, Bands, Figures, Portrait
from backtester.market.synth.measure import Yardstick, measure
from backtester.market.synth.resilience import half_life
from backtester.market.synth.views import group_takers

pytestmark = pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT", "0") != "0", reason="minutes of interpreted kernel")

MS = 1_000_000
LOT = 0.1
Row = tuple[int, EventKind, int, int, int]  # ms, kind, side, tick, lots


def tape(rows: Iterable[Row]) -> NDArray[np.void]:
    """Events of one instrument."""
    listed = list(rows)
    events = np.zeros(len(listed), EVENT)
    for event, (ms, kind, side, tick, lots) in zip(events, listed, strict=True):
        event["ts"], event["kind"], event["side"], event["tick"], event["lots"] = ms * MS, kind, side, tick, lots
    return events


def ladder(ms: int, kind: EventKind, best: dict[int, int] | None = None) -> list[Row]:
    """A whole ladder around 10,000 ticks, a tick is 1 bps: 25 levels a side of 5 lots, 10 at the best price."""
    sizes = {side: 10 for side in (1, -1)} | (best or {})
    rows: list[Row] = [(ms, kind, 0, 0, 0)] if kind == EventKind.SNAPSHOT else []
    for side in (1, -1):
        first = 10_000 if side == 1 else 10_001
        rows += [(ms, kind, side, first - side * k, sizes[side] if k == 0 else 5) for k in range(25)]
    return rows


def quiet(seconds: int, every_ms: int = 100) -> list[Row]:
    """Nothing moves: a message every 100 ms that changes one far level, a taker of 2 lots each second."""
    rows = ladder(0, EventKind.SNAPSHOT)
    for ms in range(every_ms, seconds * 1_000, every_ms):
        if ms % 1_000 == 500:
            rows.append((ms - 10, EventKind.TRADE, 1, 10_001, 2))
        rows.append((ms, EventKind.DELTA, 1, 9_990, 5 + ms // every_ms % 2))
    return rows


def test_a_quiet_market() -> None:
    own = measure(tape(quiet(120)), LOT)
    assert own.yardstick.look_ms == 100 and own.yardstick.ticks_per_bps == pytest.approx(1.0, rel=2e-3)
    figures, bands = measure(tape(quiet(120)), LOT, Yardstick(100, 1.0)).portrait
    assert figures.messages_per_s == 10.0
    assert (figures.spread_ticks, figures.wide_share, figures.still_share, figures.touch_change_share) == (1, 0, 1, 0)
    assert (figures.touch_size, figures.touch_size_p90, figures.level_size_p50) == (1.0, 1.0, 0.5)
    assert (figures.taker_size, figures.sweep_share) == (0.2, 0.0)
    assert figures.takers_per_s == pytest.approx(120 / 119.9)
    assert figures.move_1s_bps == 0.0 and figures.burstiness == pytest.approx(0.0)
    assert figures.prices_per_sweep is None and figures.spread_half_life_s is None
    at = BANDS_BPS.index
    assert bands.depth[at(1.0)] == pytest.approx(0.5) and bands.depth[at(3.0)] == pytest.approx(1.5)
    assert bands.levels[at(5.0)] == pytest.approx(2.0)  # 4 and 5 ticks away
    assert bands.renewed[at(5.0)] == 0.0
    assert bands.renewed[at(10.0)] == pytest.approx(0.1, abs=0.02)  # one of five levels, on one of two sides
    assert bands.depth[at(20.0)] is not None and bands.depth[at(50.0)] is None  # the snapshot ends 24 ticks away


def test_a_snapshot_replaces_the_ladder() -> None:
    """What it does not name is gone: the levels of the first one would lie inside the second one's spread."""
    rows = quiet(30)
    ms = rows[-1][0] + 100
    rows += [(ms, EventKind.SNAPSHOT, 0, 0, 0)]
    rows += [(ms, EventKind.SNAPSHOT, side, 10_000 - side * (5 + k), 5) for side in (1, -1) for k in range(25)]
    events = tape([*rows, *((ms + k * 100, EventKind.DELTA, 1, 9_971, 5 + k % 2) for k in range(1, 300))])
    events = np.concatenate((events, tape([(ms + 30_000, EventKind.TRADE, 1, 10_005, 1)] * 80)))
    figures = measure(events, LOT).portrait.figures
    assert figures.wide_share == pytest.approx(0.5, abs=0.02) and figures.spread_ticks == pytest.approx(5.5, abs=0.1)


def test_takers_are_the_trades_of_one_stamp_and_side() -> None:
    takers = group_takers(
        np.array([1, 1, 1, 2, 2]),
        np.array([1, 1, -1, -1, -1], np.int8),
        np.array([10, 11, 9, 9, 9]),
        np.array([1.0, 2.0, 4.0, 8.0, 16.0]),
    )
    assert takers.ts_ms.tolist() == [1, 1, 2] and takers.side.tolist() == [1, -1, -1]
    assert takers.size.tolist() == [3.0, 4.0, 24.0] and takers.prices.tolist() == [2, 1, 1]


def sweeping(after: dict[int, int]) -> list[Row]:
    """Every 20 s a taker sweeps two asks; `after` says the size of the best ask so many ms later."""
    rows = ladder(0, EventKind.SNAPSHOT, best={1: 100, -1: 100})
    for ms in range(100, 1_200_000, 100):
        since = ms % 20_000 - 10_000
        if since == 0:
            rows += [(ms - 50, EventKind.TRADE, 1, 10_001, 90), (ms - 50, EventKind.TRADE, 1, 10_002, 1)]
        if ms % 20_000 == 0:
            rows.append((ms - 50, EventKind.TRADE, -1, 10_000, 1))
        rows.append((ms, EventKind.DELTA, -1, 10_001, size_at(after, since)))
    return rows


def size_at(after: dict[int, int], since: int) -> int:
    """The last size said at or before `since`."""
    return next((after[at] for at in sorted(after, reverse=True) if at <= since), 100)


def test_resilience_is_the_time_from_the_largest_effect_to_half_of_it() -> None:
    """The best ask falls from 100 to 20 lots at a sweep, is 20 for 0.5 s, then 90 until 2 s, then 100 again."""
    figures = measure(tape(sweeping({0: 20, 500: 90, 2_000: 100})), LOT, Yardstick(100, 1.0)).portrait.figures
    assert figures.sweep_share == pytest.approx(0.5, abs=0.01) and figures.prices_per_sweep == 2.0
    assert figures.sweep_runs_per_s == pytest.approx(0.05, rel=0.03)
    assert figures.touch_half_life_s == pytest.approx(0.5, abs=0.15)
    assert figures.depth_half_life_s == pytest.approx(0.5, abs=0.15)
    assert figures.spread_half_life_s is None  # the spread never changes
    assert figures.swept_depth_share == pytest.approx(25 / 103.6, rel=0.01)  # bids 105, asks 102.25 lots on average


@pytest.mark.parametrize(
    ("effect", "expected"),
    [([8.0, 6.0, 2.0], 2.0), ([1.0, 8.0, 4.0], 2.0), ([8.0, 7.0, 5.0], None), ([1.0, 0.5, 0.0], None)],
)
def test_half_life(effect: list[float], expected: float | None) -> None:
    """On straight lines between 1, 2 and 4 s; None if it never halves, or if it is below a fifth of the usual 10."""
    assert half_life([1.0, 2.0, 4.0], effect, 10.0) == expected


@pytest.mark.parametrize("rows", [ladder(0, EventKind.SNAPSHOT), quiet(2), quiet(30)[:20]])
def test_too_little_to_measure_is_a_data_error(rows: list[Row]) -> None:
    with pytest.raises(BacktesterError) as caught:
        measure(tape(rows), LOT)
    assert caught.value.exit_code == 4


def portrait(**figures: float) -> Portrait:
    nothing = (None,) * len(BANDS_BPS)
    depth = (2.0, *nothing[1:])
    return Portrait(Figures(**dict.fromkeys(Figures._fields) | figures), Bands(depth, nothing, nothing))


def test_compare_and_misfit() -> None:
    """Twice the rate at 15 % is log 2 / log 1.15 = 4.96 tolerances, equal depth is none; what is missing counts 5."""
    recorded, made = portrait(takers_per_s=1.0, sweep_share=0.1), portrait(takers_per_s=2.0, wide_share=9.0)
    rows = {row.figure: row for row in compare(recorded, made)}
    assert rows["takers_per_s"] == Compared("takers_per_s", 1.0, 2.0, 0.15)
    assert rows["takers_per_s"].off == 1.0 and not rows["takers_per_s"].is_held
    assert rows["depth 0.2 bps"].is_held and "depth 0.5 bps" not in rows
    assert misfit(recorded, made) == pytest.approx(4.9595**2 + 25.0, rel=1e-4)
    assert set(TOLERANCES) == {*Figures._fields, *Bands._fields}
