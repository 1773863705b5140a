"""`--shock depth=0.5,spread=3,latency=+200ms`: a stress without a story, laid over any path (`compose`).

Several with `;` between them are an array: each is laid over the path by itself, and makes a cell of its own.

    depth, bid_depth, ask_depth, spread, volume, trades     a factor on the scenario's own: depth=0.5
    latency                                                 an addition to it: latency=+200ms
    refill, funding                                         a value in its place: refill=60s, funding=0.1%/8h
    price                                                   a gap: price=-10%; or a factor on how deep the
                                                            scenario falls and rises: price=*1.2
    price[BTC]                                              a gap of this symbol alone
    span, span[BTC]                                         an array of gaps, by the scan range: span=10%

Everything holds over the whole window but the price: that gaps one minute after the start, so that a portfolio that
was opened at the mark meets it, and stays there. Forced flow happens at moments and is left to scenarios.

A SPAN risk array has 16 scenarios: 0, ±1/3, ±2/3 and ±3/3 of the price scan range, each with the volatility of options
up and down, and two extreme moves of which a share of the loss counts (such as ±2 ranges and 35 %, or ±3 and 33 %). The
price of a perpetual does not know that volatility, so each pair is one: 7 gaps remain, and the worst loss of these is
the scan risk. Extremes never decide for what loses in proportion (3 · 33 % is 0.99 of a range). Through an order book,
with liquidations, losses are no proportion: look at extremes as gaps of their own, of which all of the loss is told.
Source: CME Group, SPAN methodology overview (cmegroup.com/clearing/risk-management/span-overview.html).

    gap(k) = k/3 · scan range,  k = −3 … 3

Example: span=9%,depth=0.5 is seven shocks, from price=-9%,depth=0.5 over price=+0%,depth=0.5 to price=+9%,depth=0.5.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from backtester.config.toml import did_you_mean
from backtester.config.values import parse_duration_ns
from backtester.errors import BacktesterError, Diagnostic, usage_error
from backtester.scenario.compose import compose, scale_prices
from backtester.scenario.path import ANY, DEPTH, QUANTITY, SECOND_NS, Scenario, Series, constant, out_of_bounds

_FACTORS = {
    "depth": DEPTH,
    "bid_depth": DEPTH[:3],
    "ask_depth": DEPTH[3:],
    "spread": ("spread_mult",),
    "volume": ("volume_mult",),
    "trades": ("trade_intensity",),
}
GROUPS = (*_FACTORS, "latency", "refill", "funding", "price", "span")
#: The price moves of a risk array, in thirds of the scan range.
THIRDS = range(-3, 4)
#: The price leaves its old level here and has the new one a second later.
GAP_NS = 60 * SECOND_NS
_NUMBER = r"\d+(?:\.\d+)?"
_GROUP = re.compile(r"(?P<group>price|span)\[(?P<symbol>[^\[\]]+)\]")
_SPAN = re.compile(rf"span(?P<symbol>\[[^\[\]]+\])?\s*=\s*(?P<range>{_NUMBER})%")


class Change(NamedTuple):
    """What a shock says of one column: a factor, an addition or a value, as the column is composed."""

    column: str
    value: float
    symbol: str = ANY  # of a price alone

    def meets(self, other: Change) -> bool:
        """Whether both say something of one symbol's column."""
        return self.column == other.column and (ANY in (self.symbol, other.symbol) or self.symbol == other.symbol)


class Shock(NamedTuple):
    """A shock as it was written, and what it says."""

    text: str
    changes: tuple[Change, ...]
    price_scale: float = 1.0  # of the scenario's own prices


def parse_shocks(text: str) -> tuple[Shock, ...]:
    """Every shock of an array, each once, in order. Raises one usage error with all faults.

    Examples: `depth=0.5` is one, `price=-10%;price=+10%` are two, `span=10%` are seven.
    """
    found, problems = dict[str, Shock](), dict[Diagnostic, None]()
    for each in (shock for part in text.split(";") for shock in _spanned(part)):
        try:
            found[each] = parse_shock(each)
        except BacktesterError as error:
            problems |= dict.fromkeys(error.diagnostics)
    if problems:
        raise BacktesterError(problems)
    return tuple(found.values())


def _spanned(text: str) -> Iterator[str]:
    """A shock for each move of the scan ranges that it names, those of several symbols in step; itself without any."""
    items = [item.strip() for item in text.split(",")]
    ranges = [_SPAN.fullmatch(item) for item in items]
    if not any(ranges):
        yield text
        return
    for third in THIRDS:
        yield ",".join(_gap(found, third) if found else item for item, found in zip(items, ranges, strict=True))


def _gap(span: re.Match[str], third: int) -> str:
    """Example: span[BTC]=10% at -2 thirds is price[BTC]=-6.6667%."""
    percent = f"{float(span['range']) * third / 3:+.4f}".rstrip("0").rstrip(".")
    return f"price{span['symbol'] or ''}={percent}%"


