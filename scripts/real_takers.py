"""The fill engine against what really happened: every real taker of a recording is sent once more.

    python scripts/real_takers.py TAPE [--min-size 0.5] [--max-age 600] [--json FILE]

A taker is a run of trades of one exchange time and one aggressor. A market order of its side and size goes to the
engine one nanosecond before it, in a world of its own: it walks the order book as it was last shown before the taker,
and no taker takes anything from another. There is no latency, no bound, no fee and no margin. Compared are

    cost_bps = side · (real VWAP − simulated VWAP) / simulated VWAP · 10,000

positive where the real taker got a worse price than the engine says. A taker that is larger than the order book shows
has no simulated VWAP: it is counted, and left out. A quantile p of n costs is the one with number floor(n · p), from 0.

`YARDSTICKS` are the same figures from a plain walk of the raw recordings, without a tape and without this engine. Its
takers are larger than the size named, not of just that size. It differs in two ways: on Hyperliquid all trades of one
time and aggressor are one taker, here one that traded before and after somebody else is two; on Binance it walks the
order book that had been *received* before the taker, here the one that had been *made* before: a younger one, nearer
to what the taker met.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from backtester.engine import spec
from backtester.enums import Advance, EventKind, MarkFormula, OrderType, RefillModel, TimeInForce
from backtester.errors import data_error
from backtester.files import write_text
from backtester.market.read import Tape, open_tape
from backtester.market.schema import TapeInstrument
from backtester.run.drive import Engine
from backtester.run.resolve import rules_of
from backtester.venue.loader import load_profile

BPS = 10_000
MS = 1_000_000
#: The engine starts at the first multiple of this after the first order book; takers before it are left out.
START_GRID_NS = 10 * MS
OUTLIERS = 5
Array = np.ndarray[Any, Any]


class Yardstick(NamedTuple):
    """Figures of a plain walk; None where none was published."""

    selection: str
    n: int
    mean: float | None
    median: float | None
    p10: float | None
    p90: float | None


YARDSTICKS = {
    "hyperliquid": Yardstick("of BTC 2025-09-04, --min-size 0.5 --max-age 600", 128, -0.03, None, -0.24, 0.25),
    "binance-usdm": Yardstick("of BTCUSDT 2024-08-08, --min-size 1, as received", 362, 0.29, 0.0, None, 0.70),
}


class Taker(NamedTuple):
    """One real taker. `value` is Σ tick · lots of its trades, `trades` how many there were.

    `age_ns` is the age of the newest order book before it, `others` the lots that others took from the same side since.
    """

    ts_ns: int
    side: int
    lots: int
    value: int
    trades: int
    age_ns: int
    others: int


class Comparison(NamedTuple):
    """A real taker and what the engine made of it; `value` is Σ tick · lots of the `filled` lots."""

    taker: Taker
    filled: int
    value: int
    levels: int

    @property
    def cost_bps(self) -> float:
        """Real against simulated. Sold 3 lots for 300 ticks in all, simulated 303: (300 − 303)/303 · −1 = +99 bps."""
        return self.taker.side * (self.taker.value - self.value) / self.value * BPS

    def reason(self, lot_size: float) -> str:
        """What must have happened between the order book and the taker, by the sign of the difference."""
        if self.cost_bps == 0:
            return "nothing"
        if self.cost_bps < 0:
            return "better quotes came"
        taken = self.taker.others * lot_size
        return f"others took {taken:.3f}" if taken else "quotes left"


class Distribution(NamedTuple):
    """Costs in bps. `equal` is the share whose real and simulated VWAP are the same number."""

    n: int
    mean: float
    median: float
    p10: float
    p90: float
    equal: float


class Report(NamedTuple):
    """What became of the takers of a recording: sent, before the engine's start, beyond the visible depth, compared."""

    sent: int
    before_start: int
    beyond: tuple[Comparison, ...]
    compared: tuple[Comparison, ...]

    @property
    def distribution(self) -> Distribution:
        """Of the costs of all that were compared."""
        return distribution([each.cost_bps for each in self.compared])


