"""A baseline: a directory with the document of a result that was accepted, and its digest; small enough for git."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from backtester.errors import BacktesterError, data_error, usage_error, write_error
from backtester.files import names_in, prove_directory, replacing_directory, write_text
from backtester.report.json import render_json
from backtester.report.records import ReportModel
from backtester.results.document import read_document
from backtester.results.places import DOCUMENT, month_of, refuse_months, remedy
from backtester.results.sums import SUMS, changed, write_sums


def read_baseline(directory: Path) -> ReportModel | None:
    """The result that was accepted; None where there is none yet.

    Raises a data error for one that cannot be read, or is not what it was when it was written.
    """
    try:
        (directory / DOCUMENT).stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        pass  # what cannot be looked at is told by whoever reads it
    try:
        return read_untouched(directory)
    except BacktesterError as error:
        if month_of(directory) is not None:
            raise
        hint = f"restore it from where it came, or delete {directory}: --update makes it anew"
        raise BacktesterError(dataclasses.replace(each, hint=hint) for each in error.diagnostics) from None


def read_untouched(directory: Path) -> ReportModel:
    """A stored result without its series. Raises a data error where it is not what was stored."""
    model = read_document(directory)
    if (directory / SUMS).exists() and DOCUMENT in changed(directory):
        raise data_error(str(directory / DOCUMENT), "was changed after it was written", remedy(directory))
    return model


def prove_baseline(directory: Path) -> None:
    """Prove that a baseline can be written there. Raises a usage error, also where a whole result is stored."""
    refuse_months("--baseline", directory)
    try:
        prove_directory(directory)
        tables = sorted(name for name in names_in(directory) if name.endswith(".parquet"))
    except OSError as error:
        raise _cannot_write(directory, error) from error
    if tables:
        message = f"{directory} holds a whole result ({tables[0]}, …), which is not replaced in part"
        raise usage_error("--baseline", message, "name a directory for the baseline alone")


def write_baseline(model: ReportModel, directory: Path) -> None:
    """Replace the baseline at once. Raises a usage error when it cannot be written; it is then as before."""
    try:
        with replacing_directory(directory, seal=DOCUMENT) as written:
            write_text(written / DOCUMENT, render_json(model))
            write_sums(written, [DOCUMENT])
    except OSError as error:
        raise _cannot_write(directory, error) from error


def _cannot_write(directory: Path, error: OSError) -> Exception:
    return write_error("--baseline", f"cannot write {directory}", error, "name a directory of yours")
