"""From recorded candles to the facts of a scenario: which candles tell a crash, and what has to be assumed beside them.

Of each symbol the finest candles of the perp and of its index, coarser ones only where finer ones leave a gap; calm
minutes of the index that have no minutes of the perp beside them become fives. What a symbol lacks it takes from the
first one: longer candles look like it inside, and for a stretch without any there is one candle with its move (beta 1).
Order books thin with the speed of the price (`liquidity`). All of that is marked as assumed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from math import log1p
from typing import NamedTuple

import polars as pl

from backtester.errors import BacktesterError, Diagnostic, data_error
from backtester.scenario.cover import Cover, covered, finest_rows
from backtester.scenario.facts import ASSUMED, Price
from backtester.scenario.liquidity import WITHIN_S, Book, books
from backtester.scenario.moves import Move, scan, with_moves
from backtester.scenario.recorded import moment

MINUTE_S, FIVE_S = 60, 300
#: Minutes of the index stay minutes where five of them range over more than this share of their price.
CALM = 0.01
#: How long the calm baseline is, and within which time from the start it is looked for.
BASELINE_S, FIRST_S = 1_200, 3_600
#: From this length of window on, calm steps are a minute long.
LONG_S = 4 * 3600


class Draft(NamedTuple):
    """Everything that a facts file says. Times in s: `start` since 1970, the others from there.

    `candles`: symbol, price, venue ("assumed" for one that is ours), seconds, t, open, …, volume and `like`, the symbol
    that they are assumed to look like. `books`: by symbol, of which the first stands for all others.
    """

    symbols: tuple[str, ...]
    start: int
    span_s: int
    baseline: tuple[int, int]
    candles: pl.DataFrame
    books: dict[str, list[Book]]
    ticks: dict[str, tuple[float, float]]  # symbol -> (step of its prices, its first price)
    largest: Move | None  # of the first symbol, within an hour; None if no such candles tell of one

    @property
    def is_calm(self) -> bool:
        """Whether the first symbol has one price throughout."""
        prices = self.candles.filter(symbol=self.symbols[0])
        return bool(prices["high"].max() == prices["low"].min())

    @property
    def step_s(self) -> int:
        """How far apart the steps of the path are while prices are calm."""
        return 60 if self.span_s > LONG_S else 20


def draft(
    recorded: pl.DataFrame, start: int, end: int, symbols: Sequence[str] = (), venues: Sequence[str] = ()
) -> Draft:
    """The facts of `start` to `end`, s since 1970. Raises BacktesterError where candles are missing."""
    window = recorded.filter(pl.col("t") >= start, pl.col("t") < end, pl.col("price") != Price.MARK)
    span_s = end - start
    window = window.with_columns(pl.col("t") - start)
    names = _in_order(window, symbols, start, end)
    told = {name: _told(window.filter(symbol=name), venues, span_s) for name in names}
    first = _first(told, start, span_s, asked=bool(symbols))
    names = [first, *(name for name in names if name != first)]
    spines = {name: spine(told[name], span_s) for name in names}
    baseline = _baseline(spines, span_s)
    candles = {name: told[name].with_columns(like=pl.lit("")) for name in names}
    for name in names[1:]:
        looks = _with_looks(told[name], first)
        gaps = _gaps(spines[name], span_s, baseline)
        candles[name] = pl.concat([looks, *(assumed_candle(spines[name], spines[first], first, gap) for gap in gaps)])
    courses = {name: _books(spines[name], span_s) for name in names}
    deepest = {name: max(max(book.bids, book.asks) for book in course) for name, course in courses.items()}
    largest = max(
        scan(recorded.filter(pl.col("t") >= start, pl.col("t") < end, symbol=first), (60,), 1, 0.0),
        key=lambda move: abs(log1p(move.size)),
        default=None,
    )
    return Draft(
        tuple(names),
        start,
        span_s,
        baseline,
        pl.concat(candles[name] for name in names),
        {name: courses[name] for name in names if name == first or deepest[name] > deepest[first]},
        {name: (_tick(spines[name]), float(spines[name]["open"][0])) for name in names},
        largest,
    )


def _in_order(window: pl.DataFrame, symbols: Sequence[str], start: int, end: int) -> list[str]:
    """The symbols of the draft: those asked for, else all, BTC before ETH before those with the most candles."""
    counts = dict(window["symbol"].value_counts().iter_rows())
    missing = [name for name in symbols if name not in counts]
    if missing or not counts:
        where = f"{moment(start)} to {moment(end)}"
        hint = f"there are candles of {', '.join(sorted(counts))}" if counts else "`backtester data scan` tells what is"
        message = f"no candles of the perp or its index from {where}"
        raise BacktesterError([Diagnostic("data", name, message, hint) for name in missing or ["candles"]])
    known = {"BTC": 0, "ETH": 1}
    return list(symbols) or sorted(counts, key=lambda name: (known.get(name, 2), -counts[name], name))


def _told(rows: pl.DataFrame, venues: Sequence[str], span_s: int) -> pl.DataFrame:
    """The candles of one symbol that tell something, of both prices."""
    perp, index = (finest_rows(rows.filter(price=price), venues, span_s) for price in (Price.PERP, Price.INDEX))
    return pl.concat([perp, _with_fives(index, perp)]) if len(perp) else index


def _with_fives(index: pl.DataFrame, perp: pl.DataFrame) -> pl.DataFrame:
    """Calm minutes of the index as fives, where the perp has longer candles only."""
    minutes, others = index.filter(seconds=MINUTE_S), index.filter(pl.col("seconds") != MINUTE_S)
    beside = pl.col("t").is_in(perp.filter(seconds=MINUTE_S)["t"].implode())
    five = pl.col("t") // FIVE_S * FIVE_S
    ranges = (pl.col("high").max() / pl.col("low").min() - 1.0).over(five, "venue")
    whole = (pl.len().over(five, "venue") == FIVE_S // MINUTE_S) & ~beside.any().over(five, "venue")
    minutes = minutes.with_columns(taken=whole & (ranges < CALM))
    fives = (
        minutes.filter("taken")
        .group_by("symbol", "price", "venue", five.alias("t"), maintain_order=True)
        .agg(
            pl.lit(FIVE_S, pl.Int64).alias("seconds"),
            pl.col("open").first(),
            pl.col("high").max(),
            pl.col("low").min(),
            pl.col("close").last(),
            pl.col("volume").sum(),
        )
    )
    return pl.concat([minutes.filter(~pl.col("taken")).select(index.columns), fives.select(index.columns), others])


def spine(told: pl.DataFrame, span_s: int) -> pl.DataFrame:
    """One line of candles for one symbol: the perp's, and the index's where the perp has none."""
    perp, index = told.filter(price=Price.PERP), told.filter(price=Price.INDEX)
    starts = index["t"].to_numpy()
    new = covered(perp).inside(starts, starts + index["seconds"].to_numpy()) == 0
    return pl.concat([perp, index.filter(pl.Series(new))]).sort("t", "seconds")


def _first(told: Mapping[str, pl.DataFrame], start: int, span_s: int, asked: bool) -> str:
    """The symbol that the others may look like: the first whose candles leave no gap. Raises a data error otherwise."""
    gaps = {name: covered(rows).gaps(span_s) for name, rows in told.items()}
    for name, open_ in gaps.items():
        if not open_:
            return name
        if asked:
            break
    name, open_ = next(iter(gaps.items()))
    listed = ", ".join(f"{moment(start + a)} to {moment(start + b)}" for a, b in open_[:5])
    hint = "choose --from and --to within its candles, or name a symbol first that has them all"
    raise data_error(name, f"no candles from {listed}{', …' if len(open_) > 5 else ''}", hint)


def _with_looks(told: pl.DataFrame, first: str) -> pl.DataFrame:
    """Longer candles that have hardly any finer ones inside are assumed to look like the first symbol."""
    finer, kept = Cover(), []
    for (seconds,), rows in sorted(told.partition_by("seconds", as_dict=True).items()):
        starts, lengths = rows["t"].to_numpy(), rows["seconds"].to_numpy()
        alone = pl.Series(2 * finer.inside(starts, starts + lengths) < lengths) & (int(seconds) > MINUTE_S)
        kept.append(rows.with_columns(like=pl.when(alone).then(pl.lit(first)).otherwise(pl.lit(""))))
        finer.add(starts, lengths)
    return pl.concat(kept)


def _gaps(line: pl.DataFrame, span_s: int, baseline: tuple[int, int]) -> list[tuple[int, int]]:
    """The stretches without a candle, cut where the baseline begins: trades are counted against what begins in it."""
    cut = baseline[0]
    return [part for a, b in covered(line).gaps(span_s) for part in ([(a, cut), (cut, b)] if a < cut < b else [(a, b)])]


def assumed_candle(line: pl.DataFrame, model: pl.DataFrame, first: str, gap: tuple[int, int]) -> pl.DataFrame:
    """One candle for a stretch without any: between its neighbours, with the move of the model's where one is missing.

    Its extremes stand to open and close as the model's do; its volume is its share of the model's elsewhere, 0
    where the model has none there.
    """
    a, b = gap
    inside = model.filter(pl.col("t") < b, pl.col("t") + pl.col("seconds") > a)
    opened, closed = _price_at(model, a), _price_at(model, b)
    before, after = line.filter(pl.col("t") + pl.col("seconds") <= a), line.filter(pl.col("t") >= b)
    ratio_before = float(before["close"][-1]) / opened if len(before) else None
    ratio_after = float(after["open"][0]) / closed if len(after) else None
    ratios = [ratio for ratio in (ratio_before, ratio_after) if ratio is not None]
    mean = sum(ratios) / len(ratios)
    first_price = opened * (ratios[0] if ratio_before is None else ratio_before)
    last_price = closed * (ratios[-1] if ratio_after is None else ratio_after)
    beside = before.row(-1, named=True) if len(before) else after.row(0, named=True)
    beside_it = _volume_beside(model, line)
    share = float(line["volume"].sum()) / beside_it if beside_it else 0.0
    return pl.DataFrame(
        {
            "symbol": beside["symbol"],
            "price": beside["price"],
            "venue": ASSUMED,
            "seconds": b - a,
            "t": a,
            "open": first_price,
            "high": max(first_price, last_price, inside.select(pl.col("high").max()).item() * mean),
            "low": min(first_price, last_price, inside.select(pl.col("low").min()).item() * mean),
            "close": last_price,
            "volume": float(inside["volume"].sum()) * share,
            "like": first,
        }
    ).select(*line.columns, "like")


def _price_at(model: pl.DataFrame, t: int) -> float:
    """What the model's candles say at a moment: the open that begins there, else the close before it."""
    opens = model.filter(t=t)
    return float(opens["open"][0] if len(opens) else model.filter(pl.col("t") < t)["close"][-1])


