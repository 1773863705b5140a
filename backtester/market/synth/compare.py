"""A recording and its likeness side by side, and how far each figure may be off."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from backtester.market.synth.figures import BANDS_BPS, Bands, Figures, Portrait

#: How far a figure may be from the recording's, as a share of the latter; None: it is shown, not held.
TOLERANCES: dict[str, float | None] = {
    **dict.fromkeys((*Figures._fields, *Bands._fields), 0.15),
    "touch_size_p50": 0.25,
    "touch_size_p90": 0.25,
    "level_size": 0.25,
    "level_size_p50": 0.25,
    "level_size_p90": 0.25,
    "taker_size": 0.25,
    "taker_size_p50": 0.25,
    "taker_size_p90": 0.25,
    "taker_size_p99": 0.25,
    "sweep_share": 0.25,
    "prices_per_sweep": 0.3,
    "sweep_runs_per_s": 0.3,
    "move_10s_bps": 0.25,
    "move_60s_bps": 0.3,
    "spread_half_life_s": 0.3,
    "depth_half_life_s": 0.3,
    "touch_half_life_s": 0.3,
    "burstiness": 0.4,
    "burst_rate": 0.4,
    "burst_half_life_s": 0.4,
    "still_share": 0.05,
    "same_side_share": None,
    "wide_share": None,
    "swept_depth_share": None,
}
#: A figure that is off by so many tolerances is as bad as one that the likeness does not have.
_WORST = 5.0


class Compared(NamedTuple):
    """One figure, or one band of a figure. None = not known."""

    figure: str
    recorded: float | None
    made: float | None
    tolerance: float | None

    @property
    def off(self) -> float | None:
        """made / recorded - 1."""
        return self.made / self.recorded - 1 if self.recorded and self.made is not None else None

    @property
    def strain(self) -> float:
        """How far it is off in tolerances, on a logarithmic scale: twice and half weigh alike. 0 if not known or held.

        >>> Compared("takers_per_s", 1.0, 1.15**2, 0.15).strain
        2.0
        """
        if not self.recorded or self.tolerance is None:
            return 0.0
        if self.made is None or self.made <= 0:
            return _WORST
        return min(abs(math.log(self.made / self.recorded)) / math.log(1 + self.tolerance), _WORST)

    @property
    def is_held(self) -> bool:
        """Whether it is within its tolerance, or has none; a figure that the likeness lacks is not."""
        if not self.recorded or self.tolerance is None:
            return True
        return self.off is not None and abs(self.off) <= self.tolerance


def compare(recorded: Portrait, made: Portrait) -> Iterator[Compared]:
    """Figure by figure in their order, then band by band from the best price outwards, as far as either is known."""
    for name, wanted, have in zip(Figures._fields, recorded.figures, made.figures, strict=True):
        yield Compared(name, wanted, have, TOLERANCES[name])
    for name, far, near in zip(Bands._fields, recorded.bands, made.bands, strict=True):
        for bps, wanted, have in zip(BANDS_BPS, far, near, strict=True):
            if wanted is not None or have is not None:
                yield Compared(f"{name} {bps:g} bps", wanted, have, TOLERANCES[name])


def misfit(recorded: Portrait, made: Portrait) -> float:
    """One number for a fit to make small: the sum of squared strains, a figure per band counting as its mean."""
    total = math.fsum(row.strain**2 for row in compare(recorded, made) if " " not in row.figure)
    for name in Bands._fields:
        strains = [row.strain for row in compare(recorded, made) if row.figure.startswith(f"{name} ") and row.recorded]
        total += math.fsum(strain**2 for strain in strains) / max(1, len(strains))
    return total
