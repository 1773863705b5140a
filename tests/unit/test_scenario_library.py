"""Where scenarios are found: ids, files, and several joined by a plus."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from backtester.errors import BacktesterError
from backtester.scenario.library import called, find, find_runnable, ids, locate_parts, runnable_ids
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
    assert set(ids()) - set(runnable_ids()) == {"outage"}
