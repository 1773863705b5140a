"""What a suite file says, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from backtester.config.command import Acceptances
from backtester.config.suite import load_suite
from backtester.errors import BacktesterError
from backtester.regress.tolerances import check_figures
from backtester.shipped import templates_dir
from tests.unit.run_cases import crash
from tests.unit.suite_cases import small_suite


def test_files_are_meant_from_where_it_lies(tmp_path: Path) -> None:
    more = 'venues = ["own.toml@2025-10-10", "hyperliquid"]\nassume = ["index_mid"]\n[limits]\nfail = ["loss > 1"]\n'
    found = load_suite(small_suite(tmp_path, more))
    assert found.archive == tmp_path / "kept"
    command = found.command
    assert command.portfolios == (f"{tmp_path}/books/a.toml", f"{tmp_path}/books/b.toml")
    assert command.tapes == (f"{tmp_path}/tape.parquet",)
    assert command.venues == (f"{tmp_path}/own.toml@2025-10-10", "hyperliquid")
    assert (command.scenarios, command.fail_on, command.accept) == ((), ("loss > 1",), Acceptances(index_mid=True))


@pytest.mark.parametrize("name", ["job@2", "c++"])
def test_it_may_lie_in_a_directory_of_any_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    path = small_suite(tmp_path / name, 'venues = ["own.toml@2025-10-10", "hyperliquid"]\n')
    crash(path.parent, [(0, 1.0), (9, 0.9)], name="a+b")
    path.write_text(
        path.read_text("utf-8").replace("scenarios = []", 'scenarios = ["2025-10-10+a+b.parquet"]'), "utf-8"
    )
    command = load_suite(path).command
    assert command.tapes == (f"{path.parent}/tape.parquet",)
    assert command.venues == (f"{path.parent}/own.toml@2025-10-10", "hyperliquid")
    assert command.scenarios == (f"2025-10-10+{path.parent}/a+b.parquet",)


def test_portfolios_named_twice_are_run_once(tmp_path: Path) -> None:
    path = small_suite(tmp_path)
    path.write_text('name = "s"\nportfolios = ["books/b.toml", "books/*.toml"]\n')
    found = load_suite(path).command
    assert [Path(name).name for name in found.portfolios] == ["b.toml", "a.toml"] and found.scenarios == ("all",)


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "suite.toml"
    path.write_text('name = ""\nportfolios = []\nscenario = ["all"]\nassume = ["index"]\n[limits]\nfail = ["loss >"]\n')
    with pytest.raises(BacktesterError) as caught:
        load_suite(path)
    lines = [str(each).splitlines()[0] for each in caught.value.diagnostics]
    assert [line.partition(" ")[2].partition(": ")[0] for line in lines] == [
        f"{path}:1 name",
        f"{path}:2 portfolios",
        f"{path}:3 scenario",
        f"{path}:4 assume.0",
        f"{path}:6 limits.fail.0",
    ]


def test_a_pattern_that_matches_nothing(tmp_path: Path) -> None:
    path = small_suite(tmp_path)
    path.write_text('name = "s"\nportfolios = ["books/a.toml", "book/*.toml"]\n')
    with pytest.raises(BacktesterError, match=r"suite.toml:2 portfolios.1: matches no file"):
        load_suite(path)


def test_the_tolerances_of_the_template_can_be_taken_as_they_stand(tmp_path: Path) -> None:
    text = (templates_dir() / "suite.toml").read_text("utf-8")
    _, head, commented = text.partition("# [tolerances]\n")
    taken = head.removeprefix("# ") + "".join(line.removeprefix("# ") for line in commented.splitlines(keepends=True))
    found = load_suite(small_suite(tmp_path, taken))
    assert found.suite.tolerances.direction == "worse"
    check_figures(found.document, found.suite.tolerances)


def test_no_portfolio_is_said_in_plain_words(tmp_path: Path) -> None:
    path = tmp_path / "suite.toml"
    path.write_text('name = "s"\nportfolios = []\n')
    with pytest.raises(BacktesterError, match=r"suite.toml:2 portfolios: expected at least one, was none$"):
        load_suite(path)


def test_portfolios_of_one_name_are_told_with_both_paths(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.toml").touch()
    path = tmp_path / "suite.toml"
    path.write_text('name = "s"\nportfolios = [\n  "a/x.toml",\n  "b/*.toml",\n]\n')
    with pytest.raises(BacktesterError) as error:
        load_suite(path)
    [told] = error.value.diagnostics
    assert told.where.startswith(f"{path}:") and told.where.endswith("portfolios.1")
    assert told.message == f"{tmp_path}/b/x.toml would be called x, as {tmp_path}/a/x.toml is"


def test_a_file_is_found_by_its_very_name(tmp_path: Path) -> None:
    for name in ("book[1].toml", "book1.toml"):
        (tmp_path / name).touch()
    path = tmp_path / "suite.toml"
    path.write_text('name = "s"\nportfolios = ["book[1].toml"]\n')
    assert load_suite(path).command.portfolios == (f"{tmp_path}/book[1].toml",)
    (tmp_path / "book[1].toml").unlink()
    assert load_suite(path).command.portfolios == (f"{tmp_path}/book1.toml",)
