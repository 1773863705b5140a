"""Synthetic base tapes: the same bytes every time, never crossed, deep enough, and like what they imitate."""

from __future__ import annotations

import os
import statistics
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from backtester.engine.jit import kernel
from backtester.enums import EventKind
from backtester.errors import BacktesterError
from backtester.market.read import open_tape
from backtester.market.synth.generate import synth_events
from backtester.market.synth.profile import Profile, stored_profile
from backtester.market.synth.shipped import SHIPPED, Shipped, shipped_profile
from backtester.market.synth.state import bell, quantile, uniform
from backtester.market.synth.tape import DEFAULT_SEED, compared, find_profile, synth_tape
from backtester.shipped import data_dir

pytestmark = pytest.mark.skipif(
    os.environ.get("NUMBA_DISABLE_JIT", "0") != "0", reason="the stream needs integers that wrap around"
)

#: What has to be held of every recording, whatever else is; and the resilience that each one shows.
HELD = {
    *("spread_ticks", "touch_size", "level_size", "touch_change_share", "takers_per_s", "burst_half_life_s"),
    *("taker_size", "taker_size_p90", "taker_size_p99", "sweep_share", "prices_per_sweep"),
    *("depth 0.5 bps", "depth 1 bps", "levels 1 bps", "renewed 1 bps"),
}
RESILIENCE = {
    "hyperliquid-btc": {"spread_half_life_s", "depth_half_life_s", "touch_half_life_s"},
    "binance-usdm-btc": {"spread_half_life_s"},
}


class Replay(NamedTuple):
    """What a plain replay of a tape saw."""

    messages: int
    crossed: int
    worst_reach: float  # least distance of a side's last level from mid
    widest_hole: float  # largest step between neighbouring levels within 10 % of mid
    trades_off_touch: int  # trades that did not print at the best level then displayed
    unshown_trades: int  # trades whose level the next message did not lower by the traded size
    duplicates: int  # levels said twice in one message


@pytest.fixture(scope="module", params=SHIPPED, ids=lambda shipped: shipped.name)
def shipped(request: pytest.FixtureRequest) -> Shipped:
    chosen: Shipped = request.param
    return chosen


@pytest.fixture(scope="module")
def profile(shipped: Shipped) -> Profile:
    return shipped_profile(shipped)


@pytest.fixture(scope="module")
def short_tape(profile: Profile) -> NDArray[Any]:
    return synth_events(profile, seed=7, minutes=3.0)


@kernel
def fill(random: np.ndarray, shares: np.ndarray, values: np.ndarray, out: np.ndarray) -> None:
    """Draws of one stream: uniform in column 0, then bell in column 1, then quantile in column 2. Shape (n, 3)."""
    for i in range(len(out)):
        out[i, 0] = uniform(random)
    for i in range(len(out)):
        out[i, 1] = bell(random)
    for i in range(len(out)):
        out[i, 2] = quantile(random, shares, values)


@pytest.fixture(scope="module")
def draws() -> NDArray[np.float64]:
    out = np.zeros((20_000, 3))
    fill(np.zeros(1, np.uint64), np.array([0.0, 0.5, 1.0]), np.array([0.0, 10.0, 110.0]), out)
    return out


def test_the_stream_is_splitmix64(draws: NDArray[np.float64]) -> None:
    """The first two outputs for seed 0 are E220A8397B1DCDAF and 6E789E6AA1B965F4; the upper 53 bits make the float."""
    assert draws[0, 0] == (0xE220A8397B1DCDAF >> 11) / 2**53
    assert draws[1, 0] == (0x6E789E6AA1B965F4 >> 11) / 2**53


def test_bell_has_mean_0_and_variance_1(draws: NDArray[np.float64]) -> None:
    assert statistics.fmean(draws[:, 1]) == pytest.approx(0.0, abs=0.02)
    assert statistics.pvariance(draws[:, 1]) == pytest.approx(1.0, abs=0.03)


def test_quantile_draws_along_straight_lines(draws: NDArray[np.float64]) -> None:
    """Half of the draws from (0, 10, 110) at the shares (0, 0.5, 1) lie below 10, three quarters below 60."""
    drawn = draws[:, 2]
    assert drawn.min() >= 0.0 and drawn.max() <= 110.0
    assert np.count_nonzero(drawn < 10) / len(drawn) == pytest.approx(0.5, abs=0.01)
    assert np.count_nonzero(drawn < 60) / len(drawn) == pytest.approx(0.75, abs=0.01)


def test_same_seed_same_bytes_other_seed_other_bytes(tmp_path: Path) -> None:
    first = synth_tape("hyperliquid-btc", tmp_path / "a.parquet", seed=1, minutes=1.0)
    again = synth_tape("hyperliquid-btc", tmp_path / "b.parquet", seed=1, minutes=1.0)
    other = synth_tape("hyperliquid-btc", tmp_path / "c.parquet", seed=2, minutes=1.0)
    assert first.sha256 == again.sha256
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert first.sha256 != other.sha256
    assert first.file_bytes == (tmp_path / "a.parquet").stat().st_size


