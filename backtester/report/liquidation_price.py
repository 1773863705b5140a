"""Where a position breaks: liquidation and bankruptcy price in closed form, the other positions held fixed.

Source: Hyperliquid, liquidations: `liq_price = price - side · margin_available / size / (1 - l · side)`, with the
maintenance rate l of the tier in force at the liquidation price.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from backtester.config.venue import TierRow
from backtester.venue.profile import deductions


def liquidation_price(
    size: float, mark: float, equity: float, tiers: Sequence[TierRow], other_maintenance: float = 0.0
) -> float | None:
    """The mark at which equity equals maintenance; None when no price above 0 does it.

    Parameters
    ----------
    size : signed units (times the contract multiplier), not 0
    mark : quote, where `equity` and `other_maintenance` were measured
    equity : quote, of the whole margin pool
    tiers : marginal maintenance table of this position, floors rising from 0
    other_maintenance : quote, of the pool's other positions

    With q = size and the tier's rate r and deduction d, `equity + q · (P - mark) = other + |q| · P · r - d`, so
    `P = (q · mark - equity + other - d) / (q - |q| · r)`, in the tier whose notional range holds |q| · P. Maintenance
    is continuous and rises slower than notional, so exactly one tier does.
    Example: long 1 BTC at 100,000 with 2,500 of margin at 1.25 %: 97,500 / 0.9875 = 98,734.18.
    """
    found = deductions(tiers)
    for number in reversed(range(len(tiers))):
        row = tiers[number]
        fixed = size * mark - equity + other_maintenance - found[number]
        price = fixed / (size - abs(size) * row.maintenance_rate)
        if price > 0.0 and _holds(tiers, number, abs(size) * price):
            return price
    return None


def _holds(tiers: Sequence[TierRow], number: int, notional: float) -> bool:
    """Whether a notional lies in a tier; a hair of tolerance, so that a root on a border is not lost between two."""
    ceiling = tiers[number + 1].floor_quote if number + 1 < len(tiers) else math.inf
    slack = 1e-12 * notional
    return tiers[number].floor_quote - slack <= notional <= ceiling + slack


def bankruptcy_price(size: float, mark: float, equity: float) -> float | None:
    """The mark at which the pool's equity is 0, the other positions held fixed; None when no price above 0 does it.

    `P = mark - equity / size`, closing fee not counted. Example: long 1 BTC at 100,000 with 2,500: 97,500.
    """
    price = mark - equity / size
    return price if price > 0.0 else None
