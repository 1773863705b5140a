"""The months as they were archived, read without what runs or draws them."""

from __future__ import annotations

from backtester.errors import data_error
from backtester.report.document import read_document
from backtester.report.places import remedy
from backtester.report.records import ReportModel
from backtester.report.sums import changed
from backtester.suite.archive import Archive


def read_month(archive: Archive, month: str) -> ReportModel:
    """A month as it was archived. Raises a data error for one that was changed since."""
    directory = archive.of(month)
    if names := changed(directory):
        message = f"was changed after it was archived: {', '.join(names)}"
        raise data_error(str(directory), message, remedy(directory))
    return read_document(directory)


def previous(archive: Archive, month: str) -> tuple[str, ReportModel] | None:
    """The last month before another, and its result."""
    before = archive.before(month)
    return (before, read_month(archive, before)) if before is not None else None
