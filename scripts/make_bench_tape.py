"""Make a tape of the five neutral columns in which order-book benchmarks are exchanged.

    python scripts/make_bench_tape.py SRC.parquet OUT.parquet

SRC has one row per event in time order: `ts` (int64, ns), `kind` (0 depth, 1 trade), `side` (+1 bid or buy aggressor,
-1 ask or sell aggressor), `px` (multiple of 0.1) and `qty` (multiple of 0.001; of a level the size after the change).
Consecutive depth rows of one `ts` are one message; the first message is the whole ladder and becomes a snapshot.

Printed is what such a tape is known by: the sha256 over the columns ts, kind, side, ticks, lots (int64, int8, int8,
int64, int64) as they lie in memory. The tape behind our published figures is the 5,000,000 event flash crash
2ae2f254e15ee0f1fc94e1ae6e82b823c13464505aed4300ff938a5fe602a433.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from backtester.enums import EventKind
from backtester.market.encode import NO_TIME
from backtester.market.schema import TapeInstrument
from backtester.market.write import Rows, TapeWriter

TICKS_PER_UNIT, LOTS_PER_UNIT = 10, 1000
INSTRUMENT = TapeInstrument(
    venue="bench", symbol="BTC", base="BTC", tick_size=1 / TICKS_PER_UNIT, lot_size=1 / LOTS_PER_UNIT, quote="USDT"
)


class Columns(NamedTuple):
    """The neutral columns, prices and sizes on their grid."""

    ts_ns: NDArray[np.int64]
    kind: NDArray[np.int8]
    side: NDArray[np.int8]
    ticks: NDArray[np.int64]
    lots: NDArray[np.int64]

    def sha256(self) -> str:
        """What the tape is known by."""
        digest = hashlib.sha256()
        for column in self:
            digest.update(column.tobytes())
        return digest.hexdigest()


def read_columns(source: Path) -> Columns:
    """Read a neutral tape."""
    table = pq.read_table(source, columns=["ts", "kind", "side", "px", "qty"])
    ts, kind, side, price, size = (table[name].to_numpy() for name in table.column_names)
    ticks = np.rint(price * TICKS_PER_UNIT).astype(np.int64)
    return Columns(ts, kind, side, ticks, np.rint(size * LOTS_PER_UNIT).astype(np.int64))


def to_rows(columns: Columns) -> Rows:
    """The same events as rows of a tape."""
    depth = columns.kind == 0
    kind = np.where(depth, EventKind.DELTA, EventKind.TRADE).astype(np.int8)
    kind[depth & (columns.ts_ns == columns.ts_ns[0])] = EventKind.SNAPSHOT
    return Rows(
        ts_ns=columns.ts_ns,
        recv_ts_ns=np.full(len(kind), NO_TIME),
        symbol=np.zeros(len(kind), np.int32),
        kind=kind,
        side=columns.side,
        price=columns.ticks / TICKS_PER_UNIT,
        size=columns.lots / LOTS_PER_UNIT,
    )


def convert(columns: Columns, out: Path) -> None:
    """Write the tape."""
    with TapeWriter(out, [INSTRUMENT], source=f"synthetic: {columns.sha256()}") as writer:
        writer.write(to_rows(columns))


def main() -> None:
    """Convert SRC to OUT."""
    parser = argparse.ArgumentParser(description="Make a tape of neutral benchmark columns.")
    parser.add_argument("source", type=Path, metavar="SRC")
    parser.add_argument("out", type=Path, metavar="OUT")
    arguments = parser.parse_args()
    columns = read_columns(arguments.source)
    convert(columns, arguments.out)
    print(f"{len(columns.kind):,} events, sha256 {columns.sha256()}")


if __name__ == "__main__":
    main()
