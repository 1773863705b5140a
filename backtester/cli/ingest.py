"""`backtester data ingest`: recordings into tapes."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backtester.cli.console import Cell, Settings, check_file, emit_rows, settings, talk

if TYPE_CHECKING:
    from backtester.market.ingest.binance_ws import RecordingSummary
    from backtester.market.ingest.source import Clock
    from backtester.market.ingest.trades import TradeColumns

app = typer.Typer(help="Turn a recording into a tape.", no_args_is_help=True, rich_markup_mode=None)

#: So many disagreements with the best quotes are named; all are counted.
_SHOWN = 5


class Unit(StrEnum):
    """How a column of times counts."""

    S = "s"
    MS = "ms"
    US = "us"
    NS = "ns"
    ISO = "iso"


Instrument = Annotated[str, typer.Option(metavar="SYM:tick=…,lot=…", help="Its tick and lot, and what else differs.")]
Quote = Annotated[str, typer.Option(help="Quote currency.")]
Source = Annotated[str, typer.Option(help="Where the recording is from; kept in the tape.")]
Licence = Annotated[str, typer.Option(help="Its licence; kept in the tape.")]


@app.command("binance-ws")
def binance_ws(
    ctx: typer.Context,
    recording: Annotated[
        Path, typer.Argument(metavar="RECORDING", help="Lines of `<receive time, ns> <JSON>`, plain or gzip.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The tape to write.")],
    symbol: Annotated[str, typer.Option(help="Which symbol of the streams; also its name on the tape.")],
    instrument: Instrument,
    venue: Annotated[str, typer.Option(help="Where it was recorded.")] = "binance-usdm",
    quote: Quote = "",
    snapshot: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="An order book from REST, if the recording holds none. Repeatable."),
    ] = None,
    stretch: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Which part to write, from 1, if diffs are missing in between. "
            "Without it a gap is an error that names the parts.",
        ),
    ] = None,
    fastest_feed_ms: Annotated[
        float | None,
        typer.Option(
            metavar="MS",
            min=0,
            help="How long the fastest message took from the exchange to the recorder: sets the receive clock right, "
            "drift included. Without it recv_ts is left out if a message was received before it was sent.",
        ),
    ] = None,
    source: Source = "",
    licence: Licence = "",
) -> None:
    """Ingest a raw websocket recording of Binance USDⓈ-M futures.

    Read are depth diffs, trades, best quotes and REST order books. Diffs are stitched to the order book by their update
    ids; a gap is named and never passed over. The tape's ts is the exchange's transaction time T, trades stand before
    the diff of their time. Best quotes check the ladder and are not written. Trades that were not made in the order
    book (insurance fund, auto-deleveraging) are left out. All faults are counted.
    """
    from backtester.market.ingest.binance_ws import ingest_binance_ws
    from backtester.market.schema import ingest_instrument

    options = settings(ctx)
    check_file("OUT", out, options.force)
    summary = ingest_binance_ws(
        recording,
        ingest_instrument(instrument, symbol, venue, quote),
        out,
        snapshot or (),
        stretch,
        None if fastest_feed_ms is None else round(fastest_feed_ms * 1e6),
        source,
        licence,
    )
    _emit(_recording_rows(str(recording), summary), out, summary.rows, options)


@app.command("wide-snapshots")
def wide_snapshots(
    ctx: typer.Context,
    order_books: Annotated[Path, typer.Argument(metavar="CSV", help="One order book per row.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The tape to write.")],
    symbol: Annotated[str, typer.Option(help="Name of the instrument on the tape.")],
    instrument: Instrument,
    venue: Annotated[str, typer.Option(help="Where it was recorded.")],
    quote: Quote = "",
    bid_price: Annotated[str, typer.Option(metavar="PATTERN", help="Columns; {i} is the level.")] = "bid_price_{i}",
    bid_size: Annotated[str, typer.Option(metavar="PATTERN")] = "bid_size_{i}",
    ask_price: Annotated[str, typer.Option(metavar="PATTERN")] = "ask_price_{i}",
    ask_size: Annotated[str, typer.Option(metavar="PATTERN")] = "ask_size_{i}",
    ts: Annotated[str, typer.Option(metavar="COLUMN", help="Exchange time.")] = "exchange_timestamp",
    ts_unit: Annotated[Unit, typer.Option(help="Its unit.")] = Unit.MS,
    recv_ts: Annotated[str | None, typer.Option(metavar="COLUMN", help="Receive time, if it was recorded.")] = None,
    recv_unit: Annotated[Unit, typer.Option(help="Its unit.")] = Unit.S,
    trades: Annotated[Path | None, typer.Option(metavar="CSV", help="The trades of the same recording.")] = None,
    trade_price: Annotated[str, typer.Option(metavar="COLUMN")] = "price",
    trade_size: Annotated[str, typer.Option(metavar="COLUMN")] = "size",
    trade_side: Annotated[str, typer.Option(metavar="COLUMN", help="Of the aggressor: buy or sell.")] = "side",
    trade_id: Annotated[str | None, typer.Option(metavar="COLUMN", help="Finds trades recorded twice.")] = None,
    trade_ts: Annotated[str | None, typer.Option(metavar="COLUMN", help="Default: as --ts.")] = None,
    trade_recv_ts: Annotated[str | None, typer.Option(metavar="COLUMN", help="Default: as --recv-ts.")] = None,
    source: Source = "",
    licence: Licence = "",
) -> None:
    """Ingest CSV rows of whole order books, and the trades beside them; every fault of the source is counted."""
    from backtester.market.ingest.source import Clock
    from backtester.market.ingest.trades import TradeColumns
    from backtester.market.ingest.wide_snapshots import BookColumns, ingest_wide_snapshots
    from backtester.market.schema import ingest_instrument
    from backtester.texts import iso_time

    def recv(column: str | None) -> Clock | None:
        return Clock(column, recv_unit.value, "--recv-unit") if column else None

    trade_columns: TradeColumns | None = None
    if trades:
        clock = Clock(trade_ts or ts, ts_unit.value)
        trade_columns = TradeColumns(
            trade_price, trade_size, trade_side, clock, recv(trade_recv_ts or recv_ts), trade_id
        )
    options = settings(ctx)
    check_file("OUT", out, options.force)
    summary = ingest_wide_snapshots(
        order_books,
        BookColumns(bid_price, bid_size, ask_price, ask_size, Clock(ts, ts_unit.value), recv(recv_ts)),
        trades,
        trade_columns,
        ingest_instrument(instrument, symbol, venue, quote),
        out,
        source,
        licence,
    )
    rows: list[tuple[Cell, ...]] = [*summary.counts]
    if summary.longest_gap_from_ns is not None:
        gap = f"longest gap, in ms, from {iso_time(summary.longest_gap_from_ns)}"
        rows.append((str(order_books), gap, summary.longest_gap_ns // 1_000_000))
    _emit(rows, out, summary.rows, options)


def _recording_rows(recording: str, summary: RecordingSummary) -> list[tuple[Cell, ...]]:
    """Counts, what the clocks said, and where the ladder is to be trusted."""
    from backtester.texts import iso_time

    rows: list[tuple[Cell, ...]] = [*summary.counts]
    rows += [(gap.where, f"gap before it, in ms, from {iso_time(gap.from_ns)}", gap.ns / 1e6) for gap in summary.gaps]
    rows += [(where, "disagrees with the best quote", None) for where in summary.disagreeing[:_SHOWN]]
    if summary.clock is not None:
        clock = summary.clock
        start, end = (clock.offset_at(ns) / 1e6 for ns in (clock.first_ns, clock.last_ns))
        rows += [
            (recording, "receive minus exchange time of the fastest messages, in ms, at the start", round(start, 3)),
            (recording, "the same at the end", round(end, 3)),
            (recording, "receive minus exchange time, smallest of all messages, in ms", clock.smallest_ns / 1e6),
            (recording, "drift of the receive clock, in millionths", round(clock.drift_ppm, 3)),
            (recording, "mean delay behind the fastest messages, in ms", round(clock.mean_delay_ns / 1e6, 3)),
        ]
    rows.append((recording, summary.recv_words, None))
    rows.append(
        (recording, "lowest bid of the snapshot: below it only what changed since is known", summary.lowest_bid)
    )
    rows.append((recording, "highest ask of the snapshot: above it likewise", summary.highest_ask))
    return rows


def _emit(rows: list[tuple[Cell, ...]], out: Path, tape_rows: int, options: Settings) -> None:
    emit_rows("ingest", ("file", "what", "count"), [*rows, (str(out), "rows of the tape", tape_rows)], options)
    talk(f"next: backtester data check {out}", options)
