"""Make a tape of the five neutral columns in which order-book benchmarks are exchanged.

    python -m scripts.make_bench_tape [SRC.parquet] OUT.parquet

Without SRC it is the tape behind our published figures (`crash_tape.py`). SRC has one row per event in time order: `ts`
(int64, ns), `kind` (0 depth, 1 trade), `side` (+1 bid or buy aggressor, -1 ask or sell aggressor), `px` (multiple of
0.1) and `qty` (multiple of 0.001; of a level the size after the change).
Consecutive depth rows of one `ts` are one message; the first message is the whole ladder and becomes a snapshot.

Printed is what such a tape is known by: the sha256 over the columns ts, kind, side, ticks, lots (int64, int8, int8,
int64, int64) as they lie in memory. The published tape is the 5,000,000 event flash crash
2ae2f254e15ee0f1fc94e1ae6e82b823c13464505aed4300ff938a5fe602a433.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from backtester.enums import EventKind
from backtester.market.encode import NO_TIME
from backtester.market.schema import TapeInstrument
from backtester.market.write import Rows, TapeWriter
from scripts.crash_tape import Columns, crash_columns

TICKS_PER_UNIT, LOTS_PER_UNIT = 10, 1000
INSTRUMENT = TapeInstrument(
    venue="bench", symbol="BTC", base="BTC", tick_size=1 / TICKS_PER_UNIT, lot_size=1 / LOTS_PER_UNIT, quote="USDT"
)


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
    """Convert SRC, or what was published, to OUT."""
    parser = argparse.ArgumentParser(description="Make a tape of neutral benchmark columns.")
    parser.add_argument("source", type=Path, metavar="SRC", nargs="?")
    parser.add_argument("out", type=Path, metavar="OUT")
    arguments = parser.parse_args()
    columns = read_columns(arguments.source) if arguments.source else crash_columns()
    convert(columns, arguments.out)
    print(f"{len(columns.kind):,} events, sha256 {columns.sha256()}")


if __name__ == "__main__":
    main()
