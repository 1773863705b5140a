"""What the keys of an execution plan must say together.

A plan may have keys of other algorithms than its own: so that one word makes it another plan, for a comparison.
"""

from __future__ import annotations

from collections.abc import Iterator

from backtester.config.lines import Place
from backtester.config.order_rules import id_faults
from backtester.config.tables import Table, text
from backtester.config.toml import Fault

_NEEDED_BY_ALGO = {
    "twap": ("duration",),
    "vwap": ("duration", "curve"),
    "pov": ("duration", "participation"),
    "iceberg": ("price", "display"),
}
_USED_BY_ALGO: dict[str, set[str]] = {
    "market": {"bound"},
    "twap": {"duration", "interval", "randomize", "bound"},
    "vwap": {"duration", "interval", "bound", "curve"},
    "pov": {"duration", "interval", "bound", "participation"},
    "iceberg": {"price", "display"},
    "passive": {"wait", "attempts", "bound"},
}
ALGOS = tuple(_USED_BY_ALGO)


def misfits_of_plan(plan: Table) -> set[str]:
    """The keys that are of no account to this plan. An unknown algorithm takes all."""
    used = _USED_BY_ALGO.get(text(plan, "algo"))
    return set() if used is None else set().union(*_USED_BY_ALGO.values()) - used


def plan_faults(plan: Table, place: Place) -> Iterator[Fault]:
    """What is wrong with a single plan."""
    algo = text(plan, "algo")
    for key in _NEEDED_BY_ALGO.get(algo, ()):
        if key not in plan:
            yield Fault((*place, key), "missing key", f"a plan of algo {algo} needs it")
    yield from id_faults(plan, place)
