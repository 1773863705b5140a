"""What reverse stress turns: a factor on sizes, collateral or the depth of a crash, and how its value is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import ROUND_UP, Context, Decimal
from types import MappingProxyType
from typing import NamedTuple

from backtester.config.command import Command
from backtester.report.text import money, share
from backtester.sweep.records import Figures, Pool
from backtester.sweep.search import Ladder

#: So many half octaves in either direction are tried at first: 32 = 2^(10/2).
_HALF_OCTAVES = 10
#: What a leverage is multiplied by, no lower than it is: an isolated margin is never too large for its last digit.
_SAFE = Context(prec=10, rounding=ROUND_UP)


class Turn(NamedTuple):
    """What a factor makes of a command: more of --set, another --shock."""

    set: tuple[str, ...] = ()
    shock: str | None = None

    def of(self, command: Command) -> Command:
        """The command with it."""
        return command._replace(set=(*command.set, *self.set), shock=self.shock or command.shock)


class Axis(NamedTuple):
    """One of the things that can be solved for.

    turn    from a factor, the pools of the portfolio and the --shock of the command
    told    a factor in the unit of the axis, of a cell that ran with it; the collateral is that of factor 1
    """

    title: str
    ladder: Ladder
    turn: Callable[[Decimal, tuple[Pool, ...], str | None], Turn]
    value: Callable[[Decimal, Figures, float], float]
    told: Callable[[Decimal, Figures, float], str]


def times(factor: Decimal) -> str:
    """Example: ×1.5."""
    return f"×{factor.normalize():f}"


def _sizes(factor: Decimal, pools: tuple[Pool, ...], shock: str | None) -> Turn:
    return Turn(set=(f"*.size=*{factor.normalize():f}",))


def _money(factor: Decimal, pools: tuple[Pool, ...], shock: str | None) -> Turn:
    return Turn(set=tuple(f"{pool.key}={_grown(pool, factor)}" for pool in pools))


def _grown(pool: Pool, factor: Decimal) -> str:
    """Example: 6.25x has twice the margin of 12.5x behind it; 1x has the whole notional, and no venue takes less."""
    grown = factor if pool.leverage is None else max(_SAFE.divide(1, factor), _SAFE.divide(1, pool.leverage))
    return f"*{grown.normalize():f}"


def _depth(factor: Decimal, pools: tuple[Pool, ...], shock: str | None) -> Turn:
    return Turn(shock=",".join(filter(None, (shock, f"price=*{factor.normalize():f}"))))


def _factor(factor: Decimal, figures: Figures, collateral: float) -> float:
    return float(factor)


def _gross(factor: Decimal, figures: Figures, collateral: float) -> float:
    return figures.notional / figures.equity_start


def _added(factor: Decimal, figures: Figures, collateral: float) -> float:
    return figures.collateral - collateral


def _told_gross(factor: Decimal, figures: Figures, collateral: float) -> str:
    return f"{_gross(factor, figures, collateral):.4g}x"


def _told_added(factor: Decimal, figures: Figures, collateral: float) -> str:
    """Example: +37,500.00, 1.60 % of notional."""
    added = _added(factor, figures, collateral)
    sign = "+" if added >= 0.0 else ""
    of = f", {share(added / figures.notional)} of notional" if figures.notional else ""
    return f"{sign}{money(added)}{of}"


def _told_factor(factor: Decimal, figures: Figures, collateral: float) -> str:
    return times(factor)


def _octaves(*halves: int) -> tuple[Decimal, ...]:
    return tuple(Decimal(2) ** (Decimal(half) / 2) for half in halves)


_WIDE = _octaves(*range(-_HALF_OCTAVES, _HALF_OCTAVES + 1))
#: Each depth of a crash is a tape of its own: few at a time.
_DEEP = tuple(map(Decimal, ("0.25", "0.5", "0.75", "1", "1.5", "2", "3", "4")))

AXES: Mapping[str, Axis] = MappingProxyType(
    {
        "size": Axis("size of everything", Ladder(_WIDE), _sizes, _factor, _told_factor),
        "gross_leverage": Axis("gross notional by equity", Ladder(_WIDE), _sizes, _gross, _told_gross),
        "buffer": Axis("collateral added", Ladder(_WIDE, more_is_harsher=False), _money, _added, _told_added),
        "shock": Axis("depth of the crash", Ladder(_DEEP, points=3, reach=1), _depth, _factor, _told_factor),
    }
)
