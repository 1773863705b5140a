"""What must not matter does not: chunks, capacities, other worlds, their order, and what comes later."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from backtester.enums import Fault
from tests.oracle.examples import cut
from tests.oracle.universe import Universe, universe
from tests.property.engine_outcome import LARGE, SMALL, Outcome, calm, outcome, same

SEEDS = range(60)

#: Columns that name rows of another table, by which table; then those of orders that say a number + 1, 0 for none.
NUMBERS = {
    "accounts": ("account",),
    "pools": ("pool", "pool_first"),
    "positions": ("position", "position_first"),
    "orders": ("order", "order_first", "parent"),
    "plans": ("plan",),
    "guards": ("guard", "guard_first"),
}
LINKS = ("resting", "account_prev", "account_next", "child", "sibling", "ended_next", "oco_next")
#: Orders of all worlds share the lists of a level and of followers.
SHARED = frozenset({"prev", "next"})
RECORDS = ("fills", "ledger", "liquidations", "payments", "guard_events")
TABLES = ("accounts", "pools", "positions", "orders", "plans", *RECORDS)


def assert_same(a: Outcome, b: Outcome) -> None:
    assert (a.fault, a.start_ts) == (b.fault, b.start_ts)
    for name in (*TABLES, "account_path", "market_path"):
        assert same(getattr(a, name), getattr(b, name)), name
    assert np.array_equal(a.parties, b.parties)


@pytest.mark.parametrize("steps_per_chunk", [1, 3, 20])
def test_chunk_size_changes_nothing(steps_per_chunk: int) -> None:
    for seed in SEEDS:
        inputs = universe(Random(seed), steps=60, fault=seed % 10 == 0)
        assert_same(outcome(inputs, LARGE, steps_per_chunk), outcome(inputs))


def test_capacities_change_nothing() -> None:
    for seed in SEEDS:
        inputs = universe(Random(seed), steps=60, fault=seed % 10 == 0)
        assert_same(outcome(inputs, SMALL), outcome(inputs))


def worlds_of(result: Outcome, table: np.ndarray) -> np.ndarray:
    """The world of each row; a guard's is that of its account."""
    if "world" in (table.dtype.names or ()):
        worlds: np.ndarray = table["world"]
        return worlds
    owners: np.ndarray = result.accounts["world"][table["account"]]
    return owners


def of_world(result: Outcome, world: int) -> list[np.ndarray]:
    """All tables of one world, numbered as if it were alone. Orders that guards made stand behind all others."""
    mine = {name: np.flatnonzero(worlds_of(result, getattr(result, name)) == world) for name in NUMBERS}
    tables = []
    for name in TABLES:
        table = getattr(result, name)
        table = table[worlds_of(result, table) == world].copy()
        if "world" in table.dtype.names:
            table["world"] = 0
        for counted, columns in NUMBERS.items():
            for column in {*columns} & {*table.dtype.names}:
                place = np.searchsorted(mine[counted], table[column])
                table[column] = np.where(table[column] >= 0, place, table[column])
        for column in {*LINKS} & {*table.dtype.names}:
            place = np.searchsorted(mine["orders"], table[column] - 1) + 1
            table[column] = np.where(table[column] > 0, place, 0)
        tables.append(table)
    accounts, pools = tables[:2]
    paths = [result.account_path[table["path"][table["path"] >= 0]] for table in (accounts, pools)]
    accounts["path"] = pools["path"] = 0
    return [*tables, *paths]


def crowd(seed: int) -> Universe:
    """A universe of several worlds."""
    inputs = calm(universe(Random(seed), steps=60))
    return inputs._replace(worlds=(*inputs.worlds, *inputs.worlds[:1]))


def assert_world(a: Outcome, world: int, b: Outcome, other: int) -> None:
    assert a.fault == b.fault == Fault.NONE
    for mine, yours in zip(of_world(a, world), of_world(b, other), strict=True):
        assert same(mine, yours, SHARED)
    assert np.array_equal(a.parties[world], b.parties[other])


def test_a_world_does_not_feel_the_others() -> None:
    for seed in SEEDS:
        inputs = crowd(seed)
        together = outcome(inputs)
        for number, world in enumerate(inputs.worlds):
            assert_world(together, number, outcome(inputs._replace(worlds=(world,))), 0)


def test_the_order_of_worlds_changes_nothing() -> None:
    for seed in SEEDS:
        inputs = crowd(seed)
        together, turned = outcome(inputs), outcome(inputs._replace(worlds=inputs.worlds[::-1]))
        for number in range(len(inputs.worlds)):
            assert_world(together, number, turned, len(inputs.worlds) - 1 - number)


def test_watched_or_not_an_account_fares_the_same() -> None:
    """One that is not watched sleeps; all that is kept of it, and all it does, is as if it had been looked at."""
    for seed in SEEDS:
        inputs = universe(Random(seed), steps=60, fault=seed % 10 == 0)
        seen, unseen = (
            inputs._replace(worlds=tuple(w._replace(watched=on) for w in inputs.worlds)) for on in (True, False)
        )
        a, b = outcome(seen), outcome(unseen)
        assert a.fault == b.fault and len(b.account_path) == 0
        for name in TABLES:
            assert same(getattr(a, name), getattr(b, name), frozenset({"path"})), name


def test_equal_worlds_end_equal() -> None:
    for seed in SEEDS:
        result = outcome(crowd(seed))
        assert_world(result, 0, result, int(result.accounts["world"].max()))


def test_a_cut_tape_gives_a_prefix_of_the_rows() -> None:
    compared = 0
    for seed in SEEDS:
        inputs = calm(universe(Random(seed), steps=60))
        whole = outcome(inputs)
        parts = cut(inputs.events)
        for share in (0.3, 0.7):
            length = sum(len(step) for step in parts[: int(share * len(parts))])
            events = inputs.events[:length]
            early = outcome(inputs._replace(events=events))
            for name in RECORDS:
                before = [rows[rows["ts"] < events["ts"][-1]] for rows in (getattr(early, name), getattr(whole, name))]
                assert same(*before), name
                compared += len(before[0])
    assert compared > 500
