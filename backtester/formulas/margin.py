"""Maintenance margin and the prices at which a position breaks (RULES 6.3, 6.4, 8.3)."""

from __future__ import annotations


def requirement(notional: float, rate: float, deduction: float) -> float:
    """Maintenance margin of a notional in a tier: `N · rate - deduction`.

    Source: Binance, leverage and margin of USDⓈ-M futures ("maintenance amount"). Example: Hyperliquid BTC, 200 million
    at 2.5 % less 1,875,000: 3,125,000.
    """
    return notional * rate - deduction


def next_deduction(deduction: float, floor: float, rate: float, next_rate: float) -> float:
    """Deduction of the tier that begins at `floor`, where it makes the requirement continuous:
    `d_k = d_(k-1) + floor_k · (rate_k - rate_(k-1))`, `d_0 = 0`.

    Source: Hyperliquid, margin tiers. Example: 1.25 % up to 150 million, 2.5 % above: 0 and 1,875,000.
    """
    return deduction + floor * (next_rate - rate)


def pool_share(own_maintenance: float, pool_maintenance: float) -> float:
    """A position's or contract's part of what its margin pool holds: that of the maintenance margin.

    Example: 10,000 beside 5,000 of another contract: two thirds.
    """
    return own_maintenance / pool_maintenance if pool_maintenance > 0.0 else 1.0


def bankruptcy_price(mark: float, equity: float, share: float, units: float) -> float:
    """The mark at which the `share` of a pool's equity is gone: `mark - equity · share / units`, units signed, not 0.

    A closing fee is not counted; at these prices all positions of a pool together leave exactly 0. Examples: long 1 at
    98,000 with 500: 97,500. Equity 12,000, long 10 BTC at 100,000 with a maintenance of 10,000 beside short 100 ETH at
    4,000 with 5,000: 99,200 and 4,040.
    """
    return mark - equity * share / units


def buffer_slope(value: float, rate: float) -> float:
    """What the buffer of a pool gains while the mark doubles of a position worth `value` (signed), in its tier.

    Example: long 1 at 100,000 and 1.25 %: 98,750.
    """
    return value - abs(value) * rate
