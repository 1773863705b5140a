"""README's stories, whose commands build on each other: they run, and the last prints what stands below them.

`pytest tests/golden --update-golden` writes what is printed today into README.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from backtester.cli.app import main
from tests.golden.test_readme import README, ROOT, printed

STORIES = ("### Your own crash\n", "### Comparing two results\n", "## Every month\n")
HERE = re.compile(r"^cat > (\S+) <<'END'\n(.*?)^END$", re.MULTILINE | re.DOTALL)
EXAMPLE = re.compile(r"```sh\n(?P<commands>.*?)```\n\n```text\n(?P<output>.*?)```\n", re.DOTALL)


def example(story: str) -> re.Match[str]:
    found = EXAMPLE.search(README.read_text("utf-8").partition(story)[2])
    assert found
    return found


@pytest.mark.parametrize("story", STORIES)
def test_a_story_prints_what_readme_shows(
    story: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    (tmp_path / "data").symlink_to(ROOT / "data")
    monkeypatch.chdir(tmp_path)
    shown = example(story)
    for name, text in HERE.findall(shown["commands"]):
        (tmp_path / name).write_text(text, "utf-8")
    *runs, last = re.findall(r"^backtester ([^\n]*)", shown["commands"], re.MULTILINE)
    for command in runs:
        assert main(shlex.split(command, comments=True)) == 0
    capsys.readouterr()
    found = printed(last, capsys)
    if request.config.getoption("--update-golden", default=False):
        text = README.read_text("utf-8")
        whole = f"```sh\n{shown['commands']}```\n\n```text\n{found}```\n"
        README.write_text(text.replace(shown[0], whole), "utf-8")
    assert example(story)["output"] == found
