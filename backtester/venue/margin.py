"""Where a position breaks: one solver for liquidation, backstop and the leverage that a move leaves room for.

Every function takes the tier table of a market, floors rising from 0. Maintenance is marginal and so continuous
(`venue.profile.maintenance_margin`), and rises slower than notional: a price that solves `equity = maintenance` is the
only one, and the tier in force there is the one that counts.

Sources: Hyperliquid, liquidations: `liq_price = price - side · margin_available / size / (1 - l · side)`, with l the
maintenance rate of the tier in force at the liquidation price; Binance, how to calculate liquidation price of USDⓈ-M
futures contracts: `LP = (WB - TMM + UPNL + cum - side · q · EP) / (q · mmr - side · q)`, TMM and UPNL of the other
contracts. Both are the same equation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from backtester.config.venue import TierRow
from backtester.venue.profile import deductions, maintenance_margin


class Tier(NamedTuple):
    """A tier as the venues print it: `number` from 1, its deduction in quote currency beside its rate."""

    number: int
    floor_quote: float
    maintenance_rate: float
    deduction: float
    max_leverage: float


class Break(NamedTuple):
    """A mark at which equity is used up to some share of maintenance, and the tier in force there."""

    price: float
    tier: Tier


def tier_table(tiers: Sequence[TierRow]) -> tuple[Tier, ...]:
    """The rows with their numbers and deductions. Example: 2.5 % from 150 million after 1.25 % deducts 1,875,000."""
    return tuple(
        Tier(number, row.floor_quote, row.maintenance_rate, deduction, row.max_leverage)
        for number, (row, deduction) in enumerate(zip(tiers, deductions(tiers), strict=True), start=1)
    )


def tier_at(tiers: Sequence[TierRow], notional_quote: float) -> Tier:
    """The tier of a notional: the highest whose floor it reaches."""
    return [tier for tier in tier_table(tiers) if tier.floor_quote <= notional_quote][-1]


def break_price(
    size: float,
    mark: float,
    equity: float,
    tiers: Sequence[TierRow],
    other_maintenance: float = 0.0,
    share: float = 1.0,
) -> Break | None:
    """Where equity equals `share` of maintenance, the other positions held fixed; None when no price above 0 does it.

    Parameters
    ----------
    size : signed units (times the contract multiplier), not 0
    mark : quote, where `equity` and `other_maintenance` were measured
    equity : quote, of the whole margin pool
    tiers : of this position's market
    other_maintenance : quote, of the pool's other positions
    share : 1 for liquidation, a venue's takeover threshold for its backstop

    With q = size, s = share and the tier's rate r and deduction d,
    `equity + q · (P - mark) = s · (other + |q| · P · r - d)`, so
    `P = (q · mark - equity + s · (other - d)) / (q - s · |q| · r)`, in the tier whose notional range holds |q| · P.
    Example: long 1 BTC at 100,000 with 2,500 of margin at 1.25 %: liquidated at 97,500 / 0.9875 = 98,734.18, taken
    over at two thirds of maintenance at 97,500 / 0.99167 = 98,319.33.
    """
    table = tier_table(tiers)
    for tier in reversed(table):
        slope = size - share * abs(size) * tier.maintenance_rate
        if slope == 0.0:  # a rate of 1: maintenance falls as fast as the equity of a long, no price is special
            continue
        price = (size * mark - equity + share * (other_maintenance - tier.deduction)) / slope
        if price > 0.0 and _holds(table, tier, abs(size) * price):
            return Break(price, tier)
    return None


def _holds(table: Sequence[Tier], tier: Tier, notional: float) -> bool:
    """Whether a notional lies in a tier; a hair of tolerance, so that a root on a border is not lost between two."""
    ceiling = table[tier.number].floor_quote if tier.number < len(table) else math.inf
    slack = 1e-12 * notional
    return tier.floor_quote - slack <= notional <= ceiling + slack


def liquidation_price(
    size: float, mark: float, equity: float, tiers: Sequence[TierRow], other_maintenance: float = 0.0
) -> float | None:
    """The mark at which equity equals maintenance (`break_price`); None when no price above 0 does it."""
    found = break_price(size, mark, equity, tiers, other_maintenance)
    return found.price if found else None


def bankruptcy_price(size: float, mark: float, equity: float) -> float | None:
    """The mark at which the pool's equity is 0, the other positions held fixed; None when no price above 0 does it.

    `P = mark - equity / size`, closing fee not counted. Example: long 1 BTC at 100,000 with 2,500: 97,500.
    """
    price = mark - equity / size
    return price if price > 0.0 else None


def margin_for_move(side: int, notional_quote: float, tiers: Sequence[TierRow], move: float, cost: float) -> float:
    """The margin that meets maintenance exactly after an adverse `move`, a fraction of the price, and a `cost`, one of
    the notional, are paid: `N · move + maintenance(N · (1 - side · move)) + N · cost`, quote.

    Its leverage N / margin is the largest that survives the move. With one flat rate m that is the known
    `1 / (d + m · (1 - d) + c)` of a long and `1 / (u + m · (1 + u) + c)` of a short.
    Example: a fall of 16.8 % at m = 0.4 % leaves room for 1 / (0.168 + 0.004 · 0.832) = 5.84x.
    """
    moved = notional_quote * (1.0 - side * move)
    return notional_quote * (move + cost) + maintenance_margin(tiers, moved)
