"""How near a path is to the candles of what happened, as figures, and the bars that these are to meet.

Measured in `measure`, stored beside the path (`stored`), graded here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from backtester.scenario.facts import Price

if TYPE_CHECKING:
    from backtester.scenario.path import Scenario

#: The bars: relative distance of low and high, seconds between their times, distance of the worst minute as a share of
#: its size, share of candles outside, relative distance of the lows of the mark.
EXTREME, APART_S, WORST, OUTSIDE, MARK = 0.001, 60.0, 0.1, 0.05, 0.003
#: A worst minute below this is no crash: the price may miss it by the tenth of this much.
CALM = 0.005
#: The measures that are a Pair.
PAIRS = ("worst_1m", "best_1m", "worst_5m", "best_5m", "range_1m", "rebound_10m", "rebound_30m")


class Grade(StrEnum):
    """What a symbol's path was made from, and whether it meets the bars."""

    A = "A"  # the minutes of perp and index at the extreme are known
    B = "B"  # those of the perp
    C = "C"  # coarser candles, or of another price
    D = "D"  # a bar is missed
    NONE = "-"  # nothing to measure against: hypothetical


class Pair(NamedTuple):
    """The same measure of the candles and of the path."""

    real: float
    path: float


class Fidelity(NamedTuple):
    """One price of one symbol, measured. None: the candles do not say it. Ratios, not per cent; *_s in seconds.

    minutes: whether the extreme farthest from the start lies in a candle of a minute.
    """

    symbol: str
    price: str
    candles: int
    minutes: bool
    low: float
    high: float
    low_s: float
    high_s: float
    worst_1m: Pair | None
    best_1m: Pair | None
    worst_5m: Pair | None
    best_5m: Pair | None
    range_1m: Pair | None
    outside: float
    rebound_10m: Pair | None
    rebound_30m: Pair | None
    lows: float
    long: int

    @property
    def pairs(self) -> dict[str, Pair | None]:
        """The measures that the candles have as well, by name."""
        return {name: getattr(self, name) for name in PAIRS}

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Fidelity:
        """From the fields as JSON has them. Raises TypeError or ValueError."""
        kinds: dict[str, Callable[[Any], Any]] = dict.fromkeys(cls._fields, float) | dict.fromkeys(PAIRS, _pair)
        kinds |= {"symbol": str, "price": str, "candles": int, "minutes": bool, "long": int}
        return cls._make(kinds[name](stored[name]) for name in cls._fields)


def _pair(stored: Any) -> Pair | None:
    return None if stored is None else Pair(*map(float, stored))


def missed(fidelity: Fidelity) -> list[str]:
    """The bars that are missed, in words. Of a mark only the lows are judged: its formula is the venue's."""
    name = f"{fidelity.symbol} {fidelity.price}"
    if fidelity.price == Price.MARK:
        fault = f"{name}: a low is {fidelity.lows * 1e4:+.1f} bps off, the bar is {MARK * 1e4:.0f}"
        return [fault] if abs(fidelity.lows) > MARK else []
    faults = []
    for what, off, apart in (("low", fidelity.low, fidelity.low_s), ("high", fidelity.high, fidelity.high_s)):
        if abs(off) > EXTREME:
            faults.append(f"{name}: the {what} is {off:+.2%} off, the bar is {EXTREME:.1%}")
        if apart > APART_S:
            faults.append(f"{name}: the {what} is {apart:.0f} s away, the bar is {APART_S:.0f}")
    if (worst := fidelity.worst_1m) and abs(worst.path - worst.real) > WORST * max(abs(worst.real), CALM):
        bar = f"the bar is {WORST:.0%} of its size"
        faults.append(f"{name}: the worst minute is {worst.path:.2%}, not {worst.real:.2%}; {bar}")
    if fidelity.outside > OUTSIDE:
        faults.append(f"{name}: {fidelity.outside:.1%} of the candles are left, the bar is {OUTSIDE:.0%}")
    if fidelity.long:
        faults.append(f"{name}: {fidelity.long} straight lines are longer than the candles they stand for")
    return faults


def claimed(scenario: Scenario) -> tuple[Fidelity, ...]:
    """What was measured of a path that claims to be what happened; nothing of a hypothetical one, whose candles are
    its own."""
    return scenario.fidelity if scenario.type == "HIST" else ()


def grades(scenario: Scenario) -> Mapping[str, Grade]:
    """The grade of every symbol, from what was measured as the path was built."""
    return {symbol: _grade(scenario, symbol) for symbol in scenario.symbols}


def _grade(scenario: Scenario, symbol: str) -> Grade:
    rows = {each.price: each for each in claimed(scenario) if each.symbol == symbol}
    if not rows:
        return Grade.NONE
    if any(missed(each) for each in rows.values()):
        return Grade.D
    perp, index = (each is not None and each.minutes for each in (rows.get(Price.PERP), rows.get(Price.INDEX)))
    return (Grade.A if index else Grade.B) if perp else Grade.C
