"""From a recording to a profile, by the method of simulated moments.

What can be read off the recording is taken as it is: the distributions, and depth and levels by distance. What only
shows in the interplay is found by trial: the model makes a tape, the tape is measured like the recording, and what is
off is corrected. Each band of the ladder, and each parameter that has a figure of its own (DIRECT), is moved by the
ratio of wanted to made. The others are moved one at a time, up and down by a factor that becomes smaller, and a move is
kept when it makes the misfit smaller.
Each round has a seed of its own, so that luck does not last; no clock is read, and a recording has one profile.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from backtester.errors import data_error
from backtester.market.schema import TapeInstrument
from backtester.market.synth.compare import misfit
from backtester.market.synth.figures import BANDS_BPS, Bands, Figures, PerBand, Portrait, Tables
from backtester.market.synth.generate import synth_events
from backtester.market.synth.measure import Measurement, measure
from backtester.market.synth.profile import Flow, Ladder, Profile, rounded


class Direct(NamedTuple):
    """A parameter of Flow and the figure that answers to it; `power` is -1 if less of one gives more of the other."""

    parameter: str
    figure: str
    power: float


DIRECT = (
    Direct("takers_per_s", "takers_per_s", 1.0),
    Direct("touch_half_life_s", "touch_change_share", -1.0),
    Direct("level_odds", "level_size_p50", 1.0),
    Direct("give_way_bps", "still_share", 0.5),
    Direct("diffusion_bps", "move_1s_bps", 1.0),
    Direct("taker_reach_bps", "prices_per_sweep", 1.0),
    Direct("rush_half_life_s", "burst_half_life_s", 1.0),
)
#: Factors by which the rounds move a parameter up and down.
ROUNDS = (1.6, 1.6, 1.3, 1.3, 1.15)
#: A trial is so long that it has this many takers, within limits in minutes.
TRIAL_TAKERS = 16_000
TRIAL_MINUTES = (40.0, 240.0)
#: Least and largest sensible values of parameters that are shares or distances.
LIMITS = {
    "rush_side_share": (0.5, 1.0),
    "taker_impact": (0.0, 1.0),
    "taker_reach_bps": (0.0, 5.0),
    "thin_share": (0.0, 0.5),
}
#: Assumed beyond the recording's reach: depth grows like this power of the distance, in so many levels per band at
#: most, with a half-life that doubles from band to band up to this one.
DEEP_POWER = 0.5
DEEP_LEVELS = 120.0
DEEP_HALF_LIFE_S = 60.0

#: Hears of every trial: its number and its misfit.
Tell = Callable[[int, float], None]


def silent(_trials: int, _misfit: float) -> None:
    """Says nothing."""


class Evidence(NamedTuple):
    """What is known of a market from elsewhere: it replaces or continues what the recording shows."""

    message_gap_ms: tuple[float, ...] | None = None  # at SHARES
    depth: tuple[tuple[float, float], ...] = ()  # (bps, size of one side within, the best price included)


class Trial(NamedTuple):
    """A profile and how far its tape is off."""

    profile: Profile
    made: Portrait
    misfit: float


class Laboratory:
    """Makes trials of one recording and counts them."""

    def __init__(self, measured: Measurement, takers_per_s: float, tell: Tell) -> None:
        least, most = TRIAL_MINUTES
        self._minutes = min(max(TRIAL_TAKERS / 60 / takers_per_s, least), most)
        self._yardstick = measured.yardstick
        self._tell = tell
        self.seed = 0
        self.trials = 0

    def attempt(self, profile: Profile) -> Trial:
        """One tape of the profile, measured by the recording's yardstick."""
        events = synth_events(profile, self.seed, self._minutes)
        made = measure(events, profile.instrument.lot_size, self._yardstick).portrait
        trial = Trial(profile, made, misfit(profile.recorded, made))
        self.trials += 1
        self._tell(self.trials, trial.misfit)
        return trial


