"""A tape whose ladders are never crossed or locked after a message: its rows, and deletions of what was in the way.

One lost or stray update must not make a day unusable. Which levels give way is said in `market.uncross`; the repaired
tape says in its metadata what was done. Every other fault is left to whoever made the tape.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from backtester.errors import BacktesterError, data_error, usage_error
from backtester.market.encode import NO_TIME
from backtester.market.read import CHUNK_ROWS, Batch, Tape, TapeFile, read_batches
from backtester.market.rows import Ranking, row_fault, sequence, times
from backtester.market.survey import Ladders
from backtester.market.uncross import DELETION, MESSAGE, uncross
from backtester.market.write import Rows, TapeWriter
from backtester.texts import counted

#: Deletions that a chunk may need beyond one for each of its rows.
ROOM = 4_096


class Repaired(NamedTuple):
    """What was done: so many messages left a ladder crossed or locked, so many levels were deleted."""

    path: Path
    rows: int
    messages: int
    levels: int

    @property
    def words(self) -> str:
        """Example: 2 levels deleted that left 1 message crossed or locked."""
        return (
            f"{counted(self.levels, 'level')} deleted that left {counted(self.messages, 'message')} crossed or locked"
        )


def repair(tape: Tape, out: Path) -> Repaired:
    """Write the repaired tape of one file. Raises a data error at the first fault of another kind.

    The file itself is never replaced: it may be the only recording of its day.
    """
    if any(out.exists() and out.samefile(file.path) for file in tape.files):
        raise usage_error("--repair", f"{out} is the tape itself", "name another file")
    if len(tape.files) != 1:
        raise data_error(", ".join(str(file.path) for file in tape.files), "one file is repaired at a time")
    file = tape.files[0]
    found = Repaired(out, file.rows, *_count(tape, file))
    source = "; ".join(filter(None, (file.metadata.source, found.words if found.levels else "")))
    with TapeWriter(out, tape.instruments, source, file.metadata.licence) as writer:
        for batch, deletions in _passes(tape, file):
            writer.write(_with_deletions(batch, deletions, tape))
    return found._replace(rows=writer.rows)


def _count(tape: Tape, file: TapeFile) -> tuple[int, int]:
    """Messages that leave a ladder crossed or locked, and levels that have to go."""
    found = [deletions for _, deletions in _passes(tape, file)]
    gone = np.concatenate(found) if found else np.zeros(0, DELETION)
    return len(np.unique(gone[["ts", "instrument"]])), len(gone)


def _passes(tape: Tape, file: TapeFile) -> Iterator[tuple[Batch, NDArray[Any]]]:
    """The rows of the file in chunks, each with the DELETION records that stand before its rows, or at its end."""
    ranking, ladders = tape.ranking(file), Ladders(len(tape.instruments))
    messages = np.zeros(len(tape.instruments), MESSAGE)
    last_ts, read = NO_TIME, 0
    for batch in read_batches(file, ranking, CHUNK_ROWS, ("recv_ts",)):
        _refuse_faults(file, batch, ranking)
        ladders.fit(batch.events)
        read += len(batch.events)
        deletions = np.zeros(len(batch.events) + ROOM, DELETION)
        count = uncross(batch.events, ladders.cells, ladders.sides, messages, last_ts, read == file.rows, deletions)
        if count < 0:
            where = f"{file.path}:rows {batch.first_row}-{batch.first_row + len(batch.events) - 1}"
            raise data_error(where, "more crossed levels than messages: this is no order book")
        yield batch, deletions[:count]
        last_ts = int(batch.events["ts"][-1])


def _refuse_faults(file: TapeFile, batch: Batch, ranking: Ranking) -> None:
    """Raise a data error at the first row that no repair of ladders mends."""
    if batch.fault_count:
        index = int(np.flatnonzero(batch.faults)[0])
        where = (str(file.path), batch.first_row + index, int(batch.faults[index]))
        raise BacktesterError(row_fault(*where, batch.rows, index, ranking))
    events, seq = batch.events, sequence(batch.rows, batch.first_row)
    order = np.lexsort((np.arange(len(seq)), events["instrument"], events["ts"]))
    same = (np.diff(events["ts"][order]) == 0) & (np.diff(events["instrument"][order]) == 0)
    backwards = np.flatnonzero(same & (np.diff(seq[order]) < 0))
    if backwards.size:
        row = batch.first_row + int(order[backwards[0] + 1])
        raise data_error(f"{file.path}:row {row}", "seq goes backwards at one ts", "sort the tape by ts, seq")


def _with_deletions(batch: Batch, deletions: NDArray[Any], tape: Tape) -> Rows:
    """The rows of a chunk as they are, and the deletions at their places."""
    events, rows = batch.events, batch.rows
    ticks = [Decimal(repr(each.tick_size)) for each in tape.instruments]
    gone = zip(deletions["tick"].tolist(), deletions["instrument"].tolist(), strict=True)
    prices = np.array([float(tick * ticks[number]) for tick, number in gone])
    received = times(rows.column("recv_ts")) if "recv_ts" in rows.schema.names else np.full(len(events), NO_TIME)
    columns = (
        (events["ts"], deletions["ts"]),
        (received, np.full(len(deletions), NO_TIME)),
        (events["instrument"], deletions["instrument"]),
        (events["kind"], deletions["kind"]),
        (events["side"], deletions["side"]),
        (rows.column("price").cast(pa.float64()).to_numpy(), prices),
        (rows.column("size").cast(pa.float64()).to_numpy(), np.zeros(len(deletions))),
    )
    return Rows._make(np.insert(there, deletions["row"], more) for there, more in columns)
