"""Synthetic base tapes: the same bytes every time, never crossed, deep enough, and like the recording they imitate."""

from __future__ import annotations

import csv
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
from backtester.market.synth import DEFAULT_MINUTES, DEFAULT_SEED, find_profile, synth_events, synth_tape
from backtester.market.synth_figures import LEVELS, Samples, Takers, figures, group_takers, tape_figures
from backtester.market.synth_kernel import bell, quantile, uniform
from backtester.market.synth_profiles import BTC, ETH, PROFILES, SHARES, Figures, Profile
from backtester.shipped import data_dir

RECORDINGS = Path(__file__).resolve().parents[3] / "shared" / "data"
HYPERLIQUID = RECORDINGS / "hyperliquid_l2"
BINANCE_DEPTH = RECORDINGS / "oct10" / "BTCUSDT-bookDepth-2025-10-10.csv"

pytestmark = pytest.mark.skipif(
    os.environ.get("NUMBA_DISABLE_JIT", "0") != "0", reason="the stream needs integers that wrap around"
)
needs_recordings = pytest.mark.skipif(not HYPERLIQUID.is_dir(), reason=f"no recordings in {RECORDINGS}")

#: How far a figure of the model may be from the recording's, as a share of the latter: 15 %, but
TOLERANCES = {
    "level_size": 0.25,  # the recording has more in its 17th to 20th level than the depth curve
    "sweep_share": 0.45,  # takers do not wait for a thin touch
    "prices_per_taker": 0.4,
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


@pytest.fixture(scope="module", params=PROFILES, ids=lambda profile: profile.symbol)
def profile(request: pytest.FixtureRequest) -> Profile:
    chosen: Profile = request.param
    return chosen


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


def test_the_index_is_told_every_3_s_close_to_mid(profile: Profile, short_tape: NDArray[Any]) -> None:
    index = short_tape[short_tape["kind"] == EventKind.INDEX]
    assert index["ts"].tolist() == (short_tape["ts"][0] + 3_000_000_000 * np.arange(len(index))).tolist()
    assert len(index) == 60
    trades = short_tape[short_tape["kind"] == EventKind.TRADE]
    last = trades["tick"][np.searchsorted(trades["ts"], index["ts"][5:]) - 1] * profile.tick_size
    assert np.abs(index["value"][5:] / last - 1).max() < 10e-4


def test_prices_and_sizes_are_the_floats_next_to_the_decimals(tmp_path: Path, profile: Profile) -> None:
    synth_tape(profile.name, tmp_path / "tape.parquet", seed=4, minutes=1.0)
    table = pq.read_table(tmp_path / "tape.parquet", columns=["kind", "price", "size"]).to_pylist()
    depth = [row for row in table if row["kind"] != "index"]
    decimals = {1.0: 0, 0.1: 1}[profile.tick_size], {1e-5: 5, 1e-4: 4}[profile.lot_size]
    assert all(row["price"] == round(row["price"], decimals[0]) for row in depth)
    assert all(row["size"] == round(row["size"], decimals[1]) for row in depth)


def test_what_cannot_be_made_is_a_usage_error(tmp_path: Path) -> None:
    for arguments in ({"profile": "nowhere-btc"}, {"minutes": 0.5}, {"minutes": float("nan")}, {"seed": -1}):
        with pytest.raises(BacktesterError) as caught:
            synth_tape(**{"profile": "hyperliquid-btc", "out": tmp_path / "no.parquet"} | arguments)  # type: ignore[arg-type]
        assert caught.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [profile.name for profile in PROFILES])
def test_the_shipped_tape_is_the_generated_one(name: str, tmp_path: Path) -> None:
    shipped = data_dir() / f"{name}.parquet"
    assert shipped.stat().st_size <= 5_000_000
    made = synth_tape(name, tmp_path / shipped.name, DEFAULT_SEED, DEFAULT_MINUTES)
    chunks = list(open_tape([shipped]).chunks())
    assert (np.concatenate(chunks) == synth_events(find_profile(name), DEFAULT_SEED, DEFAULT_MINUTES)).all()
    ours, theirs = pq.ParquetFile(made.path), pq.ParquetFile(shipped)
    assert ours.schema_arrow.equals(theirs.schema_arrow, check_metadata=True)
    assert theirs.schema_arrow.metadata[b"backtester.source"].startswith(b"synthetic: ")
    if ours.metadata.created_by == theirs.metadata.created_by:  # another Parquet writer, other bytes
        assert made.path.read_bytes() == shipped.read_bytes()


def test_the_model_resembles_the_recording(profile: Profile) -> None:
    """Over four hours; the 25 minutes of a shipped tape scatter around that as the recording does."""
    made = tape_figures(synth_events(profile, DEFAULT_SEED, minutes=240.0), profile.lot_size)
    assert misses(made, profile.recorded) == []


