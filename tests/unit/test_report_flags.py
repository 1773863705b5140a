"""Flags: every one has a sentence, and none is written as a mere text."""

from __future__ import annotations

import ast

import pytest

from backtester.report.flags import Flag, flag_lines
from tests.arch.test_imports import PACKAGE, modules

#: Words that mean something else, too: a column, and what became of a stop.
OTHERS = {Flag.DEFICIT, Flag.IN_FLIGHT_AT_END}


@pytest.mark.parametrize("flag", Flag)
def test_a_flag_is_its_word_and_has_one_sentence_that_no_terminal_folds(flag: Flag) -> None:
    assert flag == flag.value == flag.name.lower()
    assert flag.sentence and not flag.sentence.endswith(".")
    [line] = flag_lines([flag])
    assert line == f"{flag.value}: {flag.sentence}" and len(f"· {line}") <= 80


def test_no_two_flags_say_the_same() -> None:
    assert len({flag.sentence for flag in Flag}) == len(Flag)


@pytest.mark.parametrize("layer", ["metrics", "report"])
def test_no_flag_is_written_as_a_text(layer: str) -> None:
    written = [
        f"{name}:{found.lineno} {found.value!r}"
        for name, path in modules().items()
        if path.is_relative_to(PACKAGE / layer) and path.name != "flags.py"
        for found in ast.walk(ast.parse(path.read_text()))
        if isinstance(found, ast.Constant) and found.value in {*Flag} - OTHERS
    ]
    assert not written, "\n".join(written)
