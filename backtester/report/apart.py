"""What sets cells apart: portfolio, scenario, venue, and the words of a variant."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from backtester.report.naming import AnyCell, scenario_words, undated
from backtester.report.records import Cell
from backtester.report.text import verdict_words

#: A value of a variant that has a place among others: 5, 0.25, 10%, 30s.
_NUMBER = re.compile(r"[+-]?\d[\d_]*(\.\d+)?(e[+-]?\d+)?(%|[a-z]*)")


def things_of(cells: Sequence[AnyCell]) -> dict[str, list[str]]:
    """What sets cells apart: portfolio, scenario, venue, variant; those alike in all of them left out."""
    names = differing([dict(cell.variant.items) for cell in cells])
    found = {
        "portfolio": [cell.portfolio.name for cell in cells],
        "scenario": [scenario_words(cell.scenario) for cell in cells],
        "venue": _venues(cells),
        "variant": [_variant(cell, names) for cell in cells],
    }
    return {thing: words for thing, words in found.items() if len(set(words)) > 1} or {"scenario": found["scenario"]}


def _venues(cells: Sequence[AnyCell]) -> list[str]:
    """Venues by their ids; with the date of their rules where only that tells some cells of one place apart."""
    ids = [undated(cell.venue) for cell in cells]
    places = Counter(
        (cell.portfolio.name, cell.scenario, cell.variant, id) for cell, id in zip(cells, ids, strict=True)
    )
    return ids if max(places.values()) == 1 else [cell.venue for cell in cells]


def differing(variants: Sequence[Mapping[str, str | float]]) -> dict[str, str]:
    """The keys that set variants apart, each with its last word, or all of it where two end alike.

    Example: of accounts[main].plans[exit].algo that is algo.
    """
    keys = [key for key in dict.fromkeys(key for each in variants for key in each) if _differs(key, variants)]
    last = [key.rpartition(".")[2] for key in keys]
    return {key: word if last.count(word) == 1 else key for key, word in zip(keys, last, strict=True)}


def _differs(key: str, variants: Sequence[Mapping[str, str | float]]) -> bool:
    return len({variant.get(key) for variant in variants}) > 1


def _variant(cell: AnyCell, names: Mapping[str, str]) -> str:
    return ", ".join(f"{names[key]}={value}" for key, value in cell.variant.items if key in names) or "as it is"


def is_scale(cells: Sequence[AnyCell]) -> bool:
    """Whether variants differ by numbers of one key."""
    variants = [dict(cell.variant.items) for cell in cells]
    names = differing(variants)
    values = [str(variant.get(key, "")) for key in names for variant in variants]
    return len(names) == 1 and all(map(_NUMBER.fullmatch, values))


def reached(cells: Sequence[AnyCell]) -> str:
    """What the keys that set variants apart were set of. Example: `; size of main BTC, hedge ETH`."""
    names = differing([dict(cell.variant.items) for cell in cells])
    places = {key: where for cell in cells if isinstance(cell, Cell) for key, where in cell.reached.items}
    return "".join(f"; {name} of {places[key]}" for key, name in names.items() if places.get(key))


def turning(cells: Sequence[AnyCell]) -> str:
    """With which keys of several the verdict turns: where one is another, and all else is the same.

    Example: `; the verdict turns with depth, not with queue_model`.
    """
    names = differing([dict(cell.variant.items) for cell in cells])
    if len(names) < 2:
        return ""
    turns = {word: _turns(key, cells) for key, word in names.items()}
    with_it = " and ".join(word for word, verdict_turns in turns.items() if verdict_turns)
    without = " or ".join(word for word, verdict_turns in turns.items() if verdict_turns is False)
    if not with_it:
        return f"; the verdict does not turn with {without}" if without else ""
    return f"; the verdict turns with {with_it}" + (f", not with {without}" if without else "")


def _turns(key: str, cells: Sequence[AnyCell]) -> bool | None:
    """None where no two cells came to an end that differ in this key alone."""
    found: dict[object, list[str]] = {}
    for cell in cells:
        if isinstance(cell, Cell):
            rest = tuple(item for item in cell.variant.items if item[0] != key)
            place = (cell.portfolio.name, cell.scenario, None if key == "venue" else cell.venue, rest)
            found.setdefault(place, []).append(verdict_words(cell))
    compared = [verdicts for verdicts in found.values() if len(verdicts) > 1]
    return any(len(set(verdicts)) > 1 for verdicts in compared) if compared else None
