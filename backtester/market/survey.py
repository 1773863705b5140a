"""One pass over a tape that finds every fault and counts what there is: the ground of `check` and `inspect`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from backtester.bounds import FIRST_NS, LAST_NS, LONGEST_HOLE_NS
from backtester.engine.book.feed import GAPS
from backtester.engine.state import CELL, FEED, NO_ASK, NO_BID, SIDE
from backtester.errors import Diagnostic
from backtester.market import tally
from backtester.market.encode import RowFault
from backtester.market.feed import ASSUME_FROZEN, bound_ns, frozen_feeds, seconds
from backtester.market.read import CHUNK_ROWS, Batch, Tape, TapeFile, hole_fault, read_batches
from backtester.market.rows import row_fault, sequence
from backtester.market.schema import KIND_NAMES
from backtester.texts import counted

#: So many faults of one kind and file are named one by one; the rest is counted.
SHOWN = 5
#: Longer than any tape: no gap is worth a warning.
NO_GAP = 1 << 62


#: So many trades on a grid of time that no market keeps (of one size: a finer one) were made by a program.
MADE_TRADES, MADE_GRID_NS, ONE_SIZE_GRID_NS = 20, 10_000_000_000, 1_000_000_000
#: Such a share of an instrument's trades behind the updates that show them is no chance any more, if fewer stand before
#: theirs. Many trades find neither: an update shows several of them, or a cancel with them.
LATE_SHARE, LATE_TRADES = 0.02, 2


class Findings:
    """Diagnostics in the order found: the first SHOWN of each file and kind, the others counted."""

    def __init__(self) -> None:
        self.count = 0
        self._shown: list[Diagnostic] = []
        self._counts: Counter[tuple[str, str]] = Counter()

    def wants(self, file: str, kind: str, count: int = 1) -> bool:
        """Count findings; whether the next one shall be added."""
        self.count += count
        self._counts[file, kind] += count
        return self._counts[file, kind] - count < SHOWN

    def add(self, diagnostic: Diagnostic) -> None:
        """Show one finding."""
        self._shown.append(diagnostic)

    def all(self) -> tuple[Diagnostic, ...]:
        """What was shown, and how many more there are of each kind."""
        more = ((file, kind, count - SHOWN) for (file, kind), count in self._counts.items() if count > SHOWN)
        return (*self._shown, *(Diagnostic("data", file, f"{count} more: {kind}") for file, kind, count in more))


class Medians(NamedTuple):
    """Over the messages of an instrument that leave both sides filled; exact below 256 ticks or lots, else to 0.4 %."""

    spread_ticks: float
    bid_lots: float
    ask_lots: float


class InstrumentSurvey(NamedTuple):
    """What the tape holds of one instrument. `kinds` is rows per kind, in the order of KIND_NAMES."""

    kinds: tuple[int, ...]
    messages: int
    medians: Medians | None  # None without a message that leaves both sides filled


class Survey(NamedTuple):
    """The result: `instruments` in rank order, as in the tape."""

    instruments: tuple[InstrumentSurvey, ...]
    faults: tuple[Diagnostic, ...]
    fault_count: int
    warnings: tuple[Diagnostic, ...]


class _Stretch(NamedTuple):
    """Rows of a file without a hole between them; `row` is the first."""

    first_ns: int
    last_ns: int
    file: TapeFile
    row: int


class Ladders:
    """The ladders of some instruments, which grow as rows need it."""

    def __init__(self, instruments: int) -> None:
        self.cells = np.zeros(0, CELL)
        self.room = np.zeros(instruments, np.int64)  # ticks of each side
        self.sides = np.zeros(2 * instruments, SIDE)
        for name, bid, ask in (("best", NO_BID, NO_ASK), ("edge", NO_ASK, NO_BID)):
            self.sides[name][0::2], self.sides[name][1::2] = bid, ask

    def fit(self, events: NDArray[Any]) -> None:
        """Make room for the ladders of some rows: each side has the next power of two above its highest tick."""
        highest = np.zeros_like(self.room)
        np.maximum.at(highest, events["instrument"], events["tick"])
        short = np.flatnonzero(highest >= self.room)
        if not len(short):
            return
        room = self.room.copy()
        room[short] = [1 << int(tick).bit_length() for tick in highest[short]]
        offsets = np.concatenate(([0], np.cumsum(np.repeat(room, 2))))
        cells = np.zeros(int(offsets[-1]), CELL)
        for side, old in enumerate(np.repeat(self.room, 2)):
            begin = self.sides["offset"][side]
            cells[offsets[side] : offsets[side] + old] = self.cells[begin : begin + old]
        self.cells, self.room = cells, room
        self.sides["offset"] = offsets[:-1]


class _State(Ladders):
    """The ladders and counters of the pass."""

    def __init__(self, instruments: int) -> None:
        super().__init__(instruments)
        self.tracks = np.zeros(instruments, tally.TRACK)
        self.changes = np.zeros((instruments, 2, tally.CHANGES), tally.CHANGE)
        self.feeds = np.zeros(2 * instruments, FEED)
        self.gaps = np.zeros((instruments, GAPS), np.int64)
        self.kinds = np.zeros((instruments, len(KIND_NAMES)), np.int64)
        self.bins = np.zeros((instruments, len(tally.Measure), tally.BINS), np.int64)


def survey(tape: Tape, gap_ns: int = NO_GAP) -> Survey:
    """Read every row of the tape, file by file in the order of their first ts; memory does not grow with the tape.

    More than `gap_ns` without a message of an instrument is a warning.
    """
    faults, warnings, stretches = Findings(), Findings(), list[_Stretch]()
    state = _State(len(tape.instruments))
    files = sorted(tape.files, key=lambda file: file.first_ts_ns or 0)
    for file in files:
        ranking = tape.ranking(file)
        for batch in read_batches(file, ranking, CHUNK_ROWS):
            for index in _shown_faults(faults, str(file.path), batch):
                at = (batch.first_row + index, int(batch.faults[index]))
                faults.add(row_fault(str(file.path), *at, batch.rows, index, ranking))
            _note(tape, file, _take(state, batch, gap_ns), faults, warnings)
            stretches += _stretches(file, batch)
        notes = np.zeros(len(tape.instruments), tally.NOTE)
        count = tally.close_messages(state.cells, state.sides, state.tracks, state.feeds, state.bins, notes)
        _note(tape, file, notes[:count], faults, warnings)
    for fault in _holes(stretches):
        if faults.wants(fault.where, "hole"):
            faults.add(fault)
    for found in (
        *_frozen(tape, state),
        *_silent_ends(tape, state, gap_ns),
        *_made_trades(tape, state),
        *_late_prints(tape, state),
    ):
        warnings.add(found)
    surveys = tuple(_summary(state, index) for index in range(len(tape.instruments)))
    return Survey(surveys, faults.all(), faults.count, warnings.all())


def _stretches(file: TapeFile, batch: Batch) -> Iterator[_Stretch]:
    """The rows of a batch, parted where a hole may be: other files may have rows in it."""
    ts = batch.events["ts"]
    known = np.flatnonzero((ts >= FIRST_NS) & (ts < LAST_NS))
    parts = np.split(known, np.flatnonzero(np.diff(ts[known]) > LONGEST_HOLE_NS) + 1)
    for part in parts:
        if part.size:
            yield _Stretch(int(ts[part[0]]), int(ts[part].max()), file, batch.first_row + int(part[0]))


def _holes(stretches: Iterable[_Stretch]) -> Iterator[Diagnostic]:
    """Where no file has a row for too long."""
    until = None
    for each in sorted(stretches, key=lambda each: each.first_ns):
        if until is not None and each.first_ns - until > LONGEST_HOLE_NS:
            yield hole_fault(each.file.path, each.row, each.first_ns - until)
        until = max(each.last_ns, until or 0)


def _take(state: _State, batch: Batch, gap_ns: int) -> NDArray[Any]:
    """Pass one batch through the kernel; returns its notes."""
    state.fit(batch.events[batch.faults == 0])
    notes = np.zeros(3 * len(batch.events), tally.NOTE)
    count = tally.survey(
        batch.events,
        batch.faults,
        sequence(batch.rows, batch.first_row),
        batch.first_row,
        gap_ns,
        state.cells,
        state.sides,
        state.tracks,
        state.changes,
        state.feeds,
        state.gaps,
        state.kinds,
        state.bins,
        notes,
    )
    return notes[:count]


def _shown_faults(faults: Findings, path: str, batch: Batch) -> Iterator[int]:
    """Count the rows with a fault; yields those to show, in row order."""
    if not batch.fault_count:
        return
    shown: list[int] = []
    for code in np.unique(batch.faults[batch.faults > 0]):
        kind = RowFault(int(code)).name.lower().replace("_", " ")
        rows = np.flatnonzero(batch.faults == code)
        shown += [int(row) for row in rows[:SHOWN] if faults.wants(path, kind)]
        if len(rows) > SHOWN:
            faults.wants(path, kind, len(rows) - SHOWN)
    yield from sorted(shown)


def _note(tape: Tape, file: TapeFile, notes: NDArray[Any], faults: Findings, warnings: Findings) -> None:
    """Say the kernel's notes in words."""
    for note in notes:
        instrument, where = tape.instruments[note["instrument"]], f"{file.path}:row {note['row']}"
        symbol = instrument.symbol
        if note["code"] == tally.Noted.CROSSED:
            bid, ask = note["a"] * instrument.tick_size, note["b"] * instrument.tick_size
            message = f"the ladder of {symbol} is crossed or locked after this message: bid {bid:.10g}, ask {ask:.10g}"
            if faults.wants(str(file.path), "crossed"):
                faults.add(Diagnostic("data", where, message, "`backtester data check TAPE --repair OUT` mends that"))
        elif note["code"] == tally.Noted.GAP:
            if warnings.wants(str(file.path), "gap"):
                text = f"no message of {symbol} for {note['a'] / 1e9:.3f} s before it{_meanwhile(int(note['b']))}"
                warnings.add(Diagnostic("data", where, text))
        elif warnings.wants(str(file.path), "seq backwards"):
            message = f"seq of {symbol} goes backwards at one ts: such rows are read in the order of seq"
            warnings.add(Diagnostic("data", where, message))


