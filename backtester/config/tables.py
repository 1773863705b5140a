"""Raw TOML tables as the rules between keys read them: malformed parts are skipped, the records name those."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from backtester.bounds import LARGEST_AMOUNT
from backtester.config.lines import Place
from backtester.config.toml import Fault

Table = Mapping[str, Any]


def tables(table: Table, key: str) -> Iterator[tuple[int, Table]]:
    """The tables of an array, numbered; nothing where the document is malformed."""
    items = table.get(key)
    return ((n, item) for n, item in enumerate(items if isinstance(items, list) else ()) if isinstance(item, dict))


def text(table: Table, key: str) -> str:
    """A text, or "" where there is none."""
    value = table.get(key)
    return value if isinstance(value, str) else ""


def amount(value: Any) -> float:
    """A number above 0, or 0."""
    return float(value) if isinstance(value, int | float) and 0 < value < LARGEST_AMOUNT else 0.0


def duplicates(table: Table, place: Place, key: str, identity: str, message: str) -> Iterator[Fault]:
    """Tables of an array that say the same `identity` as one before."""
    seen = set()
    for number, item in tables(table, key):
        name = text(item, identity)
        if name and name in seen:
            yield Fault((*place, key, number, identity), message)
        seen.add(name)
