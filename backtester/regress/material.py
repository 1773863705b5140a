"""Which changes are within how far figures may go: of `diff --material 0.5%,100` those are counted, not told."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from backtester.config.tolerance import UNITS, Tolerance, parse_parts
from backtester.errors import usage_error
from backtester.regress.compare import Change
from backtester.report.measures import KINDS, Quantity

#: One unit of an amount in that of the figure.
_UNIT_OF: Mapping[Quantity, float] = MappingProxyType(
    {
        Quantity.SHARE: 1e-4,
        Quantity.RATE: 1e-4,
        Quantity.PERCENT: 1e-2,
        Quantity.TIME: 1e9,
        Quantity.DURATION: 1e9,
    }
)
_EXACT = Tolerance()


class Within(NamedTuple):
    """How far figures may go: by kind, and single ones by their place. What is in neither is exact."""

    kinds: Mapping[str, Tolerance]
    figures: Mapping[str, Tolerance] = MappingProxyType({})

    def holds(self, change: Change) -> bool:
        """Whether a change is no larger, or said by other figures as well (texts, single fills, children of plans).

        Example: of money `0.5%, 100` holds one from 1,000 to 1,100.
        """
        if change.is_detail or change.quantity is Quantity.TEXT:
            return True
        if change.quantity not in KINDS or change.by is None or change.old is None:
            return False
        at = self.figures.get(change.figure) or self.kinds.get(KINDS[change.quantity], _EXACT)
        return abs(change.by) <= max(at.share * abs(change.old), at.amount * _UNIT_OF.get(change.quantity, 1.0))


# --- what matters in a comparison ----------------------------------------------------------------------------------


class Material(NamedTuple):
    """What a change must exceed to be told; without it every change is."""

    text: str
    within: Within | None


#: Every change matters.
ANY = Material("", None)


def parse_material(text: str) -> Material:
    """`0.5%,100`: a share of the old value, an amount of money; `bps` (of shares, too) and `s` may follow.

    Raises a usage error.
    """
    try:
        parts = parse_parts(text)
    except ValueError:
        message = f'expected a share and amounts such as 0.5%,100,1bps,10s, was "{text}"'
        raise usage_error("--material", message, "each unit once") from None
    amounts = {kind: parts.get(unit, 0.0) for kind, unit in UNITS.items() if unit or kind == "money"}
    share = parts.get("%", 0.0) / 100.0
    return Material(text, Within({kind: Tolerance(share, amounts.get(kind, 0.0)) for kind in UNITS}))


def is_material(change: Change, material: Material) -> bool:
    """Whether a change is told. Verdicts, counts, words and rows always are."""
    return material.within is None or not material.within.holds(change)
