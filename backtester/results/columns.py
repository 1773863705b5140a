"""Columns of the stored tables: words, times and names of codes, typed alike in all of them."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
import pyarrow as pa

from backtester.formulas.distance import DISTANCES_BPS

WORD = pa.dictionary(pa.int32(), pa.string())
TIME = pa.timestamp("ns", tz="UTC")
#: What each side of an order book displays, by distance from mid.
BID_COLUMNS, ASK_COLUMNS = (tuple(f"{side}_{bps}bps" for bps in DISTANCES_BPS) for side in ("bid", "ask"))
DEPTH_COLUMNS = (*BID_COLUMNS, *ASK_COLUMNS)


def words(texts: Sequence[str | None]) -> pa.Array:
    """Texts, each different one stored once."""
    return pa.array(texts, pa.string()).cast(WORD)


def word(text: str | None, rows: int) -> pa.Array:
    """One text in every row."""
    number = pa.array(np.zeros(rows, np.int32)) if text is not None else pa.nulls(rows, pa.int32())
    return pa.DictionaryArray.from_arrays(number, pa.array([text or ""]))


def times(ts_ns: np.ndarray) -> pa.Array:
    """Times of the engine, ns since the epoch."""
    return pa.array(ts_ns.astype(np.int64), pa.int64()).view(TIME)


def codes(names: type[IntEnum], numbers: np.ndarray) -> pa.Array:
    """The names of codes in lower case, of an enum that counts from 0."""
    named = pa.array([code.name.lower() for code in names])
    return pa.DictionaryArray.from_arrays(pa.array(numbers, pa.int32()), named)
