"""How far a figure may go from an older value: `0.5%, 100` is 0.5 % of the old value, or 100, whatever is more."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from backtester.config.values import Misread

#: Kind of figure -> the unit of its amounts. All else is exact: verdicts, counts, words, rows.
UNITS: Mapping[str, str] = MappingProxyType(
    {"money": "", "bps": "bps", "share": "bps", "rate": "bps", "size": "", "price": "", "number": "", "time": "s"}
)
_PART = re.compile(r"(\d{1,18}(?:_\d{1,18})*(?:\.\d{1,18})?) ?(%|bps|s|)", re.ASCII)


class Tolerance(NamedTuple):
    """The larger of a share of the old value and an amount; `unit` is that of the amount, None without one."""

    share: float = 0.0
    amount: float = 0.0
    unit: str | None = None


def parse_parts(text: str) -> dict[str, float]:
    """Numbers by their units, each unit once: `0.5%, 100, 1bps, 10s`. Raises ValueError."""
    found: dict[str, float] = {}
    for part in text.split(","):
        said = _PART.fullmatch(part.strip())
        if not said or said[2] in found:
            raise ValueError("expected a share and an amount")
        found[said[2]] = float(said[1])
    return found


def parse_tolerance(value: Any, unit: str | None = None) -> Tolerance:
    """A share, an amount or both; where `unit` is given the amount must have it. Raises ValueError."""
    example = f'"0.5%, 10{unit or ""}"'
    expected = f"expected a share of the old value, an amount or both, such as {example}"
    try:
        parts = parse_parts(value) if isinstance(value, str) else {}
    except ValueError:
        parts = {}
    amounts = [each for each in parts if each != "%"]
    if not parts or len(amounts) > 1 or (unit is not None and amounts not in ([], [unit])):
        raise Misread(expected, "of figures that must not change 0%")
    said = amounts[0] if amounts else None
    return Tolerance(parts.get("%", 0.0) / 100.0, 0.0 if said is None else parts[said], said)
