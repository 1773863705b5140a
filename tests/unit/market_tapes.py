"""Small tapes for tests, written with pyarrow alone: as any other tool would write them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from backtester.market.schema import TapeInstrument, write_metadata

BTC = TapeInstrument("venue", "BTC", "BTC", tick_size=0.1, lot_size=0.001, quote="USDT")
ETH = TapeInstrument("venue", "ETH", "ETH", tick_size=0.01, lot_size=0.01, quote="USDT")


class Row(NamedTuple):
    """One row of a tape; the default is an ask of BTC."""

    ts: int | None = 1_000
    symbol: str | None = "BTC"
    kind: str | None = "delta"
    side: int | None = -1
    price: float | None = 100.1
    size: float | None = 0.003
    seq: int = 0


def table(rows: Iterable[Row], instruments: Sequence[TapeInstrument] = (BTC,), plain: bool = False) -> pa.Table:
    """An Arrow table of rows; `plain` has strings for dictionaries, no recv_ts and no seq."""
    columns: dict[str, Any] = {
        name: list(column) for name, column in zip(Row._fields, zip(*rows, strict=True), strict=True)
    }
    word = pa.string() if plain else pa.dictionary(pa.int32(), pa.string())
    arrays = {
        "ts": pa.array(columns["ts"], pa.timestamp("ns", tz="UTC")),
        "seq": pa.array(columns["seq"], pa.int64()),
        "symbol": pa.array(columns["symbol"], word),
        "kind": pa.array(columns["kind"], word),
        "side": pa.array(columns["side"], pa.int8()),
        "price": pa.array(columns["price"], pa.float64()),
        "size": pa.array(columns["size"], pa.float64()),
    }
    if plain:
        del arrays["seq"]
    metadata = write_metadata(instruments, "test", "none") if instruments else {}
    return pa.table(arrays).replace_schema_metadata(metadata)


def write(path: Path, rows: Iterable[Row], instruments: Sequence[TapeInstrument] = (BTC,), **options: Any) -> Path:
    """Write a tape of rows; `options` go to pyarrow."""
    pq.write_table(table(rows, instruments), path, **options)
    return path


def join(chunks: Iterable[np.ndarray]) -> np.ndarray:
    """All chunks as one array."""
    return np.concatenate(list(chunks))