def _meanwhile(trades: int) -> str:
    return f", while {counted(trades, 'trade prints', 'trades print')}" if trades else ""


def _where(tape: Tape) -> str:
    return ", ".join(str(file.path) for file in tape.files)


def _frozen(tape: Tape, state: _State) -> Iterator[Diagnostic]:
    """Order books that stand still under their trades."""
    bounds = [bound_ns(gaps) for gaps in state.gaps]
    for _, text in frozen_feeds(tape.instruments, range(len(tape.instruments)), state.feeds, bounds):
        yield Diagnostic("data", _where(tape), text, f"a run refuses it, or takes it as it is with {ASSUME_FROZEN}")


def _silent_ends(tape: Tape, state: _State, gap_ns: int) -> Iterator[Diagnostic]:
    """Order books that say nothing any more up to the end of the tape."""
    for instrument, track in zip(tape.instruments, state.tracks, strict=True):
        rest = (tape.last_ts_ns or 0) - int(track["ts"])
        if track["message"] and rest > gap_ns:
            text = f"no message of {instrument.symbol} for {seconds(rest)} up to the end"
            yield Diagnostic("data", _where(tape), text + _meanwhile(int(track["trades"])))


def _made_trades(tape: Tape, state: _State) -> Iterator[Diagnostic]:
    """Trades that nobody made: on a grid of time too coarse for a market, as candles and computed series are."""
    for instrument, track in zip(tape.instruments, state.tracks, strict=True):
        grid, one_size = int(track["trade_grid"]), track["trade_lots"] > 0
        if track["trade_count"] >= MADE_TRADES and (grid >= MADE_GRID_NS or (one_size and grid >= ONE_SIZE_GRID_NS)):
            sizes = f", all of {track['trade_lots'] * instrument.lot_size:.10g}" if one_size else ""
            text = (
                f"the {int(track['trade_count']):,} trades of {instrument.symbol} come on a grid of {seconds(grid)}"
                f"{sizes}: they look like candles or a computed series, not like trades"
            )
            yield Diagnostic("data", _where(tape), text)


