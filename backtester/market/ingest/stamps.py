"""The time stamps of a recording: which ones can be meant, and what a stamp in the wrong unit is taken for.

A stamp that is read in the wrong unit is off by a factor of a thousand, so it lands centuries away. Whoever reads one
checks it in the unit it was written in, before the arithmetic that turns it into ns: an int64 of ns wraps in 2262.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from backtester.bounds import FIRST_MARKET_NS, LAST_NS

#: Decimal digits between a unit and ns: 1757015216.673878 s has exact ns, which no float64 holds.
UNITS = {"s": 9, "ms": 6, "us": 3, "ns": 0}
_YEAR_NS = 31_557_600 * 10**9


class StampError(ValueError):
    """A stamp that cannot be meant, in words."""


def stamp_ns(value: int, unit: str) -> int:
    """A stamp in ns. Raises StampError outside of the years 2009 to 2099.

    Example: stamp_ns(1760000400000, "ms") is 1760000400000000000.
    """
    ns: int = value * 10 ** UNITS[unit]
    if not FIRST_MARKET_NS <= ns < LAST_NS:
        raise StampError(wrong_stamp(Decimal(value), unit))
    return ns


def wrong_stamp(value: Decimal, unit: str, flag: str = "") -> str:
    """What a stamp out of range would mean, and the unit that would fit: an option's value if `flag` names one.

    Example: wrong_stamp(Decimal(1760000400000000), "ms", "--ts-unit") is
    `1760000400000000 as ms is the year 57741; did you mean --ts-unit us?`
    """
    said = f"{value:f} as {unit} is the year {_year(int(value * 10 ** UNITS[unit]))}"
    fitting = [each for each, digits in UNITS.items() if FIRST_MARKET_NS <= value * 10**digits < LAST_NS]
    if not fitting:
        return f"{said}, not one of 2009 to 2099"
    return f"{said}; did you mean {flag} {fitting[0]}?" if flag else f"{said}; it would fit as {fitting[0]}"


def _year(ns: int) -> int:
    """The year of a number of ns since 1970; beyond the calendar's 9999 in years of 365.25 days."""
    try:
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=ns // 1_000)).year
    except OverflowError:
        return 1970 + ns // _YEAR_NS
