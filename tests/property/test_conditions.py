"""Conditions of any shape: a tree that is printed is read back as it was, and a text is read or its column is named."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from backtester.config.conditions import (
    DEEPEST,
    KEYWORDS,
    LONGEST,
    SIGNS,
    UNITS,
    And,
    Comparison,
    Condition,
    Field,
    Membership,
    Not,
    Number,
    Or,
    Share,
    Step,
    Word,
    Wrong,
    parse,
)

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,6}", fullmatch=True).filter(lambda name: name not in KEYWORDS)
SELECTORS = st.none() | st.text(st.characters(exclude_characters="[]", exclude_categories=["Cs"]), max_size=5)
STEPS = st.builds(Step, NAMES, SELECTORS)
FIELDS = st.builds(Field, st.lists(STEPS, min_size=1, max_size=3).map(tuple), st.just(0))
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
WORDS = st.text(st.characters(exclude_characters="'", exclude_categories=["Cs"]), max_size=6) | NAMES
WORD = st.builds(Word, WORDS, st.just(0))
#: A bare word beside a sign is a field until somebody tells; one that begins with a unit would be the unit of a number.
OPERANDS = (
    FIELDS
    | st.builds(Word, st.just("a b"), st.just(0))
    | st.builds(Number, NUMBERS, st.sampled_from(("", *UNITS)), st.just(0))
    | st.builds(Share, NUMBERS, FIELDS, st.just(0))
)
LEAVES = st.builds(Comparison, OPERANDS, st.sampled_from(SIGNS), OPERANDS, st.just(0)) | st.builds(
    Membership, FIELDS, st.lists(WORD, min_size=1, max_size=3).map(tuple)
)
PARTS = st.recursive(
    LEAVES,
    lambda inside: (
        st.builds(Not, inside)
        | st.builds(And, st.lists(inside, min_size=2, max_size=3).map(tuple))
        | st.builds(Or, st.lists(inside, min_size=2, max_size=3).map(tuple))
    ),
    max_leaves=6,
)


@given(PARTS)
def test_what_is_printed_is_read_back(tree: Condition) -> None:
    text = str(tree)
    if len(text) <= LONGEST:
        assert parse(text) == tree


PIECES = st.sampled_from([*KEYWORDS, *SIGNS, *UNITS, *"()[],.' ", "a", "loss_pct", "1", "-2e9"])


@given(st.text() | st.lists(PIECES).map(" ".join) | st.lists(PIECES).map("".join))
@example("(" * DEEPEST + "a<1" + ")" * DEEPEST)
@example("a<" + "9" * (LONGEST - 2))
def test_any_text_is_read_or_has_its_column(text: str) -> None:
    try:
        tree = parse(text)
    except Wrong as wrong:
        assert 1 <= wrong.column <= len(text) + 1
        assert str(wrong).startswith(f"column {wrong.column}: ")
    else:
        assert parse(str(tree)) == tree
