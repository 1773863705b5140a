"""Which cells go through a tape together, and that company changes none of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from backtester.metrics.cell import measure
from backtester.run.plan import Rider, make_plan
from backtester.run.request import Request
from backtester.run.result import RunFailure, RunResult
from backtester.run.session import Done, anew, collect, run_cell, run_cells
from tests.unit.report_runs import build_report
from tests.unit.run_cases import account, crash, order, portfolio, position, tape


def request(directory: Path, name: str, *tables: str, written: str = "") -> Request:
    """A portfolio in a directory of its own, on a tape that all share: 20 s at 50,000 and then at 49,000."""
    shared, own = directory / "tape", directory / name
    if not shared.is_dir():
        shared.mkdir()
        tape(shared, [50_000] * 20 + [49_000] * 20)
    own.mkdir()
    path = portfolio(own, written, account(*(tables or (position(),))))
    return Request(path, tapes=tuple(map(str, shared.glob("*.parquet"))))


def test_portfolios_of_one_tape_ride_together(tmp_path: Path) -> None:
    """Two portfolios, two margin modes, two crashes: eight cells in two passes."""
    crashes = [str(crash(tmp_path, ((0, 1.0), (9, low)), name=name)) for name, low in (("mild", 0.99), ("hard", 0.9))]
    asked = [
        request(tmp_path, name)._replace(scenario=each, compare=("margin_mode=isolated,cross",))
        for each in crashes
        for name in (f"a-{Path(each).stem}", f"b-{Path(each).stem}")
    ]
    plan = make_plan(asked)
    assert len(plan.cells) == 8 and plan.passes == ((0, 1, 2, 3), (4, 5, 6, 7))


@pytest.mark.parametrize("key", ["scenario.spread_mult=1,2", "prices.BTC=40_000,50_000", "venue.mark_interval=1s,2s"])
def test_what_makes_another_tape_or_another_start_rides_apart(tmp_path: Path, key: str) -> None:
    asked = request(tmp_path, "a", written="[prices]\nBTC = 45_000\n")
    assert make_plan([asked._replace(compare=(key,))]).passes == ((0,), (1,))


@pytest.mark.parametrize(
    ("key", "kept"),
    [
        ("positions.size=4,4.0,5", ["4", "5"]),
        ("venue=hyperliquid,hyperliquid@2026-08-22,hyperliquid@2025-10-10", ["hyperliquid", "hyperliquid@2025-10-10"]),
        ("venue.taker_fee=0.001,1e-3", ["0.001"]),
        ("scenario.spread_mult=1,1.0,2", ["1", "2"]),
    ],
)
def test_cells_that_mean_the_same_are_one(tmp_path: Path, key: str, kept: list[str]) -> None:
    """Named by the first of them; another portfolio that holds the same is another cell."""
    fall = str(crash(tmp_path, ((0, 1.0), (9, 0.99))))
    asked = [request(tmp_path, name)._replace(compare=(key,), scenario=fall) for name in "ab"]
    found = [cell.variant.overrides[0] for cell in make_plan(asked).cells if isinstance(cell, Rider)]
    assert [text.partition("=")[2] for text in found] == kept * 2


def test_venues_that_mean_the_same_are_one_cell(tmp_path: Path) -> None:
    asked = request(tmp_path, "a")
    plan = make_plan([asked._replace(venue=each) for each in ("hyperliquid", "@2026-08-22", "hyperliquid@2026-08-22")])
    assert [cell.request.venue for cell in plan.cells if isinstance(cell, Rider)] == ["hyperliquid"]


@pytest.mark.compiled
def test_company_changes_nothing(tmp_path: Path) -> None:
    asked = [
        request(tmp_path, "a", position(), order("in", at="1s")),
        request(
            tmp_path, "b", position(size=0.2, leverage=20.0), order("stop", type="stop_market", trigger_price=49_500)
        ),
        request(tmp_path, "c", position(side="short", margin_mode="isolated", leverage=30.0)),
    ]
    assert make_plan(asked).passes == ((0, 1, 2),)
    for together, each in zip(run_cells(asked), asked, strict=True):
        assert isinstance(together, RunResult)
        assert build_report([together]) == build_report([run_cell(each)])


@pytest.mark.compiled
def test_a_request_that_fails_ends_no_other(tmp_path: Path) -> None:
    """One that no file holds, one whose mode its venue has not, one whose leverage nobody may have."""
    good = request(tmp_path, "good")
    absent = good._replace(portfolio=tmp_path / "none.toml")
    refused = request(tmp_path, "refused", position(leverage=99.0))
    hedged = request(tmp_path, "hedged", 'position_mode = "hedge"\n', position())
    found = run_cells([absent, hedged, refused, good])
    assert [type(each) for each in found] == [RunFailure, RunFailure, RunFailure, RunResult]
    told = [str(each.error) for each in found if isinstance(each, RunFailure)]
    assert "none.toml" in told[0] and "hedge" in told[1] and "99x" in told[2]
    assert all(str(len(text.splitlines())) in "12" for text in told)


@pytest.mark.parametrize(
    ("old", "new", "venue", "named"),
    [
        ("size = 1.0", "size = -1.0", None, "hyperliquid@2026-08-22"),
        ("size = 1.0", "size = -1.0", "binance-usdm", "binance-usdm@2026-09-29"),
        ("size = 1.0", "size = -1.0", "@2026-09-01", "hyperliquid@2026-08-22"),
        ('"hyperliquid"', '"hyperliquib"', None, ""),
        ('"hyperliquid"', "nonsense", "binance-usdm", "binance-usdm"),
    ],
)
def test_a_cell_that_cannot_be_run_is_called_as_it_would_be(
    tmp_path: Path, old: str, new: str, venue: str | None, named: str
) -> None:
    wrong = request(tmp_path, "wrong")._replace(venue=venue)
    text = wrong.portfolio.read_text() + '[limits]\nfail = ["loss_pct > 40"]\n'
    assert old in text
    wrong.portfolio.write_text(text.replace(old, new))
    [cell] = make_plan([wrong]).cells
    assert isinstance(cell, RunFailure) and cell.venue == named
    assert [each.text for each in cell.limits] == ([] if new == "nonsense" else ["loss_pct > 40"])


@pytest.mark.compiled
def test_passes_side_by_side_change_nothing(tmp_path: Path) -> None:
    falls = [str(crash(tmp_path, ((0, 1.0), (9, low)), name=f"to-{low}")) for low in (0.99, 0.97, 0.9)]
    first = request(tmp_path, "a", position(leverage=30.0), order("in", at="1s"))
    asked = [first._replace(scenario=each, chunk_rows=64) for each in falls]
    told: list[Done] = []
    one, three = (collect(asked, anew(measure), told.append, jobs) for jobs in (1, 3))
    assert one == three and len(one) == 3
    assert max(told) == Done(1.0, 3, 3)


@pytest.mark.compiled
@pytest.mark.parametrize("jobs", [1, 2])
def test_an_interruption_ends_every_pass(tmp_path: Path, jobs: int) -> None:
    falls = [str(crash(tmp_path, ((0, 1.0), (9, low)), name=f"to-{low}")) for low in (0.99, 0.97)]
    first = request(tmp_path, "a")
    taken: list[RunResult] = []

    def interrupt(done: Done) -> None:
        raise KeyboardInterrupt

    def take(result: RunResult) -> None:
        taken.append(result)

    with pytest.raises(KeyboardInterrupt):
        collect([first._replace(scenario=each, chunk_rows=64) for each in falls], anew(take), interrupt, jobs)
    assert taken == []
