"""From a recording to a profile: what is read off, what is assumed, what is searched; and the file that keeps it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from backtester.errors import BacktesterError
from backtester.market.schema import TapeInstrument
from backtester.market.synth import fit as fitting
from backtester.market.synth.compare import misfit
from backtester.market.synth.figures import BANDS_BPS, Bands, Portrait
from backtester.market.synth.fit import (
    DEEP_HALF_LIFE_S,
    DEEP_LEVELS,
    Evidence,
    depth_at,
    first_guess,
    half_life_of,
    whole_ladder,
)
from backtester.market.synth.generate import synth_events
from backtester.market.synth.measure import Measurement, Yardstick, measure
from backtester.market.synth.profile import Profile, profile_text, read_profile, rounded, stored_profile
from backtester.market.synth.shipped import SHIPPED, shipped_profile
from backtester.market.synth.tape import find_profile, synth_tape
from backtester.market.write import TapeWriter

needs_jit = pytest.mark.skipif(
    os.environ.get("NUMBA_DISABLE_JIT", "0") != "0", reason="the stream needs integers that wrap around"
)


def bands(depth: tuple[float, ...], levels: tuple[float, ...], renewed: tuple[float, ...]) -> Bands:
    """The first bands; the others are not known."""
    rest = (None,) * (len(BANDS_BPS) - len(depth))
    return Bands(depth + rest, levels + rest, renewed + rest)


def test_the_ladder_is_read_off_and_continued() -> None:
    """Known to 1 bps: 10 base units in 4 levels. At 100 bps 102 are known to stand, 2 of them at the best price."""
    found = bands((2.0, 5.0, 10.0), (0.8, 1.2, 2.0), (0.5, 0.5, 0.75))
    ladder = whole_ladder(found, 2.0, ((0.5, 99.0), (100.0, 102.0)), look_s=0.5)
    at = BANDS_BPS.index
    assert ladder.depth[:3] == (2.0, 5.0, 10.0)  # what is recorded is not overruled
    assert ladder.depth[at(10.0)] == pytest.approx(31.62)  # distance^0.5 in between
    assert ladder.depth[at(100.0)] == 100.0
    assert ladder.depth[at(400.0)] == 200.0  # and, assumed, beyond
    assert ladder.levels[:5] == (0.8, 1.2, 2.0, 2.0, 2.0)  # 4 per bps, as in the last band that is known, ...
    assert ladder.levels[at(1000.0)] == DEEP_LEVELS  # ... but not for ever
    assert ladder.half_life_s[:3] == (0.5, 0.5, 0.25)
    assert (ladder.half_life_s[at(1.5)], ladder.half_life_s[at(2.0)]) == (0.5, 1.0)  # doubled from band to band
    assert ladder.half_life_s[at(1000.0)] == DEEP_HALF_LIFE_S


def test_depth_at_a_distance() -> None:
    assert depth_at([(1.0, 10.0), (100.0, 1000.0)], 10.0) == pytest.approx(100.0)
    assert depth_at([(1.0, 10.0)], 4.0) == 20.0


def test_half_life_of_a_share() -> None:
    """Three quarters gone after 1 s: two half-lives."""
    assert half_life_of(0.75, 1.0) == 0.5


def test_a_profile_and_its_file_are_one(tmp_path: Path) -> None:
    for name in ("hyperliquid-btc", "binance-usdm-btc"):
        profile = stored_profile(name)
        path = tmp_path / "profile.toml"
        path.write_text(profile_text(profile), encoding="utf-8")
        assert read_profile(path) == profile
        assert {rounded(value) for value in profile.flow} == set(profile.flow)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("look_ms", "look_s", "is not a profile: 'look_ms'"),
        ("rush_takers", "rush_buyers", "is not a profile"),
        ("touch_size = [", "touch_size = [1.0, ", "expected tables of"),
        ("[flow]", "[flow", "is not a profile"),
    ],
)
def test_a_file_that_is_no_profile_is_a_data_error(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "profile.toml"
    path.write_text(profile_text(stored_profile("hyperliquid-btc")).replace(old, new, 1), encoding="utf-8")
    with pytest.raises(BacktesterError) as caught:
        read_profile(path)
    assert caught.value.exit_code == 4 and message in str(caught.value)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty minutes of a market that is known."""
    path = tmp_path_factory.mktemp("recording") / "mine.parquet"
    synth_tape("hyperliquid-btc", path, seed=3, minutes=30.0)
    return path


