"""Candles that somebody recorded, Parquet or CSV of the usual shapes, as one frame.

Columns that are read: ts | open_time | time | timestamp, open, high, low, close, volume, and where they are there
symbol, price (trade, index or mark), interval (1m, 1h, or seconds), venue, event. Times are timestamps, ISO text or
numbers since 1970, whose unit follows from their size: nothing but one of s, ms, µs and ns falls into the years 2009 to
2099. A CSV file without a header has Binance's order. Symbols lose their quote: BTCUSDT and BTC-USDT-SWAP are BTC.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from backtester.bounds import FIRST_MARKET_NS, LAST_NS
from backtester.errors import BacktesterError, Diagnostic, data_error, usage_error
from backtester.filekinds import CSV, PARQUET, foreign
from backtester.market.ingest.stamps import UNITS, wrong_stamp

PERP, INDEX, MARK = "perp", "index", "mark"
PRICES = ("open", "high", "low", "close")
#: What identifies a candle. `t`: its start, s since 1970.
KEY = ("symbol", "price", "venue", "seconds", "t")
_TIMES = ("ts", "open_time", "time", "timestamp")
_BINANCE = ("open_time", *PRICES, "volume")
_KINDS = {"trade": PERP, "last": PERP, "perp": PERP, "index": INDEX, "spot": INDEX, "mark": MARK}
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_QUOTED = re.compile(r"(.+?)[-_/]?(?:USDT|USDC|BUSD|USD)(?:[-_/:](?:SWAP|PERP|USDT|USDC|USD))?")


def read_candles(paths: Sequence[Path], events: Sequence[str] = (), symbols: Sequence[str] = ()) -> pl.DataFrame:
    """All candles of the files, sorted by KEY, with `event` filtered by how its names begin, and only of `symbols`.

    A single symbol also names the candles of files that name none. Raises BacktesterError with every fault.
    """
    frames, problems = [], list[Diagnostic]()
    for path in paths:
        try:
            frames.append(_read(path, events, symbols))
        except BacktesterError as error:
            problems += error.diagnostics
    if problems:
        raise BacktesterError(problems)
    rows = pl.concat(frames).unique().sort(*KEY)
    if not len(rows):
        asked = " and ".join([*(f"--event {each}" for each in events), *(f"--symbol {each}" for each in symbols)])
        raise data_error(", ".join(map(str, paths)), f"no candles{f' of {asked}' if asked else ''}")
    twice = rows.filter(pl.struct(KEY).is_duplicated())
    if len(twice):
        first = twice.row(0, named=True)
        what = f"{first['symbol']} {first['price']} of {moment(first['t'])} has two different candles"
        raise data_error(", ".join(map(str, paths)), what, "name one --event or --venue, or fewer files")
    return rows


def moment(t: int) -> str:
    """A time in s since 1970 as people write it: 2021-05-19T13:00:00Z."""
    return f"{np.datetime64(t, 's')}Z"


def base_of(symbol: str) -> str:
    """A symbol without its quote, in capitals. Examples: BTCUSDT, BTC/USDC:USDC, btc → BTC; 1000PEPEUSDT → 1000PEPE."""
    found = _QUOTED.fullmatch(symbol.upper())
    return found[1] if found else symbol.upper()


def _read(path: Path, events: Sequence[str], symbols: Sequence[str]) -> pl.DataFrame:
    rows = _table(path)
    if {"kind", "recv_ts"} & set(rows.columns) and "open" not in rows.columns:
        raise data_error(str(path), "is a tape, not candles", "`backtester data inspect` tells what is on a tape")
    time = next((name for name in _TIMES if name in rows.columns), None)
    missing = [name for name in (*PRICES, "volume") if name not in rows.columns]
    missing = missing if time else ["ts", *missing]
    hint = f"it has {', '.join(rows.columns[:10])}"
    problems = [Diagnostic("data", str(path), f'no column "{name}"', hint) for name in missing]
    if "symbol" not in rows.columns and len(symbols) != 1:
        problems.append(Diagnostic("data", str(path), 'no column "symbol"', "--symbol BTC names what it is"))
    if problems or time is None:
        raise BacktesterError(problems)
    if events and "event" in rows.columns:
        begins = pl.any_horizontal(pl.col("event").str.starts_with(event) for event in events)
        rows = rows.filter(begins)
    symbol = _bases(rows["symbol"]) if "symbol" in rows.columns else pl.lit(symbols[0])
    rows = rows.with_columns(symbol=symbol, t=_seconds(path, rows[time]), venue=_text(rows, "venue", ""))
    rows = rows.filter(pl.col("symbol").is_in(symbols)) if symbols else rows
    rows = rows.with_columns(price=_prices(path, rows))
    rows = rows.with_columns(seconds=_intervals(path, rows), volume=_volumes(path, rows))
    rows = rows.select(*KEY, pl.col(*PRICES, "volume").cast(pl.Float64, strict=False))
    _check(path, rows)
    return rows


def _bases(symbols: pl.Series) -> pl.Series:
    bases = {symbol: base_of(symbol) for symbol in symbols.drop_nulls().unique().to_list()}
    return symbols.replace_strict(bases, return_dtype=pl.String)


def _table(path: Path) -> pl.DataFrame:
    if problems := foreign(path, "data", CSV, PARQUET, unpacks=path.suffix == ".gz"):
        raise BacktesterError(problems)
    try:
        if path.suffix == ".parquet":
            return pl.read_parquet(path)
        rows = pl.read_csv(path, infer_schema_length=10_000)
        if rows.columns and re.fullmatch(r"[\d.]+", rows.columns[0]):
            rows = pl.read_csv(path, has_header=False, infer_schema_length=10_000)
            rows = rows.rename(dict(zip(rows.columns, _BINANCE, strict=False)))
        return rows
    except (OSError, pl.exceptions.PolarsError) as error:
        raise data_error(str(path), f"cannot be read: {str(error).splitlines()[0]}") from error


def _text(rows: pl.DataFrame, column: str, otherwise: str) -> pl.Expr:
    return pl.col(column).cast(pl.String).fill_null(otherwise) if column in rows.columns else pl.lit(otherwise)


def _seconds(path: Path, times: pl.Series) -> pl.Series:
    """Starts of candles in s since 1970, from timestamps, text or numbers."""
    ns = _since_1970(path, times)
    wrong = np.flatnonzero((ns < FIRST_MARKET_NS) | (ns >= LAST_NS))
    if wrong.size:
        where = f"{path} row {int(wrong[0]) + 1}"
        value = times[int(wrong[0])]
        number = isinstance(value, int | float)
        said = wrong_stamp(Decimal(value), _unit(times)) if number else f"{value} is no time of 2009 to 2099"
        raise data_error(where, said, "write times as ISO text or as a number since 1970")
    split = np.flatnonzero(ns % 10**9)
    if split.size:
        where = f"{path} row {int(split[0]) + 1}"
        message = f"the candle begins within a second, at {times[int(split[0])]}"
        raise data_error(where, message, "give the time at which a candle opens, not at which it closes")
    return pl.Series(ns // 10**9, dtype=pl.Int64)


def _since_1970(path: Path, times: pl.Series) -> NDArray[np.int64]:
    if times.dtype == pl.String:
        times = times.str.to_datetime(time_unit="us", time_zone="UTC", strict=False)
    if times.null_count():
        row = int(times.is_null().arg_max() or 0) + 1
        raise data_error(f"{path} row {row}", "has no time that can be read", "write it like 2021-05-19T13:00:00Z")
    if times.dtype.is_temporal():
        unit: NDArray[np.int64] = times.dt.epoch("us").to_numpy() * 1000
        return unit
    factor = 10 ** UNITS[_unit(times)]
    values = times.cast(pl.Float64).to_numpy()
    fits = np.abs(values) * factor < 2**63
    whole: NDArray[np.int64] = times.cast(pl.Int64).to_numpy()
    return np.where(fits, whole * factor, 0)


def _unit(times: pl.Series) -> str:
    """The unit in which the first of some numbers is a time of 2009 to 2099; s if there is none."""
    first = Decimal(times[0]) if len(times) else Decimal(0)
    return next((unit for unit, digits in UNITS.items() if FIRST_MARKET_NS <= first * 10**digits < LAST_NS), "s")


def _prices(path: Path, rows: pl.DataFrame) -> pl.Series:
    """perp, index or mark; the trades of a venue that is called spot make the index."""
    rows = rows.with_columns(said=_text(rows, "price", "trade"))
    unknown = [each for each in rows["said"].unique().sort().to_list() if each not in _KINDS]
    if unknown:
        raise data_error(f"{path} price", f"{unknown[0]!r} is no price", f"one of {', '.join(_KINDS)}")
    kind = pl.col("said").replace_strict(_KINDS, return_dtype=pl.String)
    of_spot = pl.col("venue").str.contains("spot") & (kind == PERP)
    return rows.select(pl.when(of_spot).then(pl.lit(INDEX)).otherwise(kind).alias("price")).to_series()


def _intervals(path: Path, rows: pl.DataFrame) -> pl.Series:
    """Lengths in s: as they are written, else the least time between two candles of a symbol, price and venue."""
    if "interval" in rows.columns:
        texts = rows["interval"].cast(pl.String)
        known = {text: _length(text) for text in texts.unique().to_list()}
        if unknown := [text for text, length in known.items() if not length]:
            raise data_error(f"{path} interval", f"{unknown[0]!r} is no length", "write it like 1m, 4h or 60")
        return texts.replace_strict(known, return_dtype=pl.Int64)
    series = ["symbol", "price", "venue"]
    steps = pl.col("t").unique().sort().diff().min().over(series)
    lengths = rows.select(steps.fill_null(0)).to_series().cast(pl.Int64)
    if len(lengths) and not lengths.min():
        raise data_error(str(path), "a single candle does not say how long it is", "add a column interval, like 1m")
    return lengths


def _volumes(path: Path, rows: pl.DataFrame) -> pl.Series:
    """Volumes as they are written: a mark is not traded, nor is an index of which no candle has one; theirs is 0."""
    untold = pl.col("volume").is_null()
    untraded = (pl.col("price") == MARK) | ((pl.col("price") == INDEX) & untold.all().over("symbol", "price", "venue"))
    missing = rows.filter(untold & ~untraded)
    if len(missing):
        hint = "write 0 where nothing was traded, and leave out candles of which that is not known"
        raise data_error(_first_of(path, missing), "has no volume", hint)
    return rows.select(pl.when(untold).then(0.0).otherwise(pl.col("volume").cast(pl.Float64, strict=False))).to_series()


def _length(text: str | None) -> int:
    found = re.fullmatch(r"(\d+)([smhd]?)", text or "")
    return int(found[1]) * _SECONDS[found[2] or "s"] if found else 0


def _check(path: Path, rows: pl.DataFrame) -> None:
    """Prices of a candle must be in order, its volume at least 0."""
    low, high = pl.min_horizontal("open", "close"), pl.max_horizontal("open", "close")
    order = (pl.col("low") > 0) & (pl.col("low") <= low) & (high <= pl.col("high")) & (pl.col("volume") >= 0)
    wrong = rows.filter(~order.fill_null(False) | pl.any_horizontal(pl.col(*PRICES, "volume").is_nan()))
    if len(wrong):
        raise data_error(_first_of(path, wrong), "needs 0 < low ≤ open, close ≤ high and a volume of at least 0")


def _first_of(path: Path, wrong: pl.DataFrame) -> str:
    """Where the first of some wrong candles is. Example: `a.csv BTC 2024-01-01T10:00:00Z (and 3 more)`."""
    first = wrong.row(0, named=True)
    more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    return f"{path} {first['symbol']} {moment(first['t'])}{more}"


def only_from(rows: pl.DataFrame, venues: Sequence[str]) -> pl.DataFrame:
    """The candles of the venues that were named; all without any. Raises a usage error for one that is not there."""
    known = rows["venue"].unique().sort().to_list()
    for venue in venues:
        if venue not in known:
            raise usage_error(f"--venue {venue}", "has no candles in these files", f"one of {', '.join(known)}")
    return rows.filter(pl.col("venue").is_in(venues)) if venues else rows


class Cover:
    """Times that candles cover: spans (start, end) in s that neither overlap nor touch, ascending."""

    def __init__(self) -> None:
        self.starts = self.ends = np.empty(0, np.int64)

    def add(self, starts: NDArray[np.int64], seconds: NDArray[np.int64]) -> None:
        """Cover candles as well."""
        starts = np.concatenate((self.starts, starts))
        ends = np.concatenate((self.ends, starts[len(self.starts) :] + seconds))
        order = np.argsort(starts, kind="stable")
        starts, reached = starts[order], np.maximum.accumulate(ends[order])
        breaks = np.flatnonzero(starts[1:] > reached[:-1]) + 1 if len(starts) else np.empty(0, np.int64)
        self.starts = starts[np.concatenate(([0], breaks)).astype(np.int64)] if len(starts) else starts
        self.ends = reached[np.concatenate((breaks - 1, [-1])).astype(np.int64)] if len(starts) else reached

    @property
    def seconds(self) -> int:
        """How many seconds are covered."""
        return int((self.ends - self.starts).sum())

    def seconds_in(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many seconds of [a, b) are covered."""
        return self._before(b) - self._before(a)

    def gaps(self, end: int, start: int = 0) -> list[tuple[int, int]]:
        """What is not covered of [start, end)."""
        edges = [start, *(int(t) for span in zip(self.starts, self.ends, strict=True) for t in span), end]
        cut = [min(max(t, start), end) for t in edges]
        return [(a, b) for a, b in zip(cut[::2], cut[1::2], strict=True) if a < b]

    def _before(self, t: NDArray[np.int64]) -> NDArray[np.int64]:
        if not len(self.starts):
            return np.zeros(len(t), np.int64)
        whole = np.concatenate(([0], np.cumsum(self.ends - self.starts)))
        place = np.searchsorted(self.starts, t, side="right") - 1
        within = np.minimum(t, self.ends[place]) - self.starts[place]
        return np.where(place < 0, 0, whole[place] + within)


