"""What a synthetic base tape is made from. Every figure is traced in data/README.md.

Sizes are in base units, distances in basis points of the price, times in the unit of their name. A table of quantiles
is read at the shares of `SHARES`, straight lines between them.
"""

from __future__ import annotations

from typing import NamedTuple

#: Shares of the distribution at which every table of quantiles is given.
SHARES = (
    0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9,
    0.925, 0.95, 0.96, 0.97, 0.98, 0.99, 0.995, 0.999, 1.0,
)  # fmt: skip


class Figures(NamedTuple):
    """What is measured alike on a tape and on a recording. None = not known."""

    spread_ticks: float | None  # mean over samples
    wide_share: float | None  # samples with a spread above one tick
    touch_size: float | None  # mean size at the best price, both sides
    touch_size_median: float | None
    level_size: float | None  # mean size of the 2nd to 20th level
    depth_1_bps: float | None  # mean size of one side within so many bps of mid
    depth_1_5_bps: float | None
    depth_100_bps: float | None
    depth_500_bps: float | None
    depth_1000_bps: float | None
    touch_updates_per_s: float | None  # messages that change a best price or its size
    level_change_share: float | None  # of 20 levels of a side, from one sample to the next
    still_share: float | None  # samples whose mid is that of the sample before
    takers_per_s: float | None  # trades of one stamp and side are one taker
    prices_per_taker: float | None
    taker_size: float | None  # mean
    taker_size_p90: float | None
    taker_size_p99: float | None
    sweep_share: float | None  # takers that trade at more than one price
    same_side_share: float | None  # takers of the side of the one before
    move_1s_bps: float | None  # standard deviation of the mid's change
    move_10s_bps: float | None
    move_60s_bps: float | None


class Profile(NamedTuple):
    """One instrument: its rules, its start and the shape of its order flow."""

    name: str
    venue: str
    symbol: str
    quote: str
    tick_size: float
    lot_size: float
    start_price: float
    start: str  # ISO time, UTC
    message_gap_ms: tuple[float, ...]  # quantiles
    touch_size: tuple[float, ...]  # quantiles of the size at the best price
    level_noise: tuple[float, ...]  # quantiles of (size of a level / mean size at its distance)
    taker_size: tuple[float, ...]  # quantiles
    depth_bps: tuple[float, ...]  # knots of the depth curve of one side ...
    depth_size: tuple[float, ...]  # ... and the size between the touch (without it) and the knot
    zone_ticks: tuple[int, ...]  # lower ends of the zones of the ladder, counted from the touch
    zone_pitch: tuple[int, ...]  # a zone has levels at multiples of its pitch, in ticks
    zone_draws: tuple[int, ...]  # ticks of a zone and side that each message looks at anew
    touch_redraw_share: float  # messages that change the size at a best price, per side
    hole_share: float  # looked-at levels that are left empty
    refill_share: float  # messages that close a spread wider than one tick
    takers_per_s: float
    taker_lean: float  # how much more likely takers trade towards the fair price
    taker_impact: float  # part of the swept distance by which the fair price follows
    give_way_bps: float  # how far the fair price passes the touch before the touch gives way
    diffusion_bps: float  # of the fair price, per square root of a second
    trend_bps: float  # standard deviation of its slowly changing drift, per second
    trend_life_s: float
    anchor_life_s: float  # the fair price returns to the start price with this time constant
    index_every_s: int
    recorded: Figures  # what the tape should resemble


