"""Figures of a comparison as the report shows them, with as many digits as tell two of them apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Any

from backtester.config.values import Instant
from backtester.report.fields import fields, is_list, is_record
from backtester.report.measures import Quantity, measure_of
from backtester.report.records import Named
from backtester.report.text import NONE, bps, money, percent, price, rate, size, when
from backtester.texts import iso_time

_NS = 1e9
#: What tells a row in a few words: the first field of each.
_TELLING = (Quantity.OUTCOME, Quantity.SIZE, Quantity.MONEY)


def _plain(value: float) -> str:
    return f"{value:,.6g}".replace("-", "−")


#: How a number is shown, plain unless it is said here.
_SHOWN: Mapping[Quantity, Callable[[float], str]] = MappingProxyType(
    {
        Quantity.MONEY: money,
        Quantity.SHARE: percent,
        Quantity.RATE: rate,
        Quantity.PERCENT: lambda value: percent(value / 100.0),
        Quantity.BPS: bps,
        Quantity.SIZE: size,
        Quantity.PRICE: price,
        Quantity.DURATION: lambda value: f"{_plain(value / _NS)} s",
    }
)
#: What else a number that is shown with more digits is counted in.
_UNITS: Mapping[Quantity, tuple[float, str]] = MappingProxyType(
    {
        Quantity.SHARE: (100.0, " %"),
        Quantity.RATE: (100.0, " %"),
        Quantity.PERCENT: (1.0, " %"),
        Quantity.DURATION: (1.0 / _NS, " s"),
    }
)
#: Digits that tell two numbers apart: all that a number has are 17.
_FEWEST, _MOST = 3, 17


def shown(value: Any, quantity: Quantity, start: Instant) -> str:
    """A value as the report shows it; a time with its offset from the start. Example: 21:13:39 +43:39."""
    if value is None:
        return NONE
    if isinstance(value, Instant):
        return _to_the_second(value) if quantity is Quantity.DATE else when(value, start)
    if isinstance(value, IntEnum):
        return value.name.lower()
    return value if isinstance(value, str) else _SHOWN.get(quantity, _plain)(value)


def shown_apart(values: tuple[Any, Any], quantity: Quantity, starts: tuple[Instant, Instant]) -> tuple[str, str]:
    """Two different values as the report shows them, with more digits where they would look the same.

    Example: of money 100.001 and 100.002 are 100.001 and 100.002, not 100.00 twice.
    """
    first, second = (shown(value, quantity, start) for value, start in zip(values, starts, strict=True))
    if first != second:
        return (first, second)
    factor, unit = _UNITS.get(quantity, (1.0, ""))
    for digits in range(_FEWEST, _MOST + 1):
        first, second = (_digits(value, digits, factor, unit) for value in values)
        if first != second:
            return (first, second)
    return (_whole(values[0]), _whole(values[1]))


def _digits(value: Any, digits: int, factor: float, unit: str) -> str:
    """A number with so many digits that count, in a unit; anything else whole."""
    if not isinstance(value, int | float):
        return _whole(value)
    return f"{value * factor:,.{digits}g}".replace("-", "−") + unit


def _to_the_second(value: Instant) -> str:
    return f"{iso_time(value.ts_ns)[:19]}Z"


def _whole(value: Any) -> str:
    """With all its digits."""
    if isinstance(value, Instant):
        return iso_time(value.ts_ns)
    return repr(value).replace("-", "−") if isinstance(value, int | float) else str(value)


def moved(by: float, quantity: Quantity) -> str:
    """How far a figure went, with its sign: of times in s, of shares in points. Examples: +1,234.50, +0.5 pp."""
    if quantity in (Quantity.TIME, Quantity.DATE):
        return _signed(f"{by / _NS:,.6g} s")
    text = _signed(_SHOWN.get(quantity, _plain)(by)).replace(" %", " pp")
    return text if any(digit in text for digit in "123456789") else _signed(f"{by:,.3g}")


def _signed(text: str) -> str:
    text = text.replace("-", "−")
    return text if text[:1] in "+−" else f"+{text}"


def told(row: Any, start: Instant) -> str:
    """A row that is new or gone in a few words. Example: `stage partial, size 15, fee −24.43`."""
    record: type = type(row)
    found: dict[Quantity, str] = {}
    for field in fields(record):
        value, kind = getattr(row, field.name), field.type
        if value is None or kind is Named or is_list(kind) or is_record(kind):
            continue
        measure = measure_of(record, field.name)
        if measure is not None and measure.quantity in _TELLING:
            found.setdefault(measure.quantity, f"{field.name} {shown(value, measure.quantity, start)}")
    return ", ".join(found[quantity] for quantity in _TELLING if quantity in found)
