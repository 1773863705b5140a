"""What a pass with many worlds came to: those of one variant are cut out of it, numbered as if they had run alone."""

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
    "guard": "guards",
    "guard_first": "guards",
    "path": "path",
}

BY_ACCOUNT = ("pools", "positions", "orders", "plans", "guards")
RECORDS = ("fills", "ledger", "liquidations", "payments", "guard_events")


@dataclass(frozen=True, slots=True)
class Piece:
    """Some neighbouring worlds of a finished engine."""

    state: Worlds
    index: WorldIndex
    fills: np.ndarray
    ledger: np.ndarray
    liquidations: np.ndarray
    payments: np.ndarray
    guard_events: np.ndarray


class Outcome:
    """A finished engine, with its rows found by world."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        overlay = engine.worlds.overlay
        self._consumed = _ByWorld(overlay[overlay["lots"] > 0])
        self._records = {name: _ByWorld(getattr(engine, name)) for name in RECORDS}
        self._accounts = {name: getattr(engine.worlds, name)["account"].copy() for name in BY_ACCOUNT}
        self._written = engine.index.orders[-1].stop if engine.index.orders else 0  # those behind are made by guards
        self._made_for = self._accounts["orders"][self._written :]
        self._accounts["orders"] = self._accounts["orders"][: self._written]

    def cut(self, first: int, count: int) -> Piece:
        """Worlds `first` … `first + count - 1`, renumbered from 0. The engine's own arrays stay as they are.

        Its table of what was consumed has the rows in use alone: to be read through, not to be looked up in.
        """
        state, index = self.engine.worlds, self.engine.index
        begins = [*index.accounts, len(state.accounts)]
        accounts = slice(begins[first], begins[first + count])
        rows = {
            "worlds": slice(first, first + count),
            "accounts": accounts,
            **{name: _rows(column, accounts) for name, column in self._accounts.items()},
        }
        rows["path"] = _path_rows(state.accounts[accounts], state.pools[rows["pools"]])
        offsets = {column: rows[table].start for column, table in REFERENCES.items()}
        made = self._made(accounts)
        records = {
            name: _of_guards(_renumbered(table.of(first, count), offsets), rows["orders"], made)
            for name, table in self._records.items()
        }
        orders = np.concatenate([state.orders[rows["orders"]], state.orders[made]])
        return Piece(
            state._replace(
                **{
                    name: _renumbered(getattr(state, name)[where], offsets)
                    for name, where in rows.items()
                    if name != "orders"
                },
                orders=_renumbered(orders, offsets),
                parties=state.parties[rows["worlds"]],
                inventory=state.inventory[rows["worlds"]],
                overlay=_renumbered(self._consumed.of(first, count), offsets),
                **records,
            ),
            WorldIndex(
                [begin - accounts.start for begin in index.accounts[first : first + count]],
                [[n - rows["positions"].start for n in numbers] for numbers in index.positions[accounts]],
                [_moved(numbers, rows["orders"].start) for numbers in index.orders[accounts]],
                [_moved(numbers, rows["plans"].start) for numbers in index.plans[accounts]],
                [_moved(numbers, rows["guards"].start) for numbers in index.guards[accounts]],
            ),
            **records,
        )

    def _made(self, accounts: slice) -> np.ndarray:
        """Numbers of the orders that guards of neighbouring accounts made, rising."""
        mine = (self._made_for >= accounts.start) & (self._made_for < accounts.stop)
        return self._written + np.flatnonzero(mine)


def _of_guards(table: np.ndarray, written: slice, made: np.ndarray) -> np.ndarray:
    """Records that name orders which guards made: those stand behind the `written` ones of the piece, in their order.

    `_renumbered` has counted all from the first written one.
    """
    if len(made) and "order" in (table.dtype.names or ()):
        behind = np.flatnonzero(table["order"] >= written.stop - written.start)
        place = np.searchsorted(made, table["order"][behind] + written.start)
        table["order"][behind] = written.stop - written.start + place
    return table


def _rows(column: np.ndarray, accounts: slice) -> slice:
    """Where the rows of some neighbouring accounts lie; a table has them account by account (`column`: whose)."""
    first, last = np.searchsorted(column, (accounts.start, accounts.stop)).tolist()
    return slice(first, last)


def _path_rows(accounts: np.ndarray, pools: np.ndarray) -> slice:
    """Where the paths of neighbouring accounts and of their pools lie."""
    recorded = np.concatenate([accounts["path"], pools["path"]])
    recorded = recorded[recorded >= 0]
    return slice(int(recorded.min()), int(recorded.max()) + 1) if len(recorded) else slice(0, 0)


class _ByWorld:
    """The rows of a table, found by their world without a look at all others."""

    def __init__(self, table: np.ndarray) -> None:
        self._table = table
        self._order = np.argsort(table["world"], kind="stable")
        self._worlds = table["world"][self._order]

    def of(self, first: int, count: int) -> np.ndarray:
        """Those of some neighbouring worlds, in the order of the table."""
        begin, end = np.searchsorted(self._worlds, (first, first + count)).tolist()
        return self._table[np.sort(self._order[begin:end])]


def _renumbered(table: np.ndarray, offsets: dict[str, int]) -> np.ndarray:
    """Rows whose references count from the first row of this piece; -1 stays -1. A copy, unless there are none."""
    references = set(table.dtype.names or ()) & offsets.keys()
    made = table.copy() if references else table
    for column in references:
        made[column] = np.where(made[column] >= 0, made[column] - offsets[column], made[column])
    return made


def _moved(numbers: range, by: int) -> range:
    return range(numbers.start - by, numbers.stop - by)
