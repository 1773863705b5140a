"""What the synthetic tapes imitate: the shipped portraits are the real recordings', and the model resembles them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from backtester.market.read import Tape
from backtester.market.synth.compare import compare
from backtester.market.synth.figures import Bands, Figures, PerBand, Portrait
from backtester.market.synth.generate import synth_events
from backtester.market.synth.measure import Measurement, measure
from backtester.market.synth.profile import Profile, rounded, stored_profile
from backtester.market.synth.tape import DEFAULT_SEED
from tests.golden.recordings import binance_tape, hyperliquid_tape, needs_binance, needs_hyperliquid

pytestmark = pytest.mark.compiled


class Imitated(NamedTuple):
    """A recording, measured, and the profile that was fitted to it."""

    measured: Measurement
    profile: Profile
    minutes: float  # of the model: hours scatter less than the minutes of the recording


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(("hyperliquid-btc", 240.0), marks=needs_hyperliquid, id="hyperliquid-btc"),
        pytest.param(("binance-usdm-btc", 40.0), marks=needs_binance, id="binance-usdm-btc"),
    ],
)
def imitated(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Imitated:
    name, minutes = request.param
    out = tmp_path_factory.mktemp("recording") / "tape.parquet"
    tape: Tape = hyperliquid_tape(out) if name == "hyperliquid-btc" else binance_tape(out)
    events = np.concatenate(list(tape.chunks()))
    return Imitated(measure(events, tape.instruments[0].lot_size), stored_profile(name), minutes)


def test_the_shipped_portrait_is_that_of_the_recording(imitated: Imitated) -> None:
    """To four digits. How often Hyperliquid has a message is known from its best quotes, not from its snapshots."""
    (figures, bands), profile = imitated.measured.portrait, imitated.profile
    if profile.recorded.figures.messages_per_s is None:
        figures = figures._replace(messages_per_s=None)
    assert Portrait(Figures(*four_digits(figures)), Bands(*map(four_digits, bands))) == profile.recorded
    assert imitated.measured.yardstick.look_ms == profile.look_ms


def test_the_model_resembles_the_recording(imitated: Imitated) -> None:
    """Every figure that is held, within its tolerance, measured by the recording's yardstick."""
    measured, profile, minutes = imitated
    events = synth_events(profile, DEFAULT_SEED, minutes)
    made = measure(events, profile.instrument.lot_size, measured.yardstick).portrait
    figures = measured.portrait.figures._replace(messages_per_s=profile.recorded.figures.messages_per_s)
    rows = list(compare(measured.portrait._replace(figures=figures), made))
    assert [row for row in rows if not row.is_held] == []
    held = {row.figure for row in rows if row.recorded is not None and row.tolerance is not None}
    assert {"spread_ticks", "takers_per_s", "taker_size_p99", "sweep_share", "spread_half_life_s"} <= held
    assert {"touch_size", "level_size", "touch_change_share", "depth 0.5 bps", "renewed 1 bps"} <= held


def four_digits(values: PerBand) -> PerBand:
    return tuple(None if value is None else rounded(value) for value in values)
