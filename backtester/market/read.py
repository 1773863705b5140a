"""Reading a tape: one or several Parquet files as one stream of event records, in flat memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from backtester.bounds import FIRST_MARKET_NS, LONGEST_HOLE_NS
from backtester.engine.events import EVENT
from backtester.enums import EventKind
from backtester.errors import BacktesterError, Diagnostic, data_error
from backtester.filekinds import PARQUET, foreign
from backtester.market.encode import NO_TIME, is_in_order
from backtester.market.funding import Funding, placed
from backtester.market.merge import merge_by_time
from backtester.market.move import Move, lent_events
from backtester.market.rows import COLUMNS, Ranking, encode_batch, rank, row_fault, sequence, times
from backtester.market.scaled import Mover
from backtester.market.schema import (
    FLAG,
    InstrumentFacts,
    TapeInstrument,
    TapeMetadata,
    column_problems,
    read_metadata,
    resolve_instrument,
)
from backtester.shipped import data_dir
from backtester.texts import iso_time

CHUNK_ROWS = 262_144
#: Read a column in such pieces, not a row group at once: some tools write a single group.
_READ_BYTES = 1 << 20


class TapeFile(NamedTuple):
    """One Parquet file of a tape. `first_ts_ns` and `last_ts_ns` are None when it has no rows; rows later are not read.

    `shift_ns` is added to the times that it was written with: of a file of another time, laid beside the others.
    """

    path: Path
    metadata: TapeMetadata
    instruments: tuple[TapeInstrument, ...]
    rows: int
    first_ts_ns: int | None
    last_ts_ns: int | None
    shift_ns: int | None = None

    def laid(self, shift_ns: int | None, last_ts_ns: int) -> TapeFile:
        """The file with its times shifted, up to a last one."""
        first, last = (None if ts is None else ts + (shift_ns or 0) for ts in (self.first_ts_ns, self.last_ts_ns))
        return self._replace(first_ts_ns=first, last_ts_ns=last and min(last, last_ts_ns), shift_ns=shift_ns)


class Batch(NamedTuple):
    """Some rows of one file, encoded: what `check` looks at, faults and all."""

    first_row: int
    rows: pa.RecordBatch
    events: NDArray[Any]  # EVENT[n]
    faults: NDArray[np.uint8]  # u1[n], RowFault
    fault_count: int


class Tape(NamedTuple):
    """Files that are read as one. `instruments` is in rank order, sorted by (venue, symbol): EVENT.instrument."""

    files: tuple[TapeFile, ...]
    instruments: tuple[TapeInstrument, ...]
    wanted: frozenset[int] | None = None  # instruments whose ladders are read; None: all
    moves: tuple[Move, ...] = ()  # how each instrument is made of one of the files; none: as it is there
    funding: Funding | None = None  # stands in the place of the funding rows

    @property
    def rows(self) -> int:
        """Rows of all files."""
        return sum(file.rows for file in self.files)

    @property
    def first_ts_ns(self) -> int | None:
        """Exchange time of the first row, None without rows."""
        return min((file.first_ts_ns for file in self.files if file.first_ts_ns is not None), default=None)

    @property
    def last_ts_ns(self) -> int | None:
        """Exchange time of the last row, None without rows."""
        return max((file.last_ts_ns for file in self.files if file.last_ts_ns is not None), default=None)

    def chunks(self, max_rows: int = CHUNK_ROWS) -> Iterator[NDArray[Any]]:
        """EVENT records of all files in the order (ts, instrument, seq), cut only where ts changes.

        A chunk has about `max_rows` records: reading stops there, and what belongs to its last ts comes with the next
        one. `funding_predicted` and `open_interest` rows are checked and left out: no rule of the engine reads them.
        So is the depth of instruments that are not `wanted`: a ladder that nobody needs takes no memory.
        Instruments that are moved or lent come at their own prices. Funding records are those of `funding`, if there is
        one, else as they are written. Raises a data error that names file and row of the first row that cannot be used,
        or that ends a hole.
        """
        chunks = self._recorded(max_rows)
        yield from chunks if self.funding is None else placed(chunks, self.funding.rows)

    def _recorded(self, max_rows: int) -> Iterator[NDArray[Any]]:
        """The chunks with the funding records that are written."""
        previous = None
        sources = [_laid(file, _ordered(file, self.ranking(file), max_rows)) for file in self.files]
        stream = sources[0] if len(sources) == 1 else map(_in_order, merge_by_time(sources))
        places, mover = self._places, Mover(self.moves)
        for ts, events, _ in stream:
            self._refuse_hole(ts, previous)
            previous = ts[-1]
            kept = _without_memos(lent_events(events, places), self.wanted)
            if len(kept):
                yield mover.moved(kept)

    def funding_rows(self) -> Iterator[tuple[str, np.void]]:
        """Place and EVENT of every `funding` row that is sound, file by file."""
        for file in self.files:
            kinds = _arrow_batches(file.path, CHUNK_ROWS, ("kind",))
            if not any(_is_funding(batch).any() for batch in kinds):
                continue  # without a look at the other columns, which are nearly all of a file
            ranking, first_row = self.ranking(file), 0
            for batch in _arrow_batches(file.path, CHUNK_ROWS):
                found = np.flatnonzero(_is_funding(batch))
                rows = batch.take(pa.array(found))
                events, faults = np.empty(found.size, EVENT), np.empty(found.size, np.uint8)
                if found.size:
                    encode_batch(rows, ranking, NO_TIME, events, faults)
                events["ts"] += file.shift_ns or 0
                for n in np.flatnonzero((faults == 0) & (events["ts"] <= (file.last_ts_ns or 0))):
                    place = f"{file.path}:row {first_row + int(found[n])}"
                    yield from ((place, row) for row in lent_events(events[n : n + 1], self._places))
                first_row += batch.num_rows

    def _refuse_hole(self, ts: NDArray[np.int64], previous: int | None) -> None:
        """Raise a data error when the rows of all files leave a hole before one of `ts`."""
        steps = np.diff(ts, prepend=ts[0] if previous is None else previous)
        if steps.max() > LONGEST_HOLE_NS:
            first = int(np.argmax(steps > LONGEST_HOLE_NS))
            raise BacktesterError(hole_fault(*_place_of(self.files, int(ts[first])), int(steps[first])))

    def ranking(self, file: TapeFile) -> Ranking:
        """Where the symbols of one of the files stand in `instruments`."""
        return rank(self._written, {each.symbol: each.venue for each in file.instruments})

    @property
    def made(self) -> tuple[Move, ...]:
        """How each instrument is made of one of the files."""
        return self.moves or tuple(map(Move, self.instruments))

    def beside(self, other: Tape) -> Tape:
        """This tape and one of another time: both begin when this one does, and end when the shorter one is over."""
        begins, ends, theirs, their_end = (
            each or 0 for each in (self.first_ts_ns, self.last_ts_ns, other.first_ts_ns, other.last_ts_ns)
        )
        last_ts_ns = begins + min(ends - begins, their_end - theirs)
        files = [file.laid(None, last_ts_ns) for file in self.files]
        files += [file.laid(begins - theirs, last_ts_ns) for file in other.files]
        return Tape(tuple(files), tuple(sorted({*self.instruments, *other.instruments})))

    def made_by(self, moves: Iterable[Move]) -> Tape:
        """The tape with the instruments that these make of those of its files."""
        every = tuple(sorted(moves, key=lambda move: move.moved))
        return self._replace(instruments=tuple(move.moved for move in every), moves=every)

    @property
    def _written(self) -> tuple[TapeInstrument, ...]:
        """The instruments of the files, in rank order."""
        return tuple(sorted({move.written for move in self.made}))

    @property
    def _places(self) -> tuple[int, ...]:
        """Of each instrument the place in `_written` of the one that it is made of."""
        place = {each: number for number, each in enumerate(self._written)}
        return tuple(place[move.written] for move in self.made)


def open_tape(paths: Sequence[Path | str], overrides: Sequence[InstrumentFacts] = ()) -> Tape:
    """Open the files of a tape and learn all that is known without reading their rows.

    `overrides` (--instrument) describe the symbols of files without metadata; where a file does describe a symbol they
    must agree with it. Raises one data error with every problem of every file.
    """
    problems: list[Diagnostic] = []
    files: list[TapeFile] = []
    if not paths:
        raise data_error("tape", "no file is named")
    for path in paths:
        file, more = _open_file(find_tape(path), overrides)
        problems += more
        files += [file] if file else []
    if not problems:
        problems = [*_disagreements(files), *_idle_overrides(files, overrides)]
    if problems:
        raise BacktesterError(problems)
    return Tape(tuple(files), tuple(sorted({each for file in files for each in file.instruments})))


def too_old(tape: Tape) -> Iterator[Diagnostic]:
    """Files that begin before there was a market to record: their times were written in another unit."""
    for file in tape.files:
        if file.first_ts_ns is not None and file.first_ts_ns < FIRST_MARKET_NS:
            message = f"begins at {iso_time(file.first_ts_ns)}, before 2009"
            yield Diagnostic("data", str(file.path), message, "is the unit of ts (s, ms, us, ns) the right one?")


def find_tape(name: Path | str) -> Path:
    """A path as it is; a name that is no file here but a shipped tape is that tape."""
    path, shipped = Path(name), data_dir() / f"{name}.parquet"
    return shipped if not path.exists() and shipped.exists() else path


def read_batches(file: TapeFile, ranking: Ranking, max_rows: int, more: Sequence[str] = ()) -> Iterator[Batch]:
    """Read and encode a file in the order it is written, faults and all; `more` columns are read where it has them."""
    first_row, previous_ts = 0, NO_TIME
    for rows in _arrow_batches(file.path, max_rows, (*COLUMNS, "seq", *more)):
        events = np.empty(rows.num_rows, EVENT)
        faults = np.empty(rows.num_rows, np.uint8)
        try:
            count = encode_batch(rows, ranking, previous_ts, events, faults)
        except pa.ArrowInvalid as error:
            last_row = first_row + rows.num_rows - 1
            raise data_error(f"{file.path}:rows {first_row}-{last_row}", str(error)) from error
        yield Batch(first_row, rows, events, faults, count)
        first_row += rows.num_rows
        previous_ts = max(previous_ts, int(events["ts"].max()))


def _ordered(file: TapeFile, ranking: Ranking, max_rows: int) -> Iterator[tuple[NDArray[Any], ...]]:
    """Blocks (ts, EVENT, seq) of one file, each ending where ts changes; raises at the first row with a fault."""
    events, seq = np.empty(0, EVENT), np.empty(0, np.int64)
    for batch in read_batches(file, ranking, max_rows):
        if batch.fault_count:
            index = int(np.flatnonzero(batch.faults)[0])
            where = (str(file.path), batch.first_row + index, int(batch.faults[index]))
            raise BacktesterError(row_fault(*where, batch.rows, index, ranking))
        events = np.concatenate([events, batch.events])
        seq = np.concatenate([seq, sequence(batch.rows, batch.first_row)])
        cut = int(np.searchsorted(events["ts"], events["ts"][-1]))
        if cut:
            yield _in_order((events["ts"][:cut], events[:cut], seq[:cut]))
            events, seq = events[cut:], seq[cut:]
    if len(events):
        yield _in_order((events["ts"], events, seq))


def _laid(file: TapeFile, blocks: Iterator[tuple[NDArray[Any], ...]]) -> Iterator[tuple[NDArray[Any], ...]]:
    """The blocks of a file at the times at which it is laid, up to its last one."""
    for ts, events, seq in blocks:
        if file.shift_ns:
            ts = events["ts"] = ts + file.shift_ns
        rows = int(np.searchsorted(ts, file.last_ts_ns or 0, side="right"))
        if rows:
            yield ts[:rows], events[:rows], seq[:rows]
        if rows < len(ts):
            return


def _in_order(block: tuple[NDArray[Any], ...]) -> tuple[NDArray[Any], ...]:
    """The block in the order (ts, instrument, seq)."""
    ts, events, seq = block
    if is_in_order(events, seq):
        return block
    order = np.lexsort((seq, events["instrument"], ts))
    return ts[order], events[order], seq[order]


def hole_fault(path: Path, row: int, ns: int) -> Diagnostic:
    """A tape that says nothing for too long before a row."""
    message = f"no row of any kind for {ns / 3.6e12:,.1f} hours before it"
    return Diagnostic("data", f"{path}:row {row}", message, "a run reads at most 24 hours without a row: cut the tape")


def _place_of(files: Sequence[TapeFile], ts_ns: int) -> tuple[Path, int]:
    """The file and the row of the first row at a time that is known to be there."""
    for file in files:
        first_row = 0
        for rows in _arrow_batches(file.path, CHUNK_ROWS):
            found = np.flatnonzero(times(rows.column("ts")) == ts_ns - (file.shift_ns or 0))
            if found.size:
                return file.path, first_row + int(found[0])
            first_row += rows.num_rows
    raise AssertionError("a row has this time")


def _without_memos(events: NDArray[Any], wanted: frozenset[int] | None) -> NDArray[Any]:
    """Without the rows that only inform the reader of the tape, and without depth of instruments that nobody wants."""
    kind = events["kind"]
    memos = (kind == EventKind.FUNDING_PREDICTED) | (kind == EventKind.OPEN_INTEREST)
    if wanted is not None:
        memos |= (kind <= EventKind.DELTA) & ~np.isin(events["instrument"], list(wanted))
    return events[~memos] if memos.any() else events


def _is_funding(rows: pa.RecordBatch) -> NDArray[np.bool_]:
    """(n,) of which rows the kind is `funding`."""
    found: NDArray[np.bool_] = pc.equal(rows.column("kind"), "funding").fill_null(False).to_numpy(zero_copy_only=False)
    return found


def _arrow_batches(path: Path, max_rows: int, columns: Sequence[str] = (*COLUMNS, "seq")) -> Iterator[pa.RecordBatch]:
    """Batches of the columns that are needed, one row group after the other."""
    try:
        with pq.ParquetFile(path, read_dictionary=["symbol", "kind"], buffer_size=_READ_BYTES) as parquet:
            names = [name for name in columns if name in parquet.schema_arrow.names]
            for group in range(parquet.num_row_groups):  # one reader for all groups would keep what it has read
                batches = parquet.iter_batches(max_rows, row_groups=[group], columns=names)
                yield from (batch for batch in batches if batch.num_rows)
    except (OSError, pa.ArrowException) as error:
        raise data_error(str(path), f"cannot be read: {error}") from error


def _open_file(path: Path, overrides: Sequence[InstrumentFacts]) -> tuple[TapeFile | None, list[Diagnostic]]:
    where = str(path)
    if problems := foreign(path, "data", PARQUET):
        return None, problems
    try:
        with pq.ParquetFile(path) as parquet:
            schema, rows = parquet.schema_arrow, parquet.metadata.num_rows
            metadata, problems = read_metadata(parquet.metadata.metadata, where)
            problems += column_problems(schema, where)
            span = (None, None) if problems or not rows else _span(parquet)
    except FileNotFoundError:
        shipped = ", ".join(sorted(each.stem for each in data_dir().glob("*.parquet")))
        return None, [Diagnostic("data", where, "no such file", f"shipped tapes: {shipped}" if shipped else "")]
    except (OSError, pa.ArrowException) as error:
        return None, [Diagnostic("data", where, f"is no readable Parquet file: {error}")]
    instruments, more = _instruments(metadata, overrides, where)
    problems += more
    return None if problems else TapeFile(path, metadata, instruments, rows, *span), problems


def _instruments(
    metadata: TapeMetadata, overrides: Sequence[InstrumentFacts], where: str
) -> tuple[tuple[TapeInstrument, ...], list[Diagnostic]]:
    """The instruments of a file: those its metadata describe, else those the command line describes."""
    flags = {each.symbol: each for each in overrides}
    described = metadata.facts or tuple(InstrumentFacts(symbol) for symbol in flags)
    if not described:
        hint = f"{FLAG} BTC:tick=0.1,lot=0.001 (the symbol, tick and lot of your tape)"
        return (), [Diagnostic("data", where, "says nothing about its instruments", hint)]
    instruments: list[TapeInstrument] = []
    problems: list[Diagnostic] = []
    for facts in described:
        instrument, more = resolve_instrument(facts, metadata.venue, flags.get(facts.symbol), where)
        instruments += [instrument] if instrument else []
        problems += more
    return tuple(instruments), problems


def _span(parquet: pq.ParquetFile) -> tuple[int, int]:
    """First and last ts from the row-group statistics, or from the rows where there are none."""
    groups = [index for index in range(parquet.num_row_groups) if parquet.metadata.row_group(index).num_rows]
    return _bound(parquet, groups[0], "min_raw", 0), _bound(parquet, groups[-1], "max_raw", -1)


def _bound(parquet: pq.ParquetFile, group: int, bound: str, index: int) -> int:
    column = parquet.schema.names.index("ts")
    statistics = parquet.metadata.row_group(group).column(column).statistics
    if statistics is not None and statistics.has_min_max:
        type_ = parquet.schema_arrow.field("ts").type
        return int(times(pa.array([getattr(statistics, bound)], pa.int64()).cast(type_))[0])
    rows = parquet.read_row_group(group, columns=["ts"]).column("ts").combine_chunks()
    return int(times(rows)[index])


def _disagreements(files: Iterable[TapeFile]) -> list[Diagnostic]:
    """Instruments that two files describe differently."""
    first: dict[tuple[str, str], tuple[TapeInstrument, Path]] = {}
    problems = []
    for file in files:
        for each in file.instruments:
            other, path = first.setdefault((each.venue, each.symbol), (each, file.path))
            if other != each:
                fields = [name for name, a, b in zip(each._fields, each, other, strict=True) if a != b]
                said = ", ".join(f"{name} {getattr(each, name)} against {getattr(other, name)}" for name in fields)
                problems.append(Diagnostic("data", str(file.path), f"{each.symbol} differs from {path}: {said}"))
    return problems


def _idle_overrides(files: Iterable[TapeFile], overrides: Iterable[InstrumentFacts]) -> list[Diagnostic]:
    """Overrides of symbols that no file has."""
    symbols = sorted({each.symbol for file in files for each in file.instruments})
    hint = f"the tape has {', '.join(symbols)}"
    idle = (each.symbol for each in overrides if each.symbol not in symbols)
    return [Diagnostic("usage", f"{FLAG} {symbol}", "no file of the tape has this symbol", hint) for symbol in idle]