def _volume_beside(model: pl.DataFrame, line: pl.DataFrame) -> float:
    """The model's volume while the line has candles."""
    starts = model["t"].to_numpy()
    told = covered(line).inside(starts, starts + model["seconds"].to_numpy())
    return float((model["volume"] * pl.Series(told) / model["seconds"]).sum())


def _baseline(spines: Mapping[str, pl.DataFrame], span_s: int) -> tuple[int, int]:
    """The calmest stretch of the first hour: where the first symbol ranges least, and the others trade as well."""
    length = min(BASELINE_S, span_s)
    first, *others = spines.values()
    starts = [t for t in first["t"].to_list() if t + length <= min(max(FIRST_S, length), span_s)]

    def traded(line: pl.DataFrame, a: int) -> bool:
        inside = line.filter(pl.col("t") >= a, pl.col("t") < a + length)
        return bool(covered(line).gaps(a + 1, a)) or float(inside["volume"].sum()) > 0.0

    def range_from(a: int) -> float:
        inside = first.filter(pl.col("t") >= a, pl.col("t") < a + length)
        return float(inside.select(pl.col("high").max() / pl.col("low").min()).item())

    begins = [a for a in starts if traded(first, a) and all(traded(line, a) for line in others)] or [0]
    start = min(begins, key=lambda a: (range_from(a), a))
    return start, start + length


def _books(line: pl.DataFrame, span_s: int) -> list[Book]:
    """How the symbol's own speed thins its order books; five minutes of a longer candle move as √time."""
    part = (WITHIN_S / pl.col("seconds")).sqrt()
    long = line.filter(pl.col("seconds") > WITHIN_S).select(
        "t",
        fall=(pl.col("low") / pl.col("open") - 1.0) * part,
        rise=(pl.col("high") / pl.col("open") - 1.0) * part,
    )
    falls, rises = dict[int, float](), dict[int, float]()
    for t, fall, rise in pl.concat([with_moves(line, WITHIN_S).select(long.columns), long]).iter_rows():
        falls[t], rises[t] = max(falls.get(t, 0.0), -fall), max(rises.get(t, 0.0), rise)
    return books(falls, rises, span_s)


def _tick(line: pl.DataFrame) -> float:
    """The step of the prices: one of the last decimal place that any open of the symbol has."""
    places = [int(Decimal(f"{price:.10g}").normalize().as_tuple().exponent) for price in line["open"]]
    return float(Decimal(1).scaleb(min(places)))
