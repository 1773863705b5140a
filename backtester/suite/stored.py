"""The months as they were archived, read without what runs or draws them."""

from __future__ import annotations

from contextlib import suppress

from backtester.errors import BacktesterError, data_error
from backtester.report.records import ReportModel
from backtester.results.document import read_document
from backtester.results.places import remedy
from backtester.results.sums import changed
from backtester.suite.archive import Archive
from backtester.suite.origin import read_origin


def read_month(archive: Archive, month: str) -> ReportModel:
    """A month as it was archived. Raises a data error for one that was changed since, or is another by its name."""
    directory = archive.of(month)
    if names := changed(directory):
        message = f"was changed after it was archived: {', '.join(names)}"
        raise data_error(str(directory), message, remedy(directory))
    if (stated := read_origin(directory).month) != month:
        raise data_error(str(directory), f"is {stated}, whatever it is called", f"give it its name again: {stated}")
    return read_document(directory)


def months_before(archive: Archive, month: str) -> dict[str, ReportModel]:
    """The results of the months before another, the oldest first; of the older ones those that can be read.

    Raises a data error where the last of them was changed since.
    """
    found = {}
    for each in (each for each in archive.months() if each < month):
        with suppress(*([BacktesterError] if each != archive.before(month) else [])):
            found[each] = read_month(archive, each)
    return found
