"""The tables of a report, as text: what to show, in which order, under which heading. Renderers draw them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from backtester.config.values import Instant
from backtester.enums import OrderReason
from backtester.report.records import AccountReport, Cell, Inputs, LiquidationReport, OrderReport, PositionReport
from backtester.report.slippage import BPS
from backtester.report.text import bps, clock, delay, money, percent, price, size, when, word


class Column(NamedTuple):
    """`rank`: columns of a high rank leave first where the terminal is narrow; 0 stays."""

    heading: str
    rank: int = 0
    is_text: bool = False


class Sheet(NamedTuple):
    """A titled table of text."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]


def sheets(cell: Cell, currency: str) -> Iterator[Sheet]:
    """Every table of a cell that has something to say."""
    start = cell.start_ts
    yield Sheet(f"Accounts, {currency}", _ACCOUNTS, tuple(_account(each, start) for each in cell.accounts))
    positions = tuple(_position(account, each) for account in cell.accounts for each in account.positions)
    yield Sheet(f"Positions, {currency}", _POSITIONS, positions)
    stops = tuple(_stop(each, start) for each in cell.orders if each.result is not None)
    tables = (
        Sheet("Liquidations", _LIQUIDATIONS, tuple(_liquidation(each, start) for each in cell.liquidations)),
        Sheet("Stops", _STOPS, stops),
        Sheet("Orders, cost in bps of the mid at the decision", _ORDERS, tuple(map(_order, cell.orders))),
    )
    yield from (sheet for sheet in tables if sheet.rows)


def inputs_sheet(inputs: Inputs) -> Sheet:
    """Where a result comes from: names, digests, what is assumed, and what became of the scenario on this tape."""
    rows = [
        ("portfolio", inputs.portfolio.name, inputs.portfolio.sha256[:_DIGITS], ""),
        ("tape", inputs.tape.name, inputs.tape.sha256[:_DIGITS], ""),
    ]
    for scenario in inputs.scenarios:
        laid = f"base tape laid end to end {scenario.tiles} times" if scenario.tiles > 1 else "base tape used once"
        told = f"{scenario.type}, {scenario.title}; {percent(scenario.assumed_share)} of the figures assumed; {laid}"
        moved = (_range(*prices) for prices in scenario.realised)
        rows.append(("scenario", scenario.name, scenario.sha256[:_DIGITS], "; ".join((told, *moved))))
    for venue in inputs.venues:
        told = f"rules of {venue.rules_date}, {percent(venue.assumed_share)} of them assumed"
        rows.append(("venue", venue.name, venue.sha256[:_DIGITS], told))
    return Sheet("Made from", _INPUTS, tuple(rows))


_DIGITS = 12  # of a digest: enough to tell files apart
_INPUTS = (
    Column("input", is_text=True),
    Column("name", is_text=True),
    Column("sha256", is_text=True),
    Column("", is_text=True),
)

_ACCOUNTS = (
    Column("account", is_text=True),
    Column("start"),
    Column("end"),
    Column("lowest"),
    Column("at", rank=3),
    Column("buffer low"),
    Column("at", rank=2),
    Column("max margin ratio", rank=4),
    Column("price PnL", rank=1),
    Column("funding", rank=6),
    Column("fees", rank=5),
    Column("liquidation", rank=7),
    Column("total"),
)


def _account(each: AccountReport, start: Instant) -> tuple[str, ...]:
    return (
        each.name,
        money(each.equity_start),
        money(each.equity_end),
        money(each.equity_min),
        clock(each.equity_min_ts),
        money(each.buffer_min),
        when(each.buffer_min_ts, start),
        percent(each.margin_ratio_max),
        money(each.pnl_price),
        money(each.pnl_funding),
        money(each.pnl_fees),
        money(each.pnl_liquidation),
        money(each.pnl_total),
    )


_POSITIONS = (
    Column("account", is_text=True),
    Column("symbol", is_text=True),
    Column("margin", rank=6, is_text=True),
    Column("size"),
    Column("end"),
    Column("entry", rank=5),
    Column("liq. price"),
    Column("at end", rank=8),
    Column("bankrupt", rank=7),
    Column("came within", rank=4),
    Column("price PnL"),
    Column("funding", rank=2),
    Column("fees", rank=3),
    Column("slippage", rank=1),
    Column("bps", rank=9),
)


def _position(account: AccountReport, each: PositionReport) -> tuple[str, ...]:
    return (
        account.name,
        each.symbol,
        each.margin_mode,
        size(each.size_start),
        size(each.size_end),
        price(each.entry_price),
        price(each.liquidation_price),
        price(each.liquidation_price_end),
        price(each.bankruptcy_price),
        percent(each.liquidation_distance_min),
        money(each.pnl_price),
        money(each.funding),
        money(each.fees),
        money(each.slippage),
        bps(each.slippage_bps),
    )


_LIQUIDATIONS = (
    Column("time", is_text=True),
    Column("account", rank=6, is_text=True),
    Column("symbol", is_text=True),
    Column("stage", is_text=True),
    Column("margin", rank=5, is_text=True),
    Column("", rank=7, is_text=True),
    Column("size"),
    Column("filled", rank=3),
    Column("mark"),
    Column("vwap"),
    Column("bps off mark"),
    Column("bankrupt", rank=2),
    Column("bps left", rank=1),
    Column("levels", rank=4),
    Column("fee", rank=8),
)


def _liquidation(each: LiquidationReport, start: Instant) -> tuple[str, ...]:
    return (
        when(each.ts, start),
        each.account,
        each.symbol,
        each.stage.name.lower(),
        each.cause.partition("_")[0],
        each.side.name.lower(),
        size(each.size),
        size(each.filled_size),
        price(each.trigger_mark),
        price(each.vwap),
        bps(_apart(each.vwap, each.trigger_mark, each.side)),
        price(each.bankruptcy_price),
        bps(_apart(each.bankruptcy_price, each.vwap, each.side)),
        str(each.levels),
        money(each.fee),
    )


_STOPS = (
    Column("stop", is_text=True),
    Column("symbol", rank=4, is_text=True),
    Column("", rank=7, is_text=True),
    Column("set at"),
    Column("fired", is_text=True),
    Column("by", rank=5),
    Column("gap bps"),
    Column("arrived", rank=2),
    Column("size", rank=1),
    Column("filled"),
    Column("vwap"),
    Column("bps off stop", rank=3),
    Column("levels", rank=6),
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
        bps(_apart(each.vwap, each.stop_price, each.side)),
        str(each.levels),
        word(each.result or ""),
    )


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
    )


def _apart(got: float | None, wanted: float | None, side: int) -> float | None:
    """How much worse `got` is than `wanted` for an order of `side`, bps of `wanted`."""
    return None if got is None or wanted is None else BPS * side * (got - wanted) / wanted


def _range(symbol: str, low: float | None, high: float | None, path_low: float | None, path_high: float | None) -> str:
    """What a symbol did, and what the path asked for."""
    asked = f" (path {price(path_low)} to {price(path_high)})" if path_low is not None else ""
    return f"{symbol} {price(low)} to {price(high)}{asked}"
