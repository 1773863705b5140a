"""The facts of a scenario: what was published about an event, where, and what is assumed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from backtester.scenario.path import QUANTITY, Source

ASSUMED = "assumed"


class Price(StrEnum):
    """Whose price a candle tells. The mark is what the venue makes of the others: it is compared, never drawn."""

    PERP = "perp"
    INDEX = "index"
    MARK = "mark"


class Candle(NamedTuple):
    """One price candle: t_ns from the window's start, prices in quote currency, volume in base units."""

    t_ns: int
    open: float
    high: float
    low: float
    close: float
    volume: float


class Candles(NamedTuple):
    """Candles of one symbol, price and interval; `low_at`, `high_at`: the times of extremes, where they were published.

    `like`: the symbol whose perp they are assumed to look like inside; empty for none.
    """

    symbol: str
    price: Price
    like: str
    interval_ns: int
    source: str
    rows: tuple[Candle, ...]
    low_at: tuple[tuple[int, int], ...]  # (candle's t_ns, t_ns of its low)
    high_at: tuple[tuple[int, int], ...]


class Figure(NamedTuple):
    """Values at one time, and where they come from."""

    t_ns: int
    values: tuple[float, ...]
    source: str
    note: str


class Table(NamedTuple):
    """Figures over time for one (venue, symbol). `scale` turns a figure into the column's unit."""

    venue: str
    symbol: str
    columns: tuple[str, ...]
    scale: float
    figures: tuple[Figure, ...]


class OtherNames(NamedTuple):
    """Like which symbol names move that there are no candles of. `beta` None: as far as the farthest (`others`)."""

    of: str
    beta: float | None
    why: str


class Unused(NamedTuple):
    """A published figure that the path does not use, and why."""

    figure: str
    source: str
    why: str


@dataclass(frozen=True, slots=True)
class Facts:
    """A facts file, checked. Times are ns from the window's start."""

    id: str
    title: str
    type: str
    tags: tuple[str, ...]  # groups that it is one of
    calibration: str
    start_ns: int
    end_ns: int
    calm_ns: int  # how far apart the steps of the path are while prices are calm
    baseline: tuple[int, int]  # the calm minutes that trade intensity is measured against
    candles: tuple[Candles, ...]
    tables: tuple[Table, ...]
    others: OtherNames | None
    unused: tuple[Unused, ...]
    sources: tuple[Source, ...]
    sha256: str

    @property
    def span_ns(self) -> int:
        """Length of the window."""
        return self.end_ns - self.start_ns

    @property
    def drawn(self) -> tuple[Candles, ...]:
        """The candles that the path goes through."""
        return tuple(part for part in self.candles if part.price is not Price.MARK)

    def assumed(self) -> Mapping[str, float]:
        """Quantity -> the share of its figures that rest on an assumption, in whole or in part, in order.

        A candle is one figure of the prices; so is a row of a table, of each quantity that it speaks of.
        """
        sources: dict[str, list[str]] = {name: [] for name in dict.fromkeys(QUANTITY.values())}
        for part in self.drawn:
            source = f"{part.source}+{ASSUMED}" if part.like else part.source
            sources[QUANTITY["price_ratio"]] += [source] * len(part.rows)
        for table in self.tables:
            for name in {QUANTITY[column] for column in table.columns}:
                sources[name] += [figure.source for figure in table.figures]
        return {
            name: round(sum(ASSUMED in source for source in listed) / len(listed), 4)
            for name, listed in sources.items()
            if listed
        }
