"""README's check in CI: its suite and its commands as they stand there print what stands below them.

`pytest tests/golden --update-golden` writes what is printed today into README.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from backtester.cli.app import main
from backtester.errors import ExitCode
from tests.golden.test_readme import README, ROOT

SECTION = "## In CI\n"
EXAMPLE = re.compile(
    r"```toml\n(?P<suite>.*?)```\n\n```sh\n(?P<commands>.*?)```\n\n(?P<shown>```text\n.*?```)\n", re.DOTALL
)


def example() -> re.Match[str]:
    found = EXAMPLE.search(README.read_text("utf-8").partition(SECTION)[2].partition("\n##")[0])
    assert found
    return found


def test_the_check_prints_what_readme_shows(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(tmp_path)
    shown = example()
    (tmp_path / "stress.toml").write_text(shown["suite"], "utf-8")
    (tmp_path / "books").mkdir()
    (tmp_path / "books/demo.toml").write_bytes((ROOT / "data/demo-portfolio.toml").read_bytes())
    codes, text = [], ""
    for command in shown["commands"].splitlines():
        if command.startswith("backtester "):
            codes.append(main(shlex.split(command.removeprefix("backtester "))))
            seen = capsys.readouterr()
            text = seen.out + seen.err
        else:
            subprocess.run(command, shell=True, check=True)
    assert codes == [ExitCode.OK, ExitCode.GATE]
    if request.config.getoption("--update-golden", default=False):
        whole = README.read_text("utf-8")
        start = whole.index(SECTION)
        rest = whole[start:].replace(shown["shown"], f"```text\n{text}```", 1)
        README.write_text(whole[:start] + rest, "utf-8")
    assert example()["shown"] == f"```text\n{text}```"
