"""Raw websocket recordings of Binance USDⓈ-M futures: diffs of the order book, trades, best quotes, a REST snapshot.

*Time.* `ts` is the transaction time T. At equal ts a trade stands before the diff. E, the time of sending, runs up to
112 ms behind T, and differently for each stream. Measured on 346 s of BTCUSDT (2024-08-08): best quotes carry T and an
update id, so for 14,584 of 21,313 trades it is known which diff shows their effect.

========================  ==========================  =====================  ====================
order of trades by        stand right before it       stand a diff early     stand behind it
========================  ==========================  =====================  ====================
T, before diffs (ours)    14,549                      35                     0
T, behind diffs           13,955                      0                      629
E, before diffs           13,614                      970                    0
E, behind diffs           13,880                      702                    2
arrival                   13,693                      699                    192
========================  ==========================  =====================  ====================

*Order book.* A tape is one whole stretch (see `binance_stitch`): the levels of its snapshot become `snapshot` rows, its
diffs `delta` rows. A tape never goes on over a gap: where there is one, the error names every gap and stretch, and
`stretch` picks the one to write.

*Receive time* (see `clocks`). Left out if a message was received before it was sent, unless somebody declares how long
the fastest one took. The tape's `source` says what was done.

*Best quotes* check the ladder (see `quote_check`) and are not written.

=============================  ====================================================================================
fault                          what is done
=============================  ====================================================================================
unreadable line                error with its number; the last line of a file that ends inside it: left out
price off the tick, size off   error with the line number
the lot
ladder crossed or locked       error with the line number: no message of a tape may leave it so
after a diff
T falls from diff to diff      error with the line number
repeated diff                  `u` not above that of the diff before it: left out
diff without a snapshot        before the first one or after a gap: left out
trade of another type          INSURANCE_FUND, ADL, NA: not made in the order book, at a price that may lie far off:
                               left out, counted by type
trade without price or size    left out
trade out of order, repeated,  see `wide_snapshots`
outside the stretch
other symbols, other streams   left out, counted by name
=============================  ====================================================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from backtester.enums import EventKind, Side
from backtester.errors import BacktesterError, Diagnostic, data_error, usage_error
from backtester.market.ingest.binance_events import Diff, Snapshot, Trade, read_events, read_snapshot
from backtester.market.ingest.binance_judge import Judge
from backtester.market.ingest.binance_stitch import Gap, Stitcher, Stretch
from backtester.market.ingest.clocks import ClockLine, ReceiveClock, receive_clock
from backtester.market.ingest.source import SourceCount
from backtester.market.ingest.trades import Trades
from backtester.market.merge import Columns, merge_by_time
from backtester.market.schema import TapeInstrument
from backtester.market.write import Rows, TapeWriter
from backtester.texts import counted, iso_time

_BLOCK = 4_096  # events


class RecordingSummary(NamedTuple):
    """What was found and written. `lowest_bid` and `highest_ask` are the ends of the snapshot that begins the stretch.

    Beyond these ends the ladder holds only what changed since: deeper fills see less than there was.
    """

    path: Path
    rows: int
    counts: tuple[SourceCount, ...]
    clock: ClockLine | None
    recv_words: str
    stretch: Stretch
    lowest_bid: float
    highest_ask: float
    gaps: tuple[Gap, ...]
    disagreeing: tuple[str, ...]


def ingest_binance_ws(
    recording: Path,
    instrument: TapeInstrument,
    out: Path,
    snapshots: Sequence[Path] = (),
    stretch: int | None = None,
    fastest_ns: int | None = None,
    source: str = "",
    licence: str = "",
) -> RecordingSummary:
    """Write a tape from a recording, which is read three times: to judge it, for the order book, for the trades.

    Memory does not grow with it.

    Parameters
    ----------
    instrument : its symbol is the one of the streams
    snapshots : order books saved from REST, beside those in the recording
    stretch : which stretch to write, from 1; needed where the recording has a gap
    fastest_ns : the time of the fastest message from sent to received, to set the receive clock by

    Raises a data error that names every unusable line, every gap without `stretch`, or the lack of a snapshot.
    """
    offered = [read_snapshot(path) for path in snapshots]
    judged = Judge(recording, instrument)
    judged.read(offered)
    place = _choose(recording, judged.stitcher, stretch)
    chosen = judged.stitcher.stretches[place]
    line = judged.clock.line()
    clock = receive_clock(line, fastest_ns)
    prints = Trades(str(recording), _trades(recording, instrument, clock), chosen.first_ns, chosen.last_ns)
    streams = [prints.rows(), _order_book(recording, instrument, offered, place, clock)]  # trades first at equal ts
    with TapeWriter(out, [instrument], "; ".join(filter(None, (source, clock.words))), licence) as writer:
        for merged in merge_by_time(streams):
            writer.write(Rows._make(merged))
    of_trades = (each._replace(what=_of_trades(each.what)) for each in prints.counts())
    counts = (*judged.counts(), *of_trades, SourceCount(str(recording), "diffs written", chosen.diffs))
    ends = judged.ends[place]
    gaps, disagreeing = tuple(judged.stitcher.gaps), tuple(judged.quotes.disagree)
    return RecordingSummary(out, writer.rows, counts, line, clock.words, chosen, *ends, gaps, disagreeing)


def _of_trades(what: str) -> str:
    """Diffs and trades share a file: a count says whose it is."""
    return what if what.startswith("trades") else f"trades {what}"


def _choose(path: Path, stitched: Stitcher, stretch: int | None) -> int:
    """The position of the stretch to write; an error that names what there is where it has to be chosen."""
    stretches, gaps = stitched.stretches, stitched.gaps
    hint = "--snapshot: an order book from REST, fetched while the diffs were recorded"
    if not stretches:
        message = f"none of {counted(stitched.snapshots, 'snapshot')} joins any of {counted(stitched.diffs, 'diff')}"
        raise data_error(str(path), message, hint)
    if stretch is not None:
        if not 1 <= stretch <= len(stretches):
            raise usage_error("--stretch", f"{stretch} does not exist: the recording has {len(stretches)}")
        return stretch - 1
    if gaps:
        named = [Diagnostic("data", gap.where, _say_gap(gap)) for gap in gaps]
        offers = [
            Diagnostic("data", str(path), f"stretch {number}: {_say_stretch(each)}", f"--stretch {number} writes it")
            for number, each in enumerate(stretches, 1)
        ]
        raise BacktesterError([*named, *offers])
    return 0


def _say_gap(gap: Gap) -> str:
    ids = f"update ids after {gap.after_id} up to {gap.up_to_id} are missing"
    return f"{ids} (at most {gap.up_to_id - gap.after_id:,}), {gap.ns / 1e6:,.0f} ms from {iso_time(gap.from_ns)}"


def _say_stretch(stretch: Stretch) -> str:
    return f"{counted(stretch.diffs, 'diff')} from {iso_time(stretch.first_ns)} to {iso_time(stretch.last_ns)}"


def _order_book(
    path: Path, instrument: TapeInstrument, snapshots: Sequence[Snapshot], place: int, clock: ReceiveClock
) -> Iterator[Columns]:
    """Columns of Rows of one stretch; a block ends where ts changes."""
    stitcher = Stitcher(snapshots)
    read = read_events(path, instrument.symbol, only=(b"depthUpdate", b"lastUpdateId"))
    events = (event for event in read if isinstance(event, Diff | Snapshot))
    block: list[Rows] = []
    for event in stitcher.stitch(events):
        if len(stitcher.stretches) != place + 1:
            continue
        if len(block) >= _BLOCK and event.ts_ns > block[-1].ts_ns[-1]:
            yield _joined(block)
            block = []
        block.append(_to_rows(event, clock))
    yield _joined(block)


def _to_rows(event: Diff | Snapshot, clock: ReceiveClock) -> Rows:
    """The rows of a diff, or of a snapshot with its marker row; bids first, in the order of the source."""
    is_snapshot = isinstance(event, Snapshot)
    marker = np.zeros((int(is_snapshot), 2))
    levels = np.concatenate((marker, event.bids, event.asks))
    sides = np.repeat(
        np.array([Side.NONE, Side.BUY, Side.SELL], np.int8), [len(marker), len(event.bids), len(event.asks)]
    )
    count = len(levels)
    return Rows(
        np.full(count, event.ts_ns),
        np.full(count, clock(event.recv_ns)),
        np.zeros(count, np.int32),
        np.full(count, EventKind.SNAPSHOT if is_snapshot else EventKind.DELTA, np.int8),
        sides,
        levels[:, 0],
        levels[:, 1],
    )


def _joined(block: list[Rows]) -> Columns:
    return tuple(np.concatenate(column) for column in zip(*block, strict=True))


def _trades(path: Path, instrument: TapeInstrument, clock: ReceiveClock) -> Iterator[Columns]:
    """Blocks (ts, recv_ts, side, price, size, id) of the trades in the order book."""
    block: list[Trade] = []
    for event in read_events(path, instrument.symbol, only=(b'"trade"',)):
        if isinstance(event, Trade) and event.is_market and event.is_sound:
            block.append(event)
        if len(block) == _BLOCK:
            yield _trade_columns(block, clock)
            block = []
    if block:
        yield _trade_columns(block, clock)


def _trade_columns(block: list[Trade], clock: ReceiveClock) -> Columns:
    return (
        np.array([each.ts_ns for each in block], np.int64),
        np.array([clock(each.recv_ns) for each in block], np.int64),
        np.array([each.side for each in block], np.int8),
        np.array([each.price for each in block]),
        np.array([each.size for each in block]),
        np.array([str(each.id) for each in block], object),
    )
