"""What was traded and paid, one record each: orders, liquidations, funding payments of ACTUAL."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from backtester.config.values import Instant
from backtester.enums import (
    FillReason,
    LiquidationStage,
    Liquidity,
    OrderReason,
    OrderStatus,
    OrderType,
    Side,
)
from backtester.report.names import CROSS, ISOLATED, Names, known, moment
from backtester.report.records import FillReport, FundingPayment, LiquidationReport, OrderReport
from backtester.report.slippage import BPS, in_bps, liquidation_slippage, split, taken_of
from backtester.report.stops import gap_bps, stop_result
from backtester.run.result import ACTUAL, RunResult


def order_reports(result: RunResult, names: Names) -> Iterator[OrderReport]:
    """Every order of the portfolio, in its order."""
    for account, described in enumerate(result.world.accounts):
        for place, number in enumerate(result.index.orders[account]):
            order = described.orders[place]
            asked = order.lots if order.plan < 0 else int(result.state.orders[number]["lots"])  # said at its decision
            yield _order_report(result, names, number, asked)


def _order_report(result: RunResult, names: Names, number: int, asked_lots: int) -> OrderReport:
    order = result.state.orders[number]
    position = int(order["position"])
    grid = names.grid(position)
    fills = result.fills[result.fills["order"] == number]
    taken = taken_of(fills)
    filled = int(order["filled"])
    is_stop = order["type"] == OrderType.STOP_MARKET
    fired = order["trigger_ts"] >= 0
    return OrderReport(
        id=names.order(number),
        symbol=names.symbol(position),
        type=OrderType(int(order["type"])),
        status=OrderStatus(int(order["status"])),
        reason=OrderReason(int(order["reason"])),
        trigger_ts=moment(order["trigger_ts"]),
        trigger_price=float(order["trigger_price"]) if fired else None,
        arrive_ts=moment(order["arrive_ts"]),
        size=grid.size(asked_lots),
        filled_size=grid.size(filled),
        vwap=grid.price(Fraction(int(order["fill_value"]), filled)) if filled else None,
        unfilled_size=grid.size(asked_lots - filled),
        levels=int(order["levels"]),
        maker_share=int(order["maker_lots"]) / filled if filled else None,
        slippage=in_bps(split(order, taken), taken, grid),
        account=names.account(int(order["account"])),
        side=Side(int(order["side"])),
        done_ts=moment(order["done_ts"]),
        stop_price=grid.price(int(order["trigger_tick"])) if is_stop else None,
        result=stop_result(order) if is_stop else None,
        gap_bps=gap_bps(order) if is_stop else None,
        fills=tuple(
            FillReport(
                Instant(int(fill["ts"])),
                grid.price(int(fill["tick"])),
                grid.size(int(fill["lots"])),
                Liquidity(int(fill["liquidity"])),
                FillReason(int(fill["reason"])),
            )
            for fill in fills
        ),
    )


def liquidation_reports(result: RunResult, names: Names) -> Iterator[LiquidationReport]:
    """Every liquidation order and takeover, in the order of time."""
    for row in result.liquidations[result.liquidations["world"] == ACTUAL]:
        yield _liquidation_report(names, row)


def _liquidation_report(names: Names, row: Any) -> LiquidationReport:
    position = int(row["position"])
    grid = names.grid(position)
    stage = LiquidationStage(int(row["stage"]))
    taken_over = stage is LiquidationStage.TAKEOVER
    paid = grid.price(Fraction(int(row["value"]), int(row["filled"]))) if row["value"] else None
    parts = liquidation_slippage(row)
    margin = CROSS if names.pool(int(row["pool"])) == CROSS else ISOLATED
    return LiquidationReport(
        ts=Instant(int(row["ts"])),
        account=names.account(int(row["account"])),
        symbol=names.symbol(position),
        stage=stage,
        cause=f"{margin}_below_{'takeover_threshold' if taken_over else 'maintenance'}",
        trigger_mark=float(row["mark"]),
        size=grid.size(int(row["lots"])),
        filled_size=grid.size(int(row["filled"])),
        vwap=float(row["mark"]) if taken_over else paid,
        bankruptcy_price=known(row["bankruptcy"]),
        slippage_bps=float(BPS * parts.slippage / parts.decision) if parts else None,
        fee=-float(row["fee"]),
        levels=int(row["levels"]),
        side=Side(int(row["side"])),
    )


def funding_payments(result: RunResult, names: Names) -> Iterator[FundingPayment]:
    """Every funding payment of ACTUAL, in order."""
    for row in result.payments[result.payments["world"] == ACTUAL]:
        position = int(row["position"])
        size, price = names.grid(position).size(int(row["lots"])), float(row["price"])
        yield FundingPayment(
            ts=Instant(int(row["ts"])),
            account=names.account(int(row["account"])),
            symbol=names.symbol(position),
            size=size,
            rate=float(row["rate"]),
            price=price,
            notional=abs(size) * price,
            amount=float(row["amount"]),
        )
