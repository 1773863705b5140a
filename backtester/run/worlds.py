"""Out of one pass with many worlds: those of one variant, numbered as if they had run alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backtester.engine.allocate import WorldIndex
from backtester.engine.state import Worlds
from backtester.run.drive import Engine

#: Columns that name a row of another table. What the engine links orders with while it runs is left as it is.
REFERENCES = {
    "world": "worlds",
    "account": "accounts",
    "pool": "pools",
    "pool_first": "pools",
    "position": "positions",
    "position_first": "positions",
    "order": "orders",
    "order_first": "orders",
    "parent": "orders",
    "plan": "plans",
    "path": "path",
}


@dataclass(frozen=True, slots=True)
class Piece:
    """Some neighbouring worlds of a finished engine."""

    state: Worlds
    index: WorldIndex
    fills: np.ndarray
    ledger: np.ndarray
    liquidations: np.ndarray
    payments: np.ndarray


def cut(engine: Engine, first: int, count: int) -> Piece:
    """Worlds `first` … `first + count - 1`, renumbered from 0. The engine's own arrays stay as they are."""
    state, index = engine.worlds, engine.index
    begins = [*index.accounts, len(state.accounts)]
    accounts = slice(begins[first], begins[first + count])
    rows = {
        "worlds": slice(first, first + count),
        "accounts": accounts,
        "pools": _rows(state.pools, accounts),
        "positions": _rows(state.positions, accounts),
        "orders": _rows(state.orders, accounts),
        "plans": _rows(state.plans, accounts),
        "path": _path_rows(state.accounts[accounts]),
    }
    offsets = {column: rows[table].start for column, table in REFERENCES.items()}
    records = {
        name: _renumbered(_of_worlds(getattr(engine, name), first, count), offsets)
        for name in ("fills", "ledger", "liquidations", "payments")
    }
    return Piece(
        state._replace(
            **{name: _renumbered(getattr(state, name)[where], offsets) for name, where in rows.items()},
            parties=state.parties[rows["worlds"]],
            inventory=state.inventory[rows["worlds"]],
            overlay=_consumed_by(state.overlay, first, count),
            **records,
        ),
        WorldIndex(
            [begin - accounts.start for begin in index.accounts[first : first + count]],
            [[n - rows["positions"].start for n in numbers] for numbers in index.positions[accounts]],
            [_moved(numbers, rows["orders"].start) for numbers in index.orders[accounts]],
            [_moved(numbers, rows["plans"].start) for numbers in index.plans[accounts]],
        ),
        **records,
    )


def _rows(table: np.ndarray, accounts: slice) -> slice:
    """Where the rows of some neighbouring accounts lie; a table has them account by account."""
    first, last = np.searchsorted(table["account"], (accounts.start, accounts.stop)).tolist()
    return slice(first, last)


def _path_rows(accounts: np.ndarray) -> slice:
    recorded = accounts["path"][accounts["path"] >= 0]
    return slice(int(recorded[0]), int(recorded[-1]) + 1) if len(recorded) else slice(0, 0)


def _of_worlds(table: np.ndarray, first: int, count: int) -> np.ndarray:
    chosen: np.ndarray = table[(table["world"] >= first) & (table["world"] < first + count)]
    return chosen


def _consumed_by(overlay: np.ndarray, first: int, count: int) -> np.ndarray:
    """The table of what was consumed, without what others consumed; to be read through, not to be looked up in."""
    made = overlay.copy()
    made["world"] -= first
    made[(made["world"] < 0) | (made["world"] >= count)] = 0
    return made


def _renumbered(table: np.ndarray, offsets: dict[str, int]) -> np.ndarray:
    """A copy whose references count from the first row of this piece; -1 stays -1."""
    made = table.copy()
    for column in set(made.dtype.names or ()) & offsets.keys():
        made[column] = np.where(made[column] >= 0, made[column] - offsets[column], made[column])
    return made


def _moved(numbers: range, by: int) -> range:
    return range(numbers.start - by, numbers.stop - by)
