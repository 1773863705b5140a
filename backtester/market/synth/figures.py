"""The figures by which a recording and its likeness are described: what they are called and what they mean."""

from __future__ import annotations

from typing import NamedTuple

#: Shares of a distribution at which every table of quantiles is given.
SHARES = (
    0.0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9,
    0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.985, 0.99, 0.9925, 0.995, 0.9975, 0.999, 1.0,
)  # fmt: skip
#: Outer ends of the bands of a side of the ladder.
BANDS_BPS = (0.2, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 300.0, 400.0, 500.0, 1000.0)

PerBand = tuple[float | None, ...]


class Figures(NamedTuple):
    """What is compared. None = not known, or too small to be measured."""

    messages_per_s: float | None
    touch_change_share: float | None  # looks at a side whose best price or its size is not that of the look before
    spread_ticks: float | None  # mean over looks
    wide_share: float | None  # looks with a spread above one tick
    touch_size: float | None  # mean size at the best price, both sides
    touch_size_p50: float | None
    touch_size_p90: float | None
    level_size: float | None  # mean size of the 2nd to 20th level
    level_size_p50: float | None
    level_size_p90: float | None
    still_share: float | None  # looks whose mid is that of the look before
    move_1s_bps: float | None  # standard deviation of the mid's change
    move_10s_bps: float | None
    move_60s_bps: float | None
    takers_per_s: float | None  # trades of one stamp and side are one taker
    burstiness: float | None  # variance / mean of the number of takers in a second; 1 if they do not know each other
    same_side_share: float | None  # takers of the side of the one before
    taker_size: float | None  # mean
    taker_size_p50: float | None
    taker_size_p90: float | None
    taker_size_p99: float | None
    sweep_share: float | None  # takers that trade at more than one price
    prices_per_sweep: float | None
    sweep_runs_per_s: float | None  # sweeps that follow on ten looks without one
    burst_rate: float | None  # takers on the same side in the step after a sweep / their usual number
    burst_half_life_s: float | None  # of that excess
    swept_depth_share: float | None  # depth within 1 bps of the side that a sweep hit, in the look after it / mean
    spread_half_life_s: float | None  # after a sweep, from its largest effect on
    depth_half_life_s: float | None
    touch_half_life_s: float | None


class Bands(NamedTuple):
    """What is compared per band of BANDS_BPS, of one side. None = not known."""

    depth: PerBand  # mean size between the best price and the outer end of the band
    levels: PerBand  # mean number of levels in the band
    renewed: PerBand  # levels of the band whose size is another in the next look


class Portrait(NamedTuple):
    """All that is compared."""

    figures: Figures
    bands: Bands


class Tables(NamedTuple):
    """Distributions to draw from, at SHARES."""

    message_gap_ms: tuple[float, ...]
    touch_size: tuple[float, ...]
    level_noise: tuple[float, ...]  # size of a level / mean size of the 2nd to 20th
    taker_size: tuple[float, ...]


#: The portrait of which nothing is known.
UNKNOWN = Portrait(Figures(*(None,) * len(Figures._fields)), Bands(*((None,) * len(BANDS_BPS),) * 3))
