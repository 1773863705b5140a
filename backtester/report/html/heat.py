"""The order book in time: how much of its usual depth each distance from mid displays, and how far own orders swept it.

Each row is a distance, asks above the mid and bids below it, the nearest beside it.
"""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Iterator, Sequence
from itertools import groupby
from statistics import median
from typing import NamedTuple

from backtester.config.values import Instant
from backtester.enums import Liquidity, Side
from backtester.formulas.distance import DISTANCES_BPS
from backtester.report.executions import BPS, OrderReport
from backtester.report.html.plot import FOOT, GRAIN, HEAD, Span, band, canvas, times
from backtester.report.html.tree import Element, add, node
from backtester.report.market import Traded, title_of, traded_in
from backtester.report.records import Cell, LiquidationReport, MarketPath
from backtester.report.text import clock, price, size

#: Where one shade ends and the next begins, per cent of what is usual; the last has no end.
_SHADES = (10, 25, 50, 75, 125)
_ROWS = 2 * len(DISTANCES_BPS)
_MIDDLE = (HEAD + 100.0 - FOOT) / 2.0
_HALF = (100.0 - HEAD - FOOT) / 2.0
_BAR = 3  # pixels


class Row(NamedTuple):
    """What one side displays within a distance: units usual in this run, and the least of each grain as a share of it.

    Shares are per cent; None before the first walk, and where nothing is usual.
    """

    name: str
    usual: float
    shares: tuple[int | None, ...]


class Sweep(NamedTuple):
    """Liquidity that was taken at one time, from mid to the worst price."""

    ts_ns: int
    side: Side
    distance: float  # of the worst price from mid, bps
    kind: str  # how it is drawn: a class of the style sheet
    text: str  # what a reader is told who points at it


def heat(cell: Cell, path: MarketPath, span: Span) -> Element:
    """The picture of one market."""
    rows = [*rows_of(path, span)]
    told = "displayed by distance from mid, asks above, bids below; 100 % is the run's median"
    label = f"{title_of(cell, path)} order book: {told}"
    drawn = node("svg", class_="map", viewBox=f"0 0 {GRAIN} {_ROWS}", preserveAspectRatio="none")
    add(drawn, *_shaded(rows))
    around = node("svg", drawn, y=f"{HEAD}%", width="100%", height=f"{2.0 * _HALF}%")
    front = [*_labels(), *(_bar(sweep, span) for sweep in sweeps(traded_in(cell, path)))]
    places = {"data_top": HEAD, "data_bottom": 100.0 - FOOT}
    return canvas(label, span, [*times(span), around], front, _legend(), class_="plot heat", **places)


def rows_of(path: MarketPath, span: Span) -> Iterator[Row]:
    """From the top of the picture to its bottom. Usual is the median of the grains."""
    asks, bids = zip(DISTANCES_BPS, path.asks, strict=True), zip(DISTANCES_BPS, path.bids, strict=True)
    for distance, units in reversed([*asks]):
        yield _row(f"asks within {distance} bps", path.walked_ns, units, span)
    for distance, units in bids:
        yield _row(f"bids within {distance} bps", path.walked_ns, units, span)


def _row(name: str, times: Sequence[int], units: Sequence[float], span: Span) -> Row:
    least = band(name, "", span, times, units, units).lowest
    usual = median(each for each in least if each is not None)
    return Row(
        name, usual, tuple(round(100.0 * each / usual) if usual and each is not None else None for each in least)
    )


def _shaded(rows: Sequence[Row]) -> Iterator[Element]:
    """A path for each shade, of all runs of neighbouring grains that have it; then the figures of the rows."""
    drawn = [""] * (len(_SHADES) + 1)
    for place, row in enumerate(rows):
        begin = 0
        for shade, grains in groupby(row.shares, key=_shade):
            length = len([*grains])
            if shade is not None:
                drawn[shade] += f"M{begin} {place}h{length}v1h-{length}z"
            begin += length
    for shade, runs in enumerate(drawn):
        yield node("path", class_=f"shade{shade}", d=runs)
    for row in rows:
        shares = ",".join("" if share is None else str(share) for share in row.shares)
        yield node("g", data_row=row.name, data_usual=f"{row.usual:.6g}", data_shares=shares)


def _shade(share: int | None) -> int | None:
    return None if share is None else bisect(_SHADES, share)


