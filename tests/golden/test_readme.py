"""README shows what the program prints: every `console` block is run and compared.

`pytest tests/golden --update-golden` writes what is printed today into README.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest

from backtester.cli.app import main
from backtester.errors import usage_error
from backtester.run import session
from backtester.run.plan import Rider
from backtester.run.result import RunFailure
from backtester.run.stage import set_stage

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
BLOCK = re.compile(r"```console\n\$ backtester (?P<command>[^\n]*)\n(?P<output>.*?)```\n", re.DOTALL)


def blocks() -> list[re.Match[str]]:
    return list(BLOCK.finditer(README.read_text("utf-8")))


def printed(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What a reader sees who types the command in the checkout: stdout, then stderr; `| head -6` cuts it, and
    `| grep -A 3 Guards` shows what begins with a line that has the word."""
    command, _, lines = command.partition(" | head -")
    command, _, found = command.partition(" | grep -A ")
    main(shlex.split(command, comments=True))
    seen = capsys.readouterr()
    text = seen.out + seen.err
    told = text.splitlines(keepends=True)
    if found:
        more, word = shlex.split(found)
        begin = next(number for number, line in enumerate(told) if word in line)
        told = told[begin : begin + int(more) + 1]
    return "".join(told[: int(lines)] if lines else told)


def runs() -> list[str]:
    """Commands that README invites to type with what is shipped, and whose output it does not show."""
    return re.findall(r"^backtester (run data/[^\n]*)", README.read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("command", runs())
def test_readme_runs_what_it_invites_to_run(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    staged: list[Rider] = []

    def stage(riders: Sequence[Rider], progress: object) -> list[RunFailure]:
        set_stage(riders)
        staged.extend(riders)
        return [rider.failed(usage_error("test", "goes no further")) for rider in riders]

    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(session, "ride", stage)
    main(shlex.split(command, comments=True))
    assert staged


def test_readme_has_commands_with_their_output() -> None:
    assert len(blocks()) >= 3


@pytest.mark.parametrize("number", range(len(blocks())), ids=[block["command"][:60] for block in blocks()])
def test_readme_shows_what_is_printed(
    number: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("NO_COLOR", "1")
    block = blocks()[number]
    found = printed(block["command"], capsys)
    if request.config.getoption("--update-golden", default=False):
        text = README.read_text("utf-8")
        README.write_text(text[: block.start("output")] + found + text[block.end("output") :], "utf-8")
    assert blocks()[number]["output"] == found
