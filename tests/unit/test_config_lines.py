"""The line index of TOML texts: every place that tomllib reads has a line, and it is the right one."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtester.config.lines import Place, index_lines

TEXT = '''# a comment with = and [brackets]
title = "x # not a comment"
"quoted key" = 1
a.b.c = 'literal "x"'
many = [
  1, # one
  { x = 1, y = [2, 3] },
]
text = """
two = "lines"
[not.a.table]
"""
[table]
key = 2025-10-10 21:15:00Z
[table.below]
key = { inner = { deep = true } }
[[items]]
name = "first"
  [[items.parts]]
  id = "p0"
  [[items.parts]]
  id = "p1"
  [items.extra]
  key = 1
[[items]]
name = "second"
  [[items.parts]]
  id = "q0"
'''


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ((), 1),
        (("title",), 2),
        (("quoted key",), 3),
        (("a", "b", "c"), 4),
        (("many",), 5),
        (("many", 0), 6),
        (("many", 1), 7),
        (("many", 1, "y", 1), 7),
        (("text",), 9),
        (("table",), 13),
        (("table", "key"), 14),
        (("table", "below", "key", "inner", "deep"), 16),
        (("items", 0), 17),
        (("items", 0, "parts", 1), 21),
        (("items", 0, "parts", 1, "id"), 22),
        (("items", 0, "extra", "key"), 24),
        (("items", 1, "name"), 26),
        (("items", 1, "parts", 0, "id"), 28),
    ],
)
def test_places_have_their_line(place: Place, line: int) -> None:
    assert index_lines(TEXT)[place] == line


def test_text_inside_a_string_is_no_key() -> None:
    assert not [place for place in index_lines(TEXT) if "two" in place or "not" in place]


def test_every_value_that_tomllib_reads_has_a_line() -> None:
    assert set(places_of(tomllib.loads(TEXT))) == set(index_lines(TEXT))


@given(
    st.lists(
        st.sampled_from(
            [
                '"a\\"]"',
                "'''x\n]'''",
                '"""\n"" }"""',
                "[1, [2], {k = 3}]",
                "{ a.b = 1, c = [] }",
                "1e3",
                "true",
                "[ # ]\n]",
            ]
        )
    )
)
def test_keys_stand_where_they_were_written(values: list[str]) -> None:
    lines, text = {}, ""
    for number, value in enumerate(values):
        lines[f"key{number}"] = text.count("\n") + 1
        text += f"key{number} = {value} # end\n"
    found = index_lines(text)
    assert {str(place[0]): line for place, line in found.items() if len(place) == 1} == lines
    assert set(places_of(tomllib.loads(text))) == set(found)


def places_of(value: Any, place: Place = ()) -> list[Place]:
    """Every place of a document, the document itself first."""
    if isinstance(value, dict):
        return [place, *(below for key, item in value.items() for below in places_of(item, (*place, key)))]
    if isinstance(value, list):
        return [place, *(below for n, item in enumerate(value) for below in places_of(item, (*place, n)))]
    return [place]
