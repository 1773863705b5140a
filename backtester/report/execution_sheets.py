"""The tables that tell how something was traded: stops, orders, plans, cost lines, and plans of several variants."""

from __future__ import annotations

import math
from collections.abc import Iterator

from backtester.config.values import Instant
from backtester.enums import LiquidationStage, OrderReason
from backtester.report.executions import BPS, ImpactLaw, OrderReport, PlanReport, TradeReport
from backtester.report.records import Cell
from backtester.report.sheet import Column, Sheet
from backtester.report.text import bps, delay, money, percent, price, rate, size, when, word


def execution_sheets(cell: Cell, currency: str) -> Iterator[Sheet]:
    """Stops, orders, plans and cost lines of a cell, some without rows. A plan's children are in the document alone."""
    start = cell.start_ts
    own = [each for each in cell.orders if each.plan is None]
    yield Sheet("Stops", _STOPS, tuple(_stop(each, start) for each in own if each.result is not None))
    yield Sheet("Orders, cost in bps of the mid at the decision", _ORDERS, tuple(map(_order, own)))
    plans = tuple(_plan(each, start) for each in cell.plans)
    yield Sheet("Plans, shortfall in bps of a paper trade at the decision", _PLANS, plans)
    taken = any(each.stage is LiquidationStage.TAKEOVER for each in cell.liquidations)
    kept = "; the margin that takeovers kept stands with the accounts" if taken else ""
    yield Sheet(f"Trades, {currency}{kept}", _TRADES, tuple(map(_trade, cell.trades)))
    title = f"What trades cost, {currency}; slippage is inside the price PnL"
    yield Sheet(title, _TRADE_COSTS, tuple(map(_trade_costs, cell.trades)))


_STOPS = (
    Column("stop", is_text=True),
    Column("symbol", rank=4, is_text=True),
    Column("", rank=7, is_text=True),
    Column("set at"),
    Column("fired", is_text=True),
    Column("by", rank=5),
    Column("gap bps"),
    Column("arrived", rank=3),
    Column("size", rank=2),
    Column("filled"),
    Column("vwap"),
    Column("bps off stop", rank=3),
    Column("levels", rank=6),
    Column("peak", rank=8),
    Column("result", is_text=True),
)


def _stop(each: OrderReport, start: Instant) -> tuple[str, ...]:
    return (
        each.id,
        each.symbol,
        each.side.name.lower(),
        price(each.stop_price),
        when(each.trigger_ts, start),
        price(each.trigger_price),
        bps(each.gap_bps),
        delay(each.arrive_ts, each.trigger_ts),
        size(each.size),
        size(each.filled_size),
        price(each.vwap),
        bps(apart(each.vwap, each.stop_price, each.side)),
        str(each.levels),
        price(each.peak_price),
        _result(each),
    )


def _result(each: OrderReport) -> str:
    """The word of the audit; of one that a gap left behind, how far beyond its limit the market was; of one refused as
    it was placed, why."""
    found = word(each.result or "")
    if each.result == "gapped" and each.limit_gap_bps:
        return f"{found} {bps(each.limit_gap_bps)} bps past its limit"
    if each.result == "refused" and each.trigger_ts is None:
        return f"{found}: {word(each.reason.name.lower())}"
    return found


_ORDERS = (
    Column("order", is_text=True),
    Column("account", rank=8, is_text=True),
    Column("symbol", rank=5, is_text=True),
    Column("", rank=7, is_text=True),
    Column("type", rank=9, is_text=True),
    Column("status", is_text=True),
    Column("size", rank=4),
    Column("filled"),
    Column("vwap"),
    Column("maker", rank=6),
    Column("delay", rank=3),
    Column("spread", rank=3),
    Column("depth", rank=3),
    Column("impact", rank=3),
    Column("fee", rank=2),
    Column("total"),
    Column("law", rank=10),
)


