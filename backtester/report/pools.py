"""Which margin pools of a cell were liquidated, and which lived."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from backtester.report.executions import TradeReport
from backtester.report.records import CROSS, AccountReport, LiquidationReport, PoolReport, PositionReport


class Fate(NamedTuple):
    """A margin pool that held something, and whether the venue sent a liquidation order for it or took it over."""

    account: str
    pool: PoolReport
    is_liquidated: bool


def pool_of(each: PositionReport | TradeReport | LiquidationReport) -> str:
    """The name of the margin pool that something was in, as PoolReport has it."""
    return CROSS if each.margin_mode == CROSS else each.position


def fates(accounts: Iterable[AccountReport], liquidations: Iterable[LiquidationReport]) -> tuple[Fate, ...]:
    """Every pool whose margin was checked, in the order of the document."""
    died = {(each.account, pool_of(each)) for each in liquidations}
    return tuple(
        Fate(account.name, pool, (account.name, pool.pool) in died)
        for account in accounts
        for pool in account.pools
        if pool.buffer_min is not None
    )
