"""Writing a tape: a stream of rows to one Parquet file that appears whole or not at all.

The same rows give the same bytes, however they were handed over: rows are gathered into row groups of a fixed size.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from backtester.engine.events import EVENT
from backtester.errors import BacktesterError, data_error, write_error
from backtester.files import replacing
from backtester.market.encode import NO_TIME
from backtester.market.rows import encode_batch, rank, row_fault
from backtester.market.schema import KIND_NAMES, TAPE_SCHEMA, TapeInstrument, write_metadata

GROUP_ROWS = 262_144


class Rows(NamedTuple):
    """n rows of a tape, in order; `seq` is their place in the file."""

    ts_ns: NDArray[np.int64]  # exchange time
    recv_ts_ns: NDArray[np.int64]  # receive time, NO_TIME where unknown
    symbol: NDArray[np.int32]  # position in the writer's instruments
    kind: NDArray[np.int8]  # EventKind, the first nine
    side: NDArray[np.int8]
    price: NDArray[np.float64]
    size: NDArray[np.float64]


class TapeWriter:
    """Writes rows to `path`; use as a context manager.

    All `instruments` belong to one venue. The file appears when the block ends without an error. What the reader would
    refuse is refused here: raises a data error with the row's number.

    >>> with TapeWriter("btc.parquet", [btc], source="own recording") as writer:  # doctest: +SKIP
    ...     writer.write(rows)
    """

    def __init__(
        self, path: Path | str, instruments: Sequence[TapeInstrument], source: str = "", licence: str = ""
    ) -> None:
        if len({each.venue for each in instruments}) != 1:
            raise data_error(str(path), "a tape file holds instruments of exactly one venue")
        self.path = Path(path)
        self.rows = 0  # written so far, in whole row groups until the end
        self._place = replacing(self.path)
        self._instruments = tuple(sorted(instruments))
        self._symbols = pa.array([each.symbol for each in instruments])
        self._schema = TAPE_SCHEMA.with_metadata(write_metadata(instruments, source, licence))
        self._ranking = rank(self._instruments, {each.symbol: each.venue for each in instruments})
        self._previous_ts = NO_TIME
        self._waiting: list[Rows] = []
        self._waiting_rows = 0

    def __enter__(self) -> Self:
        try:
            self._parquet = pq.ParquetWriter(
                self._place.__enter__(),
                self._schema,
                compression="zstd",
                use_dictionary=["symbol", "kind", "side", "price", "size"],
                column_encoding=dict.fromkeys(("ts", "recv_ts", "seq"), "DELTA_BINARY_PACKED"),
            )
        except OSError as error:
            raise write_error(str(self.path), "cannot be written", error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._flush()
            self._parquet.close()
        except BaseException as failure:
            self._place.__exit__(type(failure), failure, failure.__traceback__)
            raise
        self._place.__exit__(kind, error, trace)

    def write(self, rows: Rows) -> None:
        """Append rows of equal length; ts must not decrease."""
        if len({len(column) for column in rows}) != 1:
            raise ValueError(f"columns of different length: {[len(column) for column in rows]}")
        begin, length = 0, len(rows.ts_ns)
        while begin < length:
            end = min(length, begin + GROUP_ROWS - self._waiting_rows)
            self._waiting.append(Rows._make(column[begin:end] for column in rows))
            self._waiting_rows += end - begin
            if self._waiting_rows == GROUP_ROWS:
                self._flush()
            begin = end

    def _flush(self) -> None:
        """Write the waiting rows as one row group."""
        if not self._waiting_rows:
            return
        batch = self._to_arrow(Rows._make(np.concatenate(column) for column in zip(*self._waiting, strict=True)))
        self._waiting.clear()
        self._waiting_rows = 0
        self._check(batch)
        self._parquet.write_batch(batch, row_group_size=GROUP_ROWS)
        self.rows += batch.num_rows

    def _to_arrow(self, rows: Rows) -> pa.RecordBatch:
        ts_type = TAPE_SCHEMA.field("ts").type
        columns = [
            pa.array(rows.ts_ns, pa.int64()).view(ts_type),
            pa.array(rows.recv_ts_ns, pa.int64(), mask=rows.recv_ts_ns == NO_TIME).view(ts_type),
            pa.array(np.arange(self.rows, self.rows + len(rows.ts_ns))),
            pa.DictionaryArray.from_arrays(pa.array(rows.symbol, pa.int32()), self._symbols),
            pa.DictionaryArray.from_arrays(pa.array(rows.kind, pa.int8()), pa.array(KIND_NAMES)),
            pa.array(rows.side, pa.int8()),
            pa.array(rows.price, pa.float64()),
            pa.array(rows.size, pa.float64()),
        ]
        return pa.RecordBatch.from_arrays(columns, schema=self._schema)

    def _check(self, batch: pa.RecordBatch) -> None:
        events, faults = np.empty(batch.num_rows, EVENT), np.empty(batch.num_rows, np.uint8)
        if encode_batch(batch, self._ranking, self._previous_ts, events, faults):
            index = int(np.flatnonzero(faults)[0])
            where = (str(self.path), self.rows + index, int(faults[index]))
            raise BacktesterError(row_fault(*where, batch, index, self._ranking))
        self._previous_ts = int(events["ts"][-1])
