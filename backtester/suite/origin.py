"""What a month says of itself in `made_from.json`: which one it is, what it is made from, what its page compares."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from backtester.errors import data_error
from backtester.report.records import ReportModel
from backtester.results.places import MADE_FROM, remedy
from backtester.texts import json_text


class Source(NamedTuple):
    """What a month is made from: a file by its name and digest, an option, the program."""

    kind: str
    name: str
    sha256: str


class Origin(NamedTuple):
    """A month, what it is made from, and the receipts of the months before it that its page tells of."""

    month: str
    sources: tuple[Source, ...]
    earlier: Mapping[str, str]

    def written(self) -> bytes:
        """As it is stored."""
        document = {
            "month": self.month,
            "earlier": dict(self.earlier),
            "sources": [each._asdict() for each in self.sources],
        }
        return (json_text(document) + "\n").encode()


def receipts(models: Mapping[str, ReportModel]) -> dict[str, str]:
    """What came out in each of these months, as one digest."""
    return {month: model.receipt.results for month, model in models.items()}


def read_origin(directory: Path) -> Origin:
    """What a month says of itself. Raises a data error where another version of this program wrote it."""
    path = directory / MADE_FROM
    try:
        document = json.loads(path.read_text("utf-8"))
        month, earlier = str(document["month"]), {str(name): str(of) for name, of in document["earlier"].items()}
        return Origin(month, tuple(Source(**each) for each in document["sources"]), earlier)
    except FileNotFoundError:
        raise data_error(str(path), "is not there", remedy(directory)) from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        message = "was written by another version of this program, or cannot be read"
        raise data_error(str(path), message, remedy(directory)) from None
