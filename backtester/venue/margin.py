"""Where a position breaks: one solver for liquidation, backstop and the leverage that a move leaves room for.

Every function takes the tier table of a market, floors rising from 0. Maintenance is marginal and so continuous
(`formulas.margin.next_deduction`) and only steepens: of one position a price that solves `equity = maintenance` is
the only one, and the tier in force there is the one that counts.

Sources: Hyperliquid, liquidations: `liq_price = price - side · margin_available / size / (1 - l · side)`, with l the
maintenance rate of the tier in force at the liquidation price; Binance, how to calculate liquidation price of USDⓈ-M
futures contracts: `LP = (WB - TMM + UPNL + cum - side · q · EP) / (q · mmr - side · q)`, TMM and UPNL of the other
contracts. Both are the same equation. In hedge mode both legs of a contract stand in it together and share the price
(Binance, FAQ b3c689c1 and ceccfcfb).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from backtester.config.venue import TierRow
from backtester.formulas import margin


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


def deductions(tiers: Sequence[TierRow]) -> tuple[float, ...]:
    """The deduction of each tier, quote. Example: 1.25 % from 0 and 2.5 % from 150 million give 0 and 1,875,000."""
    found = [0.0]
    for low, high in pairwise(tiers):
        rates = low.maintenance_rate, high.maintenance_rate
        found.append(margin.next_deduction(found[-1], high.floor_quote, *rates))
    return tuple(found)


def maintenance_margin(tiers: Sequence[TierRow], notional_quote: float) -> float:
    """What a notional needs in the tier that it reaches, quote.

    Example: 200 million of BTC at 1.25 % up to 150 million and 2.5 % above needs 3,125,000.
    """
    tier = tier_at(tiers, notional_quote)
    return margin.requirement(notional_quote, tier.maintenance_rate, tier.deduction)


def tier_at(tiers: Sequence[TierRow], notional_quote: float) -> Tier:
    """The tier of a notional: the highest whose floor it reaches."""
    return [tier for tier in tier_table(tiers) if tier.floor_quote <= notional_quote][-1]


def largest_leverage(tiers: Sequence[TierRow], notional_quote: float) -> float:
    """The largest leverage a venue allows at a notional; a tier's cap belongs to that tier (RULES 6.1).

    Example: Binance BTC, 150x up to 300,000 (`notionalCap`): 300,000 allows 150x, 300,000.1 only 100x.
    """
    return [row.max_leverage for row in tiers if row.floor_quote < notional_quote or row is tiers[0]][-1]


def break_price(
    size: float,
    mark: float,
    equity: float,
    tiers: Sequence[TierRow],
    other_maintenance: float = 0.0,
    share: float = 1.0,
    opposite: float = 0.0,
) -> Break | None:
    """Where equity equals `share` of maintenance, the other positions held fixed; None when no price above 0 does it.

    Parameters
    ----------
    size : signed units (times the contract multiplier), not 0
    mark : quote, where `equity` and `other_maintenance` were measured
    equity : quote, of the whole margin pool
    tiers : of this position's market
    other_maintenance : quote, of the pool's positions in other contracts
    share : 1 for liquidation, a venue's takeover threshold for its backstop
    opposite : signed units of the contract's other leg in the same pool (hedge mode), 0 without one

    The legs of a contract move together and break together. With q = Σ sizes, s = share and each leg's rate r and
    deduction d in its own tier, `equity + q · (P - mark) = s · (other + Σ(|size| · P · r - d))`, so
    `P = (q · mark - equity + s · (other - Σd)) / (q - s · Σ|size| · r)`, where the tiers are those at P. Maintenance
    only steepens, so two prices at most solve it, one below and one above; the one nearer to the mark counts.
    Examples: long 1 BTC at 100,000 with 2,500 of margin at 1.25 %: liquidated at 97,500 / 0.9875 = 98,734.18, taken
    over at two thirds of maintenance at 97,500 / 0.99167 = 98,319.33. Long 2 and short 1 from 100,000 with 20,000 at
    0.4 %: both at 80,000 / 0.988 = 80,971.66.
    """
    net, gross = size + opposite, tuple(abs(leg) for leg in (size, opposite) if leg)
    roots = []
    for low, high, in_force in _stretches(tier_table(tiers), gross):
        slope = net - share * math.fsum(leg * tier.maintenance_rate for leg, tier in zip(gross, in_force, strict=True))
        if slope == 0.0:  # equity and maintenance run side by side: no price is special
            continue
        deduction = math.fsum(tier.deduction for tier in in_force)
        price = (net * mark - equity + share * (other_maintenance - deduction)) / slope
        if price > 0.0 and low * (1.0 - _HAIR) <= price <= high * (1.0 + _HAIR):
            roots.append(Break(price, in_force[0]))
    return min(roots, key=lambda root: abs(root.price - mark), default=None)


_HAIR = 1e-12  # of a price, so that a root on a border is not lost between two tiers


def _stretches(table: Sequence[Tier], sizes: Sequence[float]) -> Iterator[tuple[float, float, list[Tier]]]:
    """(from, to, tier of each size) of every stretch of prices on which no size changes its tier, rising from 0."""
    edges = sorted({tier.floor_quote / size for size in sizes for tier in table})
    for low, high in pairwise((*edges, math.inf)):
        yield low, high, [next(t for t in reversed(table) if t.floor_quote / size <= low) for size in sizes]


def liquidation_price(
    size: float,
    mark: float,
    equity: float,
    tiers: Sequence[TierRow],
    other_maintenance: float = 0.0,
    opposite: float = 0.0,
) -> float | None:
    """The mark at which equity equals maintenance (`break_price`); None when no price above 0 does it."""
    found = break_price(size, mark, equity, tiers, other_maintenance, opposite=opposite)
    return found.price if found else None


def bankruptcy_price(size: float, mark: float, equity: float, share: float = 1.0) -> float | None:
    """`formulas.margin.bankruptcy_price` of a contract (RULES 8.3); None when no price above 0 is its own.

    `size`: signed units, of both legs together in hedge mode; `share`: its part of the pool. Examples: long 1 BTC at
    100,000 with 2,500: 97,500. A flat hedge has none.
    """
    price = margin.bankruptcy_price(mark, equity, share, size) if size else 0.0
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
