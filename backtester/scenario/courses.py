"""What a reader is shown of a path: how prices, depth, spread, funding and outages go, and what each rests on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from backtester.scenario.facts import ASSUMED, Facts, Price
from backtester.scenario.measure import mark_of
from backtester.scenario.path import ANY, Scenario

#: The course that is no column: what the venues make of index, basis and perp.
MARK = "mark"
#: The columns that are drawn, in this order, behind the marks.
DRAWN = ("bid_depth_near", "ask_depth_near", "spread_mult", "funding_rate", "outage")
#: (venue, symbol, column) of a series.
Key = tuple[str, str, str]


class Course(NamedTuple):
    """Values over time of one symbol (`*`: all) at one venue; t_ns from the window's start. Each holds."""

    symbol: str
    venue: str
    column: str
    t_ns: tuple[int, ...]
    values: tuple[float, ...]


def courses(scenario: Scenario) -> Iterator[Course]:
    """The mark of every symbol, in quote currency where the start is known, then the columns that are drawn."""
    for symbol in scenario.symbols:
        steps, mark = mark_of(scenario, symbol)
        yield Course(symbol, ANY, MARK, tuple(steps.tolist()), tuple(mark.tolist()))
    for column in DRAWN:
        for each in scenario.series:
            if each.column == column:
                yield Course(each.symbol, each.venue, column, tuple(each.t_ns.tolist()), tuple(each.values.tolist()))


def sources_of(facts: Facts) -> Mapping[Key, tuple[str, ...]]:
    """Series -> the keys of what its figures come from, in the order of the facts.

    Candles draw price, basis and trade intensity of their symbol: the intensity those of the perp, where there are any.
    """
    found: dict[Key, dict[str, None]] = {}
    perps = {part.symbol for part in facts.drawn if part.price is Price.PERP}
    for part in facts.drawn:
        keys = dict.fromkeys((*part.source.split("+"), *((ASSUMED,) if part.like else ())))
        counts_trades = part.price is Price.PERP or part.symbol not in perps
        for column in ("price_ratio", "basis_bps", *(("trade_intensity",) if counts_trades else ())):
            found.setdefault((ANY, part.symbol, column), {}).update(keys)
    for table in facts.tables:
        for column in table.columns:
            keys = dict.fromkeys(key for figure in table.figures for key in figure.source.split("+"))
            found.setdefault((table.venue, table.symbol, column), {}).update(keys)
    return {key: tuple(names) for key, names in found.items()}
