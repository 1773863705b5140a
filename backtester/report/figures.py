"""A finished cell as conditions see it: the names of the result document, and what they hold.

`portfolio.` need not be written: `loss_pct` is the portfolio's. Rows are chosen by name, id, pool or symbol, with the
account before it where that tells them apart, and the two positions of hedge mode by their direction:
`accounts[main].positions[BTC.long]`, `trades[hedge ETH]`; a symbol's base says it, too (`BTC` is BTCUSDT). A time is
counted from the start of the run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum, IntEnum
from typing import Any, NamedTuple, get_args

from backtester.config.conditions import Field
from backtester.config.judging import Figure, Kind, Reading, Rows, Table, find
from backtester.config.tables import Table as RawTable
from backtester.config.tables import tables, text
from backtester.config.values import Instant
from backtester.report import fields as records
from backtester.report.executions import TradeReport
from backtester.report.fields import fields, is_list, is_record
from backtester.report.measures import Quantity, measure_of
from backtester.report.records import CROSS, Cell, Named, PortfolioReport, PositionReport
from backtester.report.text import amount, bps, share

#: What a cell holds beside figures.
_NO_FIGURES = {
    "variant",
    "reached",
    "status",
    "error",
    "limits",
    "margin_paths",
    "market_paths",
    "phases",
}
#: How a condition writes down what is measured; all else is an amount.
_KINDS = {
    Quantity.SHARE: Kind.FRACTION,
    Quantity.RATE: Kind.FRACTION,
    Quantity.PERCENT: Kind.PERCENT,
    Quantity.BPS: Kind.BPS,
    Quantity.TIME: Kind.TIME,
    Quantity.DATE: Kind.TIME,
    Quantity.DURATION: Kind.TIME,
}
_IDENTITIES = ("name", "id", "pool", "position", "symbol")
_QUOTES = ("USDT", "USDC")
_SIDES = ("long", "short")
_PAIR = re.compile(rf"(.+)(?:{'|'.join(_QUOTES)})((?:\.(?:{'|'.join(_SIDES)}))?)")
#: A position of hedge mode.
_SIDED = re.compile(rf"(.+)\.(?:{'|'.join(_SIDES)})")
_NS = 1e9


class Row(NamedTuple):
    """A row of an array of the cell, before there is one: what it may be called, and what no other is called."""

    array: str
    names: tuple[str, ...]
    own: str


#: Array of a cell -> what its rows may be called -> the own names of those that share it.
Names = Mapping[str, Mapping[str, tuple[str, ...]]]


# --- the names -----------------------------------------------------------------------------------------------------


def figures_of(portfolios: Iterable[RawTable]) -> Table:
    """The fields of a cell, with the names of what these portfolios (raw documents) hold."""
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for portfolio in portfolios:
        accounts = [account for _, account in tables(portfolio, "accounts")]
        for rows in (_rows_of_all(accounts), *map(_rows_of_one, accounts)):
            for (array, name), own in _by_name(rows).items():
                names = found.setdefault(array, {})
                names[name] = max(names.get(name, ()), own, key=len)
    return Table({**_table(PortfolioReport, found).fields, **_table(Cell, found).fields})


def _by_name(rows: Iterable[Row]) -> dict[tuple[str, str], tuple[str, ...]]:
    """(array, name) -> the own names of the rows that it may be."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for row in rows:
        for name in row.names:
            found.setdefault((row.array, name), {})[row.own] = None
    return {key: tuple(own) for key, own in found.items()}


def _rows_of_all(accounts: Iterable[RawTable]) -> Iterator[Row]:
    """The rows that are chosen among those of all accounts."""
    for account in accounts:
        name = text(account, "name")
        yield Row("accounts", (name,), name)
        for array in ("orders", "plans"):
            for _, row in tables(account, array):
                called = _with_account(name, text(row, "id"))
                yield Row(array, called, called[-1])
        for symbol, sides, own, _ in _held(account):
            yield Row("net_delta", _spellings(symbol), _symbols(symbol)[-1])
            called = tuple(each for word in (*_spellings(symbol), *sides) for each in _with_account(name, word))
            yield Row("trades", called, f"{name} {own}")


