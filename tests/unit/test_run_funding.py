"""Which funding a run charges: recorded rows at their times, what a venue computes, and what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from backtester.config.command import Acceptances
from backtester.market.check import check
from backtester.market.read import open_tape
from backtester.run.request import Request
from backtester.run.session import run_cell
from tests.unit.market_tapes import Row
from tests.unit.run_cases import (
    FUNDING_HOUR,
    HOUR,
    START,
    S,
    account,
    funding,
    payments,
    portfolio,
    position,
    problems,
    tape,
    venue,
)

pytestmark = pytest.mark.compiled


def over_the_hour(directory: Path, **rules: object) -> Request:
    """A long of 1 BTC on a tape that crosses a funding hour, under a venue with other rules."""
    path = portfolio(directory, account(position(), venue=venue(directory, **rules)))
    return Request(path, tapes=(str(tape(directory, start=FUNDING_HOUR - 5 * S)),))


def test_missing_funding_is_an_error_that_names_the_flag(tmp_path: Path) -> None:
    request = over_the_hour(tmp_path, funding_premium=False)
    assert [str(each) for each in problems(request)] == [
        "error[data] BTC: no funding rate for 2025-10-10T22:00:00.000000000Z\n"
        "  hint: add `funding` rows, or accept none with --assume-funding-zero"
    ]
    result = run_cell(request._replace(accept=Acceptances(funding_zero=True)))
    assert sum(funding(result)) == 0.0
    assert "funding is taken as zero where the tape has no rate (--assume-funding-zero)" in result.assumptions


def test_a_funding_row_is_charged_even_if_none_was_accepted(tmp_path: Path) -> None:
    request = over_the_hour(tmp_path, funding_premium=False)
    rows = [Row(FUNDING_HOUR, "BTC", "funding", 0, 0.001, 3600.0)]
    request = request._replace(tapes=(str(tape(tmp_path, start=FUNDING_HOUR - 5 * S, more=rows)),))
    assert funding(run_cell(request)) == [-50.0]  # 1 BTC at 50,000 pays 0.1 %
    assert funding(run_cell(request._replace(accept=Acceptances(funding_zero=True)))) == [-50.0]


def test_premium_funding_needs_no_rows(tmp_path: Path) -> None:
    # No premium: an eighth of the interest of 0.01 % in 8 h.
    assert funding(run_cell(over_the_hour(tmp_path))) == [pytest.approx(-50_000 * 0.0001 / 8, rel=1e-12)]


def test_a_funding_row_off_the_hour(tmp_path: Path) -> None:
    rows = [Row(START + 61 * S, "BTC", "funding", 0, 0.001, 3600.0)]
    file = tape(tmp_path, (50_000,) * 70, more=rows)
    (found,) = problems(Request(portfolio(tmp_path, account(position())), tapes=(str(file),)))
    assert str(found) == (
        f"error[data] {file}:row {61 * 202}: a funding row of BTC at 2025-10-10T21:01:01.000000000Z lies 61 s from the "
        "nearest funding time, a multiple of 3,600 s\n"
        "  hint: its size is the interval in s; at most 60 s are taken for a late stamp"
    )
    assert check(open_tape([file])).faults == (found,)


@pytest.mark.parametrize("late_ns", [-3_000_000, 3_000_000, 2 * S])
def test_a_funding_row_is_charged_at_its_funding_time(tmp_path: Path, late_ns: int) -> None:
    request = over_the_hour(tmp_path)
    rows = [Row(FUNDING_HOUR + late_ns, "BTC", "funding", 0, 0.001, 3600.0)]
    file = tape(tmp_path, start=FUNDING_HOUR - 5 * S, more=rows)
    result = run_cell(request._replace(tapes=(str(file),)))
    assert payments(result) == [(FUNDING_HOUR, -50.0)]
    assert check(open_tape([file])).is_valid


def hourly(directory: Path, *rows: tuple[int, float, int], hours: int = 13) -> Path:
    """A tape of BTC, an order book every half hour from 21:00 on, with funding rows (hours after it, rate, hours)."""
    more = [Row(START + at * HOUR, "BTC", "funding", 0, rate, 3600.0 * every) for at, rate, every in rows]
    return tape(directory, (50_000,) * (2 * hours), step_s=1800.0, more=more)


@pytest.mark.parametrize(
    ("rows", "paid"),
    [
        ([(3, 0.001, 4), (7, 0.002, 4), (11, 0.001, 8)], [(3, -50.0), (7, -100.0), (11, -50.0)]),
        pytest.param([(7, 0.001, 8)], [(7, -50.0)], id="every 8 hours at 04:00, 12:00 and 20:00"),
        pytest.param([(7, 0.001, 8), (9, 0.001, 2)], [(7, -50.0), (9, -50.0), (11, 0.0)], id="8 hours, then 2"),
    ],
)
def test_a_market_pays_when_its_rows_say(
    tmp_path: Path, rows: list[tuple[int, float, int]], paid: list[tuple[int, float]]
) -> None:
    """Not every hour, as its venue would."""
    path = portfolio(tmp_path, account(position()))
    accept = Acceptances(funding_zero=True)
    result = run_cell(Request(path, tapes=(str(hourly(tmp_path, *rows)),), accept=accept))
    assert [((ts - START) // HOUR, amount) for ts, amount in payments(result)] == paid


def test_a_row_that_lacks_between_two_is_never_computed(tmp_path: Path) -> None:
    request = Request(
        portfolio(tmp_path, account(position())), tapes=(str(hourly(tmp_path, (3, 0.001, 4), (11, 0.001, 4))),)
    )
    (found,) = problems(request)
    assert str(found) == (
        "error[data] BTC: no funding row for 2025-10-11T04:00:00.000000000Z, between two that are there\n"
        "  hint: add it, or accept none with --assume-funding-zero"
    )
    assert found in check(open_tape(request.tapes)).warnings
    assert funding(run_cell(request._replace(accept=Acceptances(funding_zero=True)))) == [-50.0, 0.0, -50.0]


def test_a_crossed_ladder_names_symbol_and_time(tmp_path: Path) -> None:
    rows = [Row(START + S // 2, "BTC", "delta", 1, 50_002.0, 1.0)]
    path = portfolio(tmp_path, account(position()))
    (found,) = problems(Request(path, tapes=(str(tape(tmp_path, more=rows)),)))
    assert (found.code, found.where) == ("data", "BTC at 2025-10-10T21:00:00.500000000Z")
    assert found.message == "the ladder is crossed after a message"
