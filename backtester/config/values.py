"""The small values that a configuration writes as text: durations, times, relative prices."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, NamedTuple, TypeVar

from backtester.bounds import (
    FIRST_NS,
    LARGEST_AMOUNT,
    LARGEST_PRICE,
    LAST_NS,
    LONGEST_NS,
    SHORTEST_CLOCK_NS,
    SMALLEST_PRICE,
)

_NS_PER = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h|d)")
_RELATIVE = re.compile(r"mark(?:([+-])(\d+(?:\.\d+)?)%)?")
_PERCENT = re.compile(r"(\d+(?:\.\d+)?) ?%")
_NOTIONAL = re.compile(r"(\d{1,3}(?:,\d{3})+|\d+(?:_\d+)*)(\.\d+)? ?([A-Za-z][A-Za-z0-9]{1,9})")
_SAYS_THE_DIRECTION = "side says the direction"
_FRACTION_OF_SECOND = re.compile(r"\.(\d+)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

T = TypeVar("T")
EnumT = TypeVar("EnumT", bound=Enum)


class Scaled(float):
    """A number that was made of another one by a factor (config.relative): as a size it is rounded down to lots."""

    __slots__ = ()


class Offset(NamedTuple):
    """A time counted from the start of the run."""

    ns: int


class Instant(NamedTuple):
    """A time of the calendar, ns since the epoch, UTC."""

    ts_ns: int


class RelativePrice(NamedTuple):
    """A price that is known only when the run has its first mark. `fraction` is signed: -0.06 is 6 % below."""

    base: Literal["mark"]
    fraction: float

    def at(self, base_price: float) -> float:
        """The price in quote currency. Example: `mark-6%` at a mark of 50,000 is 47,000."""
        return base_price * (1.0 + self.fraction)


class Percent(NamedTuple):
    """A share, written as `"3%"`."""

    fraction: float


class Notional(NamedTuple):
    """A size by its value at the first mark, written as `"50_000 USD"`."""

    amount: float
    asset: str  # USD, or the quote asset

    def units(self, mark: float) -> float:
        """The size in units of the base. Example: 50,000 USD at a mark of 100,000 are 0.5."""
        return self.amount / mark

    def __str__(self) -> str:
        return f"{self.amount:,.10g} {self.asset}"


class PositionShare(NamedTuple):
    """A size by that of the position at the start, written as `"25%"` or `"all"`."""

    fraction: float

    def __str__(self) -> str:
        return f"{self.fraction * 100:.10g}% of the position"


class Misread(ValueError):
    """A value that cannot be read, and what is meant perhaps."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class Collateral(NamedTuple):
    """What backs an account: an amount of one asset."""

    asset: str
    amount: float


def parse_duration_ns(value: Any) -> int:
    """`"200ms"`, `"90s"`, `"1.5h"` in ns. Units: ns, us, ms, s, m, h, d. Raises ValueError."""
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    ns = Decimal(found[1]) * _NS_PER[found[2]] if found else Decimal("0.5")
    if ns != int(ns) or ns > LONGEST_NS:
        raise ValueError('expected a duration such as "200ms", "90s" or "10m"')
    return int(ns)


def parse_clock_ns(value: Any) -> int:
    """A duration that something is repeated after. Raises ValueError when it is too short for that."""
    ns = parse_duration_ns(value)
    if ns < SHORTEST_CLOCK_NS:
        raise ValueError('expected an interval of "1ms" or more')
    return ns


