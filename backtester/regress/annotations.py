"""A check as commands of GitHub Actions: what fails or warns, at the line of the portfolio that it is about."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from backtester.config.limits import stated_limits
from backtester.config.lines import Place
from backtester.config.tables import Table, tables, text
from backtester.config.toml import Document
from backtester.regress.check import Checked
from backtester.regress.check_report import change_line, failure
from backtester.regress.rulebook import Rulebook
from backtester.regress.tolerances import FAIL, WARN
from backtester.report.naming import cell_name
from backtester.report.text import limit_line
from backtester.texts import printable

_COMMANDS = {FAIL: "error", WARN: "warning"}
_STEP = re.compile(r"(\w+)(?:\[(.*?)\](?=\.|$))?")
#: What the rows of the portfolio are called that a row of the result is about; else it is a position.
_ROWS = {"orders": (("orders", "id"), ("plans", "id")), "plans": (("plans", "id"),)}
_POSITIONS = (("positions", "symbol"),)


def annotation_lines(checked: Checked, rulebook: Rulebook, baseline: str, repository: Path) -> Iterator[str]:
    """A command for every line of a file that has something to say, the worst first; one for a check without changes.

    Files are named from the root of the repository, as GitHub knows them.

    Example: `::error file=books/main.toml,line=12,title=main, 2025-10-10::accounts[main].buffer_min: 10 → 5 (worse)`.
    """
    found: dict[tuple[str, str, int, str], list[str]] = {}
    for level in (FAIL, WARN):
        for cell, change, _ in (each for each in checked.changes if each.level == level):
            where = _where(rulebook, cell.portfolio.name, change.place)
            found.setdefault((level, *where, cell_name(cell)), []).append(change_line(change))
        for cell, limit in checked.limits(level):
            where = _where_stated(rulebook, cell.portfolio.name, limit.text)
            found.setdefault((level, *where, cell_name(cell)), []).append(limit_line(limit))
    for (level, file, line, title), lines in found.items():
        yield _command(_COMMANDS[level], _from(repository, file), line, title, "\n".join(map(printable, lines)))
    reason = failure(checked, baseline)
    if reason is not None and not any(level == FAIL for level, *_ in found):
        yield _command("error", "", 0, reason.where, f"{reason.message}; {reason.hint}")


def _command(command: str, file: str, line: int, title: str, message: str) -> str:
    place = f"file={_property(file)},line={line}," if file else ""
    return f"::{command} {place}title={_property(title)}::{_data(message)}"


def _data(value: str) -> str:
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")


# --- where it stands -----------------------------------------------------------------------------------------------

_NOWHERE = ("", 0)


def _where(rulebook: Rulebook, portfolio: str, place: str) -> tuple[str, int]:
    """File and line of what a figure is about; nowhere if the file of the portfolio is not known."""
    ruled = rulebook.portfolios.get(portfolio)
    return _NOWHERE if ruled is None else _at(ruled.document, place_of(place, ruled.document.data))


def _where_stated(rulebook: Rulebook, portfolio: str, limit: str) -> tuple[str, int]:
    """File and line of a limit: of the portfolio's, else of the suite's."""
    for ruled in (rulebook.portfolios.get(portfolio), rulebook.suite):
        if ruled is not None:
            for place, stated in stated_limits(ruled.document):
                if stated.text == limit:
                    return _at(ruled.document, place)
    return _where(rulebook, portfolio, "")


def _at(document: Document, place: Place) -> tuple[str, int]:
    return document.name, document.line(place)


def _from(directory: Path, file: str) -> str:
    """A file as it is named from a directory; one that is not in it by its whole path."""
    if not file:
        return ""
    path, base = (Path(os.path.abspath(each)) for each in (file, directory))  # without the `..` of a suite's neighbours
    return str(path.relative_to(base) if path.is_relative_to(base) else path)


def place_of(place: str, portfolio: Table) -> Place:
    """The account, position, order or plan that a figure is about; () of one that is about all.

    Example: `trades[main BTC].net` is about ("accounts", 0, "positions", 0).
    """
    steps = _STEP.findall(place)
    (array, label), (inner, inner_label) = (*steps, ("", ""), ("", ""))[:2]
    named = [(text(account, "name"), number, account) for number, account in tables(portfolio, "accounts")]
    meant = [each for each in named if each[0] and f"{label} ".startswith(f"{each[0]} ")]
    if not meant:
        return ()
    name, number, account = max(meant, key=lambda each: len(each[0]))
    rows = (inner, inner_label) if array == "accounts" else (array, label.removeprefix(name).strip())
    return ("accounts", number, *_row(account, *rows))


def _row(account: Table, array: str, label: str) -> Place:
    """The row of an account that is called so; () if it is about the account."""
    for rows, key in _ROWS.get(array, _POSITIONS):
        for number, row in tables(account, rows):
            called = text(row, key)
            if called and re.fullmatch(rf"{re.escape(called)}(?:[ /.].*)?", label, re.DOTALL):
                return (rows, number)
    return ()
