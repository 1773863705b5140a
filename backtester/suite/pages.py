"""The page of an archived month, made again from what is stored: is it what it was when it was written?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from backtester.config.suite import Suite
from backtester.config.toml import read_document, validate
from backtester.errors import BacktesterError
from backtester.regress.verify import Check
from backtester.report.records import ReportModel
from backtester.results.places import MONTH, SUITE, month_of
from backtester.results.stored import read_result
from backtester.suite.archive import Archive
from backtester.suite.origin import Origin, read_origin
from backtester.suite.stored import read_month
from backtester.suite.summary import PAGE, SUMMARY, summary


def check_pages(directory: Path) -> tuple[Check, ...]:
    """Whether a month is that of its name, and its pages tell its result; nothing of a result that is no month.

    What they tell of months before it can be compared only while those are there: else nothing is known of them.
    """
    month = month_of(directory)
    if month is None or month != directory.resolve():
        return ()
    try:
        origin = read_origin(month)
        return (*_named(month, origin), *_pages(month, origin))
    except BacktesterError as error:
        return (Check("pages", False, f"cannot be made again: {_message(error)}"),)


def _named(month: Path, origin: Origin) -> Iterator[Check]:
    if MONTH.fullmatch(month.name) and month.name != origin.month:
        yield Check("month", False, f"is {origin.month}, whatever it is called")


def _pages(month: Path, origin: Origin) -> Iterator[Check]:
    earlier = Archive(month.parent)
    gone = [each for each in origin.earlier if not earlier.of(each).is_dir()]
    if gone:
        yield Check("pages", None, f"cannot be compared: they tell of {', '.join(gone)}, not there any more")
        return
    models: dict[str, ReportModel] = {}
    for each, receipt in origin.earlier.items():
        models[each] = read_month(earlier, each)
        if models[each].receipt.results != receipt:
            yield Check("pages", False, f"cannot be compared: {each} is not what it was when they were written")
            return
    suite = validate(Suite, read_document(month / SUITE))
    told = summary(suite, origin.month, read_result(month), models)
    others = [name for name, text in ((SUMMARY, told.markdown()), (PAGE, told.html())) if _stored(month / name) != text]
    yield Check("pages", not others, f"not those of this result: {', '.join(others)}" if others else "of this result")


def _stored(path: Path) -> str | None:
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, ValueError):
        return None


def _message(error: BacktesterError) -> str:
    first = error.diagnostics[0]
    return f"{first.where}: {first.message}"
