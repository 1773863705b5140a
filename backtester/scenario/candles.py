"""Candles of a perp and of its index become two price lines that agree with both.

Where candles of both prices cover the same time, the finer ones draw the line through their open, extremes and close;
the coarser ones say how far the other price was away, at their open and close, linear in between:

    basis(t) = perp(t) / index(t) − 1

A coarse extreme happens where the fine line has its own inside that candle, unless the facts give its time. The gap
there lasts for `wick_ns` only. A candle's low and high are never left. Candles that say `like` another symbol copy the
shape of its perp inside of them in the same way: an assumption.
Example: minutes of the index fall from 100 to 90 and come back; the perp's hour opens at 99 and has its low at 84.6.
The basis is −1 % at the start and, for a moment, −6 % where the index is at 90.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from backtester.scenario.facts import Candle, Candles, Price
from backtester.scenario.path import ANY, Series

#: A price or a basis by t_ns.
Knots = dict[int, float]
#: Knots that make a shape: an open and two extremes.
SHAPE = 3


class Habits(NamedTuple):
    """What is assumed of all candles: `extremes` as shares of an interval, and how long a wick of one price lasts."""

    extremes: tuple[float, float]
    wick_ns: int


class Placed(NamedTuple):
    """One candle and the table it stands in."""

    part: Candles
    row: Candle

    @property
    def start(self) -> int:
        """The open's time."""
        return self.row.t_ns

    @property
    def end(self) -> int:
        """The close's time."""
        return self.row.t_ns + self.part.interval_ns


class Lines(NamedTuple):
    """The index (`spot`) by t_ns, and the basis (a fraction) where candles or rows say something about it."""

    spot: Knots
    basis: Knots

    def perp(self) -> Knots:
        """The perp by t_ns."""
        times = sorted(self.spot.keys() | self.basis.keys())
        pairs = zip(times, _at(self.spot, times), _at(self.basis, times), strict=True)
        return {t: price * (1.0 + gap) for t, price, gap in pairs}


def price_lines(parts: Sequence[Candles], habits: Habits, rows: Knots, perps: Mapping[str, Knots]) -> Lines:
    """Index and basis of one symbol.

    `rows`: basis given outright, a fraction, for times without both candles. `perps`: lines of symbols to be like.
    """
    placed = sorted((Placed(part, row) for part in parts for row in part.rows), key=lambda candle: candle.start)
    coarse = [candle for candle in placed if any(_finer(other, candle) for other in placed)]
    fine = [candle for candle in placed if candle not in coarse]
    drawn = {price: _draw([c for c in fine if c.part.price is price], habits.extremes, perps) for price in Price}
    basis = dict(rows)
    for candle in coarse:
        basis |= _gaps(candle, drawn[candle.part.price.other], habits.wick_ns)
    for candle in coarse:
        basis |= _kept_inside(candle, drawn[candle.part.price.other], basis)
    spot = dict(drawn[Price.INDEX])
    perp = [candle for candle in fine if candle.part.price is Price.PERP]
    times = sorted(t for t in drawn[Price.PERP].keys() | basis.keys() if any(c.start <= t <= c.end for c in perp))
    for t, price, gap in zip(times, _at(drawn[Price.PERP], times), _at(basis, times), strict=True):
        spot.setdefault(t, price / (1.0 + gap))
    return Lines(spot, basis)


def _finer(other: Placed, candle: Placed) -> bool:
    """Whether `other` is a finer candle of the other price in the same time; of equal ones the index draws."""
    if other.part.price is candle.part.price or other.end <= candle.start or candle.end <= other.start:
        return False
    if other.part.interval_ns == candle.part.interval_ns:
        return other.part.price is Price.INDEX
    return other.part.interval_ns < candle.part.interval_ns


