"""How a cell is told: which margin pools lived and how near it was, what happened when, then table by table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from backtester.report.executions import TradeReport
from backtester.report.guarded import BlockedReport, GuardReport
from backtester.report.pools import Fate, fates, pool_of
from backtester.report.records import AccountReport, Cell, PositionReport
from backtester.report.rehearsal import rehearsal_sheet
from backtester.report.remedies import remedies_sheet, sizing_sheet
from backtester.report.sheet import Column, Sheet
from backtester.report.sheets import sheets
from backtester.report.text import lead, money, percent, pool_name, price, size, when
from backtester.report.timeline import folded, timeline

#: Events of a cell that is told in brief.
MOST_EVENTS = 20


def near_sheets(cell: Cell, currency: str, whole: bool) -> Iterator[Sheet]:
    """Who lived and how near it was, what would have helped, how far to size up; positions where no later table is."""
    held = () if whole else (holdings_sheet(cell, currency),)
    helped = (remedies_sheet(cell, currency), sizing_sheet(cell, currency))
    guarded = (guards_sheet(cell), rehearsal_sheet(cell, currency))
    told = (pools_sheet(cell, currency), *held, *guarded, *helped)
    yield from (sheet for sheet in told if sheet.rows)


def later_sheets(cell: Cell, currency: str, whole: bool) -> Iterator[Sheet]:
    """What happened when, and all tables where it is told whole."""
    events = timeline_sheet(cell, None if whole else MOST_EVENTS)
    yield from ([events] if events.rows else [])
    yield from sheets(cell, currency) if whole else ()


def pools_sheet(cell: Cell, currency: str) -> Sheet:
    """A row per margin pool that held something."""
    rows = tuple(_pool(cell, fate) for fate in fates(cell.accounts, cell.liquidations))
    return Sheet(f"Margin pools, {currency}", _POOLS, rows)


_POOLS = (
    Column("pool", is_text=True),
    Column("holds", rank=2, is_text=True),
    Column("result", is_text=True),
    Column("buffer low"),
    Column("at", rank=3),
    Column("since entry", rank=1),
)


def _pool(cell: Cell, fate: Fate) -> tuple[str, ...]:
    pool = fate.pool
    inside = [each for account in cell.accounts if account.name == fate.account for each in account.positions]
    held = [f"{each.position} {size(each.size_start)}" for each in inside if pool_of(each) == pool.pool]
    trades = (each for each in cell.trades if (each.account, pool_of(each)) == (fate.account, pool.pool))
    return (
        f"{fate.account} {pool_name(pool.pool)}",
        ", ".join(held),
        _result(fate),
        money(pool.buffer_min),
        when(pool.buffer_min_ts, cell.start_ts),
        money(_since_entry(trades)),
    )


def _since_entry(trades: Iterable[TradeReport]) -> float:
    return math.fsum(part for trade in trades for part in (trade.net, trade.carried_in))


def _result(fate: Fate) -> str:
    if fate.pool.deficit > 0.0:
        return f"LIQUIDATED, {money(fate.pool.deficit)} short"
    return "LIQUIDATED" if fate.is_liquidated else "survived"


def holdings_sheet(cell: Cell, currency: str) -> Sheet:
    """A row per position, with as much as tells how near it came."""
    rows = tuple(_holding(cell, account, each) for account in cell.accounts for each in account.positions)
    return Sheet(f"Positions, {currency}", _HOLDINGS, rows)


_HOLDINGS = (
    Column("position", is_text=True),
    Column("size"),
    Column("entry", rank=3),
    Column("liq. price"),
    Column("came within"),
    Column("since entry", rank=1),
    Column("in the end", is_text=True),
)


def _holding(cell: Cell, account: AccountReport, each: PositionReport) -> tuple[str, ...]:
    place = (account.name, each.position, each.margin_mode)
    trades = (trade for trade in cell.trades if (trade.account, trade.position, trade.margin_mode) == place)
    return (
        f"{account.name} {each.position} {each.margin_mode}",
        size(each.size_start),
        price(each.entry_price),
        price(each.liquidation_price),
        percent(each.liquidation_distance_min),
        money(_since_entry(trades)),
        _end(cell, account, each),
    )


def _end(cell: Cell, account: AccountReport, each: PositionReport) -> str:
    """Example: −30, or liquidated."""
    if each.size_end:
        return "open" if each.size_end == each.size_start else f"{size(each.size_end)} left"
    places = {(liquidation.account, liquidation.position) for liquidation in cell.liquidations}
    return "liquidated" if (account.name, each.position) in places else "closed" if each.size_start else "flat"


def guards_sheet(cell: Cell) -> Sheet:
    """A row per guard: how often it fired, how long before the venue did, and what limits held back of it, if any."""
    rows = tuple(_guard(cell, each) for each in cell.guards)
    if not any(any(each.blocked) for each in cell.guards):
        return Sheet("Guards", _GUARDS, rows)
    blocked = (_blocked(each.blocked) for each in cell.guards)
    return Sheet("Guards", (*_GUARDS, _BLOCKED), tuple((*row, last) for row, last in zip(rows, blocked, strict=True)))


_GUARDS = (
    Column("guard", is_text=True),
    Column("when", is_text=True),
    Column("fired"),
    Column("first"),
    Column("lead"),
    Column("false"),
    Column("blind", rank=2),
)
_BLOCKED = Column("blocked by", is_text=True)


def _blocked(each: BlockedReport) -> str:
    """Example: max_order 2, max_orders 7."""
    return ", ".join(f"{name} {count}" for name, count in each._asdict().items() if count)


def _guard(cell: Cell, each: GuardReport) -> tuple[str, ...]:
    """Its lead is the time from its first fire to the first liquidation of its account."""
    counts = (str(each.false_fires), str(each.blind))
    return (
        f"{each.account} {each.id}",
        each.when,
        str(each.fires),
        when(each.first_ts, cell.start_ts),
        lead(each.lead_s),
        *counts,
    )


def timeline_sheet(cell: Cell, most: int | None = None) -> Sheet:
    """A row per event; with `most` those that are alike are one, and the last row says how many are left."""
    events = timeline(cell) if most is None else folded(timeline(cell))
    rows = [(when(event.ts, cell.start_ts), event.text) for event in events[:most]]
    if left := len(events) - len(rows):
        rows.append(("…", f"{left} more: --details worst"))
    return Sheet("What happened, UTC", _EVENTS, tuple(rows))


_EVENTS = (Column("time", is_text=True), Column("event", is_text=True))
