"""Comparisons: nothing with itself, mirrored the other way round, and whatever changes is found, alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtester.config.values import Instant
from backtester.regress.cells import Pair
from backtester.regress.compare import Change, Compared, Comparison, Effect, compare
from backtester.report.records import Cell, ReportModel
from tests.golden.handmade import CRASH, MODEL
from tests.unit.regress_cases import Leaf, another, leaves

#: What cells are matched by, the time that all others are counted from, and what is no result: they have own tests.
MATCHED_BY = {("scenario",), ("venue",), ("variant",), ("start_ts",), ("portfolio", "name"), ("portfolio", "title")}
#: Rows of which the figures of others say the sum: their number is told, not which they are.
MATCHED_BY |= {("actions", "account"), ("actions", "guard")}
#: What rows are matched by: another one is another row.
ROWS_MATCHED_BY = {
    ("flags",),
    ("accounts", "name"),
    ("accounts", "positions", "position"),
    ("accounts", "pools", "pool"),
    ("accounts", "pools", "drags", "position"),
    ("accounts", "remedies", "id"),
    ("orders", "account"),
    ("orders", "id"),
    ("liquidations", "account"),
    ("liquidations", "position"),
    ("funding", "account"),
    ("funding", "position"),
    ("plans", "account"),
    ("plans", "id"),
    ("trades", "account"),
    ("trades", "position"),
    ("guards", "account"),
    ("guards", "id"),
    ("drills", "id"),
    ("notices", "account"),
    ("notices", "flag"),
    ("notices", "ids"),
    ("limits", "text"),
}
RECORDS = {"exit", "headroom", "law", "shortfall", "unguarded"}  # that may not be there
ARRAYS = ("flags", "accounts", "orders", "liquidations", "funding", "plans", "trades", "notices", "limits")


def names(leaf: Leaf) -> tuple[str, ...]:
    return tuple(step for step in leaf.path if isinstance(step, str))


LEAVES = [leaf for leaf in leaves(CRASH) if names(leaf) not in MATCHED_BY]


def with_crash(cell: Cell) -> ReportModel:
    return MODEL._replace(cells=(cell, *MODEL.cells[1:]))


def test_nothing_differs_from_itself() -> None:
    pairs = tuple(Compared(Pair(cell, cell), ()) for cell in MODEL.cells)
    assert compare(MODEL, MODEL) == Comparison((), pairs, "USDC")


def test_there_are_enough_leaves() -> None:
    assert len(LEAVES) > 250


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: ".".join(map(str, leaf.path)))
def test_one_value_that_changes_is_found_alone(leaf: Leaf) -> None:
    value = another(leaf.value)
    found = compare(MODEL, with_crash(leaf.replaced(value))).changes
    first, last = names(leaf)[0], names(leaf)[-1]
    if names(leaf) in ROWS_MATCHED_BY:
        assert sorted(each.sign for each in found) == ["+", "-"]
        assert all(each.place.startswith(f"{first}[") for each in found)
        return
    [change] = found
    assert change.cell == "book, 2025-10-10 on hyperliquid@2026-08-22"
    assert change.sign == ("+" if last in RECORDS else "~")
    assert (change.before, change.after) == (leaf.value, value)
    assert change.place == first or (
        change.place.startswith(first) and change.place.endswith((f".{last}", f"[{last}]"))
    )
    assert change.was != change.now


def swapped(change: Change) -> tuple[object, ...]:
    sign = {"+": "-", "-": "+", "~": "~"}[change.sign]
    effect = {Effect.WORSE: Effect.BETTER, Effect.BETTER: Effect.WORSE, Effect.NEUTRAL: Effect.NEUTRAL}[change.effect]
    return (sign, change.place, change.after, change.before, effect)


def as_it_is(change: Change) -> tuple[object, ...]:
    return (change.sign, change.place, change.before, change.after, change.effect)


@st.composite
def changed_cells(draw: st.DrawFn) -> Cell:
    """The crash with some values of another size or gone, and some rows gone."""
    cell: Cell = CRASH
    paths = [leaf.path for leaf in LEAVES if leaf.path[-1] not in RECORDS]
    for path in draw(st.lists(st.sampled_from(paths), max_size=8, unique=True)):
        [leaf] = [each for each in leaves(cell) if each.path == path]
        cell = leaf.replaced(another(leaf.value, draw(st.sampled_from((-1.5, 1.5)))))
    for array in draw(st.sets(st.sampled_from(ARRAYS))):
        cell = cell._replace(**{array: getattr(cell, array)[1:]})
    return cell


@given(changed_cells(), changed_cells(), st.booleans())
def test_the_other_way_round_is_the_mirror(first: Cell, second: Cell, is_alone: bool) -> None:
    before, after = with_crash(first), with_crash(second)
    if is_alone:
        after = after._replace(cells=after.cells[:1])
    forth, back = compare(before, after), compare(after, before)
    assert sorted(map(repr, map(swapped, forth.changes))) == sorted(map(repr, map(as_it_is, back.changes)))
    assert [(each.input, each.after, each.before) for each in forth.inputs] == [*back.inputs]
    assert forth.cells == back.cells


def test_times_are_counted_from_the_start() -> None:
    """A run of another day is the same but for its date."""
    day = 86_400 * 10**9
    cell: Cell = CRASH
    for path in [leaf.path for leaf in leaves(CRASH) if isinstance(leaf.value, Instant)]:
        [leaf] = [each for each in leaves(cell) if each.path == path]
        cell = leaf.replaced(Instant(leaf.value.ts_ns + day))
    [change] = compare(MODEL, with_crash(cell)).changes
    assert (change.place, change.by) == ("start_ts", day)
