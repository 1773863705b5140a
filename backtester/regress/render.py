"""A comparison in five formats: what the results were made from, then the changes, the worst first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from backtester import __version__
from backtester.regress.compare import Change, Comparison, Effect
from backtester.regress.inputs import InputChange
from backtester.regress.material import Material, is_material
from backtester.regress.shown import moved
from backtester.regress.walk import Sign
from backtester.report.json import plain
from backtester.report.markdown import sheet_lines
from backtester.report.measures import Quantity
from backtester.report.rendering import Rendering
from backtester.report.sheet import Column, Sheet
from backtester.report.text import NONE
from backtester.texts import counted, markdown_text

if TYPE_CHECKING:
    from rich.console import Console

SCHEMA_VERSION = 1


class Told(NamedTuple):
    """A comparison and which of its changes are lines; `more` are that, too, but told by a `command` alone."""

    comparison: Comparison
    material: Material
    lines: tuple[Change, ...]
    more: tuple[Change, ...] = ()
    command: str = ""

    @property
    def left(self) -> int:
        """How many changes are none."""
        return len(self.comparison.changes) - len(self.lines) - len(self.more)


def tell(comparison: Comparison, material: Material, most: int | None = None, command: str = "") -> Told:
    """What is told of it: all that is material, or the worst `most` of it; `command` tells the rest."""
    found = tuple(each for each in comparison.changes if is_material(each, material))
    return Told(comparison, material, found[:most], found[len(found[:most]) :], command)


def render_comparison(told: Told, format: str, console: Console) -> str:
    """The text of it as table, json, csv, markdown or html; `console` decides the width of a table."""
    rendering = Rendering(
        title="What changed",
        document=lambda: _document(told),
        rows=_rows(told),
        markdown=markdown_lines(told),
        sheets=sheets_of(told),
        below=ending(told),
    )
    return rendering.text(format, console)


def markdown_lines(told: Told) -> Iterator[str]:
    """Its lines in Markdown."""
    yield from (line for sheet in sheets_of(told) for line in (*sheet_lines(sheet), ""))
    yield from map(markdown_text, ending(told))


# --- for readers ---------------------------------------------------------------------------------------------------

_INPUTS = (
    Column(""),
    Column("input", is_text=True),
    Column("before", is_text=True),
    Column("after", is_text=True),
)
_CELL = Column("cell", is_text=True)
_CHANGES = (
    Column("figure", is_text=True),
    Column("before"),
    Column("after"),
    Column("change", rank=1),
    Column("", is_text=True),
)


def sheets_of(told: Told) -> Iterator[Sheet]:
    """Its tables: inputs that differ, then changes."""
    yield from inputs_sheets(told.comparison.inputs)
    yield from changes_sheets("What changed, the worst first", told.lines, told.comparison)


def inputs_sheets(inputs: Sequence[InputChange]) -> Iterator[Sheet]:
    """The inputs that differ; nothing where none does."""
    if inputs:
        yield Sheet("Made from other inputs", _INPUTS, tuple(map(_input, inputs)))


def changes_sheets(title: str, lines: Sequence[Change], comparison: Comparison) -> Iterator[Sheet]:
    """Changes of a comparison, each with its cell unless there is one alone; nothing without any."""
    if lines:
        several = comparison.cells != 1 or len({each.cell for each in lines}) > 1
        columns = (Column(""), *([_CELL] if several else []), *_CHANGES)
        rows = tuple((each.sign, *([each.cell] if several else []), *_change(each)) for each in lines)
        yield Sheet(f"{title}; {comparison.currency}", columns, rows)


def _sign(before: str | None, after: str | None) -> Sign:
    return "+" if before is None else "-" if after is None else "~"


def _input(each: InputChange) -> tuple[str, ...]:
    return (_sign(each.before, each.after), each.input, each.before or NONE, each.after or NONE)


def _change(each: Change) -> tuple[str, ...]:
    by = "" if each.by is None else moved(each.by, each.quantity)
    effect = "" if each.effect is Effect.NEUTRAL else each.effect.value
    return (each.place or "the cell", each.was, each.now, by, effect)


def ending(told: Told) -> Iterator[str]:
    """How many of what, and what is not told."""
    if told.more:
        yield f"and {len(told.more):,} more: {told.command}"
    if found := (*told.lines, *told.more):
        cells = len({each.cell for each in found})
        yield f"{counted(len(found), 'change')} in {counted(cells, 'cell')}: {effects(found)}"
    else:
        yield f"nothing changed in {counted(told.comparison.cells, 'cell')}"
    if told.left:
        yield f"+ {counted(told.left, 'change')} within {told.material.text}"


def effects(lines: Sequence[Change]) -> str:
    """Example: 3 worse, 1 better, 12 neither."""
    numbers = Counter(each.effect for each in lines)
    words = {Effect.WORSE: "worse", Effect.BETTER: "better", Effect.NEUTRAL: "neither"}
    return ", ".join(f"{numbers[effect]:,} {word}" for effect, word in words.items() if numbers[effect])


# --- for programs --------------------------------------------------------------------------------------------------

_WORDS: Mapping[Sign, str] = MappingProxyType({"~": "changed", "+": "new", "-": "gone"})


def _input_word(each: InputChange) -> str:
    return _WORDS[_sign(each.before, each.after)]


def _document(told: Told) -> dict[str, Any]:
    return {
        "kind": "diff",
        "schema_version": SCHEMA_VERSION,
        "engine_version": __version__,
        "cells": told.comparison.cells,
        "material": told.material.text,
        "immaterial": told.left,
        "inputs": [*map(input_document, told.comparison.inputs)],
        "changes": [*map(change_document, told.lines)],
    }


def input_document(each: InputChange) -> dict[str, Any]:
    """An input that differs, as what JSON knows."""
    return {"change": _input_word(each), **each._asdict()}


def change_document(each: Change) -> dict[str, Any]:
    """A change as what JSON knows."""
    return {
        "change": _WORDS[each.sign],
        "cell": each.cell,
        "place": each.place,
        "quantity": each.quantity.value,
        "before": plain(each.before),
        "after": plain(each.after),
        "effect": each.effect.value,
    }


COLUMNS = ("change", "cell", "place", "quantity", "before", "after", "effect")


def _rows(told: Told) -> Iterator[tuple[Any, ...]]:
    """COLUMNS, then inputs and changes; a row that is new or gone in a few words."""
    yield COLUMNS
    yield from map(input_row, told.comparison.inputs)
    yield from map(change_row, told.lines)


def input_row(each: InputChange) -> tuple[Any, ...]:
    """COLUMNS of an input that differs."""
    return (_input_word(each), "", f"inputs.{each.input}", "input", each.before, each.after, "")


def change_row(each: Change) -> tuple[Any, ...]:
    """COLUMNS of a change."""
    values: tuple[Any, Any] = (plain(each.before), plain(each.after))
    if each.quantity is Quantity.ROW:
        values = (each.was if each.before is not None else None, each.now if each.after is not None else None)
    return (_WORDS[each.sign], each.cell, each.place, each.quantity.value, *values, each.effect.value)
