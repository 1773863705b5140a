"""A command becomes requests: portfolios × scenarios × venues, each once; and it is kept by the names of its files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from backtester.config.command import Acceptances, Command, from_anywhere, told_from_anywhere, with_files
from backtester.errors import BacktesterError
from backtester.run.request import requests
from backtester.shipped import scenarios_dir, venues_dir
from tests.unit.run_cases import CRASH, crash


def asked(*scenarios: str, venues: tuple[str, ...] = ()) -> list[tuple[str | None, bool]]:
    found = requests(Command(("a.toml",), scenarios, venues))
    return [(each.scenario, each.of_a_group) for each in found]


def refused(command: Command) -> str:
    with pytest.raises(BacktesterError) as caught:
        requests(command)
    return str(caught.value)


def test_all_are_those_that_run_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backtester.scenario.library.ids", lambda: (CRASH, "outage"))
    assert asked("all") == [(CRASH, True)]
    assert asked(f"all,{CRASH}") == asked("all", CRASH) == asked(CRASH, "all") == [(CRASH, False)]
    assert asked(f"all+outage,{CRASH}") == [(f"{CRASH}+outage", True), (CRASH, False)]
    assert asked() == [(None, False)]


def test_portfolios_times_scenarios_times_venues() -> None:
    command = Command(("a.toml", "b.toml", "a.toml"), (CRASH,), ("hyperliquid,binance-usdm", "hyperliquid"))
    found = [(each.portfolio.name, each.scenario, each.venue) for each in requests(command)]
    venues = ("hyperliquid", "binance-usdm")
    assert found == [(name, CRASH, venue) for name in ("a.toml", "b.toml") for venue in venues]


def test_shocks_of_an_array_are_asked_for_one_by_one() -> None:
    found = requests(Command(("a.toml",), (CRASH,), shock="span=9%;depth=0.5"))
    assert [(each.scenario, each.shock and each.shock.text) for each in found] == [
        *((CRASH, f"price={move:+d}%") for move in range(-9, 10, 3)),
        (CRASH, "depth=0.5"),
    ]
    assert [each.shock for each in requests(Command(("a.toml",), (CRASH,)))] == [None]


def test_portfolios_need_names_of_their_own() -> None:
    assert refused(Command(("x/a.toml", "y/a.toml"))).startswith("error[usage] PORTFOLIO: several files are called a")


@pytest.mark.parametrize(
    "command, message",
    [
        (Command(("a.toml",), (",",)), "error[usage] --scenario: names none"),
        (Command(("a.toml",), (), ("binance-usdm,",)), "error[usage] --venue: names none"),
        (Command(("a.toml",), ("2025-10-11",)), "error[config] scenario 2025-10-11: is not known"),
        (Command(("a.toml",), (), ("hyperliquid,nope",)), "error[config] venue nope: unknown venue"),
        (Command(("a.toml",), (), ("binance-usdm@1999-01-01",)), "no rules are known for this date"),
        (Command(("a.toml",), ("all, ",)), "is not known"),
    ],
)
def test_what_is_not_there_is_told_before_anything_runs(command: Command, message: str) -> None:
    assert message in refused(command)


def test_files_are_kept_by_their_names() -> None:
    command = Command(
        portfolios=("books/mine.toml",),
        scenarios=("2025-10-10+deep/a.parquet,all", "deep/b.toml"),
        venues=("rules/own.toml@2025-10-10,binance", "@scenario"),
        tapes=("/recordings/btc.parquet", "hyperliquid-btc"),
        set=("venue.taker_fee=0.001",),
        accept=Acceptances(funding_zero=True),
    )
    assert from_anywhere(command) == command._replace(
        portfolios=("mine.toml",),
        scenarios=("2025-10-10+a.parquet,all", "b.toml"),
        venues=("own.toml@2025-10-10,binance", "@scenario"),
        tapes=("btc.parquet", "hyperliquid-btc"),
    )


@pytest.mark.parametrize("name", ["job@2", "c++", "a,b", "x.toml@2", "with space"])
def test_a_directory_may_be_called_anything(tmp_path: Path, name: str) -> None:
    place = tmp_path / name
    place.mkdir()
    mine = crash(place, [(0, 1.0), (9, 0.9)], name="a+b")
    command = Command(
        portfolios=(f"{place}/mine.toml",),
        scenarios=() if "," in name else (f"{mine},2025-10-10+{mine}+outage",),
        venues=() if "," in name else (f"{place}/own.toml@2025-10-10,{place}/own.toml,binance@scenario",),
        tapes=(f"{place}/tape.parquet", f"{place}/other"),
    )
    assert from_anywhere(command) == Command(
        portfolios=("mine.toml",),
        scenarios=() if "," in name else ("a+b.parquet,2025-10-10+a+b.parquet+outage",),
        venues=() if "," in name else ("own.toml@2025-10-10,own.toml,binance@scenario",),
        tapes=("tape.parquet", "other"),
    )


def test_what_is_said_of_files_names_them_alone() -> None:
    command = Command(("a/b.toml", "x/a/b.toml"), venues=("/own/v.toml@2025-10-10",), tapes=("/t.parquet",))
    text = "error[config] x/a/b.toml:7 a/b c: (a/b.toml) /own/tiers/v.csv:3, long / short\n  hint: '/t.parquet' or ya/b"
    assert told_from_anywhere(text, command) == (
        "error[config] b.toml:7 b c: (b.toml) tiers/v.csv:3, long / short\n  hint: 't.parquet' or ya/b"
    )
    assert told_from_anywhere(text, Command(("b.toml",))) == text


def test_a_command_is_the_same_from_anywhere() -> None:
    here, there = Command(("mine.toml",)), Command((str(Path("/elsewhere") / "mine.toml"),))
    assert from_anywhere(here) == from_anywhere(there) == here


# --- files with a comma in their paths -----------------------------------------------------------------------------


def test_a_comma_in_a_directory_divides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a scenario, a venue, or both beside others; run from there, from elsewhere, and kept by its name alone."""
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "mine, yours"
    place.mkdir()
    shutil.copy(scenarios_dir() / f"{CRASH}.parquet", place / "own.parquet")
    shutil.copy(venues_dir() / "hyperliquid.toml", place / "venue.toml")
    for here in ("", f"{tmp_path}/"):
        crash_file, venue_file = f"{here}mine, yours/own.parquet", f"{here}mine, yours/venue.toml"
        assert asked(f"{crash_file}+outage,{CRASH}", venues=(venue_file,)) == [
            (f"{crash_file}+outage", False), (CRASH, False),
        ]  # fmt: skip
        venues = f"{venue_file},{venue_file}@2026-08-22,hyperliquid"
        command = Command(("a.toml",), (f"{CRASH},{crash_file}",), (venues,))
        assert [each.venue for each in requests(command)[:3]] == [venue_file, f"{venue_file}@2026-08-22", "hyperliquid"]
        named = from_anywhere(command)
        assert named.scenarios == (f"{CRASH},own.parquet",)
        assert named.venues == ("venue.toml,venue.toml@2026-08-22,hyperliquid",)
    monkeypatch.chdir(place)
    found = with_files(Command((), ("mine, yours/own.parquet",)), lambda name: f"found/{name}", [tmp_path])
    assert found.scenarios == ("found/mine, yours/own.parquet",)
    assert "is not known" in refused(Command(("a.toml",), ("nowhere, yours/own",)))
