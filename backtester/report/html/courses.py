"""What happened in time: a picture of each market with what was traded in it, then one of the margin of
each account and of its pools, and one of each order book."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import groupby

from backtester.config.values import Instant
from backtester.enums import GuardEvent
from backtester.report.executions import FillReport, OrderReport
from backtester.report.guard_words import guard_words
from backtester.report.html.heat import heat
from backtester.report.html.phases import of_scenario, thin
from backtester.report.html.plot import Mark, Span, band, picture
from backtester.report.html.tree import Element
from backtester.report.market import title_of, traded_in
from backtester.report.pools import pool_of
from backtester.report.records import Cell, LiquidationReport, MarginPath, MarketPath
from backtester.report.text import money, pool_name, price, size, word

#: Pixels from the middle to the edge of the dot of the largest fill of a market; area goes with what was filled.
_LARGEST = 14.0
_SMALLEST = 2.5


def courses(cell: Cell, currency: str) -> Iterator[Element]:
    """All pictures of a cell, on the same axis of time."""
    span = Span(cell.start_ts.ts_ns, cell.end_ts.ts_ns)
    for path in cell.market_paths:
        if path.ts_ns:
            yield _market(cell, path, span)
    for margin in cell.margin_paths:
        if margin.ts_ns:
            yield _margin(cell, margin, span, currency)
    for path in cell.market_paths:
        if path.walked_ns:
            yield heat(cell, path, span)


def _market(cell: Cell, path: MarketPath, span: Span) -> Element:
    """The mark; fills at their prices, what fired and what was liquidated above, phases shaded behind them."""
    traded = traded_in(cell, path)
    marks = [*_fills(traded.orders), *_fired(traded.orders), *_forced(traded.liquidations)]
    drawn = band("mark", "price", span, path.ts_ns, path.lowest, path.highest)
    phases = [*of_scenario(cell, path), *(thin(path, span) if path.walked_ns else ())]
    return picture(f"{title_of(cell, path)} mark", span, [drawn], marks, phases=phases)


def _fills(orders: Iterable[OrderReport]) -> list[Mark]:
    """A dot for all that an order filled at one time."""
    found = [(order, [*fills]) for order in orders for fills in _at_once(order)]
    largest = max((_filled(fills) for _, fills in found), default=0.0)
    return [_dot(order, fills, math.sqrt(_filled(fills) / largest)) for order, fills in found]


def _at_once(order: OrderReport) -> Iterator[list[FillReport]]:
    for _, fills in groupby(order.fills, key=lambda fill: fill.ts):
        yield [*fills]


def _filled(fills: list[FillReport]) -> float:
    return math.fsum(fill.size for fill in fills)


def _dot(order: OrderReport, fills: list[FillReport], share: float) -> Mark:
    ts, filled = fills[0].ts, _filled(fills)
    vwap = math.fsum(fill.size * fill.price for fill in fills) / filled
    side = order.side.name.lower()
    text = f"{order.id}: {side} {size(filled)} at {price(vwap)}"
    return Mark(ts.ts_ns, vwap, "", side, text, max(_SMALLEST, _LARGEST * share))


def _fired(orders: Iterable[OrderReport]) -> Iterator[Mark]:
    for order in orders:
        if order.trigger_ts is not None:
            text = f"{order.id} fired at {price(order.trigger_price)}"
            yield Mark(order.trigger_ts.ts_ns, None, "▲", "stop", text)


def _forced(liquidations: Iterable[LiquidationReport]) -> Iterator[Mark]:
    for each in liquidations:
        stage, side = word(each.stage.name.lower()), each.side.name.lower()
        done = f"{side} {size(each.filled_size)} of {size(each.size)} at {price(each.vwap)}"
        yield Mark(each.ts.ts_ns, None, "✕", "forced", f"{each.account}, {stage}: {done}")


def _margin(cell: Cell, path: MarginPath, span: Span, currency: str) -> Element:
    """Equity and what it must not fall below, of an account or a pool; breaches, guards and liquidations above."""
    equity = band("equity", "equity", span, path.ts_ns, path.equity_min, path.equity_max)
    needed = band("maintenance", "maintenance", span, path.ts_ns, path.maintenance_max, path.maintenance_max)
    whose = path.account if path.pool is None else f"{path.account} {pool_name(path.pool)}"
    forced = (each for each in cell.liquidations if each.account == path.account and path.pool in (None, pool_of(each)))
    marks = [*_breaches(cell, path), *_forced(forced), *_guards(cell, path)]
    return picture(f"{whose}: equity and maintenance, {currency}", span, [equity, needed], marks, 0.0)


def _breaches(cell: Cell, path: MarginPath) -> list[Mark]:
    pools = (pool for account in cell.accounts if account.name == path.account for pool in account.pools)
    shown = [pool for pool in pools if path.pool in (None, pool.pool)]
    breaches = [(pool.breach_ts, pool) for pool in shown if pool.breach_ts is not None]
    return [_breach(ts, f"{pool.pool}: lowest buffer {money(pool.buffer_min)}") for ts, pool in breaches]


def _breach(ts: Instant, told: str) -> Mark:
    return Mark(ts.ts_ns, None, "✕", "forced", f"below maintenance, {told}")


#: What a guard did that is drawn: its sign, and a class of the style sheet.
_SIGNS = {GuardEvent.ALERT: ("◇", "alert"), GuardEvent.ORDER: ("◆", "guard")}


def _guards(cell: Cell, path: MarginPath) -> Iterator[Mark]:
    """Alerts of the guards of an account where its equity was, the orders that they sent above."""
    for each in cell.actions if path.pool is None else ():
        if each.account == path.account and each.event in _SIGNS:
            seen = _equity_at(path, each.ts) if each.event is GuardEvent.ALERT else None
            yield Mark(each.ts.ts_ns, seen, *_SIGNS[each.event], guard_words(cell, each))


def _equity_at(path: MarginPath, ts: Instant) -> float:
    """The lowest of the last bucket that had begun."""
    return path.equity_min[max(bisect_right(path.ts_ns, ts.ts_ns) - 1, 0)]
