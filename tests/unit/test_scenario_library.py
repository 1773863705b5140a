"""Where scenarios are found: ids, files, and several joined by a plus."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from backtester.errors import BacktesterError
from backtester.scenario.library import called, entries, find, find_runnable, groups, ids, locate_parts, members
from backtester.shipped import scenarios_dir
from tests.unit.run_cases import crash


def problems(name: str) -> list[str]:
    with pytest.raises(BacktesterError) as caught:
        find_runnable(name)
    return [str(problem) for problem in caught.value.diagnostics]


def test_ids_and_files_are_joined_by_a_plus(tmp_path: Path) -> None:
    mine = crash(tmp_path, [(0, 1.0), (9, 0.9)], name="mine")
    assert locate_parts(f"{mine}+outage") == (mine, scenarios_dir() / "outage.parquet")
    assert locate_parts(str(mine.with_suffix(".toml"))) == (mine,)
    both = find(f"{mine}+outage")
    assert (both.id, both.symbols) == ("mine+outage", ("BTC",))


def test_a_file_may_have_a_plus_in_its_name(tmp_path: Path) -> None:
    file = tmp_path / "a+b.parquet"
    shutil.copy(crash(tmp_path, [(0, 1.0), (9, 0.9)]), file)
    assert locate_parts(str(file)) == (file,)


def test_a_directory_may_have_a_plus_in_its_name(tmp_path: Path) -> None:
    (tmp_path / "c++").mkdir()
    mine = crash(tmp_path / "c++", [(0, 1.0), (9, 0.9)], name="mine")
    assert locate_parts(f"2025-10-10+{mine}+outage")[1:] == (mine, scenarios_dir() / "outage.parquet")
    assert called(f"{mine}+outage") == "mine+outage"


def test_all_parts_that_are_missing_are_named() -> None:
    assert problems("2025-10-1+outage+nothing.parquet") == [
        "error[config] scenario 2025-10-1: is not known\n  hint: did you mean '2025-10-10'?",
        "error[config] nothing.parquet: no such scenario file",
    ]
    assert problems("outage+") == [
        "error[usage] scenario outage+: joins nothing\n  hint: write it like 2025-10-10+outage"
    ]


def test_an_overlay_alone_cannot_run() -> None:
    assert find("outage").is_overlay
    assert problems("outage") == [
        "error[config] scenario outage: has no prices of its own\n"
        "  hint: lay it over another: --scenario 2025-10-10+outage"
    ]
    assert set(ids()) - set(members("all") or ()) == {"outage"}


def test_groups_have_members_that_run_alone() -> None:
    assert {"2020-03-12", "2024-08-05", "2025-10-10"} <= set(members("crashes") or ()) <= set(members("all") or ())
    assert {"all", "crashes", "history"} <= set(groups())
    assert members("2025-10-10") is None and members("crash") is None


def test_years_are_those_in_which_history_began() -> None:
    assert {"2024-08-05", "2025-10-10"} <= set(members("2024..2025") or ())
    assert "2020-03-12" not in (members("2021..2025") or ())
    with pytest.raises(BacktesterError, match="no shipped scenario is of these years"):
        members("1999..2001")


def test_an_entry_says_what_its_path_does() -> None:
    for entry in entries():
        scenario = find(entry.id)
        assert (entry.start_ns, entry.tags, entry.is_overlay) == (scenario.start_ns, scenario.tags, scenario.is_overlay)
