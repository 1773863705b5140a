"""Stress paths: what each column says, how far its values may go, and the scenario that they make.

Each (venue, symbol, column) is a series of knots of its own. Prices and basis are linear between knots, everything
else is held; `forced_flow_quote` happens once, at its knot. A value is looked up under (venue, symbol), then
(*, symbol), (venue, *), (*, *), then it is neutral. A price is never looked up under symbol `*`.

A path without any price is an *overlay*: it cannot run alone and is laid over another one (`compose`). Its window
counts from the lowest price of that other path, so it begins at or before 0, and outside of it nothing is said.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from backtester.bounds import (
    LARGEST_BASIS_BPS,
    LARGEST_FACTOR,
    LARGEST_FLOW,
    LARGEST_RATIO,
    LARGEST_SPREAD,
    LONGEST_HELD_NS,
    LONGEST_NS,
)
from backtester.enums import Outage

if TYPE_CHECKING:
    from backtester.scenario.fidelity import Fidelity

ANY = "*"
SECOND_NS = 1_000_000_000

#: Every value column of a path and the value that changes nothing (NaN: the scenario has no say).
NEUTRAL = {
    "price_ratio": float("nan"),
    "basis_bps": 0.0,
    "spread_mult": 1.0,
    "bid_depth_near": 1.0,
    "bid_depth_mid": 1.0,
    "bid_depth_far": 1.0,
    "ask_depth_near": 1.0,
    "ask_depth_mid": 1.0,
    "ask_depth_far": 1.0,
    "volume_mult": 1.0,
    "trade_intensity": 1.0,
    "forced_flow_quote": 0.0,
    "funding_rate": float("nan"),
    "funding_interval_s": float("nan"),
    "extra_latency_ms": 0.0,
    "refill_half_life_s": float("nan"),
    "outage": 0.0,
    "adl_pressure": 0.0,
    "adl_price_bps": 0.0,
    "insurance_ratio": 1.0,
    "socialised_loss_rate": 0.0,
}
COLUMNS = tuple(NEUTRAL)
#: The group that every scenario of a type belongs to (ISO 20022 scenario types, and the reverse test).
GROUPS = {"HIST": "history", "HYPT": "hypothetical", "REVERSE": "reverse"}
DEPTH = COLUMNS[3:9]
#: What a column is a figure of: the quantities of which it is told how much is assumed.
QUANTITY = {
    "price_ratio": "prices",
    "basis_bps": "basis",
    "spread_mult": "spread",
    **dict.fromkeys(DEPTH, "depth"),
    **dict.fromkeys(("volume_mult", "trade_intensity"), "volume"),
    "forced_flow_quote": "flow",
    **dict.fromkeys(("funding_rate", "funding_interval_s"), "funding"),
    "extra_latency_ms": "latency",
    "refill_half_life_s": "refill",
    "outage": "outage",
}
LINEAR = frozenset({"price_ratio", "basis_bps"})
FUNDING = ("funding_rate", "funding_interval_s")
#: Columns of the format that this version does not act on: anything but neutral is refused, never ignored.
NOT_APPLIED = COLUMNS[17:]
#: What an overlay may fill: held columns that can return to neutral when its window ends.
OVERLAY = tuple(name for name in COLUMNS[2:17] if not np.isnan(NEUTRAL[name]))
#: All bits of an outage that the engine acts on: there are no transfers to halt yet (RULES 1.7).
ALL_OUTAGES = sum(Outage) - Outage.TRANSFERS_HALTED
#: Largest value that is meant.
HIGHEST = {
    "price_ratio": LARGEST_RATIO,
    "basis_bps": LARGEST_BASIS_BPS,
    "spread_mult": LARGEST_SPREAD,
    **dict.fromkeys(DEPTH, LARGEST_FACTOR),
    "volume_mult": LARGEST_FACTOR,
    "trade_intensity": LARGEST_FACTOR,
    "forced_flow_quote": LARGEST_FLOW,
    "funding_rate": 1.0,
    "funding_interval_s": LONGEST_HELD_NS / SECOND_NS,
    "extra_latency_ms": LONGEST_HELD_NS / 1e6,
    "refill_half_life_s": LONGEST_HELD_NS / SECOND_NS,
    "outage": float(ALL_OUTAGES),
}
#: Smallest value that makes sense, and whether it is itself allowed.
LOWEST = {
    "price_ratio": (0.0, False),
    "basis_bps": (-10_000.0, False),
    "spread_mult": (1.0, True),
    **dict.fromkeys(DEPTH, (0.0, True)),
    "volume_mult": (0.0, False),
    "trade_intensity": (0.0, True),
    "forced_flow_quote": (-LARGEST_FLOW, True),
    "funding_rate": (-1.0, False),
    "funding_interval_s": (1.0, True),
    "extra_latency_ms": (0.0, True),
    "refill_half_life_s": (0.0, False),
    "outage": (0.0, True),
}


class Series(NamedTuple):
    """Knots of one column: t_ns from the window's start, ascending, and finite values."""

    venue: str
    symbol: str
    column: str
    t_ns: NDArray[np.int64]
    values: NDArray[np.float64]

    def at(self, t_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Values at times, linear or held. Every column that is asked has a knot at 0."""
        after = np.searchsorted(self.t_ns, t_ns, side="right")
        left = np.maximum(after - 1, 0)
        if self.column in LINEAR:
            right = np.minimum(after, self.t_ns.size - 1)
            span = self.t_ns[right] - self.t_ns[left]
            share = (t_ns - self.t_ns[left]) / np.maximum(span, 1)
            low = self.values[left]
            return np.where(span > 0, low + (self.values[right] - low) * share, low)
        return self.values[left]


class Source(NamedTuple):
    """Where figures come from: the key used in the facts, and what it stands for."""

    key: str
    text: str


class Others(NamedTuple):
    """Like which symbol a name moves that the path has no prices of, times what, and why that is assumed."""

    of: str
    beta: float
    why: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """A stress path. `start_ns` None: it takes the base tape's own clock and span (the neutral scenario)."""

    id: str
    title: str
    type: str  # HIST, HYPT or REVERSE (ISO 20022 scenario types, and the reverse test)
    start_ns: int | None
    end_ns: int | None
    cadence: tuple[tuple[int, int], ...]  # (from t_ns, step_ns): the grid on which the ladder moves
    series: tuple[Series, ...]
    sources: tuple[Source, ...] = ()
    calibration: str = ""
    assumed: Mapping[str, float] = field(default_factory=dict)  # quantity -> share of the figures behind it
    start_prices: Mapping[str, float] = field(default_factory=dict)  # symbol -> index at the start, in quote currency
    others: Others | None = None
    fidelity: tuple[Fidelity, ...] = ()  # as it was built; none for what was changed since
    facts_sha256: str = ""
    tags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()  # what was changed on the way from the file to the run

    @property
    def is_overlay(self) -> bool:
        """Whether it has a window, but no prices: then it is laid over another path."""
        return self.start_ns is not None and not self.symbols

    @property
    def span_ns(self) -> int:
        """Length of the window; 0 without one."""
        return (self.end_ns or 0) - (self.start_ns or 0)

    @property
    def assumed_share(self) -> float:
        """Mean over the quantities of the share of their figures that is assumed; 0 where nothing is said of it."""
        return math.fsum(self.assumed.values()) / max(1, len(self.assumed))

    @property
    def symbols(self) -> tuple[str, ...]:
        """The base assets that have a price path."""
        return tuple(sorted({s.symbol for s in self.series if s.column == "price_ratio"}))

    def find(self, column: str, venue: str, symbol: str) -> Series | None:
        """The most specific series of a column, or None: the column is neutral there."""
        listed = {(s.venue, s.symbol): s for s in self.series if s.column == column}
        keys = ((venue, symbol), (ANY, symbol), (venue, ANY), (ANY, ANY))
        return next((listed[key] for key in keys if key in listed), None)


def constant(symbol: str, column: str, value: float) -> Series:
    """A column that has one value all the time, on every venue."""
    return Series(ANY, symbol, column, np.zeros(1, np.int64), np.array([value]))


#: What the tape as it is is called, where something is laid over it.
NEUTRAL_ID = "neutral"


def neutral(bases: Iterable[str], window: tuple[int, int] | None = None) -> Scenario:
    """The scenario that changes nothing: prices of `bases` stay what they are on the base tape, for all of its span.

    `window`: that span in ns since the epoch, for a path that others are laid over; it steps every second.
    """
    flat = tuple(constant(base, "price_ratio", 1.0) for base in sorted(set(bases)))
    start_ns, end_ns = window or (None, None)
    cadence = ((0, SECOND_NS),) if window else ()
    return Scenario(NEUTRAL_ID, "The base tape as it is", "HYPT", start_ns, end_ns, cadence, flat)


def series_faults(series: Series) -> list[tuple[str, str]]:
    """What is wrong with one series: (message, hint) pairs."""
    name = f"{series.venue}/{series.symbol} {series.column}"
    faults = []
    if series.symbol.startswith("collateral:"):
        faults.append((f"{name}: collateral prices are not applied by this version", "leave collateral:* rows out"))
    elif series.column in NOT_APPLIED:
        if (series.values != NEUTRAL[series.column]).any():
            value = float(series.values[series.values != NEUTRAL[series.column]][0])
            hint = f"leave it empty or at {NEUTRAL[series.column]:g}"
            faults.append((f"{name} is {value:g}: this version does not apply this column", hint))
    elif series.column in LINEAR and series.symbol == ANY:
        faults.append((f"{name}: a price needs a symbol", "name the base asset, such as BTC"))
    if (np.abs(series.t_ns) > LONGEST_NS).any():
        faults.append((f"{name} has a knot that is years away", "t_ns counts from the start of the window"))
    elif (np.diff(series.t_ns) <= 0).any():
        faults.append((f"{name}: t_ns must ascend", "one row per (t_ns, venue, symbol)"))
    if series.column != "forced_flow_quote" and series.t_ns[0] != 0:
        faults.append((f"{name} begins at {series.t_ns[0] / 1e9:g} s", "every column but the flow needs a knot at 0"))
    faults += [(f"{name} is {value:g}, must be {bound}", "") for value, bound in out_of_bounds(series)]
    return faults


def out_of_bounds(series: Series) -> Iterator[tuple[float, str]]:
    """The first value that makes no sense, and what it must be."""
    low, allowed = LOWEST.get(series.column, (-np.inf, True))
    high = HIGHEST.get(series.column, np.inf)
    below = ~(series.values >= low if allowed else series.values > low)
    above = ~(series.values <= high)
    words = (f"{'≥' if allowed else '>'} {low:g}", f"≤ {high:g}")
    if series.column == "outage":
        above |= series.values != np.floor(series.values)
        words = (f"a sum of the bits 1 to {Outage.MARK_FROZEN:d}",) * 2
    for wrong, bound in zip((below, above), words, strict=True):
        if wrong.any():
            yield float(series.values[wrong][0]), bound
            return