def parse_shock(text: str) -> Shock:
    """Read `group=value,…`. Raises one usage error with all faults.

    Example: `depth=0.5,latency=+200ms` halves all six depth columns and adds 200 to extra_latency_ms.
    """
    changes: list[Change] = []
    problems: list[Diagnostic] = []
    scale: float | None = None
    for item in text.split(","):
        group, _, value = (piece.strip() for piece in item.partition("="))
        symbol = ANY
        if named := _GROUP.fullmatch(group):
            group, symbol = named["group"], named["symbol"]
        try:
            if group == "price" and symbol == ANY and value.startswith("*") and scale is None:
                scale = float(_matched(rf"\*({_NUMBER})", value, "a factor such as *1.2")[1])
                continue
            found = [change._replace(symbol=symbol) for change in _read(group, value)]
        except ValueError as error:
            hint = "" if group in GROUPS else did_you_mean(group, GROUPS) or f"one of {', '.join(GROUPS)}"
            problems.append(Diagnostic("usage", f"--shock {item}", str(error), hint))
            continue
        if any(change.meets(other) for change in found for other in changes):
            problems.append(Diagnostic("usage", f"--shock {item}", "this is said twice"))
        changes += found
    if problems:
        raise BacktesterError(problems)
    return Shock(text, tuple(changes), 1.0 if scale is None else scale)


def shocked(base: Scenario, shock: Shock) -> Scenario:
    """The shock laid over a path. Raises BacktesterError where that makes no sense."""
    scaled = base if shock.price_scale == 1.0 else scale_prices(base, shock.price_scale)
    return compose((scaled, shock_path(shock, base)))


def shock_path(shock: Shock, base: Scenario) -> Scenario:
    """The shock as a path that begins with `base`. Raises a usage error when a price gap comes after its end, and for
    a symbol that has no prices there."""
    series: list[Series] = []
    for column, value, of in shock.changes:
        if column != "price_ratio":
            series.append(constant(ANY, column, value))
            continue
        symbols = base.symbols if of == ANY else (of,)
        if of not in (ANY, *base.symbols):
            raise usage_error(f"--shock price[{of}]", "nothing here has this price", f"have {', '.join(base.symbols)}")
        if base.span_ns <= GAP_NS + SECOND_NS:
            raise usage_error("--shock price", "the gap comes after a minute, when everything is over", "a longer tape")
        knots = np.array([0, GAP_NS, GAP_NS + SECOND_NS])
        series += [Series(ANY, symbol, column, knots, np.array([1.0, 1.0, value])) for symbol in symbols]
    note = f"--shock {shock.text} is laid over the whole window"
    if shock.price_scale != 1.0:
        note += f"; prices go {shock.price_scale:g} times as far from their start as in the scenario"
    if any(change.column == "price_ratio" for change in shock.changes):
        note += "; its price gap comes one minute after the start"
    title = f"shock {shock.text}"
    assumed = {QUANTITY[each.column]: 1.0 for each in series}
    return Scenario(shock.text, title, "HYPT", None, None, (), tuple(series), assumed=assumed, notes=(note,))


def _read(group: str, value: str) -> list[Change]:
    """The columns of one item. Raises ValueError with what was expected."""
    if group not in GROUPS:
        raise ValueError(f"{group!r} cannot be shocked")
    if group in _FACTORS:
        factor = float(_matched(_NUMBER, value, "a factor such as 0.5")[0])
        changes = [Change(column, factor) for column in _FACTORS[group]]
    elif group == "latency":
        text = _matched(r"\+(.*)", value, "an addition such as +200ms")[1]
        changes = [Change("extra_latency_ms", parse_duration_ns(text) / 1e6)]
    elif group == "refill":
        changes = [Change("refill_half_life_s", parse_duration_ns(value) / SECOND_NS)]
    elif group == "funding":
        found = _matched(rf"(-?{_NUMBER})%/(.*)", value, "a rate and its interval, such as 0.1%/8h")
        interval = parse_duration_ns(found[2]) / SECOND_NS
        changes = [Change("funding_rate", float(found[1]) / 100), Change("funding_interval_s", interval)]
    elif group == "span":
        raise ValueError(f"expected a scan range such as 10%, was {value!r}")
    else:
        percent = _matched(rf"([+-]{_NUMBER})%", value, "a gap such as -10% or a factor such as *1.2")[1]
        changes = [Change("price_ratio", 1.0 + float(percent) / 100)]
    for column, number, _ in changes:
        for _, bound in out_of_bounds(constant(ANY, column, number)):
            raise ValueError(f"{column} would be {number:g}, must be {bound}")
    return changes


def _matched(pattern: str, text: str, expected: str) -> re.Match[str]:
    found = re.fullmatch(pattern, text)
    if not found:
        raise ValueError(f"expected {expected}, was {text!r}")
    return found