def _late_prints(tape: Tape, state: _State) -> Iterator[Diagnostic]:
    """Trades that systematically follow the messages that show what they took: two streams, merged the wrong way."""
    for instrument, track in zip(tape.instruments, state.tracks, strict=True):
        late, timely, sided = (int(track[name]) for name in ("late", "timely", "sided"))
        if late >= LATE_TRADES and late > timely and late >= LATE_SHARE * sided:
            text = (
                f"{late:,} of {sided:,} trades of {instrument.symbol} print after the update that shows them, "
                f"{timely:,} before it: queues of a run come out too long where a cancel passes for such a trade, too "
                "short where one prints more than 1 s later"
            )
            yield Diagnostic("data", _where(tape), text, "merge both streams by the exchange's clock, trades first")


def _summary(state: _State, index: int) -> InstrumentSurvey:
    medians = [_median(state.bins[index, measure]) for measure in tally.Measure]
    known = [median for median in medians if median is not None]
    return InstrumentSurvey(
        tuple(int(rows) for rows in state.kinds[index]),
        int(state.tracks[index]["messages"]),
        Medians(*known) if len(known) == len(medians) else None,
    )


def _median(bins: NDArray[np.int64]) -> float | None:
    """The lower median: the middle of the bin that holds it; None of an empty histogram."""
    total = int(bins.sum())
    if not total:
        return None
    place = int(np.searchsorted(np.cumsum(bins), (total + 1) // 2))
    if place < tally.EXACT:
        return float(place)
    shift, offset = divmod(place - tally.EXACT, tally.PER_DOUBLING)
    low = (offset + tally.PER_DOUBLING) << (shift + 1)
    return low + ((1 << (shift + 1)) - 1) / 2