def parse_moment(value: Any) -> Offset | Instant:
    """`"90s"` after the start, or an ISO 8601 time with its zone, as text or as a TOML date-time. Raises ValueError."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return _instant(_microseconds(value) * 1000)
    if isinstance(value, str) and _DURATION.fullmatch(value):
        return Offset(parse_duration_ns(value))
    try:
        return parse_instant(value)
    except (TypeError, ValueError):
        raise ValueError('expected an offset such as "90s" or a time such as "2025-10-10T21:15:00Z"') from None


def parse_instant(text: str) -> Instant:
    """An ISO 8601 time with its zone, down to the ns. Raises ValueError.

    Example: 2025-10-10T21:15:00.000000001Z is 1760130900000000001.
    """
    digits = _FRACTION_OF_SECOND.search(text)
    whole = datetime.fromisoformat(text.replace(digits[0], "", 1) if digits else text)
    if whole.tzinfo is None or (digits and len(digits[1]) > 9):
        raise ValueError("a time needs its zone and at most nine digits of a second")
    return _instant(_microseconds(whole) * 1000 + (int(digits[1].ljust(9, "0")) if digits else 0))


def _instant(ts_ns: int) -> Instant:
    """Raises ValueError for a time that no tape has."""
    if not FIRST_NS <= ts_ns < LAST_NS:
        raise ValueError("expected a time before the year 2100")
    return Instant(ts_ns)


def parse_price(value: Any) -> float | RelativePrice:
    """A number above 0, `"mark"` or `"mark-1.5%"`. Raises ValueError."""
    if is_number(value) and 0 < value < LARGEST_AMOUNT:
        return float(value)
    found = _RELATIVE.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise ValueError('expected a price above 0, "mark" or "mark-1.5%"')
    fraction = float(Decimal((found[1] or "") + (found[2] or "0")) / 100)
    if fraction <= -1:
        raise ValueError("expected a price above 0")
    return RelativePrice("mark", fraction)


def parse_percent(value: Any) -> Percent:
    """`"3%"` is the fraction 0.03; above 0 and below 100 %. Raises ValueError."""
    found = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    fraction = float(Decimal(found[1]) / 100) if found else 0.0
    if not 0 < fraction < 1:
        raise ValueError('expected a share above 0 and below 100 %, such as "3%"')
    return Percent(fraction)


def parse_distance(value: Any) -> Percent | float:
    """How far a price may go back: a share such as `"1%"`, or a distance in quote currency. Raises ValueError."""
    if is_number(value) and 0 < value < LARGEST_AMOUNT:
        return float(value)
    try:
        return parse_percent(value)
    except ValueError:
        raise ValueError('expected a share such as "1%" or a price distance above 0') from None


def parse_amount(value: Any) -> float | Notional:
    """Units of the base, none below 0, or a notional such as `"50_000 USD"`. Raises ValueError."""
    amount = _amount(value)
    if amount is None:
        raise ValueError('expected a number or a notional such as "50_000 USD"')
    if isinstance(amount, float) and amount < 0.0:
        raise Misread("expected at least 0", _SAYS_THE_DIRECTION)
    return amount


def parse_size(value: Any) -> float | Notional | PositionShare:
    """An amount above 0, `"25%"` of the position, or `"all"` of it. Raises ValueError."""
    if value == "all":
        return PositionShare(1.0)
    if isinstance(value, str) and (share := _PERCENT.fullmatch(value)):
        fraction = float(Decimal(share[1]) / 100)
        if not 0 < fraction <= 1:
            raise ValueError("expected a share of the position above 0 and up to 100 %")
        return PositionShare(fraction)
    amount = _amount(value)
    if amount is None:
        raise ValueError('expected a number, a notional such as "50_000 USD", "25%" of the position or "all"')
    if isinstance(amount, float) and amount <= 0.0:
        raise Misread("expected more than 0", _SAYS_THE_DIRECTION if amount < 0.0 else "")
    return amount


def _amount(value: Any) -> float | Notional | None:
    """A number, or a notional above 0; None for anything else."""
    found = _NOTIONAL.fullmatch(value) if isinstance(value, str) else None
    if found:
        amount = float(found[1].replace(",", "") + (found[2] or ""))
        if not 0 < amount < LARGEST_AMOUNT:
            raise ValueError("expected a notional above 0")
        return Notional(amount, found[3].upper())
    if not is_number(value):
        return None
    if not abs(value) < LARGEST_AMOUNT:
        raise ValueError(f"expected a number below {LARGEST_AMOUNT:g}")
    return value if isinstance(value, Scaled) else float(value)


def parse_curve(value: Any) -> Literal["tape"] | tuple[float, ...]:
    """`"tape"`, or the weights of the slices, `[1, 3, 2]`: none below 0, one above it. Raises ValueError."""
    if value == "tape":
        return "tape"
    weights = value if isinstance(value, list) else []
    if not all(is_number(w) and 0 <= w < LARGEST_AMOUNT for w in weights):
        weights = []
    if not any(weights):
        raise ValueError('expected "tape" or weights such as [1, 3, 2]')
    return tuple(map(float, weights))


def parse_collateral(value: Any) -> Collateral:
    """`{ USDC = 250_000.0 }`: exactly one asset, an amount above 0. Raises ValueError."""
    if not isinstance(value, dict) or not value:
        raise ValueError("expected a table such as { USDC = 250_000.0 }")
    if len(value) > 1:
        raise ValueError(f"one collateral asset is supported, found {', '.join(value)}")
    [(asset, amount)] = value.items()
    if not (is_number(amount) and 0 < amount < LARGEST_AMOUNT):
        raise ValueError(f"the amount of {asset} must be a number above 0")
    return Collateral(asset, float(amount))


def parse_prices(value: Any) -> dict[str, float]:
    """`{ BTC = 68_000 }`: a price above 0 for each symbol or base. Raises ValueError."""
    if not isinstance(value, dict):
        raise ValueError("expected a table such as { BTC = 68_000 }")
    for name, price in value.items():
        if not (is_number(price) and SMALLEST_PRICE <= price <= LARGEST_PRICE):
            raise ValueError(f"the price of {name} must be a number above 0")
    return {name: float(price) for name, price in value.items()}


def is_number(value: Any) -> bool:
    """Whether TOML has it as a number: to Python `true` is one, too."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def one_of(**meanings: T) -> Callable[[Any], T]:
    """A parser of a fixed set of words. It raises ValueError with all of them."""
    words = [f'"{word}"' for word in meanings]
    expected = " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)

    def parse(value: Any) -> T:
        if not isinstance(value, str) or value not in meanings:
            raise ValueError(f"expected {expected}")
        return meanings[value]

    return parse


def name_in(codes: type[EnumT]) -> Callable[[Any], EnumT]:
    """A parser of the names of an enum, in lower case."""
    return one_of(**{code.name.lower(): code for code in codes})


def _microseconds(time: datetime) -> int:
    since = time - _EPOCH
    return (since.days * 86400 + since.seconds) * 10**6 + since.microseconds