def _draw(candles: Sequence[Placed], extremes: tuple[float, float], perps: Mapping[str, Knots]) -> Knots:
    """A line through each candle's open and extremes, and its close where no other follows."""
    knots = {candle.end: candle.row.close for candle in candles}
    knots |= {candle.start: candle.row.open for candle in candles}
    for candle in candles:
        model = perps.get(candle.part.like, {})
        shaped = len(_inside(candle, model)) >= SHAPE
        knots |= _copied(candle, model) if shaped else _extremes(candle, extremes)
    return knots


def _extremes(candle: Placed, shares: tuple[float, float]) -> Knots:
    """High and low at their published or assumed moments: a falling candle has its high first, a rising its low."""
    part, row = candle
    early, late = (row.t_ns + round(part.interval_ns * share) for share in shares)
    falling = row.close < row.open
    low_at = dict(part.low_at).get(row.t_ns, late if falling else early)
    high_at = dict(part.high_at).get(row.t_ns, early if falling else late)
    return {low_at: row.low, high_at: row.high}


def _inside(candle: Placed, line: Knots) -> list[int]:
    return sorted(t for t in line if candle.start <= t < candle.end)


def _corners(candle: Placed, line: Knots) -> Knots:
    """A candle's open, extremes and close, the extremes where `line` has its own."""
    part, row = candle
    inside = [t for t in _inside(candle, line) if t != candle.start]  # the open has its own price
    lowest, highest = min(inside, key=line.__getitem__), max(inside, key=line.__getitem__)
    return {
        candle.end: row.close,
        candle.start: row.open,
        dict(part.high_at).get(row.t_ns, highest): row.high,
        dict(part.low_at).get(row.t_ns, lowest): row.low,
    }


def _copied(candle: Placed, line: Knots) -> Knots:
    """The shape of `line` inside a candle, stretched onto its corners and never beyond its low and high."""
    corners = _corners(candle, line)
    ratios = {t: corners[t] / other for t, other in zip(corners, _at(line, list(corners)), strict=True)}
    times = _inside(candle, line)
    del corners[candle.end]  # the next open, if there is one
    shape = {t: line[t] * ratio for t, ratio in zip(times, _at(ratios, times), strict=True)}
    return {t: min(max(price, candle.row.low), candle.row.high) for t, price in shape.items()} | corners


def _gaps(candle: Placed, line: Knots, wick_ns: int) -> Knots:
    """The basis at a coarse candle's corners, and where its wicks begin and end; `line`: the other price, finer."""
    corners = _corners(candle, line)
    others = zip(corners.items(), _at(line, list(corners)), strict=True)
    gaps = {t: _basis(candle.part.price, own, other) for (t, own), other in others}
    ends = {t: gaps[t] for t in (candle.start, candle.end)}
    sides = {t + half for t in gaps if t not in ends for half in (-(wick_ns // 2), wick_ns // 2)}
    straight = sorted(t for t in sides if candle.start < t < candle.end)
    return dict(zip(straight, _at(ends, straight), strict=True)) | gaps


def _kept_inside(candle: Placed, line: Knots, basis: Knots) -> Knots:
    """The basis at every knot inside a coarse candle, changed where the price would leave its low or high."""
    times = sorted({*_inside(candle, line), *_inside(candle, basis)})
    kept = {}
    for t, other, gap in zip(times, _at(line, times), _at(basis, times), strict=True):
        own = other / (1.0 + gap) if candle.part.price is Price.INDEX else other * (1.0 + gap)
        kept[t] = _basis(candle.part.price, min(max(own, candle.row.low), candle.row.high), other)
    return kept


def _basis(price: Price, own: float, other: float) -> float:
    return other / own - 1.0 if price is Price.INDEX else own / other - 1.0


def _at(line: Knots, times: Sequence[int]) -> list[float]:
    """A line at times, held before its first knot and after its last; 0 without any."""
    if not line:
        return [0.0] * len(times)
    knots = np.array(sorted(line), np.int64)
    values: NDArray[np.float64] = np.array([line[t] for t in sorted(line)])
    found: list[float] = Series(ANY, "", "price_ratio", knots, values).at(np.array(times, np.int64)).tolist()
    return found
