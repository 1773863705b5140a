"""What a directory of stored results is: that of a run, or a month of an archive; and what mends it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from backtester.errors import usage_error

DOCUMENT = "result.json"
MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")
#: Of an archive, beside its months: what leads to the newest.
LATEST = "latest"
#: Beside the result of a month, and of no other: what it was made from.
MADE_FROM, SUITE, PORTFOLIOS = "made_from.json", "suite.toml", "portfolios"


def month_of(path: Path) -> Path | None:
    """The archived month that a path is or lies in, through symlinks, too; None where it is in none."""
    there = Path(os.path.realpath(path))
    return next((each for each in (there, *there.parents) if os.path.isfile(each / MADE_FROM)), None)


def refuse_months(option: str, path: Path) -> None:
    """Raise a usage error where an option would write into an archived month."""
    if (month := month_of(path)) is not None:
        message = f"{path} is of {month.name}, an archived month, which is never changed"
        raise usage_error(option, message, "name a place outside of the archive")


def remedy(directory: Path) -> str:
    """What to do where a result is damaged, or not that of this program."""
    month = month_of(directory) or (directory if _was_month(directory) else None)
    if month is None:
        return "run it again with --out"
    if not MONTH.fullmatch(month.name):
        return "it is a copy of an archived month: copy it again"
    return f"restore it from a copy, or remove it and run `backtester suite run SUITE --month {month.name}`"


def direction(directory: Path) -> str:
    """What to do where no result is: one that is in it, such as the newest month of an archive, is named."""
    if month_of(directory) is not None or _was_month(directory):
        return remedy(directory)
    inside = max(_results(directory), default=None)
    return f"name one that is in it: {inside}" if inside else "name a directory that `backtester run --out` wrote"


def _was_month(path: Path) -> bool:
    """Whether a directory stands where a month of an archive does, whatever is left of it."""
    return MONTH.fullmatch(path.name) is not None and os.path.islink(path.parent / LATEST)


def _results(directory: Path) -> Iterator[Path]:
    with suppress(OSError):
        found = (directory / name for name in os.listdir(directory) if not name.startswith("."))
        yield from (each for each in found if os.path.isfile(each / DOCUMENT))
