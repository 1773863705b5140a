"""What happened in one sentence, for who reads nothing else."""

from __future__ import annotations

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
    return "nothing is liquidated" + (f", {money(nearest.buffer_min)} was left at the closest" if nearest else "")


def tightest(cell: Cell) -> PoolReport | None:
    """The margin pool with the lowest buffer."""
    pools = [pool for account in cell.accounts for pool in account.pools if pool.buffer_min is not None]
    return min(pools, key=lambda pool: pool.buffer_min or 0.0, default=None)