def read(tape: Tape) -> tuple[TapeInstrument, Array]:
    """The instrument and all events of a recording. Raises a data error unless there is exactly one instrument."""
    if len(tape.instruments) != 1:
        names = ", ".join(each.symbol for each in tape.instruments)
        raise data_error("tape", f"must hold one instrument, has {names}")
    return tape.instruments[0], np.concatenate(list(tape.chunks()))


def find_takers(events: Array) -> list[Taker]:
    """Every run of trades of one time and one known aggressor that has an order book before it (EVENT[n])."""
    depth = events["ts"][events["kind"] <= EventKind.DELTA]
    trades = events[(events["kind"] == EventKind.TRADE) & (events["side"] != 0)]
    if not len(trades):
        return []
    change = (np.diff(trades["ts"]) != 0) | (np.diff(trades["side"]) != 0)
    first = np.concatenate(([0], np.flatnonzero(change) + 1))
    count = np.diff(np.append(first, len(trades)))
    lots = np.add.reduceat(trades["lots"], first)
    value = np.add.reduceat(trades["lots"] * trades["tick"], first)
    ts, side = trades["ts"][first], trades["side"][first]
    seen = np.searchsorted(depth, ts) - 1
    takers = []
    for i in np.flatnonzero(seen >= 0).tolist():
        book_ts = int(depth[seen[i]])
        since = np.searchsorted(ts, book_ts)
        others = int(lots[since:i][side[since:i] == side[i]].sum())
        row = (ts[i], side[i], lots[i], value[i], count[i], ts[i] - book_ts, others)
        takers.append(Taker(*map(int, row)))
    return takers


def bare_market(instrument: spec.Instrument, mark_interval_ns: int) -> spec.MarketData:
    """The instrument under rules that put nothing between an order and the ladder; its mark comes from the mid."""
    rules = rules_of(load_profile("hyperliquid"), assume_funding_zero=True)._replace(
        mark_formula=MarkFormula.MEDIAN_BASIS_EMA,
        mark_interval_ns=mark_interval_ns,
        funding_premium=False,
        market_bound=0.9,
        feed_latency_ns=0,
        order_latency_ns=0,
        block_ns=0,
        refill_model=RefillModel.NEVER,
    )
    tiers = (spec.Tier(0.0, 0.0, 1.0),)
    # Neither funding nor a liquidation happens here.
    market = spec.Market(0, 0, tiers, impact_notional_quote=0.0, funding_cap=0.0, liquidation_fee=0.0)
    return spec.MarketData((instrument._replace(index_from_mid=True),), (rules,), (market,))


def lone_orders(instrument: spec.Instrument, events: Array, orders: Sequence[spec.Order], start_grid_ns: int) -> Array:
    """Run each order in a world of its own; returns ORDER[n] as they are at the end of the events (EVENT[n]).

    The engine starts at the first multiple of `start_grid_ns` after the first order book.
    """
    engine = Engine(bare_market(instrument, start_grid_ns))
    if engine.feed(events) != Advance.STARTED:
        raise data_error("tape", "never shows both sides of an order book")
    place = spec.Position(0, 0, 0.0, leverage=1.0)
    accounts = (spec.Account("lone", 0, 1e15, (place,), (order,)) for order in orders)
    engine.attach([spec.World((account,), liquidation=False, record=False) for account in accounts])
    engine.resume()
    engine.finish()
    return engine.worlds.orders


def compare(
    instrument: spec.Instrument, events: Array, takers: Sequence[Taker], start_grid_ns: int = START_GRID_NS
) -> Report:
    """Send every taker, and sort by what came of it."""
    orders = [
        spec.Order("", 0, OrderType.MARKET, TimeInForce.IOC, taker.side, taker.lots, at_ns=taker.ts_ns - 1)
        for taker in takers
    ]
    rows = lone_orders(instrument, events, orders, start_grid_ns)
    in_time = [
        Comparison(taker, int(row["filled"]), int(row["fill_value"]), int(row["levels"]))
        for taker, row in zip(takers, rows, strict=True)
        if row["arrive_ts"] == taker.ts_ns - 1
    ]
    beyond = tuple(each for each in in_time if each.filled < each.taker.lots)
    compared = tuple(each for each in in_time if each.filled == each.taker.lots)
    return Report(len(takers), len(takers) - len(in_time), beyond, compared)