def _labels() -> Iterator[Element]:
    yield node("line", class_="mid", x1="0", x2="100%", y1=f"{_MIDDLE}%", y2=f"{_MIDDLE}%")
    for distance in DISTANCES_BPS[1::2]:
        for side in (Side.BUY, Side.SELL):
            y = height(side, distance) + side * _HALF / _ROWS
            text = f"{distance} bps" if distance == DISTANCES_BPS[-1] else str(distance)
            yield node("text", text, class_="level", x="4", y=f"{y:.2f}%", dy="0.35em")


def height(side: Side, distance: float) -> float:
    """Per cent from the top of where a taker of `side` gets to. Example: 3.5 bps is in the midst of the row to 5."""
    inner = (0, *DISTANCES_BPS)
    row = min(bisect(DISTANCES_BPS, distance), len(DISTANCES_BPS) - 1)
    part = (distance - inner[row]) / (inner[row + 1] - inner[row])
    return _MIDDLE - side * _HALF * min(row + max(part, 0.0), len(DISTANCES_BPS)) / len(DISTANCES_BPS)


def sweeps(traded: Traded) -> Iterator[Sweep]:
    """Of orders, then of liquidations, in their order."""
    for order in traded.orders:
        if order.slippage.total_bps is not None:
            yield _swept(order)
    for each in traded.liquidations:
        if each.worst_price is not None:
            yield _forced(each, each.worst_price)


def _swept(order: OrderReport) -> Sweep:
    """What an order took as it arrived; its costs lead from what it paid back to the mid of that time."""
    taken = [fill for fill in order.fills if fill.liquidity is Liquidity.TAKER]
    filled = math.fsum(fill.size for fill in taken)
    paid = math.fsum(fill.size * fill.price for fill in taken) / filled
    cost = order.slippage
    decided = _before(paid, order.side, (cost.total_bps or 0.0) - (cost.fee_bps or 0.0))
    mid = decided * (1.0 + order.side * (cost.delay_bps or 0.0) / BPS)
    worst = max((fill.price for fill in taken), key=lambda each: order.side * each)
    return _sweep(taken[0].ts, order.side, mid, worst, "own", f"{order.id}: {_did(order.side, filled)}")


def _forced(each: LiquidationReport, worst: float) -> Sweep:
    mid = _before(each.vwap or worst, each.side, each.slippage_bps or 0.0)
    did = f"{each.account}, liquidation: {_did(each.side, each.filled_size)}"
    return _sweep(each.ts, each.side, mid, worst, "forced", did)


def _before(paid: float, side: Side, cost_bps: float) -> float:
    """The price that `paid` cost so much against. Example: who sold at 99 for 100 bps did it from 100."""
    return paid / (1.0 + side * cost_bps / BPS)


def _did(side: Side, units: float) -> str:
    return f"{side.name.lower()} {size(units)}"


def _sweep(ts: Instant, side: Side, mid: float, worst: float, kind: str, did: str) -> Sweep:
    distance = side * (worst - mid) / mid * BPS
    return Sweep(ts.ts_ns, side, distance, kind, f"{clock(ts)} {did} to {price(worst)}, {distance:,.1f} bps from mid")


def _bar(sweep: Sweep, span: Span) -> Element:
    """From mid to where it got."""
    end = height(sweep.side, sweep.distance)
    place: dict[str, str | float] = {"x": f"{span.place(sweep.ts_ns):.2f}%", "y": f"{min(end, _MIDDLE):.2f}%"}
    place |= {"width": _BAR, "height": f"{abs(end - _MIDDLE):.2f}%", "data_bps": f"{sweep.distance:.4g}"}
    told = node("title", sweep.text)
    return node("rect", told, class_=f"sweep {sweep.kind}", transform=f"translate({-_BAR / 2})", **place)


def _legend() -> Element:
    """What shades and bars mean."""
    ends = (*(f"under {end} %" for end in _SHADES), f"{_SHADES[-1]} % and more")
    shades = [node("span", text, class_=f"key shade{shade}") for shade, text in enumerate(ends)]
    bars = [("own", "own orders, from mid to their worst price"), ("forced", "liquidations")]
    return node("span", shades, (node("span", text, class_=f"key {kind}") for kind, text in bars), class_="legend")
