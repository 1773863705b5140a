"""What happened in one sentence, for who reads nothing else."""

from __future__ import annotations

from typing import NamedTuple

from backtester.report.records import Cell, PoolReport
from backtester.report.text import clock, money, percent
from backtester.texts import counted


def sentence(cell: Cell, currency: str) -> str:
    """What happened, for who reads nothing else.

    Example: The portfolio loses 230,922.20 USDC, 79.6 % of its 290,000.00; 2 of 3 margin pools are liquidated, the
    first at 21:13:39 UTC.
    """
    whole = cell.portfolio
    did = f"{'loses' if whole.loss >= 0.0 else 'gains'} {money(abs(whole.loss))} {currency}"
    share = "" if whole.loss_pct is None else f"{percent(abs(whole.loss_pct) / 100.0)} of its "
    return f"The portfolio {did}, {share}{money(whole.equity_start)}; {_fate(cell)}."


def _fate(cell: Cell) -> str:
    whole = cell.portfolio
    if cell.liquidations:
        verb = "is" if whole.pools_liquidated == 1 else "are"
        pools = f"{whole.pools_liquidated} of {counted(whole.pools, 'margin pool')} {verb} liquidated"
        return f"{pools}, the first at {clock(cell.liquidations[0].ts)} UTC"
    nearest = tightest(cell)
    if nearest is None or nearest.pool.buffer_min is None:
        return "nothing is liquidated"
    buffer = nearest.pool.buffer_min
    left = f"{money(abs(buffer))} {'above' if buffer >= 0.0 else 'below'} maintenance"
    return f"nothing is liquidated, at the closest {left}"


class Nearest(NamedTuple):
    """A margin pool, and whose it is."""

    account: str
    pool: PoolReport


def tightest(cell: Cell) -> Nearest | None:
    """The margin pool with the lowest buffer."""
    pools = (Nearest(account.name, pool) for account in cell.accounts for pool in account.pools)
    measured = (each for each in pools if each.pool.buffer_min is not None)
    return min(measured, key=lambda each: each.pool.buffer_min or 0.0, default=None)
