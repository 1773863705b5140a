"""Every place where two cells differ, found by walking the records that they are made of.

Rows of an array are one by what they are called: by name, id, pool, flag, text, guard, position or symbol, with their
account and, of a notice, the orders that it is about; several that are called alike (liquidations and funding of a
position, say) by the order in which they appear. A time is compared as what it is after the start of its run.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Any, Literal, NamedTuple, get_args

from backtester.config.values import Instant
from backtester.regress.cells import numbered
from backtester.report.executions import OrderReport
from backtester.report.fields import Field, fields, is_list, is_record
from backtester.report.measures import Measure, Quantity, measure_of
from backtester.report.naming import undated
from backtester.report.records import AccountReport, Cell, Named

Sign = Literal["~", "+", "-"]
_NAMES = ("name", "id", "pool", "flag", "text", "guard", "position", "symbol")
#: Arrays of which the figures of their record say the sum: a row more or less is told by their number alone.
_DETAILS = {"fills", "actions"}


class Difference(NamedTuple):
    """One place where they differ: `~` another value, `+` a row that is new, `-` one that is gone (None beside it)."""

    sign: Sign
    place: str  # accounts[main].positions[BTC].funding
    figure: str  # accounts.positions.funding: its place, whosever
    measure: Measure
    before: Any
    after: Any
    account: str  # that it belongs to, or ""
    is_detail: bool

    @property
    def field(self) -> str:
        """The field that differs, or in which a row does."""
        return self.figure.rpartition(".")[2]


class _Where(NamedTuple):
    """Where the walk is."""

    starts: tuple[Instant, Instant]  # of both runs
    place: str = ""
    figure: str = ""
    account: str = ""
    is_detail: bool = False

    def within(self, name: str) -> _Where:
        if not self.place:
            return self._replace(place=name, figure=name)
        return self._replace(place=f"{self.place}.{name}", figure=f"{self.figure}.{name}")

    def at(self, label: str) -> _Where:
        return self._replace(place=f"{self.place}[{label}]")


def differences(before: Cell, after: Cell) -> Iterator[Difference]:
    """All of them, in the order of the document."""
    yield from _records(Cell, before, after, _Where((before.start_ts, after.start_ts)), ())


def _records(kind: type, before: Any, after: Any, where: _Where, identity: tuple[str, ...]) -> Iterator[Difference]:
    """Two records of a kind, without the fields that say which one it is."""
    for field in fields(kind):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if field.name in identity or (old == new and where.starts[0] == where.starts[1]):
            continue
        within = where.within(field.name)
        if is_record(field.type) and old is not None and new is not None:
            yield from _records(field.type, old, new, within, ())
        elif (measure := measure_of(kind, field.name)) is not None:
            yield from _members(field, measure, old, new, within)


def _members(field: Field, measure: Measure, old: Any, new: Any, where: _Where) -> Iterator[Difference]:
    """A field that is a value, values by name, an array, or a record that only one of them has."""
    if field.type is Named:
        yield from _named(measure, old, new, where)
    elif is_list(field.type):
        (of, *_) = get_args(field.type)
        yield from _arrays(of, field.name, measure, old, new, where)
    elif is_record(field.type):
        if old is not new:
            yield _whole(measure, old, new, where)
    elif comparable(old, measure, where.starts[0]) != comparable(new, measure, where.starts[1]):
        yield Difference("~", where.place, where.figure, measure, old, new, where.account, where.is_detail)


def comparable(value: Any, measure: Measure, start: Instant) -> Any:
    """What is compared of a value: of a time the ns since the start, of a venue its id."""
    if isinstance(value, Instant):
        return value.ts_ns - (0 if measure.quantity is Quantity.DATE else start.ts_ns)
    return undated(value) if measure.quantity is Quantity.VENUE else value


def _whole(measure: Measure, old: Any, new: Any, where: _Where) -> Difference:
    """What only one of them has."""
    measure = measure._replace(quantity=Quantity.ROW)
    sign: Sign = "+" if old is None else "-"
    return Difference(sign, where.place, where.figure, measure, old, new, where.account, where.is_detail)


def _named(measure: Measure, old: Named, new: Named, where: _Where) -> Iterator[Difference]:
    before, after = dict(old.items), dict(new.items)
    for key in dict.fromkeys((*before, *after)):
        at, was, now = where.at(key), before.get(key), after.get(key)
        if was is None or now is None:
            yield _whole(measure, was, now, at)
        elif was != now:
            yield Difference("~", at.place, at.figure, measure, was, now, where.account, where.is_detail)


def _arrays(
    kind: Any, name: str, measure: Measure, old: Sequence[Any], new: Sequence[Any], where: _Where
) -> Iterator[Difference]:
    is_detail = where.is_detail or name in _DETAILS
    if measure.quantity is Quantity.COUNT and len(old) != len(new):
        yield Difference("~", where.place, where.figure, measure, len(old), len(new), where.account, where.is_detail)
    identity = _identity(kind)
    before, after = (numbered(rows, lambda row: _key(row, identity)) for rows in (old, new))
    for key in dict.fromkeys((*before, *after)):
        was, now = before.get(key), after.get(key)
        account = _account(was or now, where.account)
        row = was if was is not None else now
        # of children their plan says the sum
        is_child = isinstance(row, OrderReport) and bool(row.plan)
        at = where.at(_label(key))._replace(account=account, is_detail=is_detail or is_child)
        if was is not None and now is not None:
            if is_record(kind):
                yield from _records(kind, was, now, at, identity)
        elif name not in _DETAILS:
            yield _whole(measure, was, now, at._replace(is_detail=where.is_detail or is_child))


def _identity(kind: Any) -> tuple[str, ...]:
    """The fields that say which row it is. Examples: (account, id) of an order, none of a fill."""
    names = getattr(kind, "_fields", ())
    called = next((name for name in _NAMES if name in names), "")
    return tuple(name for name in ("account", called, "ids") if name in names)


def _key(row: Any, identity: tuple[str, ...]) -> Hashable:
    return row if isinstance(row, str) else tuple(getattr(row, name) for name in identity)


def _label(key: tuple[Hashable, int]) -> str:
    """How a row is named. Examples: `main BTC`, and the next one of it `main BTC 2`; of a fill its number."""
    called, time = key
    parts = called if isinstance(called, tuple) else (called,)
    words = [" ".join(part) if isinstance(part, tuple) else str(part) for part in parts]
    return " ".join(filter(None, [*words, str(time) if time > 1 or not parts else ""]))


def _account(row: Any, outer: str) -> str:
    name: str = row.name if isinstance(row, AccountReport) else getattr(row, "account", outer)
    return name
