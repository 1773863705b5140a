"""What each parameter of the order flow does: a market that differs in it alone, measured."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from backtester.enums import EventKind
from backtester.market.synth.figures import BANDS_BPS, SHARES, Figures
from backtester.market.synth.generate import synth_events
from backtester.market.synth.measure import Yardstick, measure
from backtester.market.synth.profile import Flow, Profile, stored_profile

pytestmark = pytest.mark.skipif(
    os.environ.get("NUMBA_DISABLE_JIT", "0") != "0", reason="the stream needs integers that wrap around"
)

#: A market in which rushes are frequent enough to be measured in an hour, and one without any.
RUSHES = Flow(
    touch_half_life_s=0.3,
    give_way_bps=0.6,
    diffusion_bps=0.3,
    takers_per_s=1.0,
    taker_reach_bps=5.0,
    taker_impact=0.3,
    level_odds=1.0,
    thin_share=0.1,
    rushes_per_s=0.02,
    rush_half_life_s=2.0,
    rush_push_bps=0.5,
    rush_takers=4.0,
    rush_side_share=0.9,
    rush_thinning=3.0,
    rush_spread_bps=0.5,
)
CALM = RUSHES._replace(rushes_per_s=0.0)


def made(flow: Flow, minutes: float = 60.0) -> tuple[Profile, NDArray[Any]]:
    """Hyperliquid's distributions and ladder with another flow."""
    profile = stored_profile("hyperliquid-btc")._replace(flow=flow)
    return profile, synth_events(profile, 11, minutes)


def figures(flow: Flow) -> Figures:
    profile, events = made(flow)
    return measure(events, 1e-5, Yardstick(profile.look_ms, profile.start_price / 1e4)).portrait.figures


@pytest.fixture(scope="module")
def rushing() -> Figures:
    return figures(RUSHES)


@pytest.fixture(scope="module")
def calm() -> Figures:
    return figures(CALM)


def known(value: float | None) -> float:
    assert value is not None
    return value


def test_without_rushes_takers_come_at_random(calm: Figures) -> None:
    """A Poisson process: the counts per second have a variance of their mean, and a sweep tells nothing of the next."""
    assert calm.takers_per_s == pytest.approx(1.0, rel=0.05)
    assert calm.burstiness == pytest.approx(1.0, abs=0.1) and calm.same_side_share == pytest.approx(0.5, abs=0.03)
    assert known(calm.burst_rate) < 1.4


def test_a_rush_brings_takers_of_its_side_in_bursts(rushing: Figures, calm: Figures) -> None:
    assert known(rushing.burst_rate) > 2 and known(rushing.burstiness) > 1.2
    assert known(rushing.same_side_share) > known(calm.same_side_share) + 0.02
    assert known(rushing.takers_per_s) > 1.1  # 0.02 rushes with 4 / s that fade by half in 2 s: 0.23 more


def test_a_rush_makes_spreads_wide_and_ladders_thin(rushing: Figures, calm: Figures) -> None:
    assert known(rushing.spread_ticks) > known(calm.spread_ticks) + 0.1
    assert known(rushing.swept_depth_share) < 0.8 * known(calm.swept_depth_share)
    assert known(rushing.sweep_share) > 1.2 * known(calm.sweep_share)
    full = figures(RUSHES._replace(rush_thinning=0.0))
    assert known(full.swept_depth_share) > 1.2 * known(rushing.swept_depth_share)
    assert known(full.sweep_share) < known(rushing.sweep_share)


def test_what_a_rush_took_comes_back_with_its_half_life(rushing: Figures) -> None:
    longer = figures(RUSHES._replace(rush_half_life_s=6.0, rushes_per_s=0.007))
    for name in ("spread_half_life_s", "depth_half_life_s", "burst_half_life_s"):
        assert known(getattr(longer, name)) > 1.5 * known(getattr(rushing, name)), name


def test_a_rush_moves_the_price(rushing: Figures) -> None:
    """Without its push and without impact only diffusion is left: 0.3 bps in 1 s, 0.95 in 10 s."""
    still = figures(RUSHES._replace(rush_push_bps=0.0, taker_impact=0.0))
    assert known(still.move_10s_bps) == pytest.approx(0.95, rel=0.15)
    assert known(rushing.move_10s_bps) > 1.3 * known(still.move_10s_bps)


def test_a_level_changes_with_its_half_life() -> None:
    """Looked at every 0.541 s, a level with a half-life of 0.5 s: 1 - 2^(-0.541 / 0.5) = 0.528 of them have changed."""
    profile, _ = made(CALM._replace(taker_reach_bps=0.0, takers_per_s=0.2), 1.0)  # takers that change no level
    ladder = profile.ladder._replace(half_life_s=(0.5,) * len(BANDS_BPS))
    events = synth_events(profile._replace(ladder=ladder), 11, 20.0)
    bands = measure(events, 1e-5, Yardstick(541, profile.start_price / 1e4)).portrait.bands
    assert bands.renewed[1:4] == pytest.approx((0.528,) * 3, abs=0.03)


def test_depth_and_levels_are_those_of_the_profile() -> None:
    profile, events = made(CALM, 20.0)
    bands = measure(events, 1e-5, Yardstick(541, profile.start_price / 1e4)).portrait.bands
    assert bands.depth[3:15] == pytest.approx(profile.ladder.depth[3:15], rel=0.1)
    assert bands.levels[1:15] == pytest.approx(profile.ladder.levels[1:15], rel=0.1)


def taker_sizes(events: NDArray[Any]) -> NDArray[np.int64]:
    trades = events[events["kind"] == EventKind.TRADE]
    starts = np.flatnonzero(np.r_[True, np.diff(trades["ts"]) != 0])
    return np.asarray(np.add.reduceat(trades["lots"], starts))


def test_a_taker_goes_no_further_than_its_reach_and_waits_for_its_size() -> None:
    """With no reach every taker trades at one price; what does not fit at once comes later and is not cut."""
    profile, events = made(CALM._replace(taker_reach_bps=0.0), 240.0)
    trades = events[events["kind"] == EventKind.TRADE]
    assert len(np.unique(trades["ts"])) == len(trades)
    expected = np.interp(np.linspace(0.0005, 0.9995, 1_000), SHARES, profile.tables.taker_size).mean() / 1e-5
    assert taker_sizes(events).mean() == pytest.approx(expected, rel=0.12)
    assert taker_sizes(events).max() > 20 / 1e-5  # of 25 at most; a best price has 10 on average


def test_the_ladder_keeps_its_shape_when_the_price_moves() -> None:
    """Ten times as much within 0.5 bps as beyond it, levels that hardly ever change, and a price that wanders."""
    profile, _ = made(CALM, 1.0)
    depth = (4.0, 10.0, 11.0, *(12.0 + band for band in range(len(BANDS_BPS) - 3)))
    ladder = profile.ladder._replace(depth=depth, half_life_s=(1e6,) * len(BANDS_BPS))
    events = synth_events(profile._replace(ladder=ladder), 11, 60.0)
    bands = measure(events, 1e-5, Yardstick(541, profile.start_price / 1e4)).portrait.bands
    assert bands.depth[1] == pytest.approx(10.0, rel=0.3)
    assert known(bands.depth[2]) - known(bands.depth[1]) < 3.0
