"""What every verb shares: the global options, and the two ways out (data on stdout or --output, talk on stderr).

Nothing here is heavy: rich, json and csv are imported by the functions that need them.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from backtester.errors import usage_error, write_error
from backtester.files import is_written_through, prove_writable, write_text
from backtester.texts import csv_cell, json_text, markdown_text, printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

Format = Literal["table", "json", "csv", "markdown", "html"]
Cell = str | int | float | bool | None
Details = Literal["none", "brief", "worst", "all"]
DetailsOption = Annotated[
    Details,
    typer.Option(
        "--details",
        help="How much is told: of several cells the table alone, also the worst in brief, with all its tables, or all "
        "of them so; a single one is told in any case.",
    ),
]

STDOUT = "-"
#: Columns of a table that does not go to a terminal, unless COLUMNS says it: no window of the caller has a say.
PLAIN_WIDTH, NARROWEST = 160, 40
#: Endings of --output that say how the result is written.
FORMAT_OF: dict[str, Format] = {".json": "json", ".csv": "csv", ".md": "markdown", ".html": "html"}


@dataclass(frozen=True, slots=True)
class Settings:
    """The global options of one call, already resolved: flag, else BACKTESTER_* variable, else default."""

    format: Format = "table"
    output: str = STDOUT  # a path, or "-"
    quiet: bool = False
    verbose: bool = False
    color: bool = False
    progress: bool = False
    seed: int = 0
    force: bool = False

    @property
    def to_terminal(self) -> bool:
        """Whether the result is read on a terminal, not in a file or a pipe."""
        return self.output == STDOUT and sys.stdout.isatty()


def settings(ctx: typer.Context) -> Settings:
    """The settings of the running command; the defaults when a noun runs without the root command."""
    return ctx.find_object(Settings) or Settings()


def wants_color(no_color: bool) -> bool:
    """Colour unless --no-color, a non-empty NO_COLOR or a dumb terminal says otherwise. CI variables have no say."""
    return not (no_color or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb")


def check_output(output: str, force: bool) -> None:
    """`check_file` for the file of --output, unless that is stdout."""
    if output != STDOUT:
        check_file("--output", output, force, "name a file, or - for stdout")


def check_file(option: str, file: Path | str, force: bool, hint: str = "name a file") -> None:
    """Prove that the file of an option or argument can be written, before a long run; raise a usage error otherwise.

    One that is there is replaced only by `force`, one of an archived month never.
    """
    if not str(file):
        raise usage_error(option, "is empty", hint)
    from backtester.results.places import refuse_months

    path = Path(file)
    refuse_months(option, path)
    if path.is_dir():
        raise usage_error(option, f"{file} is a directory", hint)
    with written_for(option, file):
        prove_writable(path)
        if path.exists() and not force and not is_written_through(path):
            raise usage_error(option, f"{file} exists", "name another file, or replace it with --force")


@contextmanager
def written_for(option: str, place: Path | str, hint: str = "") -> Iterator[None]:
    """Say of a place that cannot be written which option named it: for an OSError a fault of the disk, or of usage."""
    try:
        yield
    except OSError as error:
        raise write_error(option, f"cannot write {place}", error, hint) from error


def emit(text: str, settings: Settings) -> None:
    """Write the result: to stdout, or at once to --output; a reader may leave before the end of it."""
    text = text if text.endswith("\n") else text + "\n"
    if settings.output == STDOUT:
        print(text, end="", flush=True)
    else:
        with written_for("--output", settings.output), suppress(BrokenPipeError):
            write_text(Path(settings.output), text)


def talk(text: str, settings: Settings) -> None:
    """Say something on stderr: on a terminal or with -v (a scheduler's mail stays empty), never with -q."""
    if not settings.quiet and (settings.verbose or sys.stderr.isatty()):
        print(printable(text), file=sys.stderr, flush=True)


def make_console(settings: Settings, *, stderr: bool = False) -> Console:
    """A rich console for the result (or for talk) that is a terminal only where its stream is one."""
    from rich.console import Console

    terminal = sys.stderr.isatty() if stderr else settings.to_terminal
    return Console(
        stderr=stderr,
        force_terminal=terminal,
        force_interactive=terminal,
        color_system="auto" if settings.color and terminal else None,
        width=None if terminal else _plain_width(),
        highlight=False,
        markup=False,
        emoji=False,
    )


def _plain_width() -> int:
    given = os.environ.get("COLUMNS", "")
    return max(NARROWEST, int(given)) if given.isdecimal() and given.isascii() else PLAIN_WIDTH


def render(settings: Settings, *renderables: RenderableType) -> str:
    """The text of rich tables and panels, one below the other, ready for `emit`."""
    console = make_console(settings)
    with console.capture() as capture:
        for renderable in renderables:
            console.print(renderable)
    return "".join(line.rstrip() + "\n" for line in capture.get().splitlines())


def emit_rows(kind: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]], settings: Settings) -> None:
    """Write a list in the chosen format."""
    emit(rows_text(kind, columns, rows, settings), settings)


def rows_text(kind: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]], settings: Settings) -> str:
    """A list in the chosen format. JSON: {kind, schema_version, engine_version, rows: [{column: value}]}."""
    listed = [tuple(row) for row in rows]
    if settings.format == "json":
        return _json_text(kind, [dict(zip(columns, row, strict=True)) for row in listed])
    if settings.format == "csv":
        return _csv_text(columns, listed)
    if settings.format == "markdown":
        return _markdown_text(columns, listed)
    return _table_text(columns, listed, settings)


def _json_text(kind: str, rows: list[dict[str, Any]]) -> str:
    from backtester import __version__

    document = {"kind": kind, "schema_version": 1, "engine_version": __version__, "rows": rows}
    return json_text(document)


def _csv_text(columns: Sequence[str], rows: list[tuple[Cell, ...]]) -> str:
    import csv

    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(map(csv_cell, row) for row in [columns, *rows])
    return buffer.getvalue()


def _markdown_text(columns: Sequence[str], rows: list[tuple[Cell, ...]]) -> str:
    lines = [columns, ["---"] * len(columns), *([markdown_text(_cell(value)) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _table_text(columns: Sequence[str], rows: list[tuple[Cell, ...]], settings: Settings) -> str:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for index, column in enumerate(columns):
        kinds = {type(row[index]) for row in rows if row[index] is not None}
        numeric = bool(kinds) and kinds <= {int, float}
        table.add_column(printable(column), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(printable(_cell(value)) for value in row))
    return render(settings, table)


def _cell(value: Cell) -> str:
    return "" if value is None else str(value)
