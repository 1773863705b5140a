"""The document of a stored result, as the report model that it was written from, without the series of the charts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from backtester.errors import data_error
from backtester.report.records import ReportModel
from backtester.results.decode import model_of
from backtester.results.places import DOCUMENT, direction, remedy
from backtester.results.receipt import receipt_of


def read_document(directory: Path) -> ReportModel:
    """The model that was written there. Raises a data error for what is missing, damaged, changed or no result."""
    model = read_as_it_is(directory)
    if receipt_of(model) != model.receipt:
        message = "was changed after it was written: its receipt does not fit"
        raise data_error(str(directory / DOCUMENT), message, remedy(directory))
    return model


def read_as_it_is(directory: Path) -> ReportModel:
    """The same, whatever its receipt says: for who looks at that."""
    return model_of(_document(directory / DOCUMENT), str(directory / DOCUMENT), remedy(directory))


def _document(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise data_error(str(path), "is not there", direction(path.parent)) from None
    except OSError as error:
        raise data_error(str(path), f"cannot be read: {error.strerror}", direction(path.parent)) from None
    except (ValueError, RecursionError) as error:
        place = f": line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise data_error(str(path), f"is not JSON{place}", remedy(path.parent)) from None
