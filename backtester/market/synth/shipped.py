"""The tapes that are shipped: which recording each imitates, and how it is carried to another price, size and pace.

Every number is traced in data/README.md.
"""

from __future__ import annotations

from typing import NamedTuple

from backtester.market.schema import TapeInstrument
from backtester.market.synth.figures import BANDS_BPS, Bands, Figures, Portrait, Tables
from backtester.market.synth.profile import Ladder, Profile, stored_profile

#: Traded notional of ETH against BTC: liquidations of the same minutes on Hyperliquid, 20:30-20:50 on Binance.
ETH_NOTIONAL_HYPERLIQUID = 0.591
ETH_NOTIONAL_BINANCE = 1.0723
ETH_MOVES = 1.77
BTC_PRICE, ETH_PRICE = 117_014.0, 4_021.3
#: BTC traded per second on Binance in the calm minutes of the scenario, and in the recording.
BINANCE_PACE = 1.4804 / 7.079
#: Its move in 10 s in those minutes, in bps, from the highs and lows of four candles; what the fewer takers no longer
#: move, diffusion makes up for: fitted.
BINANCE_MOVE_10S = 2.37
BINANCE_DIFFUSION = 0.6
#: Ticks of another width than so much leave figures that count ticks unknown.
_SAME_TICK = 1.25
_NEAR_BPS = 5.0


class Shipped(NamedTuple):
    """A tape and what it is made from. Factors are against the recording's market."""

    name: str
    profile: str
    instrument: TapeInstrument
    start_price: float
    minutes: float
    index_every_s: int
    seed: int  # of the most typical one of 40 tapes
    sizes: float = 1.0  # in base units
    moves: float = 1.0
    takers: float = 1.0  # how many
    far_half_life: float = 1.0  # of levels beyond 5 bps
    diffusion: float = 1.0
    move_10s_bps: float | None = None  # instead of the recording's


SHIPPED = (
    Shipped(
        "hyperliquid-btc",
        "hyperliquid-btc",
        TapeInstrument("hyperliquid", "BTC", "BTC", 1.0, 1e-5, quote="USDC"),
        BTC_PRICE,
        25.0,
        3,
        seed=18,
    ),
    Shipped(
        "hyperliquid-eth",
        "hyperliquid-btc",
        TapeInstrument("hyperliquid", "ETH", "ETH", 0.1, 1e-4, quote="USDC"),
        ETH_PRICE,
        25.0,
        3,
        seed=38,
        sizes=ETH_NOTIONAL_HYPERLIQUID * BTC_PRICE / ETH_PRICE,
        moves=ETH_MOVES,
    ),
    Shipped(
        "binance-usdm-btc",
        "binance-usdm-btc",
        TapeInstrument("binance-usdm", "BTCUSDT", "BTC", 0.1, 1e-3, quote="USDT"),
        BTC_PRICE,
        12.0,
        1,
        seed=12,
        takers=BINANCE_PACE,
        far_half_life=8.0,
        diffusion=BINANCE_DIFFUSION,
        move_10s_bps=BINANCE_MOVE_10S,
    ),
    Shipped(
        "binance-usdm-eth",
        "binance-usdm-btc",
        TapeInstrument("binance-usdm", "ETHUSDT", "ETH", 0.01, 1e-3, quote="USDT"),
        ETH_PRICE,
        12.0,
        1,
        seed=15,
        sizes=ETH_NOTIONAL_BINANCE * BTC_PRICE / ETH_PRICE,
        moves=ETH_MOVES,
        takers=BINANCE_PACE,
        far_half_life=8.0,
        diffusion=BINANCE_DIFFUSION,
        move_10s_bps=ETH_MOVES * BINANCE_MOVE_10S,
    ),
)