def _rows_of_one(account: RawTable) -> Iterator[Row]:
    """The rows that are chosen within an account."""
    yield Row("pools", (CROSS,), CROSS)
    for symbol, sides, own, is_isolated in _held(account):
        if is_isolated:
            yield Row("pools", (*_spellings(symbol), *(sides if own != symbol else ())), own)
        yield Row("positions", (*_spellings(symbol), *sides), own)


def _held(account: RawTable) -> Iterator[tuple[str, tuple[str, ...], str, bool]]:
    """Symbol of every position, what it may be called by its direction, its own name (by both in hedge mode), and
    whether it is isolated."""
    is_hedged = account.get("position_mode") == "hedge"
    for _, position in tables(account, "positions"):
        symbol, side = text(position, "symbol"), text(position, "side")
        sides = (side,) if is_hedged else _SIDES
        called = tuple(f"{each}.{side}" for each in _spellings(symbol) for side in sides)
        own = f"{symbol}.{side}" if is_hedged else symbol
        yield symbol, called, own, text(position, "margin_mode") == "isolated"


def _spellings(symbol: str) -> tuple[str, ...]:
    """How a venue may call it: BTC may be BTCUSDT, and that is BTC."""
    return _symbols(symbol) if _PAIR.fullmatch(symbol) else (symbol, *(symbol + quote for quote in _QUOTES))


def _table(record: type, names: Names) -> Table:
    return Table({each.name: _shape(record, each, names) for each in fields(record) if each.name not in _NO_FIGURES})


def _shape(record: type, field: records.Field, names: Names) -> Figure | Table | Rows:
    """What a field of a record is, by its type and what it measures."""
    name, kind = field.name, field.type
    if kind is Named:
        return _rows(name, Figure(Kind.AMOUNT), names)
    if is_list(kind):
        (of, _) = get_args(kind)
        return _rows(name, _table(of, names), names) if is_record(of) else Figure(Kind.WORDS, _words(of))
    if is_record(kind):
        return _table(kind, names)
    if issubclass(kind, str | IntEnum):
        return Figure(Kind.WORD, _words(kind))
    measure = measure_of(record, name)
    return Figure(_KINDS.get(measure.quantity, Kind.AMOUNT) if measure else Kind.AMOUNT)


def _words(kind: type) -> tuple[str, ...]:
    """All that a field may say; none of a text."""
    return tuple(each.name.lower() for each in kind) if issubclass(kind, Enum) else ()


def _rows(array: str, row: Figure | Table, names: Names) -> Rows:
    """Several of them, with the names that are known."""
    if array not in names:
        return Rows(row)
    return Rows(row, tuple(names[array]), {name: own for name, own in names[array].items() if len(own) > 1})


# --- what they hold ------------------------------------------------------------------------------------------------


def reader(cell: Cell, table: Table) -> Callable[[Field], Reading]:
    """What reads fields of the cell: nothing where one is not measured, or its row is not there or not alone."""

    def read(field: Field) -> Reading:
        place: Any = cell if field.steps[0].name in Cell._fields else cell.portfolio
        whose = cell.portfolio.name
        for step in field.steps:
            if place is None:
                break
            rows = getattr(place, step.name)
            if step.selector is None:
                place = rows
                continue
            wanted = step.selector.strip()
            found = _answering(wanted, _with_names(rows))
            if not found and step.name in _HELD and not _answering(wanted, _of_portfolio(step.name, rows, cell)):
                return Reading(None, f"{whose} has no {_HELD[step.name]} {wanted}", absent=True)
            place = found[0] if len(found) == 1 else None
            whose = f"account {wanted} of {whose}"
        return _reading(place, find(table, field).kind, cell)

    return read