def fit(
    measured: Measurement, instrument: TapeInstrument, name: str, evidence: Evidence | None = None, tell: Tell = silent
) -> Profile:
    """The profile of a recording. Raises a data error for one without sweeps or without moves."""
    first = first_guess(measured, instrument, name, evidence or Evidence())
    laboratory = Laboratory(measured, first.flow.takers_per_s, tell)
    best = laboratory.attempt(first)
    searched = [name for name in Flow._fields if name not in {each.parameter for each in DIRECT}]
    for factor in ROUNDS:
        laboratory.seed += 1
        best = min(_corrections(laboratory, best), key=lambda each: each.misfit)
        for parameter in searched:
            tried = (laboratory.attempt(_moved(best.profile, parameter, by)) for by in (factor, 1 / factor))
            found = next((each for each in tried if each.misfit < best.misfit), None)
            if found:
                best = min(found, laboratory.attempt(_corrected(found)), key=lambda each: each.misfit)
    return best.profile


def _corrections(laboratory: Laboratory, trial: Trial) -> Iterator[Trial]:
    """Corrects what can be corrected directly, a few times in a row."""
    for _ in range(4):
        trial = laboratory.attempt(_corrected(trial))
        yield trial


def first_guess(measured: Measurement, instrument: TapeInstrument, name: str, evidence: Evidence) -> Profile:
    """What the recording says directly, and for the flow the order of magnitude."""
    (found, bands), tables = measured.portrait, measured.tables
    if evidence.message_gap_ms:
        tables = tables._replace(message_gap_ms=evidence.message_gap_ms)
        found = found._replace(messages_per_s=None)
    look_s, ticks_per_bps = measured.yardstick.look_ms / 1_000, measured.yardstick.ticks_per_bps
    return Profile(
        name=name,
        instrument=instrument,
        start_price=round(ticks_per_bps * 1e4) * instrument.tick_size,
        index_every_s=1,
        look_ms=measured.yardstick.look_ms,
        tables=Tables(*(tuple(map(rounded, table)) for table in tables)),
        ladder=whole_ladder(bands, found.touch_size or 0.0, evidence.depth, look_s),
        flow=_flow_guess(found, look_s),
        recorded=Portrait(Figures(*map(_known, found)), Bands(*(tuple(map(_known, band)) for band in bands))),
    )


def _flow_guess(found: Figures, look_s: float) -> Flow:
    """Where the search begins: shares of what was measured that were right for other recordings."""
    move, far_move, runs, burst = found.move_1s_bps, found.move_10s_bps, found.sweep_runs_per_s, found.burst_rate
    if not (move and far_move and runs and burst and found.takers_per_s):
        raise data_error("tape", "has no taker that trades at several prices, or its price does not move")
    lasting = [each for each in (found.burst_half_life_s, found.spread_half_life_s, found.depth_half_life_s) if each]
    rush_s = statistics.median(lasting) if lasting else look_s
    flow = Flow(
        touch_half_life_s=half_life_of(found.touch_change_share or 0.5, look_s),
        give_way_bps=1.4 * move,
        diffusion_bps=0.75 * move,
        takers_per_s=found.takers_per_s,
        taker_reach_bps=2.0,
        taker_impact=0.4,
        level_odds=1.2,
        thin_share=0.05,
        rushes_per_s=0.1 * runs,
        rush_half_life_s=rush_s,
        rush_push_bps=0.15 * far_move / math.sqrt(runs) / rush_s,
        rush_takers=2.0 * burst,
        rush_side_share=0.9,
        rush_thinning=2.0,
        rush_spread_bps=move,
    )
    return Flow(*map(rounded, flow))


def whole_ladder(found: Bands, touch: float, evidence: Sequence[tuple[float, float]], look_s: float) -> Ladder:
    """The ladder in all bands: as recorded within the recording's reach, from evidence and assumptions beyond it.

    touch is the mean size at the best price, which evidence counts and bands do not.
    """
    known = [(bps, depth) for bps, depth in zip(BANDS_BPS, found.depth, strict=True) if depth]
    if not known:
        raise data_error("tape", f"shows less than {BANDS_BPS[0]:g} bps of its ladder")
    reach = known[-1][0]
    points = known + [(bps, depth - touch) for bps, depth in evidence if bps > reach]
    levels: list[float] = []
    lives: list[float] = []
    per_bps, inner = 0.0, 0.0
    for bps, count, renewed in zip(BANDS_BPS, found.levels, found.renewed, strict=True):
        if count is not None:
            per_bps = count / (bps - inner)
        levels.append(min(per_bps * (bps - inner), DEEP_LEVELS) if count is None else count)
        unknown = min(2 * lives[-1], DEEP_HALF_LIFE_S) if lives else look_s
        lives.append(half_life_of(renewed, look_s) if renewed else unknown)
        inner = bps
    depth = [depth_at(points, bps) for bps in BANDS_BPS]
    return Ladder(*(tuple(map(rounded, each)) for each in (depth, levels, lives)))