def shipped_profile(shipped: Shipped) -> Profile:
    """The profile of the recording, carried over."""
    of = stored_profile(shipped.profile)
    flow, ladder, tables = of.flow, of.ladder, of.tables
    tick = (shipped.instrument.tick_size / shipped.start_price) / (of.instrument.tick_size / of.start_price)
    far = [shipped.far_half_life if bps > _NEAR_BPS else 1.0 for bps in BANDS_BPS]
    return Profile(
        name=shipped.name,
        instrument=shipped.instrument,
        start_price=shipped.start_price,
        index_every_s=shipped.index_every_s,
        look_ms=of.look_ms,
        tables=Tables(
            tables.message_gap_ms,
            _times(tables.touch_size, shipped.sizes),
            tables.level_noise,
            _times(tables.taker_size, shipped.sizes),
        ),
        ladder=Ladder(
            _times(ladder.depth, shipped.sizes),
            ladder.levels,
            tuple(life * factor for life, factor in zip(ladder.half_life_s, far, strict=True)),
        ),
        flow=flow._replace(
            give_way_bps=flow.give_way_bps * shipped.moves,
            diffusion_bps=flow.diffusion_bps * shipped.moves * shipped.diffusion,
            rush_push_bps=flow.rush_push_bps * shipped.moves,
            rush_spread_bps=flow.rush_spread_bps * shipped.moves,
            takers_per_s=flow.takers_per_s * shipped.takers,
        ),
        recorded=_carried(of.recorded, shipped, tick),
    )


#: What scales with sizes and with moves, and what cannot be told for a tick of another width or another pace.
_SIZES = (
    *("touch_size", "touch_size_p50", "touch_size_p90", "level_size", "level_size_p50", "level_size_p90"),
    *("taker_size", "taker_size_p50", "taker_size_p90", "taker_size_p99"),
)
_MOVES = ("move_1s_bps", "move_10s_bps", "move_60s_bps")
_OF_TICK = ("touch_change_share", "spread_ticks", "wide_share", "still_share")
_OF_WIDER_TICK = (
    *("level_size", "level_size_p50", "level_size_p90", "sweep_share", "prices_per_sweep", "sweep_runs_per_s"),
    *("spread_half_life_s", "depth_half_life_s", "touch_half_life_s"),
)
_OF_PACE = ("burstiness", "sweep_runs_per_s", "touch_change_share", "still_share", *_MOVES)


def _carried(recorded: Portrait, shipped: Shipped, tick: float) -> Portrait:
    """What the shipped tape should show, None where the recording does not tell; tick is how much wider its tick is."""
    factors = dict.fromkeys(_SIZES, shipped.sizes) | dict.fromkeys(_MOVES, shipped.moves)
    factors["takers_per_s"] = shipped.takers
    is_wider, is_other = tick > _SAME_TICK, not 1 / _SAME_TICK <= tick <= _SAME_TICK
    unknown = {
        *(_OF_TICK if is_other else ()),
        *(_OF_WIDER_TICK if is_wider else ()),
        *(_OF_PACE if shipped.takers != 1.0 else ()),
    }
    figures = {
        name: None if value is None or name in unknown else value * factors.get(name, 1.0)
        for name, value in zip(Figures._fields, recorded.figures, strict=True)
    }
    if shipped.move_10s_bps is not None:
        figures["move_10s_bps"] = shipped.move_10s_bps
    depth, levels, renewed = recorded.bands
    nothing = (None,) * len(BANDS_BPS)
    slow = shipped.far_half_life != 1.0
    bands = Bands(
        tuple(
            None
            if size is None or bps * shipped.start_price < 1e4 * shipped.instrument.tick_size
            else size * shipped.sizes
            for bps, size in zip(BANDS_BPS, depth, strict=True)
        ),
        nothing if is_wider else levels,
        tuple(
            None if is_wider or (slow and bps > _NEAR_BPS) else share
            for bps, share in zip(BANDS_BPS, renewed, strict=True)
        ),
    )
    return Portrait(Figures(**figures), bands)


def _times(table: tuple[float, ...], factor: float) -> tuple[float, ...]:
    return tuple(factor * value for value in table)