def short_search(patch: pytest.MonkeyPatch, minutes: float) -> None:
    patch.setattr(fitting, "ROUNDS", (1.5,))
    patch.setattr(fitting, "TRIAL_MINUTES", (minutes, minutes))


@needs_jit
def test_a_fit_improves_on_the_first_guess(recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short_search(monkeypatch, minutes=20.0)
    heard: list[float] = []
    profile = find_profile(recording, lambda trials, off: heard.append(off))
    assert profile.name == "mine" and profile.instrument.symbol == "BTC"
    events = synth_events(profile, 1, 20.0)
    by = Yardstick(profile.look_ms, profile.start_price / 1e4)
    reached = misfit(profile.recorded, measure(events, 1e-5, by).portrait)
    assert reached == pytest.approx(min(heard), rel=0.2)  # the price to start from is rounded to a tick
    assert min(heard) < 0.75 * heard[0]


@needs_jit
def test_a_recording_has_one_profile(recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short_search(monkeypatch, minutes=2.0)
    assert find_profile(recording) == find_profile(recording)


def measured(profile: Profile) -> Measurement:
    return Measurement(Yardstick(profile.look_ms, profile.start_price / 1e4), profile.recorded, profile.tables)


def test_evidence_replaces_the_gaps_between_messages() -> None:
    profile = stored_profile("binance-usdm-btc")
    gaps = tuple(float(gap) for gap in range(len(profile.tables.message_gap_ms)))
    with_gaps = first_guess(measured(profile), profile.instrument, "x", Evidence(message_gap_ms=gaps))
    assert with_gaps.tables.message_gap_ms == gaps and with_gaps.recorded.figures.messages_per_s is None
    without = first_guess(measured(profile), profile.instrument, "x", Evidence())
    assert without.tables == profile.tables and without.recorded == profile.recorded


def test_a_recording_without_sweeps_cannot_be_fitted() -> None:
    profile = stored_profile("binance-usdm-btc")
    still = Portrait(profile.recorded.figures._replace(burst_rate=None), profile.recorded.bands)
    with pytest.raises(BacktesterError) as caught:
        first_guess(measured(profile)._replace(portrait=still), profile.instrument, "x", Evidence())
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    ("instruments", "message"),
    [
        ([TapeInstrument("v", "A", "A", 1.0, 1.0), TapeInstrument("v", "B", "B", 1.0, 1.0)], "holds A, B"),
        ([TapeInstrument("v", "A", "A", 1.0, 1.0, contract="inverse")], "A is not a linear contract"),
        ([TapeInstrument("v", "A", "A", 1.0, 1.0)], "is empty"),
    ],
)
def test_what_cannot_be_fitted_says_why(tmp_path: Path, instruments: list[TapeInstrument], message: str) -> None:
    path = tmp_path / "tape.parquet"
    with TapeWriter(path, instruments):
        pass
    with pytest.raises(BacktesterError, match=message) as caught:
        find_profile(path)
    assert caught.value.exit_code == 4 and str(path) in str(caught.value)


def test_tables_hold_at_least_one_lot_for_every_shipped_tape() -> None:
    for shipped in SHIPPED:
        profile = shipped_profile(shipped)
        assert np.diff(profile.ladder.depth).min() > 0
        assert profile.tables.taker_size[-1] >= profile.instrument.lot_size
