"""A market of a cell: what it is called, and what was traded in it."""

from __future__ import annotations

from typing import NamedTuple

from backtester.report.executions import OrderReport
from backtester.report.records import Cell, LiquidationReport, MarketPath


class Traded(NamedTuple):
    """What was done in one market, in the order of the cell."""

    orders: tuple[OrderReport, ...]
    liquidations: tuple[LiquidationReport, ...]


def traded_in(cell: Cell, path: MarketPath) -> Traded:
    """What the accounts that are under its rules did in its symbol."""
    there = {each.name for each in cell.accounts if each.venue == path.venue}

    def is_of(each: OrderReport | LiquidationReport) -> bool:
        return each.symbol == path.symbol and each.account in there

    return Traded(tuple(filter(is_of, cell.orders)), tuple(filter(is_of, cell.liquidations)))


def title_of(cell: Cell, path: MarketPath) -> str:
    """Its symbol, with the venue where several have one. Example: `BTC of hyperliquid@2026-08-22`."""
    alike = [each for each in cell.market_paths if each.symbol == path.symbol]
    return f"{path.symbol} of {path.venue}" if len(alike) > 1 else path.symbol
