"""The tables of a report, as text: what to show, in which order, under which heading. Renderers draw them."""

from __future__ import annotations

from collections.abc import Iterator

from backtester.config.values import Instant
from backtester.report.contagion import contagion_sheet
from backtester.report.execution_sheets import apart, execution_sheets
from backtester.report.records import AccountReport, Cell, Inputs, LiquidationReport, PositionReport
from backtester.report.sheet import Column, Sheet
from backtester.report.text import bps, clock, money, percent, price, size, when


def sheets(cell: Cell, currency: str) -> Iterator[Sheet]:
    """Every table of a cell that has something to say."""
    start = cell.start_ts
    yield Sheet(f"Accounts, {currency}", _ACCOUNTS, tuple(_account(each, start) for each in cell.accounts))
    positions = tuple(_position(account, each) for account in cell.accounts for each in account.positions)
    yield Sheet(f"Positions, {currency}", _POSITIONS, positions)
    liquidations = tuple(_liquidation(each, start) for each in cell.liquidations)
    forced = (Sheet("Liquidations", _LIQUIDATIONS, liquidations), contagion_sheet(cell, currency))
    yield from (sheet for sheet in (*forced, *execution_sheets(cell, currency)) if sheet.rows)


def inputs_sheet(inputs: Inputs) -> Sheet:
    """Where a result comes from: names, digests, what is assumed, and what became of the scenario on this tape."""
    rows = [("portfolio", each.name, each.sha256[:_DIGITS], "") for each in inputs.portfolios]
    rows.append(("tape", inputs.tape.name, inputs.tape.sha256[:_DIGITS], ""))
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
    Column("collateral", rank=2),
    Column("carried in", rank=2),
    Column("start"),
    Column("price PnL", rank=1),
    Column("funding", rank=1),
    Column("fees", rank=1),
    Column("liquidation", rank=1),
    Column("end"),
    Column("lowest"),
    Column("at", rank=4),
    Column("buffer low"),
    Column("at", rank=3),
    Column("max margin ratio", rank=5),
)


def _account(each: AccountReport, start: Instant) -> tuple[str, ...]:
    return (
        each.name,
        money(each.collateral),
        money(each.carried_in),
        money(each.equity_start),
        money(each.pnl_price),
        money(each.pnl_funding),
        money(each.pnl_fees),
        money(each.pnl_liquidation),
        money(each.equity_end),
        money(each.equity_min),
        clock(each.equity_min_ts),
        money(each.buffer_min),
        when(each.buffer_min_ts, start),
        percent(each.margin_ratio_max),
    )


#: Two prices of one row that are not of one world: the first moves alone, the second with its pool.
_SHARE = "where its share (by maintenance) of its pool's equity at the start is gone; liq. price: others stand still"
_THEN = "the same, of its pool's equity as the order was sent; in hedge mode of each side by itself"
_POSITIONS = (
    Column("account", is_text=True),
    Column("symbol", is_text=True),
    Column("margin", rank=6, is_text=True),
    Column("size"),
    Column("end"),
    Column("entry", rank=5),
    Column("liq. price"),
    Column("at end", rank=8),
    Column("bankrupt", rank=7, note=_SHARE),
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
        each.position,
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
    Column("bankrupt", rank=2, note=_THEN),
    Column("bps left", rank=1),
    Column("levels", rank=4),
    Column("fee", rank=8),
)


def _liquidation(each: LiquidationReport, start: Instant) -> tuple[str, ...]:
    return (
        when(each.ts, start),
        each.account,
        each.position,
        each.stage.name.lower(),
        each.margin_mode,
        each.side.name.lower(),
        size(each.size),
        size(each.filled_size),
        price(each.trigger_mark),
        price(each.vwap),
        bps(apart(each.vwap, each.trigger_mark, each.side)),
        price(each.bankruptcy_price),
        bps(apart(each.bankruptcy_price, each.vwap, each.side)),
        str(each.levels),
        money(each.fee),
    )


def _range(symbol: str, low: float | None, high: float | None, path_low: float | None, path_high: float | None) -> str:
    """What a symbol did, and what the path asked for."""
    asked = f" (path {price(path_low)} to {price(path_high)})" if path_low is not None else ""
    return f"{symbol} {price(low)} to {price(high)}{asked}"
