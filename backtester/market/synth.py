"""Synthetic base tapes: a profile and a seed in, one Parquet file out, the same bytes every time."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from backtester.engine.encode import NO_TIME
from backtester.engine.events import EVENT
from backtester.enums import EventKind
from backtester.errors import usage_error
from backtester.market.schema import TapeInstrument
from backtester.market.synth_figures import tape_figures
from backtester.market.synth_kernel import Recipe, State, generate
from backtester.market.synth_profiles import PROFILES, SHARES, Figures, Profile
from backtester.market.write import Rows, TapeWriter

#: What the shipped tapes were made with.
DEFAULT_SEED = 0
DEFAULT_MINUTES = 25.0
LICENCE = "Apache-2.0"

#: The ladder reaches this far from the touch at the start, so that 10 % remain wherever the fair price may go.
REACH = 0.11
ROOM = 0.008


class SynthSummary(NamedTuple):
    """What was written. `figures` are measured on the tape, `recorded` is what they should resemble."""

    path: Path
    profile: str
    seed: int
    minutes: float
    rows: int
    messages: int
    trades: int
    file_bytes: int
    sha256: str
    figures: Figures
    recorded: Figures


def synth_tape(profile: str, out: Path, seed: int = DEFAULT_SEED, minutes: float = DEFAULT_MINUTES) -> SynthSummary:
    """Write the synthetic tape of a named profile to `out`; raises a usage error for what cannot be made."""
    chosen = find_profile(profile)
    events = synth_events(chosen, seed, minutes)
    source = f"synthetic: profile {chosen.name}, seed {seed}, {minutes:g} minutes; no recording of a real market"
    with TapeWriter(out, [_instrument(chosen)], source=source, licence=LICENCE) as writer:
        writer.write(_rows(chosen, events))
    content = out.read_bytes()
    depth = events[events["kind"] <= EventKind.DELTA]
    return SynthSummary(
        path=out,
        profile=chosen.name,
        seed=seed,
        minutes=minutes,
        rows=len(events),
        messages=len(np.unique(depth["ts"])),
        trades=int(np.count_nonzero(events["kind"] == EventKind.TRADE)),
        file_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        figures=tape_figures(events, chosen.lot_size),
        recorded=chosen.recorded,
    )


def find_profile(name: str) -> Profile:
    """The profile of that name."""
    for profile in PROFILES:
        if profile.name == name:
            return profile
    raise usage_error(
        "PROFILE", f'no synthetic profile "{name}"', "one of " + ", ".join(each.name for each in PROFILES)
    )


def synth_events(profile: Profile, seed: int, minutes: float) -> NDArray[Any]:
    """The tape as event records of instrument 0. The same profile, seed and length give the same records."""
    if not 0 <= seed < 2**64:
        raise usage_error("--seed", f"expected 0 … 2^64 - 1, was {seed}")
    if not 1.0 <= minutes <= 24 * 60:
        raise usage_error("--minutes", f"expected 1 … 1440, was {minutes:g}")
    recipe = _recipe(profile, minutes)
    capacity = 65_536
    while True:
        events = np.zeros(capacity, EVENT)
        count = generate(recipe, _state(recipe, seed), events)
        if count >= 0:
            return events[:count]
        capacity *= 2


def _recipe(profile: Profile, minutes: float) -> Recipe:
    """The profile in ticks, lots and milliseconds."""
    start_tick = round(profile.start_price / profile.tick_size)
    reach = int(start_tick * REACH)
    room = int(start_tick * ROOM)
    bps = start_tick / 10_000  # ticks in one basis point at the start
    base = start_tick - reach - 2 * room
    start_ts = int(datetime.fromisoformat(profile.start).timestamp()) * 1_000_000_000
    pitch = np.repeat(np.array(profile.zone_pitch), np.diff((0, *profile.zone_ticks[1:], reach)))
    return Recipe(
        base=base,
        start_column=start_tick - base,
        start_ts=start_ts,
        end_ts=start_ts + int(minutes * 60_000) * 1_000_000,
        index_every_ns=profile.index_every_s * 1_000_000_000,
        index_per_unit=10.0 * _per_unit(profile.tick_size),
        shares=np.array(SHARES),
        gap_ms=np.array(profile.message_gap_ms, np.float64),
        touch_lots=np.array(profile.touch_size) / profile.lot_size,
        level_noise=np.array(profile.level_noise),
        taker_lots=np.array(profile.taker_size) / profile.lot_size,
        mean_lots=_mean_size(profile, reach, bps) * pitch / profile.lot_size,
        pitch=pitch,
        zones=np.array((*profile.zone_ticks, reach)),
        draws=np.array(profile.zone_draws),
        touch_redraw_share=profile.touch_redraw_share,
        hole_share=profile.hole_share,
        refill_share=profile.refill_share,
        takers_per_ms=profile.takers_per_s / 1_000,
        taker_lean=profile.taker_lean,
        taker_impact=profile.taker_impact,
        give_way_ticks=profile.give_way_bps * bps,
        room=float(room),
        diffusion_ticks=profile.diffusion_bps * bps,
        trend_ticks=profile.trend_bps * bps,
        trend_life_s=profile.trend_life_s,
        anchor_life_s=profile.anchor_life_s,
    )


def _mean_size(profile: Profile, reach: int, bps: float) -> NDArray[np.float64]:
    """Base units per tick at each distance below `reach` from the touch: the slope of the depth curve."""
    distance = np.arange(reach) / bps
    segment = np.minimum(np.searchsorted(profile.depth_bps, distance), len(profile.depth_bps) - 1)
    slope = np.diff((0.0, *profile.depth_size)) / np.diff((0.0, *profile.depth_bps))
    return np.asarray(slope[segment] / bps)


def _state(recipe: Recipe, seed: int) -> State:
    """An empty ladder and a fair price in the middle of its columns."""
    width = 2 * recipe.start_column
    return State(
        random=np.array([seed], np.uint64),
        fair=np.array([recipe.start_column + 0.5, 0.0]),
        lots=np.zeros((2, width), np.int64),
        shown=np.zeros((2, width), np.int64),
        best=np.array([recipe.start_column, recipe.start_column + 1]),
        dirty=np.zeros((2 * width, 2), np.int64),
        counts=np.zeros(3, np.int64),
    )


def _rows(profile: Profile, events: NDArray[Any]) -> Rows:
    """Event records as rows of a tape. Division by whole numbers gives the float next to the decimal price."""
    index = events["kind"] == EventKind.INDEX
    return Rows(
        ts_ns=events["ts"],
        recv_ts_ns=np.full(len(events), NO_TIME),
        symbol=events["instrument"],
        kind=events["kind"],
        side=events["side"],
        price=np.where(index, events["value"], events["tick"] / _per_unit(profile.tick_size)),
        size=events["lots"] / _per_unit(profile.lot_size),
    )


def _per_unit(step: float) -> int:
    """How many ticks or lots make one unit; both are one over a whole number here."""
    return round(1 / step)


def _instrument(profile: Profile) -> TapeInstrument:
    return TapeInstrument(
        venue=profile.venue,
        symbol=profile.symbol,
        base=profile.symbol,
        tick_size=profile.tick_size,
        lot_size=profile.lot_size,
        quote=profile.quote,
    )
