"""From recorded candles to a scenario: `backtester data scan` finds crashes, `backtester scenarios draft` takes one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backtester.cli.console import Cell, check_file, emit, emit_rows, rows_text, settings, talk, written_for
from backtester.errors import usage_error

if TYPE_CHECKING:
    from backtester.scenario.moves import Move

_SHORT = ("symbol", "within", "move", "start", "from", "at", "to", "minutes", "back_10m", "back_30m", "how often")
_WHOLE = (
    *("symbol", "price", "venue", "within_m", "size", "start", "start_price", "at", "price_there", "minutes"),
    *("back_10m", "back_30m", "rank", "scanned_days", "span_days", "a_year", "files"),
)

Recordings = Annotated[
    list[Path],
    typer.Argument(
        metavar="CANDLES…",
        help="Parquet, CSV or CSV.GZ files with a time (ts, open_time or time), open, high, low, close, volume and "
        "perhaps symbol, price (trade, index, mark), interval, venue, event.",
    ),
]
Symbols = Annotated[str, typer.Option(metavar="A,B,…", help="Only these; of files without a column symbol, its name.")]
Events = Annotated[
    list[str] | None, typer.Option("--event", help="Only candles whose event begins like this. Repeatable.")
]
Venues = Annotated[
    list[str] | None, typer.Option("--venue", help="Only candles of this venue. Repeatable, the preferred first.")
]


def scan(
    ctx: typer.Context,
    recordings: Recordings,
    symbol: Symbols = "",
    event: Events = None,
    venue: Venues = None,
    within: Annotated[str, typer.Option(metavar="MIN,…", help="Within how many minutes a move happens.")] = "1,5,15,60",
    at_least: Annotated[str, typer.Option(metavar="PERCENT", help="The smallest move to list.")] = "1%",
    limit: Annotated[int, typer.Option(min=1, help="So many falls and rises of each symbol and time.")] = 3,
) -> None:
    """Find crashes and squeezes in candles: the largest moves that do not overlap, and how often they happen in the
    time that the candles cover.

    A fall goes from the highest price before it to a low, a rise from the lowest to a high. `back`: the largest share
    of it that came back within 10 and 30 minutes after the candle of its extreme. Of moves that overlap the largest
    stands for all.
    """
    from backtester.scenario.moves import events
    from backtester.scenario.moves import scan as moves_in
    from backtester.scenario.recorded import Wanted, named, only_from, origin, read_candles

    minutes = [_minutes("--within", each) for each in within.split(",")]
    wanted = Wanted(event or (), _symbols(symbol), volume=False)
    candles = only_from(read_candles(recordings, wanted), venue or ())
    rows = events(moves_in(candles, minutes, limit, _fraction("--at-least", at_least)))
    options = settings(ctx)
    if options.format in ("table", "markdown"):
        table = rows_text("moves", _SHORT, _short(rows), options)
        emit(f"{table}{origin(candles, recordings)}\n{_caution(rows)}", options)
    else:
        emit_rows("moves", _WHOLE, _whole(rows, named(recordings)), options)


def draft(
    ctx: typer.Context,
    recordings: Recordings,
    out: Annotated[Path, typer.Option("--out", metavar="ID.toml", help="The facts file to write; its name is the id.")],
    start: Annotated[
        str, typer.Option("--from", metavar="TIME", help="Where the window begins, like 2021-05-19T12:00.")
    ],
    end: Annotated[str, typer.Option("--to", metavar="TIME", help="Where it ends.")],
    symbol: Symbols = "",
    event: Events = None,
    venue: Venues = None,
    title: Annotated[str, typer.Option(help="Default: the day and its largest move.")] = "",
    source: Annotated[str, typer.Option(help="Where the candles are from. Default: the names of the files.")] = "",
) -> None:
    """Write a scenario from recorded candles, facts and path: `run --scenario ID.toml` takes it as it is.

    Prices are the candles'. Depth, spread, delays and refill follow from the speed of the price by a rule that was
    measured on 2025-10-10; they, and what a symbol lacks beside the first, are marked as assumed.
    """
    from backtester.scenario.build import build_text
    from backtester.scenario.draft import draft as draft_of
    from backtester.scenario.facts_text import NO_OTHERS, facts_text
    from backtester.scenario.recorded import Wanted, named, only_from, read_candles

    options = settings(ctx)
    if out.suffix != ".toml":
        raise usage_error("--out", f"{out} is no name of a facts file", "end it with .toml")
    check_file("--out", out, options.force)
    check_file("--out", out.with_suffix(".parquet"), options.force)
    bounds = _moment("--from", start), _moment("--to", end)
    if bounds[1] <= bounds[0]:
        raise usage_error("--to", f"{end} is not after --from {start}", "give the end of the window")
    names = _symbols(symbol)
    candles = only_from(read_candles(recordings, Wanted(event or (), names)), venue or ())
    made = draft_of(candles, *bounds, names, venue or ())
    text = facts_text(made, out.stem, title, ", ".join(filter(None, (source, named(recordings)))))
    with written_for("--out", out):
        scenario = build_text(text, out)
    span = (scenario.span_ns / 60e9, " ".join(made.symbols), len(made.candles), scenario.assumed_share)
    columns = ("id", "file", "minutes", "symbols", "candles", "assumed_share", "title")
    emit_rows("scenario_drafted", columns, [(scenario.id, str(out), *span, scenario.title)], options)
    if scenario.others is None:
        talk(f"{NO_OTHERS} ({out} says what would help)", options)
    talk(f"next: backtester run PORTFOLIO.toml --scenario {out}", options)


def _caution(moves: Sequence[Move]) -> str:
    """What `how often` is worth where candles leave out more of their span than they cover."""
    whose = ", ".join(dict.fromkeys(move.symbol for move in moves if move.is_sparse))
    said = "how often is counted within them, and says nothing of the rest"
    return f"CAUTION: candles of {whose} cover less than half of their span: {said}\n" if whose else ""


def _short(moves: Sequence[Move]) -> Iterator[tuple[Cell, ...]]:
    from backtester.scenario.recorded import moment

    for move in moves:
        back = ["" if share is None else f"{share:.0%}" for share in (move.back_10m, move.back_30m)]
        from_to = (moment(move.start), f"{move.start_price:.8g}", moment(move.at)[11:-1], f"{move.price_there:.8g}")
        minutes = f"{move.minutes:g}"
        yield move.symbol, f"{move.within_m} min", f"{move.size:+.1%}", *from_to, minutes, *back, move.frequency


def _whole(moves: Sequence[Move], files: str) -> Iterator[tuple[Cell, ...]]:
    from backtester.scenario.recorded import moment

    for move in moves:
        where = (moment(move.start), move.start_price, moment(move.at), move.price_there, move.minutes)
        seen = (move.rank, move.scanned_s / 86_400, move.span_s / 86_400, move.a_year)
        whose, back = (move.symbol, move.price, move.venue), (move.back_10m, move.back_30m)
        yield *whose, move.within_m, move.size, *where, *back, *seen, files


def _symbols(text: str) -> list[str]:
    return [each.strip().upper() for each in text.split(",") if each.strip()]


def _minutes(option: str, text: str) -> int:
    if not text.strip().isdecimal() or not 0 < int(text) <= 1440:
        raise usage_error(option, f"{text!r} is no number of minutes", "write it like 1,5,60")
    return int(text)


def _fraction(option: str, text: str) -> float:
    try:
        fraction = float(text.removesuffix("%")) / 100.0
    except ValueError:
        fraction = -1.0
    if not 0.0 <= fraction < 100.0:
        raise usage_error(option, f"{text!r} is no percentage", "write it like 5%")
    return fraction


def _moment(option: str, text: str) -> int:
    """A time in whole seconds since 1970; UTC unless it says otherwise."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise usage_error(option, f"{text!r} is no time", "write it like 2021-05-19T12:00") from None
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp())
