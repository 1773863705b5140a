"""Drills by their names: what breaks, when, and for how long. Figures: what happened to real automation, assumed."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import NamedTuple

from backtester.enums import Drill

_MINUTE_NS = 60 * 10**9
_EVER_NS = 1 << 62


class At(Enum):
    """When something breaks."""

    START = auto()
    CALM = auto()  # half-way from the start to the first fire
    FIRE = auto()  # at the first fire of a guard


class Break(NamedTuple):
    """What breaks for guards, when, and for how long."""

    kind: Drill
    at: At
    for_ns: int = _EVER_NS


#: Drills of what guards see, do and send (RULES 12.2), by their names.
BREAKS: Mapping[str, Break] = MappingProxyType(
    {
        "bad_tick": Break(Drill.BAD_TICK, At.CALM, 1),
        "unit": Break(Drill.UNIT, At.FIRE),
        "frozen_equity": Break(Drill.FROZEN_EQUITY, At.CALM),
        "stale_view": Break(Drill.STALE_VIEW, At.FIRE, _MINUTE_NS),
        "blind": Break(Drill.BLIND, At.FIRE, _MINUTE_NS),
        "lost": Break(Drill.LOST, At.FIRE, _MINUTE_NS),
        "refused": Break(Drill.REFUSED, At.FIRE, _MINUTE_NS),
        "late": Break(Drill.LATE, At.FIRE),
        "triple": Break(Drill.TRIPLE, At.FIRE),
        "rate_limited": Break(Drill.RATE_LIMITED, At.FIRE),
        "loop": Break(Drill.LOOP, At.CALM),
        "flip": Break(Drill.FLIP, At.FIRE),
        "no_human": Break(Drill.NO_HUMAN, At.START),
    }
)
STOP_LOST, LEG_ADL, WHIPSAW, VENUE_DOWN = "stop_lost", "leg_adl", "whipsaw", "venue_down"
#: When the others come.
OTHERS: Mapping[str, At] = MappingProxyType(
    {STOP_LOST: At.CALM, LEG_ADL: At.FIRE, WHIPSAW: At.FIRE, VENUE_DOWN: At.FIRE}
)
DRILLS: tuple[str, ...] = (*BREAKS, *OTHERS)


def at(name: str) -> At:
    """When a drill begins."""
    return BREAKS[name].at if name in BREAKS else OTHERS[name]