def test_a_longer_tape_begins_like_a_shorter_one(profile: Profile, short_tape: NDArray[Any]) -> None:
    shorter = synth_events(profile, seed=7, minutes=1.0)
    assert (short_tape[: len(shorter)] == shorter).all()


def test_replay(profile: Profile, short_tape: NDArray[Any]) -> None:
    seen = replay(short_tape)
    assert seen.messages > 1_000
    assert seen.crossed == 0
    assert seen.worst_reach >= 0.10
    assert seen.widest_hole < 0.005
    assert seen.trades_off_touch == 0
    assert seen.unshown_trades == 0
    assert seen.duplicates == 0


def test_the_tape_opens_with_one_marked_snapshot(short_tape: NDArray[Any]) -> None:
    snapshot = short_tape[short_tape["kind"] == EventKind.SNAPSHOT]
    assert (short_tape["kind"][: len(snapshot)] == EventKind.SNAPSHOT).all()
    assert (snapshot["side"][0], snapshot["tick"][0], snapshot["lots"][0]) == (0, 0, 0)
    assert (snapshot["side"][1:] != 0).all() and (snapshot["lots"][1:] > 0).all()


def test_the_index_is_told_on_its_grid_close_to_mid(profile: Profile, short_tape: NDArray[Any]) -> None:
    index = short_tape[short_tape["kind"] == EventKind.INDEX]
    every_ns = profile.index_every_s * 1_000_000_000
    assert index["ts"].tolist() == (short_tape["ts"][0] + every_ns * np.arange(len(index))).tolist()
    assert len(index) == 180 // profile.index_every_s
    trades = short_tape[short_tape["kind"] == EventKind.TRADE]
    last = trades["tick"][np.searchsorted(trades["ts"], index["ts"][15:]) - 1] * profile.instrument.tick_size
    assert np.abs(index["value"][15:] / last - 1).max() < 10e-4


def test_prices_and_sizes_are_the_floats_next_to_the_decimals(tmp_path: Path, profile: Profile) -> None:
    synth_tape(profile.name, tmp_path / "tape.parquet", seed=4, minutes=1.0)
    table = pq.read_table(tmp_path / "tape.parquet", columns=["kind", "price", "size"]).to_pylist()
    depth = [row for row in table if row["kind"] != "index"]
    decimals = {1.0: 0, 0.1: 1, 0.01: 2}[profile.instrument.tick_size], round(-np.log10(profile.instrument.lot_size))
    assert all(row["price"] == round(row["price"], decimals[0]) for row in depth)
    assert all(row["size"] == round(row["size"], decimals[1]) for row in depth)


def test_what_cannot_be_made_is_a_usage_error(tmp_path: Path) -> None:
    for arguments in (
        {"market": "nowhere-btc"},
        {"start_price": 1.0},
        {"minutes": 0.5},
        {"minutes": float("nan")},
        {"seed": -1},
    ):
        with pytest.raises(BacktesterError) as caught:
            synth_tape(**{"market": "hyperliquid-btc", "out": tmp_path / "no.parquet"} | arguments)  # type: ignore[arg-type]
        assert caught.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_the_shipped_tape_is_the_generated_one(shipped: Shipped, tmp_path: Path) -> None:
    file = data_dir() / f"{shipped.name}.parquet"
    assert file.stat().st_size <= 2_500_000
    made = synth_tape(shipped.name, tmp_path / file.name, shipped.seed)
    again = open_tape([made.path]).chunks()
    assert all((a == b).all() for a, b in zip(open_tape([file]).chunks(), again, strict=True))
    ours, theirs = pq.ParquetFile(made.path), pq.ParquetFile(file)
    assert ours.schema_arrow.equals(theirs.schema_arrow, check_metadata=True)
    assert theirs.schema_arrow.metadata[b"backtester.source"].startswith(b"synthetic: ")
    if ours.metadata.created_by == theirs.metadata.created_by:  # another Parquet writer, other bytes
        assert made.path.read_bytes() == file.read_bytes()


@pytest.mark.parametrize(("name", "minutes"), [("hyperliquid-btc", 240.0), ("binance-usdm-btc", 40.0)])
def test_the_model_resembles_the_recording(name: str, minutes: float) -> None:
    """Over hours, with a seed that nobody chose."""
    profile = stored_profile(name)
    rows = compared(profile, synth_events(profile, DEFAULT_SEED, minutes))
    assert [row for row in rows if not row.is_held] == []
    held = {row.figure for row in rows if row.recorded is not None and row.tolerance is not None}
    assert held >= HELD | RESILIENCE[name]


