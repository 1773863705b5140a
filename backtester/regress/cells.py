"""Which cell of one result is which of another."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import product
from typing import NamedTuple, TypeVar

from backtester.report.naming import AnyCell, undated

T = TypeVar("T")


class Pair(NamedTuple):
    """One cell before and after; None where one of the results does not have it."""

    before: AnyCell | None
    after: AnyCell | None

    @property
    def cell(self) -> AnyCell:
        """The later one that there is."""
        found = self.after or self.before
        assert found is not None, "a pair has a cell"
        return found


def pair_cells(before: Sequence[AnyCell], after: Sequence[AnyCell]) -> list[Pair]:
    """The cells of both, in the order of the first, then those that only the second has.

    Cells are one by portfolio, scenario, venue and variant; failing that without the date of the venue's rules, the
    name of the portfolio, or the variant, each only where nothing else could be meant; so, too, without the venue
    where one of them failed before it was known.
    """
    partner: dict[int, int] = {}
    taken: set[int] = set()
    for by_venue, *by in product((True, False), repeat=4):
        old, new = (_alone(cells, by_venue, *by) for cells in (before, after))
        for key, number in old.items():
            other = new.get(key)
            if other is None or number in partner or other in taken:
                continue
            if by_venue or not before[number].venue or not after[other].venue:
                partner[number] = other
                taken.add(other)
    pairs = [Pair(cell, after[partner[n]] if n in partner else None) for n, cell in enumerate(before)]
    return [*pairs, *(Pair(None, cell) for n, cell in enumerate(after) if n not in taken)]


def _alone(
    cells: Iterable[AnyCell], by_venue: bool, by_variant: bool, by_name: bool, by_date: bool
) -> dict[Hashable, int]:
    """Key -> number of a cell, without the keys that several have unless they have all of it."""

    def key(cell: AnyCell) -> Hashable:
        name, variant = cell.portfolio.name if by_name else "", cell.variant if by_variant else None
        venue = (cell.venue if by_date else undated(cell.venue)) if by_venue else ""
        return (name, cell.scenario, venue, variant)

    found = numbered(cells, key)
    is_whole = by_venue and by_variant and by_name and by_date
    several = {each for each, time in found if time > 1}
    return {(each, time): n for n, (each, time) in enumerate(found) if is_whole or each not in several}


def numbered(rows: Iterable[T], key: Callable[[T], Hashable]) -> dict[tuple[Hashable, int], T]:
    """Rows by their key and how often it was there so far: (key, 1), the next one of it (key, 2)."""
    times: dict[Hashable, int] = {}
    found = {}
    for row in rows:
        name = key(row)
        times[name] = times.get(name, 0) + 1
        found[name, times[name]] = row
    return found
