"""Which position dragged which margin pool below maintenance: what each had won or lost when the pool first fell."""

from __future__ import annotations

from collections.abc import Iterator

from backtester.report.records import AccountReport, Cell, DragReport, PoolReport
from backtester.report.sheet import Column, Sheet
from backtester.report.text import percent, pool_name, signed, when

#: Positions of each kind that one line names: those that lost or won most.
_MOST = 3


def dragged(account: str, pool: PoolReport) -> Iterator[str]:
    """One line on a pool that several positions shared and one of them dragged down, none on another.

    Example: main cross was dragged by BTC −96,000.00 (88.1 %), ETH −13,000.00 (11.9 %); SOL +2,000.00 held against it.
    """
    shared = _shared(pool)
    losers = sorted((each for each in shared if each.share is not None), key=lambda each: each.since_entry)
    winners = sorted((each for each in shared if each.since_entry > 0.0), key=lambda each: -each.since_entry)
    if losers:
        against = f"; {_named(winners)} held against it" if winners else ""
        yield f"{account} {pool_name(pool.pool)} was dragged by {_named(losers)}{against}"


def contagion_sheet(cell: Cell, currency: str) -> Sheet:
    """A row per position of every pool that fell and that several shared."""
    rows = (
        _row(cell, account, pool, each) for account in cell.accounts for pool in account.pools for each in _shared(pool)
    )
    return Sheet(f"Dragged by: positions as their pool first fell below maintenance, {currency}", _DRAGS, tuple(rows))


_DRAGS = (
    Column("pool", is_text=True),
    Column("fell", rank=2, is_text=True),
    Column("position", is_text=True),
    Column("since entry"),
    Column("of the loss"),
    Column("since the start", rank=1),
)


def _row(cell: Cell, account: AccountReport, pool: PoolReport, each: DragReport) -> tuple[str, ...]:
    return (
        f"{account.name} {pool_name(pool.pool)}",
        when(pool.breach_ts, cell.start_ts),
        each.position,
        signed(each.since_entry),
        percent(each.share),
        signed(each.since_start),
    )


def _shared(pool: PoolReport) -> tuple[DragReport, ...]:
    """The positions that won or lost something by then; none where it was one alone, which dragged only itself."""
    moved = tuple(each for each in pool.drags if each.since_entry or each.since_start)
    return moved if len(moved) > 1 else ()


def _named(drags: list[DragReport]) -> str:
    """Example: BTC −96,000.00 (88.1 %), ETH −13,000.00 (11.9 %), and 2 more."""
    named = [_said(each) for each in drags[:_MOST]]
    more = [f"and {len(drags) - _MOST} more"] if len(drags) > _MOST else []
    return ", ".join((*named, *more))


def _said(each: DragReport) -> str:
    of = f" ({percent(each.share)})" if each.share is not None else ""
    return f"{each.position} {signed(each.since_entry)}{of}"
