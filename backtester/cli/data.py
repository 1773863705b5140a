"""`backtester data`: recordings into tapes, synthetic tapes, and what is on a tape."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backtester.bounds import LONGEST_S
from backtester.cli import completion, draft, ingest
from backtester.cli.console import Cell, check_file, emit_rows, settings, talk, written_for
from backtester.errors import ExitCode
from backtester.files import write_text
from backtester.texts import counted, iso_time

if TYPE_CHECKING:
    from backtester.market.inspect import TapeSummary
    from backtester.market.read import Tape
    from backtester.market.synth.compare import Compared

app = typer.Typer(
    help="Tapes: make them from recordings or a seed, look at them, check them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(ingest.app, name="ingest")
app.command()(draft.scan)


Tapes = Annotated[
    list[str],
    typer.Argument(
        metavar="TAPE…",
        autocompletion=completion.tapes,
        help="Parquet files that are read as one tape, or a shipped tape's name.",
    ),
]
Instruments = Annotated[
    list[str] | None,
    typer.Option(
        "--instrument",
        metavar="SYM:tick=…,lot=…",
        help="Describe a symbol of a tape without metadata. Further keys: venue, base, contract, multiplier, quote, "
        "size_unit. Repeatable.",
    ),
]


@app.command("inspect")
def inspect_tape(ctx: typer.Context, tapes: Tapes, instrument: Instruments = None) -> None:
    """Show what is on a tape: instruments, span, rows by kind, spread, size at the best price, rates."""
    from backtester.market.inspect import inspect

    summary = inspect(_open(tapes, instrument))
    columns, rows = _inspect_rows(summary)
    options = settings(ctx)
    if options.format in ("table", "markdown"):  # one instrument a column: the fields are many, the instruments few
        shown = [[_short(cell) for cell in row] for row in rows]
        headings = ("field", *(each.instrument.symbol for each in summary.instruments))
        emit_rows("tape", headings, zip(columns, *shown, strict=True), options)
    else:
        emit_rows("tape", columns, rows, options)


@app.command("check")
def check_tape(
    ctx: typer.Context,
    tapes: Tapes,
    instrument: Instruments = None,
    gap: Annotated[
        float, typer.Option("--gap", min=0, max=LONGEST_S, help="Warn of a longer time without a message, in s.")
    ] = 5.0,
    repaired: Annotated[
        Path | None,
        typer.Option("--repair", metavar="OUT", help="Write the tape without crossed and locked ladders, check that."),
    ] = None,
) -> int:
    """Check every row of a tape; exit 4 if it is not fit for a run. Rows count from 0, as `seq` does."""
    from backtester.market.check import check
    from backtester.market.repair import repair

    tape, rows = _open(tapes, instrument), list[tuple[Cell, ...]]()
    if repaired is not None:
        check_file("--repair", repaired, settings(ctx).force)
        done = repair(tape, repaired)
        rows.append(("repaired", str(done.path), done.words, ""))
        tape = _open([str(repaired)], None)
    report = check(tape, gap)
    rows += [
        (level, found.where, found.message, found.hint)
        for level, group in (("error", report.faults), ("warning", report.warnings))
        for found in group
    ]
    verdict = "valid" if report.is_valid else "invalid"
    names = ", ".join(str(file.path) for file in tape.files)
    rows.append((verdict, names, f"{counted(report.rows, 'row')}, {counted(report.fault_count, 'fault')}", ""))
    emit_rows("tape_check", ("level", "where", "message", "hint"), rows, settings(ctx))
    return ExitCode.OK if report.is_valid else ExitCode.DATA


@app.command()
def synth(
    ctx: typer.Context,
    market: Annotated[
        str,
        typer.Argument(
            metavar="MARKET",
            autocompletion=completion.tapes,
            help="What to imitate: a shipped tape's name, a recording (a tape of one instrument; fitting takes "
            "minutes), or a profile that --keep wrote.",
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The tape to write.")],
    minutes: Annotated[
        float | None, typer.Option("--minutes", min=1, help="Length of the tape. Default: as shipped, or 25.")
    ] = None,
    start_price: Annotated[
        float | None, typer.Option("--start-price", help="Default: that of the market, or the recording's mean.")
    ] = None,
    keep: Annotated[
        Path | None, typer.Option("--keep", metavar="PROFILE.toml", help="Write what was fitted, to be used again.")
    ] = None,
) -> None:
    """Make a synthetic tape and compare it with the recording that it imitates.

    The same market, --seed and length give the same bytes.
    """
    from backtester.market.synth.profile import profile_text
    from backtester.market.synth.tape import find_profile, synth_tape

    options = settings(ctx)
    check_file("OUT", out, options.force)
    if keep:
        check_file("--keep", keep, options.force)
    profile = find_profile(market, lambda trials, misfit: talk(f"trial {trials}: misfit {misfit:.2f}", options))
    made = synth_tape(profile, out, options.seed, minutes, start_price)
    if keep:
        with written_for("--keep", keep):
            write_text(keep, profile_text(profile))
    said: list[tuple[Cell, ...]] = [
        (name, value if isinstance(value, int | float) else str(value), None, None, None, None)
        for name, value in made._asdict().items()
        if name != "compared"
    ]
    for_eyes = options.format in ("table", "markdown")
    compared = [_compared_short(each) if for_eyes else _compared_row(each) for each in made.compared]
    emit_rows("synth", ("what", "tape", "recorded", "off", "tolerance", "held"), [*said, *compared], options)


def _open(tapes: list[str], instruments: list[str] | None) -> Tape:
    from backtester.market.read import open_tape
    from backtester.market.schema import parse_instruments

    return open_tape(tapes, parse_instruments(instruments or ()))


def _inspect_rows(summary: TapeSummary) -> tuple[tuple[str, ...], list[tuple[Cell, ...]]]:
    """Column names, and one row per instrument."""
    span = [iso_time(ts) if ts is not None else None for ts in (summary.first_ts_ns, summary.last_ts_ns)]
    rows: list[tuple[Cell, ...]] = []
    columns: tuple[str, ...] = ()
    for each in summary.instruments:
        kinds = [kind.rows for kind in each.kinds]
        names = [f"{kind.kind}_rows" for kind in each.kinds]
        columns = (*each.instrument._fields, "first_ts", "last_ts", "rows", *names, *each._fields[2:])
        rows.append((*each.instrument, *span, sum(kinds), *kinds, *each[2:]))
    return columns, rows


def _compared_row(row: Compared) -> tuple[Cell, ...]:
    """A figure, made, recorded, made / recorded - 1, how far it may be off, and whether it is not further off."""
    is_held = row.is_held if row.recorded and row.tolerance is not None else None
    return row.figure, row.made, row.recorded, row.off, row.tolerance, is_held


def _compared_short(row: Compared) -> tuple[Cell, ...]:
    figure, made, recorded, off, tolerance, is_held = _compared_row(row)
    return (
        figure,
        *("" if number is None else f"{number:.4g}" for number in (made, recorded)),
        "" if off is None else f"{off:+.1%}",
        "" if is_held is None else f"{tolerance:.0%}",
        "" if is_held is None else "yes" if is_held else "no",
    )


def _short(cell: Cell) -> Cell:
    return f"{cell:.8g}" if isinstance(cell, float) else cell
