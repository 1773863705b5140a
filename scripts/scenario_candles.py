"""Print the [[candles]] of a scenario from recorded klines.

    python scripts/scenario_candles.py DATA EVENT START END BTC ETH

DATA holds minutes/minutes.parquet and klines/event_windows.parquet (event, venue, symbol, price, interval, ts, open,
high, low, close, volume). Of the perp the finest candles that there are, minutes first, and coarser ones only where
they say more; of spot the finest, taken together to five minutes where there are no minutes of the perp. START and END
are like 2024-08-05T01:00.
"""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

#: venue in the data -> (price of the facts, prefix of the source key), the preferred first.
VENUES = {
    "binance_usdm": ("perp", "BN"),
    "okx_swap": ("perp", "OKX"),
    "bybit_linear": ("perp", "BY"),
    "binance_spot": ("index", "BN-SPOT"),
}
SECONDS = {"1m": 60, "3m": 180, "5m": 300, "15m": 900, "1h": 3600}


def candles(data: Path, event: str, start: datetime, end: datetime, symbol: str) -> list[pl.DataFrame]:
    """The candles of a symbol in the window, a frame per (venue, interval), finest first."""
    minutes = pl.read_parquet(data / "minutes" / "minutes.parquet").with_columns(
        price=pl.lit("trade"), interval=pl.lit("1m")
    )
    coarse = pl.read_parquet(data / "klines" / "event_windows.parquet")
    every = pl.concat([minutes, coarse], how="diagonal").filter(
        pl.col("event").str.starts_with(event), pl.col("symbol") == symbol, pl.col("price") == "trade"
    )
    seconds = pl.col("interval").replace_strict(SECONDS, return_dtype=pl.Int64)
    order = pl.col("venue").replace_strict({venue: n for n, venue in enumerate(VENUES)}, default=None)
    every = every.with_columns(seconds=seconds, order=order).filter(
        pl.col("order").is_not_null(), pl.col("ts") + pl.duration(seconds="seconds") > start, pl.col("ts") < end
    )
    return every.sort("seconds", "order", "ts").partition_by("seconds", "venue", maintain_order=True)


def telling(frames: list[pl.DataFrame], start: datetime, end: datetime) -> list[pl.DataFrame]:
    """Only the candles that cover a minute that no finer candle of the same price covers."""
    kept, covered = [], {price: set[datetime]() for price, _ in VENUES.values()}
    for frame in frames:
        price, _ = VENUES[frame["venue"][0]]
        minutes = [{row["ts"] + timedelta(seconds=s) for s in range(0, row["seconds"], 60)} for row in frame.to_dicts()]
        new = [any(start <= t < end and t not in covered[price] for t in each) for each in minutes]
        covered[price].update(*(each for each, wanted in zip(minutes, new, strict=True) if wanted))
        if any(new):
            kept.append(frame.filter(pl.Series(new)))
    return kept


def thinned(frames: list[pl.DataFrame]) -> list[pl.DataFrame]:
    """Minutes of spot become five where no minute of the perp stands beside them."""
    told = {ts for frame in frames if frame["venue"][0] != "binance_spot" for ts in frame.filter(seconds=60)["ts"]}
    kept = []
    for frame in frames:
        if frame["venue"][0] != "binance_spot" or frame["seconds"][0] != 60:
            kept.append(frame)
            continue
        fives = frame.with_columns(five=pl.col("ts").dt.truncate("5m"))
        beside = fives.group_by("five").agg(pl.col("ts").is_in(list(told)).any().alias("beside"))
        fives = fives.join(beside, on="five")
        rest = (
            fives.filter(~pl.col("beside"))
            .sort("ts")
            .group_by("five", maintain_order=True)
            .agg(
                pl.col("symbol", "venue", "open").first(),
                pl.col("high").max(),
                pl.col("low").min(),
                pl.col("close").last(),
                pl.col("volume").sum(),
            )
            .rename({"five": "ts"})
            .with_columns(seconds=pl.lit(300, pl.Int64), interval=pl.lit("1m"))
        )
        kept += [each for each in (fives.filter("beside").sort("ts").drop("five", "beside"), rest) if len(each)]
    return kept


def block(frame: pl.DataFrame, start: datetime) -> str:
    """One [[candles]] table of a facts file."""
    first = frame.row(0, named=True)
    price, prefix = VENUES[first["venue"]]
    lines = ["[[candles]]", f'symbol = "{first["symbol"]}"', f'price = "{price}"', f"interval_s = {first['seconds']}"]
    lines += [f'source = "{prefix}-{first["interval"].upper()}"', "rows = [  # time, open, high, low, close, volume"]
    for row in frame.to_dicts():
        day = "%H:%M:%S" if row["ts"] - start < timedelta(days=1) and row["ts"] >= start else "%Y-%m-%dT%H:%M:%S"
        prices = ", ".join(f"{row[name]:.10g}" for name in ("open", "high", "low", "close", "volume"))
        lines.append(f'  ["{row["ts"].strftime(day)}", {prices}],')
    return "\n".join([*lines, "]\n"])


def main(data: str, event: str, start: str, end: str, *symbols: str) -> None:
    """Print all blocks."""
    window = datetime.fromisoformat(start), datetime.fromisoformat(end)
    for symbol in symbols:
        for frame in thinned(telling(candles(Path(data), event, *window, symbol), *window)):
            print(block(frame, window[0]))


if __name__ == "__main__":
    main(*sys.argv[1:])
