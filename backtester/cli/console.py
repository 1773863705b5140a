"""What every verb shares: the global options, and the two ways out (data on stdout or --output, talk on stderr).

Nothing here is heavy: rich, json and csv are imported by the functions that need them.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from backtester.errors import usage_error
from backtester.texts import csv_cell, json_text, markdown_text, printable, replace_unencodable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

Format = Literal["table", "json", "csv", "markdown"]
Cell = str | int | float | bool | None

STDOUT = "-"
#: Columns of a table that does not go to a terminal: fixed, so that its bytes do not depend on the caller's window.
PLAIN_WIDTH = 160


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


def check_output(output: str) -> None:
    """Prove that `output` can be written, before a long run; raise a usage error otherwise."""
    if output == STDOUT:
        return
    path = Path(output)
    if path.is_dir():
        raise usage_error("--output", f"{output} is a directory", "name a file, or - for stdout")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise usage_error("--output", f"cannot write {output}: {error.strerror}") from error


def emit(text: str, settings: Settings) -> None:
    """Write the result: to stdout, or atomically to --output."""
    text = text if text.endswith("\n") else text + "\n"
    if settings.output == STDOUT:
        _write_stdout(text)
    else:
        try:
            write_atomically(Path(settings.output), text)
        except OSError as error:
            raise usage_error("--output", f"cannot write {settings.output}: {error.strerror}") from error


def talk(text: str, settings: Settings) -> None:
    """Say something on stderr: on a terminal or with -v (a scheduler's mail stays empty), never with -q."""
    if not settings.quiet and (settings.verbose or sys.stderr.isatty()):
        print(printable(text), file=sys.stderr, flush=True)


def accept_any_text() -> None:
    """Let stdout and stderr replace what their encoding (LANG=C) does not have: no run ends in its last line."""
    codecs.register_error("plain", replace_unencodable)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="plain")


def write_atomically(path: Path, text: str) -> None:
    """Replace `path` by `text`, UTF-8, in one step: a reader sees the old file or the new one."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def make_console(settings: Settings, *, stderr: bool = False) -> Console:
    """A rich console for the result (or for talk) that is a terminal only where its stream is one."""
    from rich.console import Console

    terminal = sys.stderr.isatty() if stderr else settings.to_terminal
    return Console(
        stderr=stderr,
        force_terminal=terminal,
        force_interactive=terminal,
        color_system="auto" if settings.color and terminal else None,
        width=None if terminal else PLAIN_WIDTH,
        highlight=False,
        markup=False,
        emoji=False,
    )


def render(settings: Settings, *renderables: RenderableType) -> str:
    """The text of rich tables and panels, one below the other, ready for `emit`."""
    console = make_console(settings)
    with console.capture() as capture:
        for renderable in renderables:
            console.print(renderable)
    return "".join(line.rstrip() + "\n" for line in capture.get().splitlines())


def emit_rows(kind: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]], settings: Settings) -> None:
    """Write a list in the chosen format. JSON: {kind, schema_version, engine_version, rows: [{column: value}]}."""
    listed = [tuple(row) for row in rows]
    if settings.format == "json":
        text = _json_text(kind, [dict(zip(columns, row, strict=True)) for row in listed])
    elif settings.format == "csv":
        text = _csv_text(columns, listed)
    elif settings.format == "markdown":
        text = _markdown_text(columns, listed)
    else:
        text = _table_text(columns, listed, settings)
    emit(text, settings)


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


def _write_stdout(text: str) -> None:
    """Print; a reader that left early (`| head`) ends the output, not the command and its exit code."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