@pytest.mark.slow
def test_the_model_carried_over_resembles_the_recording(shipped: Shipped, profile: Profile) -> None:
    """To another price, size and pace: so long that as many takers come as above."""
    minutes = 240.0 if shipped.profile == "hyperliquid-btc" else 40.0 / shipped.takers
    rows = compared(profile, synth_events(profile, DEFAULT_SEED, minutes))
    assert [row for row in rows if not row.is_held] == []


def test_the_shipped_tape_resembles_the_recording(shipped: Shipped, profile: Profile) -> None:
    """Its minutes scatter around the model; a typical tape was chosen, so it is held to the same tolerances."""
    events = np.concatenate(list(open_tape([shipped.name]).chunks()))
    assert [row for row in compared(profile, events) if not row.is_held] == []


def test_a_price_to_start_from(tmp_path: Path) -> None:
    """50,000.04 is rounded to the tick of 0.1; the ladder keeps its distances in bps."""
    made = synth_tape("binance-usdm-btc", tmp_path / "a.parquet", minutes=1.0, start_price=50_000.04)
    first = next(open_tape([made.path]).chunks())
    snapshot = first[(first["kind"] == EventKind.SNAPSHOT) & (first["side"] != 0)]
    assert snapshot["tick"][snapshot["side"] == 1].max() == 500_000
    assert snapshot["tick"].min() < 500_000 * 0.9


def test_eth_is_btc_scaled() -> None:
    """0.591 of the notional at 4,021.3 instead of 117,014: 17.197 times the base units; 1.77 times the moves."""
    btc, eth = (shipped_profile(SHIPPED[i]) for i in (0, 1))
    for name in ("touch_size_p50", "taker_size_p99"):
        ratio = getattr(eth.recorded.figures, name) / getattr(btc.recorded.figures, name)
        assert ratio == pytest.approx(17.197, rel=1e-4)
    assert eth.tables.taker_size[-1] / btc.tables.taker_size[-1] == pytest.approx(17.197, rel=1e-4)
    assert eth.flow.diffusion_bps / btc.flow.diffusion_bps == pytest.approx(1.77)
    assert eth.recorded.figures.spread_ticks is None


def test_binance_is_slowed_to_the_minutes_before_the_crash() -> None:
    """1.4804 BTC per second from 20:30 to 20:50 (1,776.5 in 20 minutes) against 7.079 in the recording: 0.2091."""
    recorded, made = (find_profile("binance-usdm-btc").recorded.figures, shipped_profile(SHIPPED[2]).flow)
    assert recorded.takers_per_s is not None and recorded.taker_size is not None
    assert recorded.takers_per_s * recorded.taker_size == pytest.approx(1776.517 / 1_200, rel=0.01)
    assert made.takers_per_s > 0


def replay(events: NDArray[Any]) -> Replay:
    """Plays a tape with dicts, knowing nothing of the generator."""
    sides: dict[int, dict[int, int]] = {1: {}, -1: {}}
    messages = crossed = off_touch = unshown = duplicates = 0
    reach, hole = 1.0, 0.0
    traded: dict[tuple[int, int], int] = {}
    stamps = np.flatnonzero(np.r_[True, (np.diff(events["ts"]) != 0) | (np.diff(events["kind"]) != 0), True])
    for begin, end in pairwise(stamps.tolist()):
        rows = events[begin:end]
        if rows["kind"][0] == EventKind.TRADE:
            for side, tick, lots in zip(
                rows["side"].tolist(), rows["tick"].tolist(), rows["lots"].tolist(), strict=True
            ):
                resting = sides[-side]
                left = {level: have - traded.get((-side, level), 0) for level, have in resting.items()}
                best = (min if side == 1 else max)(level for level, have in left.items() if have > 0)
                off_touch += tick != best or lots > left[tick]
                traded[-side, tick] = traded.get((-side, tick), 0) + lots
        elif rows["kind"][0] <= EventKind.DELTA:
            before = {key: sides[key[0]][key[1]] for key in traded}
            said = [
                (side, tick) for side, tick in zip(rows["side"].tolist(), rows["tick"].tolist(), strict=True) if side
            ]
            duplicates += len(said) - len(set(said))
            for (side, tick), lots in zip(said, rows["lots"][rows["side"] != 0].tolist(), strict=True):
                if lots:
                    sides[side][tick] = lots
                else:
                    del sides[side][tick]
            unshown += sum(
                sides[side].get(tick, 0) > before[side, tick] - lots for (side, tick), lots in traded.items()
            )
            traded.clear()
            messages += 1
            bid, ask = max(sides[1]), min(sides[-1])
            crossed += bid >= ask
            mid = (bid + ask) / 2
            reach = min(reach, 1 - min(sides[1]) / mid, max(sides[-1]) / mid - 1)
            if messages % 200 == 1:
                for levels in sides.values():
                    near = np.sort([tick for tick in levels if abs(tick / mid - 1) <= 0.1])
                    hole = max(hole, float(np.diff(near).max() / mid))
    return Replay(messages, crossed, reach, hole, off_touch, unshown, duplicates)
