"""How trading is spread over a stretch of time: the curve of a VWAP plan that asks for the tape's own.

A tape that runs as it is shows it: Σ lots traded in each slice. Under a stress the path says it, because the base tape
is laid end to end there: volume_mult · trade_intensity, averaged over each slice; a path that is neutral in both is
flat. Either way the plan knows more than a trader would have known before: it is the best VWAP there could be.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from backtester.enums import EventKind
from backtester.errors import BacktesterError, data_error
from backtester.market.read import Tape
from backtester.scenario.path import Scenario

VOLUME_COLUMNS = ("volume_mult", "trade_intensity")


class Slices(NamedTuple):
    """`parts` stretches of `interval_ns` one after the other."""

    start_ns: int
    interval_ns: int
    parts: int

    @property
    def end_ns(self) -> int:
        """Where the last one ends."""
        return self.start_ns + self.interval_ns * self.parts


class Volumes(NamedTuple):
    """Where the curve comes from: the tape, and the path that it runs under, if any."""

    tape: Tape
    path: Scenario | None

    def curve(self, instrument: int, slices: Slices) -> tuple[float, ...]:
        """The weight of each slice. Raises BacktesterError where tape or path end before, or nothing is traded."""
        symbol = self.tape.instruments[instrument].symbol
        end_ns = self.tape.last_ts_ns if self.path is None or self.path.end_ns is None else self.path.end_ns
        if end_ns is None or slices.end_ns > end_ns:
            raise _unknown(symbol, "the run ends before the plan")
        weights = self._traded(instrument, slices) if self.path is None else self._said(instrument, slices)
        if not any(weights):
            raise _unknown(symbol, "nothing is traded while the plan runs")
        return weights

    def _traded(self, instrument: int, slices: Slices) -> tuple[float, ...]:
        """Lots traded on the tape."""
        lots = np.zeros(slices.parts, np.int64)
        for chunk in self.tape.chunks():
            trades = chunk[(chunk["instrument"] == instrument) & (chunk["kind"] == EventKind.TRADE)]
            number = (trades["ts"] - slices.start_ns) // slices.interval_ns
            inside = (number >= 0) & (number < slices.parts)
            np.add.at(lots, number[inside], trades["lots"][inside])
        return tuple(map(float, lots.tolist()))

    def _said(self, instrument: int, slices: Slices) -> tuple[float, ...]:
        """What the path multiplies trading with, averaged over each slice.

        Example: a volume of 1 up to the middle of the second of two slices, then 3 → 1 and 2.
        """
        assert self.path is not None and self.path.start_ns is not None
        tape = self.tape.instruments[instrument]
        begin = slices.start_ns - self.path.start_ns
        edges = begin + slices.interval_ns * np.arange(slices.parts + 1, dtype=np.int64)
        series = [s for name in VOLUME_COLUMNS if (s := self.path.find(name, tape.venue, tape.base)) is not None]
        knots = np.concatenate([edges, *(s.t_ns for s in series)])
        knots = np.unique(knots[(knots >= edges[0]) & (knots <= edges[-1])])
        factors = np.ones(len(knots) - 1)
        for each in series:
            factors *= each.at(knots[:-1])
        parts = (factors * np.diff(knots)).tolist()
        first = np.searchsorted(knots, edges).tolist()
        return tuple(math.fsum(parts[a:b]) / slices.interval_ns for a, b in pairwise(first))


def _unknown(symbol: str, why: str) -> BacktesterError:
    return data_error(symbol, f"the curve of its trading is not known: {why}", "give weights: curve = [1, 3, 2]")
