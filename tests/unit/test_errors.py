"""Diagnostics: one line each, all of them at once, the exit code of the first."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from backtester.errors import (
    BacktesterError,
    Diagnostic,
    ExitCode,
    config_error,
    data_error,
    engine_fault,
    usage_error,
)


def test_a_diagnostic_is_one_line_and_its_hint() -> None:
    problem = Diagnostic("config", "portfolio.toml:7 accounts.0.margin_mode", 'was "croos"', 'did you mean "cross"?')
    assert str(problem) == (
        'error[config] portfolio.toml:7 accounts.0.margin_mode: was "croos"\n  hint: did you mean "cross"?'
    )


def test_without_a_hint_there_is_no_hint_line() -> None:
    assert str(Diagnostic("data", "tape.parquet row 3", "crossed")) == "error[data] tape.parquet row 3: crossed"


def test_an_error_says_every_problem_in_order() -> None:
    problems = [Diagnostic("data", f"row {row}", "off the tick") for row in (5, 2, 9)]
    error = BacktesterError(iter(problems))
    assert error.diagnostics == tuple(problems)
    assert str(error).splitlines() == [f"error[data] row {row}: off the tick" for row in (5, 2, 9)]


def test_an_error_of_thousands_tells_the_first_and_how_many_more() -> None:
    error = BacktesterError(Diagnostic("data", f"row {row}", "off the tick") for row in range(20_000))
    assert str(error).splitlines()[49:] == ["error[data] row 49: off the tick", "and 19,950 problems more"]
    assert len(error.diagnostics) == 20_000


def test_the_first_problem_decides_the_exit_code() -> None:
    data, config = Diagnostic("data", "a", "b"), Diagnostic("config", "c", "d")
    assert BacktesterError([data, config]).exit_code == ExitCode.DATA
    assert BacktesterError([config, data]).exit_code == ExitCode.CONFIG


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (usage_error, ExitCode.USAGE),
        (config_error, ExitCode.CONFIG),
        (data_error, ExitCode.DATA),
        (engine_fault, ExitCode.ENGINE),
    ],
)
def test_each_kind_of_error_has_its_exit_code(make: Callable[[str, str, str], BacktesterError], code: ExitCode) -> None:
    error = make("here", "this", "do that")
    assert error.exit_code == code
    assert (error.diagnostics[0].where, error.diagnostics[0].message, error.diagnostics[0].hint) == (
        "here",
        "this",
        "do that",
    )
