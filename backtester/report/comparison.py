"""Variants side by side: what each setting came to, one line per cell."""

from __future__ import annotations

import math
from collections.abc import Sequence

from backtester.report.records import Cell, FailedCell, OrderReport
from backtester.report.sheets import Column, Sheet
from backtester.report.text import NONE, money, price, size

_FIGURES = (
    Column("verdict", is_text=True),
    Column("equity end"),
    Column("loss"),
    Column("filled", rank=3),
    Column("vwap", rank=2),
    Column("slippage", rank=1),
    Column("fees", rank=4),
)


def comparison_sheet(cells: Sequence[Cell | FailedCell], currency: str) -> Sheet | None:
    """A line per cell under the keys in which their variants differ; None where they do not.

    `filled` and `vwap` are those of all orders of a cell, where they all trade one symbol on one side in every cell.
    """
    variants = [dict(cell.variant.items) for cell in cells]
    shared = [key for key in variants[0] if all(key in variant for variant in variants)]
    keys = [key for key in shared if len({variant[key] for variant in variants}) > 1]
    if not keys:
        return None
    scenarios = len({cell.scenario for cell in cells}) > 1
    filled = [order for cell in cells if isinstance(cell, Cell) for order in _filled(cell)]
    alike = len({(order.symbol, order.side) for order in filled}) == 1
    columns = (
        *((Column("scenario", is_text=True),) if scenarios else ()),
        *(Column(heading, is_text=True) for heading in _headings(keys)),
        *_FIGURES,
    )
    rows = []
    for cell, variant in zip(cells, variants, strict=True):
        said = [str(variant[key]) for key in keys]
        figures = _figures(cell, alike) if isinstance(cell, Cell) else ("FAILED", *[NONE] * (len(_FIGURES) - 1))
        rows.append((*([cell.scenario or "tape as it is"] if scenarios else []), *said, *figures))
    return Sheet(f"Comparison, {currency}", columns, tuple(rows))


def _headings(keys: Sequence[str]) -> list[str]:
    """The last word of each key; all of it where two end alike. Example: accounts[main].plans[exit].algo is algo."""
    last = [key.rpartition(".")[2] for key in keys]
    return [word if last.count(word) == 1 else key for word, key in zip(last, keys, strict=True)]


def _figures(cell: Cell, alike: bool) -> tuple[str, ...]:
    orders = _filled(cell)
    done = math.fsum(order.filled_size for order in orders)
    paid = math.fsum(order.filled_size * (order.vwap or 0.0) for order in orders)
    return (
        cell.verdict.name,
        money(cell.portfolio.equity_end),
        money(cell.portfolio.loss),
        size(float(f"{done:.12g}")) if alike else NONE,
        price(paid / done if alike and done else None),
        money(math.fsum(account.slippage for account in cell.accounts)),
        money(math.fsum(account.pnl_fees for account in cell.accounts)),
    )


def _filled(cell: Cell) -> list[OrderReport]:
    return [order for order in cell.orders if order.filled_size]
