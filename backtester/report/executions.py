"""The parts of the report model that tell how something was traded: orders, plans, and what a trade cost.

Units and signs are those of `records`.
"""

from __future__ import annotations

from typing import NamedTuple

from backtester.config.values import Instant
from backtester.enums import FillReason, Liquidity, OrderReason, OrderStatus, OrderType, Side

BPS = 10_000  # in 1


class ImpactLaw(NamedTuple):
    """What the ladder charged beside what the square-root law says (metrics.impact_law)."""

    prefactor: float  # Y, assumed
    volatility_day: float  # fraction of the price, of the moment scaled to a day
    volume_day: float  # units of the base that the tape traded at the moment, scaled to a day
    share: float  # what was filled / what the tape traded at the moment
    walk_bps: float  # depth and impact
    law_bps: float
    ratio: float | None  # walk / law; None when the law says 0


class Slippage(NamedTuple):
    """Cost of taking liquidity in bps of the mid at the decision; None where no liquidity was taken.

    delay + spread + depth + impact + fee = total.
    """

    delay_bps: float | None
    spread_bps: float | None
    depth_bps: float | None
    impact_bps: float | None
    fee_bps: float | None
    total_bps: float | None


class FillReport(NamedTuple):
    """One fill of an order: one level of a walk, or one match of a resting order."""

    ts: Instant
    price: float
    size: float
    liquidity: Liquidity
    reason: FillReason
    age_ns: int  # of the order book that it was made on (RULES 2.6)


class OrderReport(NamedTuple):
    """One order of the portfolio. `result` and `gap_bps` are the audit of a conditional order, None for others.

    A child of a plan has the size that its plan gave it.
    """

    id: str
    symbol: str
    type: OrderType
    status: OrderStatus
    reason: OrderReason
    trigger_ts: Instant | None
    trigger_price: float | None  # the price that fired it
    arrive_ts: Instant | None
    size: float
    filled_size: float
    vwap: float | None
    unfilled_size: float
    levels: int
    maker_share: float | None
    slippage: Slippage
    account: str
    side: Side
    done_ts: Instant | None
    stop_price: float | None  # the price at which it should have fired; of a trailing one: its trigger at the end
    result: str | None
    gap_bps: float | None
    fills: tuple[FillReport, ...]
    limit_price: float | None
    limit_gap_bps: float | None  # how far beyond its limit the best opposite price was when it arrived
    activation_price: float | None  # of a trailing one; None: active at once
    peak_price: float | None  # of a trailing one, None before it was active
    fees_maker: float
    fees_taker: float
    law: ImpactLaw | None
    plan: str | None  # id of the plan that it is a child of


class Shortfall(NamedTuple):
    """Implementation shortfall against a paper trade of the whole plan at the decision price; a cost is positive.

    delay + trading + opportunity + fees = total, in quote currency and in bps of the paper trade.
    """

    delay: float
    trading: float
    opportunity: float
    fees: float
    total: float
    delay_bps: float
    trading_bps: float
    opportunity_bps: float
    fees_bps: float
    total_bps: float


class PlanReport(NamedTuple):
    """One execution plan. Prices are None where they never came to be; `market_` is what the tape traded meanwhile."""

    id: str
    account: str
    symbol: str
    side: Side
    status: str  # done, ended, working or not_started
    size: float
    filled_size: float
    unfilled_size: float
    vwap: float | None
    start_ts: Instant | None  # first decision
    end_ts: Instant | None  # when its last child ended; of one that still works: the end of the run
    first_fill_ts: Instant | None
    last_fill_ts: Instant | None
    decision_price: float | None  # mid at the first decision
    arrival_price: float | None  # mid when its first child reached the venue
    end_price: float | None  # mid at the end
    arrival_slippage_bps: float | None
    market_vwap: float | None
    vwap_slippage_bps: float | None
    market_volume: float | None  # units; None where the tape does not tell
    participation: float | None  # filled / market_volume
    maker_share: float | None
    fees: float
    fees_maker: float
    fees_taker: float
    children: int  # that were sent
    children_filled: int  # of these: with a fill
    children_refused: int
    largest_child: float
    shortfall: Shortfall | None
    law: ImpactLaw | None
    algo: str


class TradeReport(NamedTuple):
    """What one place of the portfolio cost, line by line.

    price_pnl + fees_maker + fees_taker + fees_liquidation + funding = net. Slippage is a memo inside price_pnl; its
    four parts add up to the `slippage` of the position. `carried_in` is the unrealised PnL that it came with:
    net + carried_in is its result since its entry, and both break-evens are where that is 0. carried_in + price_pnl is
    what the prices say: closed_size from entry_price to exit_price, the rest of size from entry_price to mark_price.
    """

    account: str
    symbol: str
    margin_mode: str
    price_pnl: float
    fees_maker: float
    fees_taker: float
    fees_liquidation: float
    funding: float
    net: float
    delay: float
    spread: float
    depth: float
    impact: float
    carried_in: float
    size: float | None  # all that it held, signed; None, and no price either, if it was long and short
    closed_size: float | None  # part of it that was closed
    entry_price: float | None  # average of all that it held
    exit_price: float | None  # average of what it closed; None if nothing
    mark_price: float | None  # of what is still held; None if nothing
    breakeven_price: float | None  # average price of leaving all of it that would have paid for fees and funding
    breakeven_funding: float | None  # the rate of every interval that would have paid for the rest
    funding_intervals: int
    position: str  # its name, as in PositionReport