def _order(each: OrderReport) -> tuple[str, ...]:
    cost = each.slippage
    why = f": {word(each.reason.name.lower())}" if each.reason is not OrderReason.NONE else ""
    return (
        each.id,
        each.account,
        each.symbol,
        each.side.name.lower(),
        word(each.type.name.lower()),
        word(each.status.name.lower()) + why,
        size(each.size),
        size(each.filled_size),
        price(each.vwap),
        percent(each.maker_share),
        bps(cost.delay_bps),
        bps(cost.spread_bps),
        bps(cost.depth_bps),
        bps(cost.impact_bps),
        bps(cost.fee_bps),
        bps(cost.total_bps),
        _law(each.law),
    )


def _law(law: ImpactLaw | None) -> str:
    return bps(law.law_bps if law else None)


_PLANS = (
    Column("plan", is_text=True),
    Column("algo", rank=4, is_text=True),
    Column("account", rank=13, is_text=True),
    Column("symbol", rank=6, is_text=True),
    Column("", rank=7, is_text=True),
    Column("status", is_text=True),
    Column("begun", rank=12, is_text=True),
    Column("ended", rank=11, is_text=True),
    Column("sent", rank=10),
    Column("size", rank=3),
    Column("filled"),
    Column("decided at", rank=9),
    Column("vwap"),
    Column("off arrival"),
    Column("off market", rank=5),
    Column("share", rank=4),
    Column("maker", rank=8),
    Column("delay", rank=2),
    Column("trading", rank=2),
    Column("missed", rank=2),
    Column("fees", rank=2),
    Column("total"),
    Column("law", rank=5),
)


def _plan(each: PlanReport, start: Instant) -> tuple[str, ...]:
    short = each.shortfall
    parts = short[5:] if short else (None,) * 5
    return (
        each.id,
        each.algo,
        each.account,
        each.symbol,
        each.side.name.lower(),
        word(each.status),
        when(each.start_ts, start),
        when(each.end_ts, start),
        str(each.children),
        size(each.size),
        size(each.filled_size),
        price(each.decision_price),
        price(each.vwap),
        bps(each.arrival_slippage_bps),
        bps(each.vwap_slippage_bps),
        percent(each.participation),
        percent(each.maker_share),
        *map(bps, parts),
        _law(each.law),
    )


_TRADES = (
    Column("account", is_text=True),
    Column("symbol", is_text=True),
    Column("margin", rank=6, is_text=True),
    Column("size", rank=3),
    Column("entry", rank=3),
    Column("closed", rank=3),
    Column("exit", rank=3),
    Column("mark", rank=3),
    Column("carried in", rank=2),
    Column("price PnL"),
    Column("maker fees", rank=1),
    Column("taker fees", rank=1),
    Column("liq. fees", rank=1),
    Column("funding", rank=1),
    Column("net"),
)


def _trade(each: TradeReport) -> tuple[str, ...]:
    return (
        each.account,
        each.position,
        each.margin_mode,
        size(each.size),
        price(each.entry_price),
        size(each.closed_size),
        price(each.exit_price),
        price(each.mark_price),
        money(each.carried_in),
        money(each.price_pnl),
        money(each.fees_maker),
        money(each.fees_taker),
        money(each.fees_liquidation),
        money(each.funding),
        money(each.net),
    )


_TRADE_COSTS = (
    Column("account", is_text=True),
    Column("symbol", is_text=True),
    Column("delay", rank=1),
    Column("spread", rank=1),
    Column("depth", rank=1),
    Column("impact", rank=1),
    Column("slippage"),
    Column("fees", rank=2),
    Column("funding", rank=2),
    Column("break-even"),
    Column("at funding of", rank=3),
)


def _trade_costs(each: TradeReport) -> tuple[str, ...]:
    slipped = (each.delay, each.spread, each.depth, each.impact)
    return (
        each.account,
        each.position,
        *map(money, slipped),
        money(math.fsum(slipped)),
        money(math.fsum((each.fees_maker, each.fees_taker, each.fees_liquidation))),
        money(each.funding),
        price(each.breakeven_price),
        rate(each.breakeven_funding),
    )


def apart(got: float | None, wanted: float | None, side: int) -> float | None:
    """How much worse `got` is than `wanted` for an order of `side`, bps of `wanted`."""
    return None if got is None or wanted is None else BPS * side * (got - wanted) / wanted