def distribution(costs: Iterable[float]) -> Distribution:
    """Order statistics without interpolation. 0, 0, 1, 3 → mean 1, median 1, p10 0, p90 3, equal 0.5."""
    ordered = sorted(costs)
    n = len(ordered)
    if n == 0:
        raise data_error("tape", "has no taker to compare", "lower --min-size or raise --max-age")
    median, p10, p90 = (ordered[math.floor(n * share)] for share in (0.5, 0.1, 0.9))
    return Distribution(n, math.fsum(ordered) / n, median, p10, p90, ordered.count(0.0) / n)


# --- saying it -----------------------------------------------------------------------------------------------------


def text(instrument: TapeInstrument, report: Report) -> str:
    """The report for people."""
    measured = report.distribution
    lines = [f"{instrument.venue} {instrument.symbol}: {report.sent} real takers, real minus simulated VWAP in bps"]
    lines += [f"  {report.before_start} before the engine's start, left out"] if report.before_start else []
    if report.beyond:
        share = math.fsum(each.filled / each.taker.lots for each in report.beyond) / len(report.beyond)
        lines += [f"  {len(report.beyond)} larger than the visible order book, left out; on average {share:.0%} filled"]
    lines += ["", "              n    mean  median     p10     p90   equal", _figures("engine", measured)]
    lines[-1] += f"  {measured.equal:5.0%}"
    yardstick = YARDSTICKS.get(instrument.venue)
    lines += [f"{_figures('yardstick', yardstick)}         {yardstick.selection}"] if yardstick else []
    lines += ["", "largest differences", "      bps  side      size  levels  trades  order book  since then"]
    worst = sorted(report.compared, key=lambda each: -abs(each.cost_bps))[:OUTLIERS]
    return "\n".join([*lines, *(_outlier(each, instrument.lot_size) for each in worst)])


def _figures(name: str, row: Distribution | Yardstick) -> str:
    cells = ("      –" if x is None else f"{x:+7.2f}" for x in (row.mean, row.median, row.p10, row.p90))
    return f"  {name:9}{row.n:4d} {' '.join(cells)}"


def _outlier(each: Comparison, lot_size: float) -> str:
    taker = each.taker
    side = "buy" if taker.side > 0 else "sell"
    size, age_ms = taker.lots * lot_size, taker.age_ns // MS
    walk = f"{size:8.3f} {each.levels:7d} {taker.trades:7d} {age_ms:8d} ms"
    return f"  {each.cost_bps:+7.2f}  {side:4} {walk}  {each.reason(lot_size)}"


def document(report: Report) -> dict[str, Any]:
    """The report for programs; `compared` and `beyond` have one row per taker."""

    def rows(comparisons: Iterable[Comparison]) -> list[dict[str, Any]]:
        return [
            each.taker._asdict() | {"filled": each.filled, "simulated_value": each.value, "levels": each.levels}
            for each in comparisons
        ]

    counts = {"sent": report.sent, "before_start": report.before_start}
    figures = {"cost_bps": report.distribution._asdict()}
    return counts | figures | {"compared": rows(report.compared), "beyond": rows(report.beyond)}


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description="Real takers of a recording against the fill engine.")
    parser.add_argument("tape", type=Path)
    parser.add_argument("--min-size", type=float, default=0.5, help="takers larger than this, base units")
    parser.add_argument("--max-age", type=float, default=math.inf, help="order books younger than this, ms")
    parser.add_argument("--json", type=Path, help="write the report there")
    given = parser.parse_args()
    instrument, events = read(open_tape([given.tape]))
    takers = [
        taker
        for taker in find_takers(events)
        if taker.lots > round(given.min_size / instrument.lot_size) and taker.age_ns < given.max_age * MS
    ]
    report = compare(instrument.spec, events, takers)
    print(text(instrument, report))
    if given.json:
        write_text(given.json, json.dumps(document(report), indent=2, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