def depth_at(points: Sequence[tuple[float, float]], bps: float) -> float:
    """Depth at a distance: power laws through the known points; outside of them, DEEP_POWER.

    >>> depth_at([(1.0, 10.0), (100.0, 1000.0)], 10.0), depth_at([(1.0, 10.0)], 4.0)
    (100.0, 20.0)
    """
    for (near, less), (far, more) in pairwise(points):
        if near <= bps <= far:
            return less * math.pow(bps / near, math.log(more / less) / math.log(far / near))
    nearest, depth = points[0] if bps < points[0][0] else points[-1]
    return depth * math.pow(bps / nearest, DEEP_POWER)


def half_life_of(share: float, span: float) -> float:
    """Half-life of what changes with this probability within the span.

    >>> half_life_of(0.75, 1.0)
    0.5
    """
    return -span / math.log2(1 - min(max(share, 1e-6), 0.999))


def _moved(profile: Profile, parameter: str, factor: float) -> Profile:
    """The profile with one parameter of its flow multiplied."""
    value = rounded(getattr(profile.flow, parameter) * factor)
    least, most = LIMITS.get(parameter, (0.0, math.inf))
    value = min(max(value, least), most)
    return profile._replace(flow=profile.flow._replace(**{parameter: value}))


def _corrected(trial: Trial) -> Profile:
    """The profile with each band of its ladder, and each direct parameter, moved by what it is off."""
    profile, wanted, made = trial.profile, trial.profile.recorded, trial.made
    sizes = _ratios(_steps(wanted.bands.depth), _steps(made.bands.depth))
    levels = _ratios(wanted.bands.levels, made.bands.levels)
    lives = _ratios(tuple(map(_pace, made.bands.renewed)), tuple(map(_pace, wanted.bands.renewed)))
    total, depth = 0.0, []
    kept = (0.0, *profile.ladder.depth)
    for band, (inner, outer) in enumerate(pairwise(kept)):
        is_known = wanted.bands.depth[band] is not None
        total = total + (outer - inner) * sizes[band] if is_known else max(total, outer)
        depth.append(rounded(total))
    ladder = Ladder(
        tuple(depth),
        tuple(rounded(a * b) for a, b in zip(profile.ladder.levels, levels, strict=True)),
        tuple(rounded(a * b) for a, b in zip(profile.ladder.half_life_s, lives, strict=True)),
    )
    corrected = profile._replace(ladder=ladder)
    for parameter, figure, power in DIRECT:
        goal, have = (_scale(figure, getattr(each.figures, figure)) for each in (wanted, made))
        corrected = _moved(corrected, parameter, math.pow(_ratio(goal, have), power))
    return corrected


def _ratio(wanted: float | None, made: float | None) -> float:
    """By how much to multiply what causes a figure: part of the way, at most twofold; 1 where it is not known."""
    if not wanted or not made or wanted < 0 or made < 0:
        return 1.0
    return min(max(math.pow(wanted / made, 0.7), 0.5), 2.0)


def _ratios(wanted: PerBand, made: PerBand) -> tuple[float, ...]:
    return tuple(_ratio(a, b) for a, b in zip(wanted, made, strict=True))


def _steps(depth: PerBand) -> PerBand:
    """Size of each band alone."""
    return tuple(None if inner is None or outer is None else outer - inner for inner, outer in pairwise((0.0, *depth)))


def _scale(figure: str, value: float | None) -> float | None:
    """A figure on a scale where it is in proportion to its cause: shares of looks become times."""
    if figure == "touch_change_share":
        return _pace(value)
    return half_life_of(1 - value, 1.0) if figure == "still_share" and value else value


def _pace(share: float | None) -> float | None:
    """Changes per unit of time that belong to a share of changed levels."""
    return 1 / half_life_of(share, 1.0) if share else None


def _known(value: float | None) -> float | None:
    return None if value is None else rounded(value)
