"""Candles that somebody recorded, Parquet or CSV of the usual shapes, as one frame.

Columns that are read: ts | open_time | time | timestamp, open, high, low, close, volume where it is asked for, and
where they are there symbol, price (trade, index or mark), interval (1m, 1h, or seconds), venue, event. Times are
timestamps, ISO text or numbers since 1970, whose unit follows from their size: nothing but one of s, ms, µs and ns
falls into the years 2009 to 2099. A CSV file without a header has Binance's order. Symbols lose their quote: BTCUSDT
and BTC-USDT-SWAP are BTC.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from backtester.bounds import FIRST_MARKET_NS, LAST_NS
from backtester.errors import BacktesterError, Diagnostic, data_error, usage_error
from backtester.filekinds import CSV, PARQUET, foreign
from backtester.market.ingest.stamps import UNITS, wrong_stamp
from backtester.scenario.facts import Price

PRICES = ("open", "high", "low", "close")
#: What identifies a candle. `t`: its start, s since 1970.
KEY = ("symbol", "price", "venue", "seconds", "t")
#: No price opens at more than this multiple of the close before it, or less than its inverse: that is another unit.
JUMP = 5.0
_DIGITS = 12  # of a digest: enough to tell files apart
_TIMES = ("ts", "open_time", "time", "timestamp")
_BINANCE = ("open_time", *PRICES, "volume")
#: How a file may call a price.
_CALLED = {"trade": Price.PERP, "last": Price.PERP, "spot": Price.INDEX} | {price.value: price for price in Price}
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_QUOTED = re.compile(r"(.+?)[-_/]?(?:USDT|USDC|BUSD|USD)(?:[-_/:](?:SWAP|PERP|USDT|USDC|USD))?")


class Wanted(NamedTuple):
    """Which candles of a file are wanted, and what they are where it does not say.

    `events`: how an `event` may begin. `symbols`: all without any; one also names those of a file that names none.
    `price`: theirs where no column says it. `volume`: whether they must have one.
    """

    events: Sequence[str] = ()
    symbols: Sequence[str] = ()
    price: str = "trade"
    volume: bool = True

    @property
    def figures(self) -> tuple[str, ...]:
        """The numbers of a candle."""
        return (*PRICES, "volume") if self.volume else PRICES

    @property
    def words(self) -> str:
        """Example: ` of event 2020-03-12 and symbol BTC`; empty for all candles."""
        said = [*(f"event {each}" for each in self.events), *(f"symbol {each}" for each in self.symbols)]
        return f" of {' and '.join(said)}" if said else ""


EVERY = Wanted()


def read_candles(paths: Sequence[Path], wanted: Wanted = EVERY) -> pl.DataFrame:
    """The wanted candles of the files: KEY and figures, sorted by KEY. Raises BacktesterError with every fault."""
    frames, problems = [], list[Diagnostic]()
    for path in paths:
        try:
            frames.append(_read(path, wanted))
        except BacktesterError as error:
            problems += error.diagnostics
    if problems:
        raise BacktesterError(problems)
    rows = pl.concat(frames).unique().sort(*KEY)
    where = ", ".join(map(str, paths))
    if not len(rows):
        raise data_error(where, f"no candles{wanted.words}")
    _check_once(where, rows)
    _check_units(where, rows)
    return rows


def named(paths: Sequence[Path]) -> str:
    """Files by name and the begin of their digest. Example: `a.csv (sha256 0123456789ab)`."""
    return ", ".join(f"{path.name} (sha256 {sha256(path.read_bytes()).hexdigest()[:_DIGITS]})" for path in paths)


def origin(rows: pl.DataFrame, paths: Sequence[Path]) -> str:
    """Where candles are from. Example: `candles of a.csv (sha256 0123456789ab): perp of binance_usdm`."""
    told = rows.select("price", "venue").unique().sort("price", "venue").iter_rows()
    return f"candles of {named(paths)}: {', '.join(f'{price} of {venue}' if venue else price for price, venue in told)}"


def moment(t: int) -> str:
    """A time in s since 1970 as people write it: 2021-05-19T13:00:00Z."""
    return f"{np.datetime64(t, 's')}Z"


def base_of(symbol: str) -> str:
    """A symbol without its quote, in capitals. Examples: BTCUSDT, BTC/USDC:USDC, btc → BTC; 1000PEPEUSDT → 1000PEPE."""
    found = _QUOTED.fullmatch(symbol.upper())
    return found[1] if found else symbol.upper()


def _read(path: Path, wanted: Wanted) -> pl.DataFrame:
    rows = _table(path)
    if {"kind", "recv_ts"} & set(rows.columns) and "open" not in rows.columns:
        raise data_error(str(path), "is a tape, not candles", "`backtester data inspect` tells what is on a tape")
    time = next((name for name in _TIMES if name in rows.columns), None)
    missing = [name for name in wanted.figures if name not in rows.columns]
    missing = missing if time else ["ts", *missing]
    hint = f"it has {', '.join(rows.columns[:10])}"
    problems = [Diagnostic("data", str(path), f'no column "{name}"', hint) for name in missing]
    if "symbol" not in rows.columns and len(wanted.symbols) != 1:
        problems.append(Diagnostic("data", str(path), 'no column "symbol"', "--symbol BTC names what it is"))
    if problems or time is None:
        raise BacktesterError(problems)
    if wanted.events and "event" in rows.columns:
        begins = pl.any_horizontal(pl.col("event").str.starts_with(event) for event in wanted.events)
        rows = rows.filter(begins)
    symbol = _bases(path, rows["symbol"]) if "symbol" in rows.columns else pl.lit(wanted.symbols[0])
    rows = rows.with_columns(symbol=symbol, t=_seconds(path, rows[time]), venue=_text(rows, "venue", ""))
    rows = rows.filter(pl.col("symbol").is_in(wanted.symbols)) if wanted.symbols else rows
    rows = rows.with_columns(price=_prices(path, rows, wanted.price))
    rows = rows.with_columns(seconds=_intervals(path, rows))
    rows = rows.with_columns(volume=_volumes(path, rows)) if wanted.volume else rows
    rows = rows.select(*KEY, pl.col(wanted.figures).cast(pl.Float64, strict=False))
    _check(path, rows)
    return rows


def _bases(path: Path, symbols: pl.Series) -> pl.Series:
    if symbols.null_count():
        row = int(symbols.is_null().arg_max() or 0) + 1
        raise data_error(f"{path} row {row}", "has no symbol", "say of every candle whose it is")
    bases = {symbol: base_of(symbol) for symbol in symbols.drop_nulls().unique().to_list()}
    return symbols.replace_strict(bases, return_dtype=pl.String)


def _table(path: Path) -> pl.DataFrame:
    if path.is_dir():
        raise data_error(str(path), "is a directory", f"give its files, like {path}/*.csv: CSV, CSV.GZ or Parquet")
    if problems := foreign(path, "data", CSV, PARQUET, unpacks=path.suffix == ".gz"):
        raise BacktesterError(problems)
    try:
        if path.suffix == ".parquet":
            return pl.read_parquet(path)
        head = pl.read_csv(path, n_rows=0).columns
        if len(head) == 1 and (other := re.search(r"[;\t|]", head[0])):
            raise data_error(str(path), f"has columns separated by {other[0]!r}", "separate them by commas")
        if head and re.fullmatch(r"[\d.]+", head[0]):
            rows = pl.read_csv(path, has_header=False, infer_schema_length=None)
            return rows.rename(dict(zip(rows.columns, _BINANCE, strict=False)))
        return pl.read_csv(path, infer_schema_length=None)
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise data_error(str(path), f"cannot be read: {reason}") from error


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


def _prices(path: Path, rows: pl.DataFrame, otherwise: str) -> pl.Series:
    """perp, index or mark; the trades of a venue that is called spot make the index."""
    rows = rows.with_columns(said=_text(rows, "price", otherwise))
    unknown = [each for each in rows["said"].unique().sort().to_list() if each not in _CALLED]
    if unknown:
        raise data_error(f"{path} price", f"{unknown[0]!r} is no price", f"one of {', '.join(_CALLED)}")
    kind = pl.col("said").replace_strict(_CALLED, return_dtype=pl.String)
    of_spot = pl.col("venue").str.contains("spot") & (kind == Price.PERP)
    return rows.select(pl.when(of_spot).then(pl.lit(Price.INDEX)).otherwise(kind).alias("price")).to_series()


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
    nowhere = untold.all().over("symbol", "price", "venue")
    untraded = (pl.col("price") == Price.MARK) | ((pl.col("price") == Price.INDEX) & nowhere)
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
    order = (pl.col("low") > 0) & (pl.col("low") <= low) & (high <= pl.col("high"))
    fine = order & (pl.col("volume") >= 0) if "volume" in rows.columns else order
    told = pl.all_horizontal(pl.col(rows.columns[len(KEY) :]).is_finite())
    wrong = rows.filter(~(told & fine).fill_null(False))
    if len(wrong):
        raise data_error(_first_of(path, wrong), "needs 0 < low ≤ open, close ≤ high and a volume of at least 0")


def _check_once(where: str, rows: pl.DataFrame) -> None:
    """Of one venue, price and length there must be one candle at a time."""
    twice = rows.filter(pl.struct(KEY).is_duplicated())
    if len(twice):
        first = twice.row(0, named=True)
        what = f"{first['symbol']} {first['price']} of {moment(first['t'])} has two different candles"
        raise data_error(where, what, "name one --event or --venue, or fewer files")


def _check_units(where: str, rows: pl.DataFrame) -> None:
    """A candle must open near where the one that ends there closed: no market goes that far between two trades."""
    before = pl.col("close", "t").shift(1).over(KEY[:-1]).name.prefix("before_")
    adjoining = rows.with_columns(before).filter(pl.col("before_t") + pl.col("seconds") == pl.col("t"))
    jump = pl.max_horizontal(pl.col("open") / pl.col("before_close"), pl.col("before_close") / pl.col("open"))
    jumped = adjoining.filter(jump > JUMP)
    if len(jumped):
        first = jumped.row(0, named=True)
        what = f"{first['symbol']} {first['price']} of {moment(first['t'])} opens at {first['open']:.10g}, the candle "
        what += f"before it closed at {first['before_close']:.10g}"
        raise data_error(where, what, "write all prices in one unit, and leave out candles of anything else")


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
