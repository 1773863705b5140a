"""What taking liquidity cost, split exactly: delay + spread + depth + impact = slippage, + fee = total (RULES 9.3).

Each part is a distance between two prices of one order, counted so that worse is positive, in bps of the first:

    m_d  mid at the decision (of a stop: when it triggered)
    m_a  mid when the order arrived                           delay  = s · (m_a - m_d)
    b_a  best opposite price on arrival                       spread = s · (b_a - m_a)
    W0   average price of sweeping the ladder on arrival      depth  = s · (W0 - b_a)
    W    average price that was paid                          impact = s · (W - W0)

Only fills that took liquidity count: a resting order fills at the price it asked for, and its distance from an earlier
mid is not a cost of execution.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from backtester.enums import Liquidity
from backtester.metrics.names import Grid, Row, rows_of
from backtester.report.executions import BPS, Slippage

NOT_TAKEN = Slippage(None, None, None, None, None, None)


class Split(NamedTuple):
    """The four parts, in ticks, exactly; `decision` is the mid they are measured from."""

    decision: Fraction
    delay: Fraction
    spread: Fraction
    depth: Fraction
    impact: Fraction

    @property
    def slippage(self) -> Fraction:
        """All four, in ticks."""
        return self.delay + self.spread + self.depth + self.impact

    @property
    def walk_share(self) -> Fraction:
        """Depth and impact as a part of the mid at the decision: what the size cost beyond the best price."""
        return (self.depth + self.impact) / self.decision


class Taken(NamedTuple):
    """The part of an order that took liquidity."""

    lots: int
    value: int  # Σ tick · lots
    fee: float


def taken_of(fills: Iterable[Row]) -> Taken:
    """Sum the fills (FILL rows) of one order that took liquidity."""
    took = [fill for fill in fills if fill["liquidity"] == Liquidity.TAKER]
    return Taken(
        lots=sum(fill["lots"] for fill in took),
        value=sum(fill["lots"] * fill["tick"] for fill in took),
        fee=math.fsum(fill["fee"] for fill in took),
    )


class OrderFills:
    """The fills of each order, all read once."""

    def __init__(self, fills: np.ndarray) -> None:
        self._rows: dict[int, list[Row]] = {}
        for row in rows_of(fills):
            self._rows.setdefault(row["order"], []).append(row)

    def of(self, order: int) -> Sequence[Row]:
        """FILL rows of one order, in order of time."""
        return self._rows.get(order, ())


def fees_of(fills: Iterable[Row], liquidity: Liquidity) -> float:
    """Fees of fills (FILL rows) of one liquidity as cash: paid is negative, a rebate positive."""
    return 0.0 - math.fsum(fill["fee"] for fill in fills if fill["liquidity"] == liquidity)


def split(order: Any, taken: Taken) -> Split | None:
    """Split the cost of an ORDER record; None when it took nothing.

    Example: decided at a mid of 100, arrived at 98 with the best bid at 97; sweeping for the size gets 96, it got 95.5
    on average. A seller pays delay 2, spread 1, depth 1, impact 0.5: together 4.5.
    """
    if taken.lots == 0:
        return None
    side = int(order["side"])
    decision, arrival = Fraction(int(order["decision_mid2"]), 2), Fraction(int(order["arrival_mid2"]), 2)
    best = Fraction(int(order["arrival_best"]))
    sweep = Fraction(int(order["sweep_value"]), int(order["sweep_lots"]))
    paid = Fraction(taken.value, taken.lots)
    return Split(
        decision,
        delay=side * (arrival - decision),
        spread=side * (best - arrival),
        depth=side * (sweep - best),
        impact=side * (paid - sweep),
    )


def in_bps(parts: Split | None, taken: Taken, grid: Grid) -> Slippage:
    """The split in bps of the decision mid, with the fee of the part that took liquidity."""
    if parts is None:
        return NOT_TAKEN
    notional = grid.value(parts.decision * taken.lots)
    fee_bps = BPS * taken.fee / notional
    return Slippage(
        delay_bps=float(BPS * parts.delay / parts.decision),
        spread_bps=float(BPS * parts.spread / parts.decision),
        depth_bps=float(BPS * parts.depth / parts.decision),
        impact_bps=float(BPS * parts.impact / parts.decision),
        fee_bps=fee_bps,
        total_bps=float(BPS * parts.slippage / parts.decision) + fee_bps,
    )


def liquidation_slippage(row: Any) -> Split | None:
    """The same for a LIQUIDATION record, which is decided and arrives at once: all of it is `impact` on the mid."""
    if row["filled"] == 0 or row["value"] == 0:
        return None
    decision = Fraction(int(row["mid2"]), 2)
    paid = Fraction(int(row["value"]), int(row["filled"]))
    return Split(decision, Fraction(0), Fraction(0), Fraction(0), impact=int(row["side"]) * (paid - decision))
