"""Reverse stress of small portfolios whose edges are known by hand."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from backtester.config.command import Command
from backtester.errors import BacktesterError
from backtester.run.plan import Rider
from backtester.run.result import RunFailure, RunResult
from backtester.run.ride import Progress, ride
from backtester.sweep.axes import AXES
from backtester.sweep.records import Fate, Found, Solution, Tried, Unsolved
from backtester.sweep.render import render_solution
from backtester.sweep.search import NEAR
from backtester.sweep.solve import solve
from tests.unit.run_cases import account, crash, order, portfolio, position, tape

START, LOW = 50_000, 42_000
#: Of BTC on Hyperliquid up to the first tier: half of 1 / 40.
MAINTENANCE = 0.0125
#: What one BTC takes from its equity until it is liquidated at the low.
NEED = START - LOW * (1.0 - MAINTENANCE)


def command(directory: Path, *tables: str, collateral: float = 10_000.0, low: int = LOW, **more: Any) -> Command:
    """A cross position in a fall from 50,000 to `low`, which lasts."""
    path = portfolio(directory, account(*tables, collateral=f"USDC = {collateral}"))
    mids = [START] * 8 + [low] * 12
    return Command((str(path),), tapes=(str(tape(directory, mids)),))._replace(**more)


def found(solution: Solution) -> Found:
    [row] = solution.rows
    assert isinstance(row, Found)
    return row


def neighbours(row: Found) -> tuple[Tried, Tried]:
    assert row.last is not None and row.next is not None
    return row.last, row.next


def test_the_size_at_which_the_liquidation_price_is_the_low(tmp_path: Path) -> None:
    row = found(solve(command(tmp_path, position(size=0.5)), "size"))
    last, after = neighbours(row)
    assert (last.fate, after.fate) == (Fate.LIVES, Fate.DIES)
    edge = 10_000.0 / (0.5 * NEED)
    assert float(last.factor) <= edge <= float(after.factor) <= NEAR * float(last.factor)
    assert row.is_monotone and len(row.tried) < 60
    assert last.figures and after.figures
    assert last.figures.first_liquidation is None and after.figures.first_liquidation is not None
    assert last.figures.buffer_min == pytest.approx(10_000.0 - float(last.factor) * 0.5 * NEED, abs=0.5)


def test_gross_leverage_is_told_at_the_first_mark(tmp_path: Path) -> None:
    made = command(tmp_path, position(size=0.5))
    text = render_solution(solve(made, "gross_leverage"), "csv", Console(file=io.StringIO()))
    [lives, dies] = [line.split(",") for line in text.splitlines()[1:]]
    edge = 10_000.0 / NEED * START / 10_000.0
    assert float(lives[8]) <= edge <= float(dies[8])
    assert (lives[6], dies[6]) == ("lives_to", "dies_at")


def test_the_collateral_that_is_enough(tmp_path: Path) -> None:
    row = found(solve(command(tmp_path, position(), collateral=5_000.0), "buffer"))
    last, after = neighbours(row)
    assert last.figures and after.figures
    assert after.figures.collateral < NEED <= last.figures.collateral <= NEAR * after.figures.collateral
    assert row.tried[0].factor > row.tried[-1].factor, "the mildest first"


@pytest.mark.parametrize("behind", [{"margin": 4_000.0, "leverage": None}, {"leverage": 12.5}])
def test_money_goes_to_isolated_positions_too(behind: dict[str, Any], tmp_path: Path) -> None:
    """4,000 back one BTC and 1,000 nothing: all of it grows until the 4,000 are enough."""
    made = command(tmp_path, position(margin_mode="isolated", **behind), collateral=5_000.0)
    row = found(solve(made, "buffer"))
    last, after = neighbours(row)
    assert last.figures and after.figures
    assert float(after.factor) < NEED / 4_000.0 <= float(last.factor) <= NEAR * float(after.factor)
    assert last.figures.collateral == pytest.approx(float(last.factor) * 5_000.0)
    assert row.is_monotone and after.figures.first_liquidation is not None


def test_a_leverage_falls_to_one_at_least_and_that_of_a_cross_position_stays(tmp_path: Path) -> None:
    """So the cross account can be given more than the 2 times that an isolated position of 2x can take."""
    tables = (
        account(position(size=0.5, margin=5_000.0, leverage=None), collateral="USDC = 2_700.0"),
        account(position(size=0.1, margin_mode="isolated", leverage=2), name="two", collateral="USDC = 2_600.0"),
    )
    made = command(tmp_path)
    portfolio(tmp_path, *tables)
    row = found(solve(made, "buffer"))
    last, after = neighbours(row)
    assert float(after.factor) < 0.5 * NEED / 2_700.0 <= float(last.factor) <= NEAR * float(after.factor)
    assert row.tried[0].factor == 32 and {each.fate for each in row.tried if each.factor >= 2} == {Fate.LIVES}
    assert AXES["buffer"].turn(Decimal("1.5"), row.pools, None).set == (
        "collateral.USDC=*1.5",
        "accounts[two].positions[BTC].leverage=*0.6666666667",
    )
    assert AXES["buffer"].turn(Decimal(32), row.pools, None).set[1].endswith("=*0.5")


def test_how_deep_a_crash_is_survived(tmp_path: Path) -> None:
    fall = crash(tmp_path, [(0, 1.0), (5, 1.0), (8, 0.9), (30, 0.9)])
    made = command(tmp_path, position(), low=START, scenarios=(str(fall),))
    last, after = neighbours(found(solve(made, "shock")))
    depth = (1.0 - (START - 10_000.0) / (1.0 - MAINTENANCE) / START) / 0.1
    assert float(last.factor) <= depth * 1.001 and depth * 0.999 <= float(after.factor) <= NEAR * float(last.factor)
    with pytest.raises(BacktesterError, match="--shock: is an array"):
        solve(made._replace(shock="depth=0.5;depth=0.2"), "shock")
    with pytest.raises(BacktesterError, match="--for shock"):
        solve(made._replace(scenarios=()), "shock")


def test_an_order_that_only_a_small_account_can_pay_for_makes_it_die_and_live_again(tmp_path: Path) -> None:
    """2 BTC more are bought as long as the initial margin of 2.4 is there: beyond ×0.83 the order is refused."""
    made = command(tmp_path, position(size=0.4), order(side="buy", size=2.0, at="2s"))
    solution = solve(made, "size")
    row = found(solution)
    assert not row.is_monotone
    first, second, third, _ = row.spans[:4]
    assert [span.fate for span in row.spans[:4]] == [Fate.LIVES, Fate.DIES, Fate.LIVES, Fate.DIES]
    ends = [float(each.last.factor) for each in (first, second, third)]
    assert ends == pytest.approx([10_000 / (2.4 * NEED), 10_000 / (2.4 * 5_000), 10_000 / (0.4 * NEED)], rel=0.02)
    assert neighbours(row) == (first.last, second.first)
    text = render_solution(solution, "table", Console(file=io.StringIO(), width=160))
    assert f"is not monotone: lives to ×{first.last.factor}, dies from ×{second.first.factor} to" in text
    assert text.count("  backtester run ") == 2 * (len(row.spans) - 1)


def test_what_the_venue_refuses_at_the_start_is_no_death(tmp_path: Path) -> None:
    solution = solve(command(tmp_path, position(leverage=20), low=START), "size")
    row = found(solution)
    last, after = neighbours(row)
    assert after.fate is Fate.REFUSED and "under water at the start" in after.error
    edge = 10_000.0 / (START * MAINTENANCE)
    assert float(last.factor) <= edge <= float(after.factor)
    text = render_solution(solution, "table", Console(file=io.StringIO(), width=160))
    [told] = [line for line in text.splitlines() if line.startswith("tape as it is") and "×" in line]
    assert f"–        refused from ×{after.factor} " in told and text.count(f"refused from ×{after.factor}: ") == 1
    assert "dies at ×" not in text and "refused at" not in text
    [document] = json.loads(render_solution(solution, "json", Console()))["rows"]
    assert document["dies_at"] is None and document["refused_from"]["factor"] == float(after.factor)
    *_, refused = csv.reader(io.StringIO(render_solution(solution, "csv", Console())))
    assert refused[6] == "refused_from"


def test_no_edge_is_said(tmp_path: Path) -> None:
    calm = solve(command(tmp_path, position(size=0.001), collateral=100_000.0, low=START), "size")
    row = found(calm)
    assert row.next is None and row.last is not None and row.last.factor == 1024
    assert "×1024 and beyond" in render_solution(calm, "markdown", Console())
    short = command(
        tmp_path, position(side="short", margin_mode="isolated", leverage=2), low=110_000, collateral=30_000.0
    )
    dead = solve(short, "buffer")
    row = found(dead)
    assert row.last is None and row.next is not None and row.next.fate is Fate.DIES and row.next.factor == 1024
    assert " already" in render_solution(dead, "table", Console(width=160))


def test_jobs_change_nothing_and_what_fails_ends_nothing_else(tmp_path: Path) -> None:
    falls = [crash(tmp_path, [(0, 1.0), (5, 1.0), (8, to), (30, to)], name=f"to-{to}") for to in (0.8, 0.7)]
    other = crash(tmp_path, [(0, 1.0), (30, 0.9)], bases=("ETH",), name="eth")
    made = command(tmp_path, position(size=0.5), low=START, scenarios=tuple(map(str, (*falls, other))))
    one, two = (solve(made, "size", jobs=jobs) for jobs in (1, 2))
    assert one == two
    assert [type(row) for row in one.rows] == [Found, Found, Unsolved]
    for format in ("table", "json", "csv", "markdown"):
        assert render_solution(one, format, Console()) == render_solution(two, format, Console())
    with pytest.raises(BacktesterError) as caught:
        solve(made._replace(scenarios=(str(other),)), "size")
    assert str(caught.value) == one.unsolved[0].error


def test_scenarios_and_venues_make_a_matrix(tmp_path: Path) -> None:
    falls = tuple(str(crash(tmp_path, [(0, 1.0), (5, 1.0), (8, to), (30, to)], name=f"to-{to}")) for to in (0.8, 0.7))
    one = solve(command(tmp_path, position(size=0.5), low=START, scenarios=falls), "size")
    both = one._replace(rows=(*one.rows, *(row._replace(venue="elsewhere@2026-01-01") for row in one.rows)))
    first = [str(neighbours(row)[0].factor) for row in one.rows if isinstance(row, Found)]
    text = render_solution(both, "markdown", Console())
    assert "| scenario | hyperliquid | elsewhere |" in text
    for fall, lives_to in zip(falls, first, strict=True):
        assert f"| {fall} | ×{lives_to} | ×{lives_to} |" in text
    assert "that is lived to" in render_solution(both, "table", Console(width=400))
    books = both._replace(rows=tuple(row._replace(portfolio=name) for name in ("a", "b") for row in both.rows))
    text = render_solution(books, "markdown", Console())
    assert "Portfolio and scenario by venue" in text and "| portfolio | scenario | hyperliquid | elsewhere |" in text
    assert f"| b | {falls[1]} | ×{first[1]} | ×{first[1]} |" in text
    assert "that is lived to" not in render_solution(one, "table", Console(width=400))


def test_portfolios_share_the_passes_and_are_as_if_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three of them in two crashes: as many passes as one of them needs."""
    falls = tuple(str(crash(tmp_path, [(0, 1.0), (5, 1.0), (8, to), (30, to)], name=f"to-{to}")) for to in (0.8, 0.7))
    made = command(tmp_path, position(size=0.5), low=START, scenarios=falls)
    books = tuple(tmp_path / f"book-{number}.toml" for number in range(3))
    for number, book in enumerate(books):
        book.write_text(Path(made.portfolios[0]).read_text().replace("10000", f"{number + 1}1000"))
    passes = list[int]()

    def counted(riders: Sequence[Rider], progress: Progress) -> Iterator[RunResult | RunFailure]:
        passes.append(len(riders))
        return ride(riders, progress)

    monkeypatch.setattr("backtester.run.session.ride", counted)
    alone, needed = [], []
    for book in books:
        alone.append(solve(made._replace(portfolios=(str(book),)), "size"))
        needed.append(len(passes))
        passes.clear()
    together = solve(made._replace(portfolios=tuple(map(str, books))), "size")
    assert len(passes) == max(needed)
    assert together.rows == tuple(row for each in alone for row in each.rows)
    text = render_solution(together, "markdown", Console())
    assert "Reverse stress of 3 portfolios" in text and f"book-1, {falls[0]} on hyperliquid@" in text
    assert f"| book-2 | {falls[1]} | hyperliquid | ×" in text
    listed = csv.DictReader(io.StringIO(render_solution(together, "csv", Console())))
    assert list(dict.fromkeys(row["portfolio"] for row in listed)) == ["book-0", "book-1", "book-2"]


def test_what_is_wrong_with_any_value_is_the_error(tmp_path: Path) -> None:
    with pytest.raises(BacktesterError, match="no multiple of the lot"):
        solve(command(tmp_path, position(size=0.500000001)), "buffer")
    with pytest.raises(BacktesterError, match=r"turns nothing of .*p\.toml"):
        solve(command(tmp_path, position(size=0.0)), "size")
