"""Answers as a document, as rows for a spreadsheet, and as a sheet of text."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from datetime import date
from enum import IntEnum
from typing import Any, NamedTuple, get_args, get_type_hints

from backtester import __version__
from backtester.calc.answer import NONE, Answer, direction
from backtester.enums import Side
from backtester.errors import engine_fault
from backtester.texts import csv_cell, json_text, markdown_text


class Source(NamedTuple):
    """The portfolio that was asked about."""

    name: str
    sha256: str


class Calculation(NamedTuple):
    """One call: the answers to one formula, for one position (no `portfolio`) or for those of a portfolio."""

    calc: str
    formula: str
    answers: tuple[Answer[Any, Any], ...]
    portfolio: Source | None = None


class Sheet(NamedTuple):
    """A titled table of text and what stands below it, each note a word and what it is about."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[tuple[str, str], ...]


def to_json(asked: Calculation) -> str:
    """One document. The keys of one position stand at its top, those of a portfolio's in `positions`."""
    head = {"kind": "calc", "schema_version": 1, "engine_version": __version__}
    document = {**head, "calc": asked.calc, "formula": asked.formula}
    warnings = [warning for answer in asked.answers for warning in answer.warnings]
    if asked.portfolio is None:
        [answer] = asked.answers
        document |= {**_item(answer), "warnings": warnings}
    else:
        positions = [_named(answer) for answer in asked.answers]
        document |= {"portfolio": _plain(asked.portfolio), "positions": positions, "warnings": warnings}
    return json_text(document)


def to_csv(asked: Calculation) -> str:
    """A row for each position; the columns are the keys of the document, `tier.number` for those inside another."""
    buffer = io.StringIO()
    rows = [dict(_leaves(answer)) for answer in asked.answers]
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns := tuple(dict.fromkeys(column for row in rows for column in row)))
    writer.writerows([csv_cell(row.get(column)) for column in columns] for row in rows)
    return buffer.getvalue()


def to_markdown(asked: Calculation) -> str:
    """The sheet for a ticket."""
    sheet = to_sheet(asked)
    lines = [sheet.columns, ("---",) * len(sheet.columns), *sheet.rows]
    table = [f"| {' | '.join(markdown_text(cell.strip()) for cell in line)} |" for line in lines]
    return "\n".join(
        [
            f"# {markdown_text(sheet.title)}",
            "",
            *table,
            "",
            *(f"- {markdown_text(f'{word}: {text}')}" for word, text in sheet.notes),
        ]
    )


def to_sheet(asked: Calculation) -> Sheet:
    """Of one position its figures line by line; of several a row for each."""
    if asked.portfolio is None:
        [answer] = asked.answers
        title = f"{answer.title} · {answer.grounds.venue}"
        return Sheet(title, ("figure", "value", "from"), answer.lines, tuple(_notes(asked)))
    names = tuple(dict.fromkeys(line.name for answer in asked.answers for line in answer.lines))
    rows = []
    for answer in asked.answers:
        values = {line.name: line.value for line in answer.lines}
        rows.append((answer.inputs.account, answer.position, *(values.get(name, NONE) for name in names)))
    columns = ("account", "position", *(name.strip() for name in names))
    return Sheet(f"{asked.calc} of {asked.portfolio.name}", columns, tuple(rows), tuple(_notes(asked)))


def _notes(asked: Calculation) -> Iterator[tuple[str, str]]:
    yield "formula", asked.formula
    stated = dict.fromkeys(answer.grounds for answer in asked.answers)
    for each in stated:
        yield "source", f"{each.venue}: {each.source}{' (assumed)' if each.assumed else ''}"
    for warning in dict.fromkeys(warning for answer in asked.answers for warning in answer.warnings):
        yield "warning", warning


def _item(answer: Answer[Any, Any]) -> dict[str, Any]:
    return {"inputs": _plain(answer.inputs), **_plain(answer.grounds), **_plain(answer.figures)}


def _named(answer: Answer[Any, Any]) -> dict[str, Any]:
    return {"account": answer.inputs.account, "symbol": answer.inputs.symbol, **_item(answer)}


def _plain(value: Any, where: str = "calc") -> Any:
    """What JSON knows: records are objects, a side is a direction, other codes are their names."""
    if fields := getattr(value, "_fields", None):
        return {name: _plain(getattr(value, name), f"{where}.{name}") for name in fields}
    if isinstance(value, Side):
        return direction(value)
    if isinstance(value, IntEnum):
        return value.name.lower()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        raise engine_fault(where, f"{value} is not a finite number")
    return value


def _leaves(answer: Answer[Any, Any]) -> Iterator[tuple[str, Any]]:
    for record in (answer.inputs, answer.grounds, answer.figures):
        yield from _leaves_of(type(record), record)


def _leaves_of(record_type: type, record: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(column, value) of all fields, of records inside too, also where such a record is null."""
    for name, hint in get_type_hints(record_type).items():
        value = getattr(record, name, None)
        inner = next((kind for kind in (type(value), hint, *get_args(hint)) if hasattr(kind, "_fields")), None)
        if inner is not None:
            yield from _leaves_of(inner, value, f"{path}{name}.")
        else:
            yield f"{path}{name}", _plain(value)