def test_eth_is_btc_scaled() -> None:
    """0.591 of the notional at 4,021.3 instead of 117,014: 17.197 times the base units; 1.77 times the moves."""
    assert (BTC.recorded.taker_size, ETH.recorded.taker_size) == pytest.approx((0.2314, 3.9794), rel=1e-4)
    assert (BTC.recorded.move_1s_bps, ETH.recorded.move_1s_bps) == pytest.approx((0.427, 0.7558), rel=1e-4)
    assert ETH.recorded.spread_ticks is None


@needs_recordings
def test_the_recorded_figures_are_those_of_the_recording() -> None:
    measured = figures(recorded_samples(), recorded_takers())
    for name in Figures._fields:
        value = getattr(measured, name)
        if value is not None:
            assert getattr(BTC.recorded, name) == pytest.approx(value, rel=0.01), name
    stamps = np.unique(column(HYPERLIQUID / "prices_BTC.csv", "exchange_timestamp"))
    updates_per_s = (len(stamps) - 1) / (stamps[-1] - stamps[0]) * 1_000
    assert BTC.recorded.touch_updates_per_s == pytest.approx(updates_per_s, rel=0.01)


@needs_recordings
def test_the_tables_of_quantiles_are_those_of_the_recording() -> None:
    samples, takers = recorded_samples(), recorded_takers()
    beyond = samples.size[:, :, 1:].ravel()
    gaps = np.diff(np.unique(column(HYPERLIQUID / "prices_BTC.csv", "exchange_timestamp")))
    for table, values in (
        (BTC.touch_size, samples.size[:, :, 0].ravel()),
        (BTC.level_noise, beyond / beyond.mean()),
        (BTC.taker_size, takers.size),
        (BTC.message_gap_ms, gaps[gaps < 2_000]),  # one gap of 17.5 s is the recorder's
    ):
        assert table == pytest.approx(np.quantile(values, SHARES), rel=0.01, abs=2e-4)


@needs_recordings
def test_the_depth_curve_follows_the_recorded_depth_at_1_to_5_percent() -> None:
    """Median of the mean of both sides, 00:00-15:00 UTC, times 0.1515; the touch is not part of the curve."""
    depth: dict[str, dict[str, float]] = {}
    with BINANCE_DEPTH.open() as lines:
        for row in csv.DictReader(lines):
            if row["timestamp"] < "2025-10-10 15:00":
                depth.setdefault(row["timestamp"], {})[row["percentage"]] = float(row["depth"])
    whole = [each for each in depth.values() if len(each) == 10]
    for percent in range(1, 6):
        median = statistics.median((each[f"{percent}"] + each[f"-{percent}"]) / 2 for each in whole)
        knot = BTC.depth_size[BTC.depth_bps.index(100 * percent)]
        assert knot + 10.26 == pytest.approx(0.1515 * median, rel=0.01)


def misses(made: Figures, wanted: Figures) -> list[str]:
    """Figures outside their tolerance."""
    return [
        f"{name} {value:.4g} instead of {target:.4g}"
        for name, value, target in zip(Figures._fields, made, wanted, strict=True)
        if target is not None and value is not None and abs(value / target - 1) > TOLERANCES.get(name, 0.15)
    ]


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


def column(path: Path, name: str) -> NDArray[Any]:
    """One column of a CSV file; whole numbers where it has only those."""
    with path.open() as lines:
        values = [row[name] for row in csv.DictReader(lines)]
    return np.array([int(value) if value.isdigit() else float(value) for value in values])


def recorded_samples() -> Samples:
    """The 20-level snapshots of the recording; its tick is 1."""
    with (HYPERLIQUID / "orderbooks_BTC.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    fields = [[f"{side}_{{}}_{level}" for level in range(LEVELS)] for side in ("bid", "ask")]
    price, size = (
        np.array([[[float(row[name.format(what)]) for name in side] for side in fields] for row in rows])
        for what in ("price", "size")
    )
    return Samples(np.array([int(row["exchange_timestamp"]) for row in rows]), price.astype(np.int64), size)


def recorded_takers() -> Takers:
    """The takers of the recording, in order of exchange time."""
    with (HYPERLIQUID / "trades_BTC.csv").open() as lines:
        rows = sorted(csv.DictReader(lines), key=lambda row: int(row["exchange_timestamp"]))
    return group_takers(
        np.array([int(row["exchange_timestamp"]) for row in rows]),
        np.array([1 if row["side"] == "buy" else -1 for row in rows], np.int8),
        np.array([float(row["price"]) for row in rows]),
        np.array([float(row["size"]) for row in rows]),
    )
