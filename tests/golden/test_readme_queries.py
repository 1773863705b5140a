"""README's queries of a stored result run on what its command stores, and print what stands below them.

`pytest tests/golden --update-golden` writes what is printed today into README.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from backtester.cli.app import main
from tests.golden.test_readme import README, ROOT

SECTION = "### A result is a directory\n"
QUERY = re.compile(r"```python\n(?P<code>.*?)```\n\n```text\n(?P<output>.*?)```\n", re.DOTALL)


def section() -> str:
    return README.read_text("utf-8").partition(SECTION)[2].partition("\n##")[0]


def queries() -> list[re.Match[str]]:
    return list(QUERY.finditer(section()))


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the commands of the section were typed, beside the data of the checkout."""
    here = tmp_path_factory.mktemp("readme")
    (here / "data").symlink_to(ROOT / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        for command in re.findall(r"^backtester ([^\n]*)", section(), re.MULTILINE):
            assert main(shlex.split(command, comments=True)) == 0
    return here


def test_there_are_two_of_each_library() -> None:
    assert [query["code"].split()[1] for query in queries()] == ["polars", "polars", "duckdb", "duckdb"]


def test_every_stored_file_is_in_the_table(directory: Path) -> None:
    rows = [line for line in section().splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`([\w.]+)`", row.split("|")[1])}
    assert named == {path.name for path in (directory / "stress").iterdir()}


@pytest.mark.parametrize("number", range(4))
def test_a_query_prints_what_readme_shows(
    number: int,
    directory: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.chdir(directory)
    query = queries()[number]
    capsys.readouterr()
    exec(compile(query["code"], "README.md", "exec"), {})
    found = capsys.readouterr().out
    if request.config.getoption("--update-golden", default=False):
        text = README.read_text("utf-8")
        README.write_text(text.replace(query[0], f"```python\n{query['code']}```\n\n```text\n{found}```\n"), "utf-8")
    assert queries()[number]["output"] == found
