"""What was traded and paid, one record each: orders, liquidations, funding payments of ACTUAL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
from backtester.formulas.value import worth
from backtester.metrics.impact_law import Course, beside_the_law
from backtester.metrics.names import Grid, Names, Row, known, moment, rows_of
from backtester.metrics.slippage import OrderFills, Split, fees_of, in_bps, liquidation_slippage, split, taken_of
from backtester.metrics.stops import audit
from backtester.report.executions import BPS, FillReport, ImpactLaw, OrderReport
from backtester.report.records import CROSS, ISOLATED, FundingPayment, LiquidationReport
from backtester.run.result import ACTUAL, RunResult


def order_reports(
    result: RunResult, names: Names, fills: OrderFills, traded: Sequence[Course | None]
) -> Iterator[OrderReport]:
    """Every order of the portfolio, in its order, then those that guards of ACTUAL made. `traded`: the `courses`."""
    for account, described in enumerate(result.world.accounts):
        numbers = result.index.orders[account]
        rows = rows_of(result.state.orders[numbers.start : numbers.stop])
        for number, written, order in zip(numbers, described.orders, rows, strict=True):
            asked = written.lots if order["plan"] < 0 else order["lots"]
            yield _order_report(names, number, asked, order, fills.of(number), traded[order["market"]])
    for number in names.made_in_actual:
        [order] = rows_of(result.state.orders[number : number + 1])
        yield _order_report(names, number, order["lots"], order, fills.of(number), traded[order["market"]])


def _order_report(
    names: Names, number: int, asked: int, order: Row, fills: Sequence[Row], course: Course | None
) -> OrderReport:
    """The report of an order for `asked` lots as it became: its ORDER row and its FILL rows."""
    position, plan, filled = order["position"], order["plan"], order["filled"]
    grid = names.grid(position)
    taken = taken_of(fills)
    parts = split(order, taken)
    audited = audit(order, grid)
    return OrderReport(
        id=names.order(number),
        symbol=names.symbol(position),
        type=OrderType(order["type"]),
        status=OrderStatus(order["status"]),
        reason=OrderReason(order["reason"]),
        trigger_ts=moment(order["trigger_ts"]),
        trigger_price=order["trigger_price"] if order["trigger_ts"] >= 0 else None,
        arrive_ts=moment(order["arrive_ts"]),
        size=grid.size(asked),
        filled_size=grid.size(filled),
        vwap=grid.price(Fraction(int(order["fill_value"]), filled)) if filled else None,
        unfilled_size=grid.size(asked - filled),
        levels=order["levels"],
        maker_share=order["maker_lots"] / filled if filled else None,
        slippage=in_bps(parts, taken, grid),
        account=names.account(order["account"]),
        side=Side(order["side"]),
        done_ts=moment(order["done_ts"]),
        stop_price=audited.stop_price,
        result=audited.result,
        gap_bps=audited.gap_bps,
        fills=tuple(_fill_report(fill, grid) for fill in fills),
        limit_price=audited.limit_price,
        limit_gap_bps=audited.limit_gap_bps,
        activation_price=audited.activation_price,
        peak_price=audited.peak_price,
        fees_maker=fees_of(fills, Liquidity.MAKER),
        fees_taker=fees_of(fills, Liquidity.TAKER),
        law=_law(course, order, taken.lots, parts, grid),
        plan=names.plan(plan) if plan >= 0 else None,
    )


def _law(course: Course | None, order: Row, lots: int, parts: Split | None, grid: Grid) -> ImpactLaw | None:
    """What `lots` cost that an ORDER row took, beside the law of the moment at which it arrived."""
    if course is None or parts is None:
        return None
    return beside_the_law(course.before(order["arrive_ts"]), grid, lots, parts.walk_share)


def _fill_report(fill: Row, grid: Grid) -> FillReport:
    return FillReport(
        Instant(fill["ts"]),
        grid.price(fill["tick"]),
        grid.size(fill["lots"]),
        Liquidity(fill["liquidity"]),
        FillReason(fill["reason"]),
        fill["age_ns"],
    )


def liquidation_reports(result: RunResult, names: Names) -> Iterator[LiquidationReport]:
    """Every liquidation order and takeover, in the order of time."""
    taken = (result.fills["world"] == ACTUAL) & (result.fills["reason"] == FillReason.LIQUIDATION)
    fills = rows_of(result.fills[taken], "tick", "lots")
    for row in result.liquidations[result.liquidations["world"] == ACTUAL]:
        is_order = row["stage"] != LiquidationStage.TAKEOVER
        yield _liquidation_report(names, row, _last_tick(fills, int(row["filled"])) if is_order else None)


def _last_tick(fills: Iterator[Row], filled: int) -> int | None:
    """The last tick at which so many lots were filled: an order walks outward, so none is worse; None without a fill.

    `fills` begin with those of the order, as one order after the other fills.
    """
    tick = None
    while filled > 0:
        fill = next(fills)
        tick, filled = fill["tick"], filled - fill["lots"]
    return tick


def _liquidation_report(names: Names, row: Any, last: int | None) -> LiquidationReport:
    position = int(row["position"])
    grid = names.grid(position)
    stage = LiquidationStage(int(row["stage"]))
    taken_over = stage is LiquidationStage.TAKEOVER
    paid = grid.price(Fraction(int(row["value"]), int(row["filled"]))) if row["value"] else None
    parts = liquidation_slippage(row)
    return LiquidationReport(
        ts=Instant(int(row["ts"])),
        account=names.account(int(row["account"])),
        symbol=names.symbol(position),
        stage=stage,
        cause="below_takeover_threshold" if taken_over else "below_maintenance",
        trigger_mark=float(row["mark"]),
        size=grid.size(int(row["lots"])),
        filled_size=grid.size(int(row["filled"])),
        vwap=float(row["takeover_price"]) if taken_over else paid,
        worst_price=None if last is None else grid.price(last),
        bankruptcy_price=known(row["bankruptcy"]),
        slippage_bps=float(BPS * parts.slippage / parts.decision) if parts else None,
        fee=-float(row["fee"]),
        levels=int(row["levels"]),
        side=Side(int(row["side"])),
        position=names.position(position),
        margin_mode=CROSS if names.pool(int(row["pool"])) == CROSS else ISOLATED,
    )


def funding_payments(result: RunResult, names: Names) -> Iterator[FundingPayment]:
    """Every funding payment of ACTUAL, in order."""
    for row in result.payments[result.payments["world"] == ACTUAL]:
        position = int(row["position"])
        grid, price = names.grid(position), float(row["price"])
        size = grid.size(int(row["lots"]))
        yield FundingPayment(
            ts=Instant(int(row["ts"])),
            account=names.account(int(row["account"])),
            symbol=names.symbol(position),
            size=size,
            rate=float(row["rate"]),
            price=price,
            notional=abs(worth(size, float(grid.multiplier), price)),
            amount=float(row["amount"]),
            position=names.position(position),
        )
