"""Values that `--set` and `--compare` say by what is there: `*1.5` is half as much again, `-10%` a tenth less.

A number keeps its unit: `"50_000 USD"` times 1.5 is 75,000 USD, `"10m"` is a quarter of an hour. A size that is a share
of a position (`"25%"`, `"all"`) stays that share: what it is a share of is multiplied.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, NamedTuple

from backtester.config.values import Misread, Scaled

_NUMBER = r"\d+(?:\.\d+)?"
_FACTOR = re.compile(rf"\*({_NUMBER})|([+-]{_NUMBER})%")
_WITH_UNIT = re.compile(r"(\d[\d_,]*(?:\.\d+)?)( ?(?:[A-Za-z][A-Za-z0-9]*|%))")
_IN_WORDS = re.compile(r"\*.*|[+-].*%", re.DOTALL)


class Factor(NamedTuple):
    """What a value is multiplied by, above 0."""

    number: Decimal


def parse_factor(text: str) -> Factor | None:
    """`*1.5`, `+10%` or `-10%`; None for what is none. Raises Misread for what looks like one.

    Example: `-10%` is 0.9.
    """
    if not _IN_WORDS.fullmatch(text):
        return None
    found = _FACTOR.fullmatch(text)
    if not found:
        raise Misread(f"{text} is no factor", "*1.5 is half as much again, -10% a tenth less; a text stands in quotes")
    number = Decimal(found[1]) if found[1] else 1 + Decimal(found[2]) / 100
    if number <= 0:
        raise Misread(f"{text} leaves nothing", "a factor is above 0; what shall be 0 is said as 0")
    return Factor(number)


def is_share_of_position(key: str, value: Any) -> bool:
    """Whether it is a size that follows that of a position."""
    return key == "size" and isinstance(value, str) and (value == "all" or value.endswith("%"))


def multiplied(value: Any, factor: Factor) -> Any:
    """A TOML value times the factor, exactly as decimals. Raises Misread for what is neither a number nor one with a
    unit.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        product = Decimal(repr(value)) * factor.number
        whole = isinstance(value, int) and product == product.to_integral_value()
        return int(product) if whole else Scaled(product)
    found = _WITH_UNIT.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise Misread("is no number that can be multiplied", "say the value itself")
    product = Decimal(re.sub("[_,]", "", found[1])) * factor.number
    return f"{product.normalize():f}{found[2]}"
