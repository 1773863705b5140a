"""The cost line of a trade: what one place of the portfolio won on the price, and where it went.

    price PnL + fees + funding = net                          as the account's books say
    net + unrealised PnL at the start = result since entry    0 at both break-evens

A place that held Q units on one side s in all, entered at E and left at X on average (what is still held counts at the
mark), has won `s · Q · (X - E)` since its entry, carried in and since. So the exit that pays for everything is

    break-even price = E + s · (fees + funding) / Q           costs positive

E is what was really paid: the slippage of the entry is in it, and is not counted again. With the mid at the decision
for E the slippage would have to be added; both give the same price. The rate per interval that pays for the rest is

    break-even funding = (price PnL + fees + unrealised PnL at the start) / Σ lots · unit · price of the payments

Margin that a backstop took and losses that others bear belong to a pool, not to a trade: they stay in the account's
`pnl_liquidation`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from backtester.enums import Liquidity
from backtester.formulas.value import price_of, worth
from backtester.metrics.names import Grid, Names, rows_of
from backtester.metrics.reconcile import unrealised
from backtester.metrics.slippage import OrderFills, Split, fees_of, liquidation_slippage, split, taken_of
from backtester.report.executions import TradeReport
from backtester.report.records import CROSS, ISOLATED
from backtester.run.result import ACTUAL, RunResult


class Slipped(NamedTuple):
    """The four parts of slippage and the notional at the mids of the decisions, quote currency."""

    delay: float
    spread: float
    depth: float
    impact: float
    notional: float

    @property
    def slippage(self) -> float:
        """All four parts."""
        return math.fsum(self[:4])


def slipped(result: RunResult, names: Names, fills: OrderFills) -> dict[int, Slipped]:
    """What taking liquidity cost for each position of ACTUAL, by its orders and by liquidation."""
    held = np.flatnonzero(result.state.positions["world"] == ACTUAL).tolist()
    return {number: _slipped(result, number, names.grid(number), fills) for number in held}


def _slipped(result: RunResult, number: int, grid: Grid, fills: OrderFills) -> Slipped:
    sums = [Fraction(0)] * len(Slipped._fields)
    for parts, lots in _splits(result, number, fills):
        amounts = (parts.delay, parts.spread, parts.depth, parts.impact, parts.decision)
        sums = [total + amount * lots for total, amount in zip(sums, amounts, strict=True)]
    return Slipped(*map(grid.value, sums))


def _splits(result: RunResult, number: int, fills: OrderFills) -> Iterator[tuple[Split, int]]:
    """(cost per lot in ticks, lots) of everything that took liquidity for a position."""
    for order in np.flatnonzero(result.state.orders["position"] == number).tolist():
        taken = taken_of(fills.of(order))
        if parts := split(result.state.orders[order], taken):
            yield parts, taken.lots
    for row in result.liquidations[result.liquidations["position"] == number]:
        if parts := liquidation_slippage(row):
            yield parts, int(row["filled"])


class Averages(NamedTuple):
    """A place that was only long or only short: lots in all and closed ones, average prices in quote currency."""

    side: int
    size: int
    entry: float
    closed: int
    exit: float | None


def averages(lots_start: int, entry: float, fills: np.ndarray) -> Averages | None:
    """Entry and exit of a position that began with `lots_start` at `entry`; sizes in lots.

    fills  FILL[n] of the position, in order
    None for one that never held anything, or was both long and short.
    Example: long 2 from 100, buys 2 at 104, sells 3 at 110: 4 from 102, of which 3 left at 110.
    """
    signed = (fills["side"] * fills["lots"]).tolist()
    held = np.cumsum([lots_start, *signed])
    if not held.any() or (held.min() < 0 < held.max()):
        return None
    side = 1 if held.max() > 0 else -1
    priced = list(zip(signed, fills["price"].tolist(), strict=True))
    opened = [(lots_start, entry), *(each for each in priced if each[0] * side > 0)]
    closed = [each for each in priced if each[0] * side < 0]
    size, left = (abs(sum(lots for lots, _ in part)) for part in (opened, closed))
    paid, got = (math.fsum(abs(lots) * price for lots, price in part) for part in (opened, closed))
    return Averages(side, size, paid / size, left, got / left if left else None)


def trade_reports(result: RunResult, names: Names, costs: Mapping[int, Slipped]) -> Iterator[TradeReport]:
    """Every place of the portfolio that held something, in its order. `costs`: what `slipped` found."""
    for account in range(len(result.world.accounts)):
        for number in result.index.positions[account]:
            row = result.state.positions[number]
            if row["lots_start"] or (result.fills["position"] == number).any():
                yield _trade_report(result, names, number, costs[number])


def _trade_report(result: RunResult, names: Names, number: int, cost: Slipped) -> TradeReport:
    row, grid = result.state.positions[number], names.grid(number)
    market = result.market.markets[row["market"]]
    unit = float(market["unit"])
    fills = result.fills[result.fills["position"] == number]
    paid_for = list(rows_of(fills, "liquidity", "fee"))
    fees = (fees_of(paid_for, Liquidity.MAKER), fees_of(paid_for, Liquidity.TAKER), float(row["liquidation_fee"]))
    funding, carried_in = float(row["funding"]), unrealised(result, number, at_start=True)
    price_pnl = math.fsum((float(row["realised"]), unrealised(result, number), -carried_in))
    entry = price_of(float(row["cost_start"]), int(row["lots_start"]), unit) if row["lots_start"] else 0.0
    held = averages(int(row["lots_start"]), entry, fills)
    paid = -math.fsum((*fees, funding))
    payments = result.payments[result.payments["position"] == number]
    weight = math.fsum(worth(payments["lots"], unit, payments["price"]).tolist())
    return TradeReport(
        account=names.account(int(row["account"])),
        symbol=names.symbol(number),
        margin_mode=ISOLATED if row["isolated"] else CROSS,
        price_pnl=price_pnl,
        fees_maker=fees[0],
        fees_taker=fees[1],
        fees_liquidation=fees[2],
        funding=funding,
        net=math.fsum((price_pnl, *fees, funding)),
        delay=cost.delay,
        spread=cost.spread,
        depth=cost.depth,
        impact=cost.impact,
        carried_in=carried_in,
        size=grid.size(held.side * held.size) if held else None,
        closed_size=grid.size(held.closed) if held else None,
        entry_price=held.entry if held else None,
        exit_price=held.exit if held else None,
        mark_price=float(market["mark"]) if held and held.closed < held.size else None,
        breakeven_price=held.entry + held.side * paid / (held.size * unit) if held else None,
        breakeven_funding=math.fsum((price_pnl, *fees, carried_in)) / weight if weight else None,
        funding_intervals=len(payments),
        position=names.position(number),
    )