#: Arrays with the things that a portfolio has, whatever became of them, and what such a thing is called.
_HELD = {
    "accounts": "account",
    "positions": "position",
    "pools": "pool",
    "orders": "order",
    "plans": "plan",
    "trades": "position",
    "net_delta": "position",
}


def _of_portfolio(array: str, rows: Any, cell: Cell) -> list[tuple[str, Any]]:
    """What may have a row in an array: a position need never have held anything, or be long as well as short."""
    if array == "trades":
        return [(name, each) for a in cell.accounts for each in a.positions for name in _sided(each, a.name)]
    return [(name, each) for each in rows for name in _sided(each)] if array == "positions" else _with_names(rows)


def _sided(position: PositionReport, account: str = "") -> Iterator[str]:
    """What a position answers to, and would if it were held in either direction."""
    yield from _called(position, account)
    if position.position == position.symbol:
        for side in _SIDES:
            yield from _with_account(account, f"{position.symbol}.{side}")


def _with_names(rows: Any) -> list[tuple[str, Any]]:
    """Rows by all that they answer to."""
    return list(rows.items) if isinstance(rows, Named) else [(each, row) for row in rows for each in _called(row)]


def _answering(wanted: str, named: Sequence[tuple[str, Any]]) -> list[Any]:
    """The rows of exactly this name, else those whose symbol it may mean."""
    exact = [row for name, row in named if name == wanted]
    return exact or [row for name, row in named if wanted in _symbols(name) or name in _symbols(wanted)]


def _called(row: Any, account: str = "") -> Iterator[str]:
    """What a row answers to. `account`: whose it is, where it does not say that."""
    account = getattr(row, "account", account)
    identity = next((getattr(row, key) for key in _IDENTITIES if key in row._fields), "")
    words = [identity]
    if (whole := _SIDED.fullmatch(identity)) is not None:
        words.append(whole[1])
    elif held := _held_by(row):
        words += (f"{each}.{_SIDES[held < 0]}" for each in _symbols(identity))
    for word in words:
        yield from _with_account(account, word)


def _held_by(row: Any) -> float:
    """What a position or its trade was first, signed; 0 for anything else."""
    if isinstance(row, PositionReport):
        return row.size_start or row.size_end
    return row.size or 0.0 if isinstance(row, TradeReport) else 0.0


def _with_account(account: str, identity: str) -> tuple[str, ...]:
    return (identity, f"{account} {identity}") if account else (identity,)


def _symbols(symbol: str) -> tuple[str, ...]:
    """A symbol and its base, or one with a side: BTCUSDT is also BTC, BTCUSDT.long also BTC.long."""
    pair = _PAIR.fullmatch(symbol)
    return (symbol, pair[1] + pair[2]) if pair else (symbol,)


def _reading(value: Any, kind: Kind, cell: Cell) -> Reading:
    """A value in its base unit, and as the report shows it."""
    if value is None:
        return Reading(None, "")
    if isinstance(value, Instant):
        seconds = (value.ts_ns - cell.start_ts.ts_ns) / _NS
        return Reading(seconds, f"{seconds:,.10g}s")
    if isinstance(value, IntEnum):
        return Reading((value.name.lower(),), value.name.lower())
    if isinstance(value, str):
        return Reading((value,), value)
    match kind:
        case Kind.WORDS:
            return Reading(value, ", ".join(value) or "none")
        case Kind.PERCENT:
            return Reading(value / 100, share(value / 100))
        case Kind.BPS:
            return Reading(value / 10_000, f"{bps(value)} bps")
        case Kind.FRACTION:
            return Reading(value, share(value))
        case Kind.TIME:
            return Reading(value / _NS, f"{value / _NS:,.10g}s")
    number = len(value) if isinstance(value, tuple) else value
    return Reading(number, amount(number))
