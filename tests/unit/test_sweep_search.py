"""The search for edges, on fates that are known: every change is narrowed down, nothing is taken for monotone."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtester.sweep.axes import AXES
from backtester.sweep.records import Fate, Tried
from backtester.sweep.search import NEAR, Ladder, edge, next_factors, ordered, spans

LIVES, DIES, REFUSED = Fate.LIVES, Fate.DIES, Fate.REFUSED
SIZE, BUFFER = AXES["size"].ladder, AXES["buffer"].ladder


def search(ladder: Ladder, fate: Callable[[float], Fate]) -> tuple[Tried, ...]:
    tried: tuple[Tried, ...] = ()
    while asked := next_factors(ladder, tried):
        assert not {each.factor for each in tried} & {*asked}
        tried = ordered(ladder, [*tried, *(Tried(factor, fate(float(factor)), None) for factor in asked)])
    return tried


def below(limit: float) -> Callable[[float], Fate]:
    return lambda factor: LIVES if factor <= limit else DIES


def neighbours(ladder: Ladder, fate: Callable[[float], Fate]) -> tuple[Tried | None, Tried | None]:
    return edge(spans(search(ladder, fate)))


@given(st.floats(0.002, 900.0))
def test_an_edge_stands_between_two_neighbours(limit: float) -> None:
    last, after = neighbours(SIZE, below(limit))
    assert last is not None and after is not None
    assert (last.fate, after.fate) == (LIVES, DIES)
    assert float(last.factor) <= limit < float(after.factor) <= NEAR * float(last.factor)


@given(st.floats(0.002, 900.0))
def test_where_less_is_harsher_the_edge_is_looked_at_from_above(limit: float) -> None:
    last, after = neighbours(BUFFER, lambda factor: LIVES if factor >= limit else DIES)
    assert last is not None and after is not None
    assert float(after.factor) < limit <= float(last.factor) <= NEAR * float(after.factor)


@given(st.lists(st.floats(0.04, 30.0), min_size=2, max_size=4, unique=True).map(sorted))
def test_every_change_that_the_ladder_shows_is_narrowed_down(limits: list[float]) -> None:
    def fate(factor: float) -> Fate:
        return (LIVES, DIES)[sum(factor > limit for limit in limits) % 2]

    found = spans(search(SIZE, fate))
    for one, other in pairwise(found):
        assert one.fate is not other.fate
        low, high = float(one.last.factor), float(other.first.factor)
        assert high <= NEAR * low
        assert any(low <= limit <= high for limit in limits)


def test_the_first_edge_is_the_answer_and_the_others_are_told() -> None:
    found = spans(search(SIZE, lambda factor: DIES if 1.0 < factor <= 2.5 or factor > 10.0 else LIVES))
    assert [span.fate for span in found] == [LIVES, DIES, LIVES, DIES]
    last, after = edge(found)
    assert last is found[0].last and after is found[1].first
    assert last.factor == 1 and float(after.factor) <= NEAR


def test_ends_that_decide_nothing_are_followed_once() -> None:
    always = search(SIZE, lambda factor: LIVES)
    assert always[-1].factor == 1024 and edge(spans(always)) == (always[-1], None)
    never = search(SIZE, lambda factor: DIES)
    assert float(never[0].factor) == pytest.approx(1 / 1024, rel=1e-3) and edge(spans(never)) == (None, never[0])


def test_a_refusal_is_no_death() -> None:
    last, after = neighbours(SIZE, lambda factor: LIVES if factor <= 3.0 else REFUSED)
    assert last and after and after.fate is REFUSED and float(last.factor) <= 3.0 < float(after.factor)
    last, after = neighbours(SIZE, lambda factor: REFUSED if factor < 0.5 else DIES)
    assert last is None and after is not None and after.factor == Decimal("0.5")


def test_the_first_round_is_one_pass_of_about_two_dozen() -> None:
    first = next_factors(SIZE, ())
    assert len(first) == 21 and first[0] == Decimal("0.03125") and first[-1] == 32 and Decimal(1) in first


@pytest.mark.parametrize(
    ("lives_to", "dies_at", "between"),
    [
        ("1", "1.004", []),
        ("1", "1.0075", ["1.004"]),
        ("1", "1.0077", ["1.003", "1.005"]),
        ("1.414", "1.456", ["1.419", "1.424", "1.43", "1.435", "1.44", "1.445", "1.451"]),
    ],
)
def test_values_between_neighbours_are_the_same_digits_everywhere(
    lives_to: str, dies_at: str, between: list[str]
) -> None:
    """1.0038² is 1.00761: what is no farther apart needs one value between, what is farther apart two."""
    tried = (Tried(Decimal(lives_to), LIVES, None), Tried(Decimal(dies_at), DIES, None))
    assert [str(factor) for factor in next_factors(SIZE._replace(reach=0), tried)] == between