def covered(rows: pl.DataFrame) -> Cover:
    """The times that some candles cover."""
    cover = Cover()
    cover.add(rows["t"].to_numpy(), rows["seconds"].to_numpy())
    return cover


def finest_rows(rows: pl.DataFrame, venues: Sequence[str] = (), end: int | None = None) -> pl.DataFrame:
    """The candles of one symbol and price that tell something: those that finer ones do not cover whole, before `end`.

    Of two venues with the same interval the one named first in `venues` counts, else that with more candles.
    """
    counts = dict(rows["venue"].value_counts().iter_rows())
    ranks = {
        venue: (venues.index(venue) if venue in venues else len(venues), -counts[venue], venue) for venue in counts
    }
    parts = rows.partition_by("seconds", "venue", as_dict=True)
    cover, kept = Cover(), []
    for (seconds, _), part in sorted(parts.items(), key=lambda item: (item[0][0], ranks[str(item[0][1])])):
        starts = part["t"].to_numpy()
        ends = np.minimum(starts + seconds, end) if end is not None else starts + seconds
        new = cover.seconds_in(starts, ends) < ends - starts
        kept.append(part.filter(pl.Series(new)))
        cover.add(starts[new], (ends - starts)[new])
    return pl.concat(kept).sort("t", "seconds") if kept else rows
