"""Which changes are too small to matter: `--material 0.5%,100`."""

from __future__ import annotations

import re
from typing import NamedTuple

from backtester.errors import usage_error
from backtester.regress.compare import Change
from backtester.report.measures import Quantity

_PART = re.compile(r"(\d+(?:_\d+)*(?:\.\d+)?) ?(%|bps|s|)")
_ALWAYS = {
    Quantity.VERDICT,
    Quantity.COUNT,
    Quantity.ROW,
    Quantity.OUTCOME,
    Quantity.WORD,
    Quantity.VENUE,
    Quantity.DATE,
}
_SHARES = {Quantity.SHARE: 1.0, Quantity.RATE: 1.0, Quantity.PERCENT: 100.0, Quantity.BPS: 10_000.0}
_TIMES = (Quantity.TIME, Quantity.DURATION)
_NS = 1e9


class Material(NamedTuple):
    """What a change must exceed to matter: the larger of a share of the old value, and an amount of its unit."""

    text: str
    share: float = 0.0  # of the old value
    money: float = 0.0  # in the reporting currency
    bps: float = 0.0  # of shares, too
    seconds: float = 0.0


#: Every change matters.
ANY = Material("")


def parse_material(text: str) -> Material:
    """`0.5%,100`: a share of the old value, an amount of money; `bps` and `s` may follow. Raises a usage error."""
    found: dict[str, float] = {}
    for part in text.split(","):
        said = _PART.fullmatch(part.strip())
        if not said or said[2] in found:
            raise usage_error(
                "--material", f'expected a share and amounts such as 0.5%,100,1bps,10s, was "{text}"', "each unit once"
            )
        found[said[2]] = float(said[1])
    return Material(text, found.get("%", 0.0) / 100.0, found.get("", 0.0), found.get("bps", 0.0), found.get("s", 0.0))


def is_material(change: Change, material: Material) -> bool:
    """Whether a change is a line. Words, counts and what was or is not known always are, unless figures say the same.

    Example: of money within 0.5 % of the old value or within 100 it is none.
    """
    if material == ANY or (change.quantity in _ALWAYS and not change.is_detail):
        return True
    if change.is_detail or change.quantity is Quantity.TEXT:
        return False
    if change.by is None or change.old is None:
        return True
    return abs(change.by) > max(material.share * abs(change.old), _amount(change.quantity, material))


def _amount(quantity: Quantity, material: Material) -> float:
    """What is within reach of any old value, in the unit of the figure."""
    if quantity is Quantity.MONEY:
        return material.money
    if quantity in _TIMES:
        return material.seconds * _NS
    return material.bps / 10_000.0 * _SHARES.get(quantity, 0.0)