# fmt: off
BTC = Profile(
    name="hyperliquid-btc",
    venue="hyperliquid",
    symbol="BTC",
    quote="USDC",
    tick_size=1.0,
    lot_size=1e-5,
    start_price=117_014.0,
    start="2025-10-10T20:30:00Z",
    message_gap_ms=(
        1, 42, 53, 58, 70, 84, 101, 120, 139.8, 166, 202, 268, 300, 354, 390, 413, 478.14, 589.07, 701.53, 1045.4, 1641,
    ),
    touch_size=(
        1e-05, 0.00011, 0.0003, 0.04408, 0.26125, 1.0423, 2.505, 5.5251, 8.8915, 13.497, 19.527, 28.177, 31.535, 35.637,
        37.761, 40.081, 42.442, 49.309, 59.559, 93.838, 111.65,
    ),
    level_noise=(
        0.00001, 0.00005, 0.00005, 0.0011, 0.0226, 0.1032, 0.2898, 0.5171, 0.7671, 1.1363, 1.5416, 2.3336, 2.7428,
        3.5777, 3.8765, 4.386, 5.18, 7.2502, 10.064, 20.237, 58.283,
    ),
    taker_size=(
        1e-05, 0.0001, 0.0001, 0.00011, 0.00018, 0.00038, 0.00123, 0.00455, 0.00957, 0.02384, 0.07367, 0.25, 0.3132,
        0.76218, 1.0153, 1.8744, 2.4656, 5.2142, 9.1008, 20.164, 25.0,
    ),
    depth_bps=(1.5, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 200, 300, 400, 500, 700, 1000, 1200),
    depth_size=(
        30.0, 36.0, 45.1, 61.8, 75.4, 92.7, 116.5, 136.8, 170.9, 225.3, 269.8, 326.2, 666.1, 914.9, 1067.1, 1187.7,
        1555.2, 2068.4, 2392.6,
    ),
    zone_ticks=(1, 20, 470, 2340),
    zone_pitch=(1, 1, 10, 50),
    zone_draws=(5, 2, 5, 5),
    touch_redraw_share=0.72,
    hole_share=0.04,
    refill_share=0.75,
    takers_per_s=1.142,
    taker_lean=0.3,
    taker_impact=0.5,
    give_way_bps=0.7,
    diffusion_bps=0.455,
    trend_bps=0.11,
    trend_life_s=20.0,
    anchor_life_s=600.0,
    index_every_s=3,
    recorded=Figures(
        spread_ticks=1.289,
        wide_share=0.0536,
        touch_size=10.26,
        touch_size_median=5.525,
        level_size=2.015,
        depth_1_bps=27.57,
        depth_1_5_bps=38.79,
        depth_100_bps=336.5,
        depth_500_bps=1198.0,
        depth_1000_bps=None,
        touch_updates_per_s=6.65,
        level_change_share=0.5576,
        still_share=0.817,
        takers_per_s=1.142,
        prices_per_taker=1.73,
        taker_size=0.2314,
        taker_size_p90=0.25,
        taker_size_p99=5.214,
        sweep_share=0.1346,
        same_side_share=0.518,
        move_1s_bps=0.427,
        move_10s_bps=1.881,
        move_60s_bps=5.256,
    ),
)
# fmt: on

#: ETH against BTC: notional of liquidations on the same venue and in the same minutes, and size of 5-minute moves.
ETH_NOTIONAL_RATIO = 0.591
ETH_MOVE_RATIO = 1.77
_ETH_START_PRICE = 4_021.3
_ETH_SIZE_RATIO = ETH_NOTIONAL_RATIO * BTC.start_price / _ETH_START_PRICE

_SIZES = ("touch_size", "touch_size_median", "taker_size", "taker_size_p90", "taker_size_p99")
_DEPTHS = ("depth_1_bps", "depth_1_5_bps", "depth_100_bps", "depth_500_bps")
_MOVES = ("move_1s_bps", "move_10s_bps", "move_60s_bps")
_TICK_BOUND = ("spread_ticks", "wide_share", "level_size", "still_share", "prices_per_taker", "sweep_share")


def _scaled(figures: Figures, size: float, move: float) -> Figures:
    """The figures of a market of other sizes and moves; what depends on the width of a tick is not known."""
    factors = dict.fromkeys(_SIZES + _DEPTHS, size) | dict.fromkeys(_MOVES, move)
    values = {name: factor * getattr(figures, name) for name, factor in factors.items()}
    return figures._replace(**values, **dict.fromkeys(_TICK_BOUND))


def _times(factor: float, table: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(factor * value for value in table)


ETH = BTC._replace(
    name="hyperliquid-eth",
    symbol="ETH",
    tick_size=0.1,
    lot_size=1e-4,
    start_price=_ETH_START_PRICE,
    touch_size=_times(_ETH_SIZE_RATIO, BTC.touch_size),
    taker_size=_times(_ETH_SIZE_RATIO, BTC.taker_size),
    depth_size=_times(_ETH_SIZE_RATIO, BTC.depth_size),
    zone_ticks=(1, 20, 161, 804),
    zone_pitch=(1, 1, 5, 20),
    zone_draws=(5, 2, 3, 5),
    give_way_bps=ETH_MOVE_RATIO * BTC.give_way_bps,
    diffusion_bps=ETH_MOVE_RATIO * BTC.diffusion_bps,
    trend_bps=ETH_MOVE_RATIO * BTC.trend_bps,
    recorded=_scaled(BTC.recorded, _ETH_SIZE_RATIO, ETH_MOVE_RATIO),
)

PROFILES = (BTC, ETH)
