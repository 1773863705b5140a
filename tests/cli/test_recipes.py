"""The recipes of scripts/recipes do what they say: their shell lines are run here, in a place that `init` made."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from backtester.cli.app import main

pytestmark = pytest.mark.compiled

RECIPES = Path(__file__).resolve().parents[2] / "scripts" / "recipes"
#: What no test can do: fetch packages.
INSTALLS = re.compile(r"pip install")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A repository with what `init` writes, cut to one scenario, pushed somewhere."""
    here, there = tmp_path / "here", tmp_path / "there.git"
    assert main(["init", str(here)]) == 0
    suite = here / "suite.toml"
    suite.write_text(
        suite.read_text().replace('scenarios = ["2020-03-12", "2024-08-05", "2025-10-10"]', "scenarios = []")
    )
    subprocess.run(["git", "init", "-q", "--bare", there], check=True)
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "begin"], ["push", "-q", there, "HEAD:main"]):
        subprocess.run(["git", "-C", here, "-c", "user.name=t", "-c", "user.email=t@localhost", *words], check=True)
    subprocess.run(["git", "-C", here, "remote", "add", "origin", there], check=True)
    subprocess.run(["git", "-C", here, "config", "push.default", "current"], check=True)
    return here


def sh(line: str, here: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """A line as the runner of a recipe would run it, with `backtester` on the path; MONTH is the month that it is."""
    command = here.parent / "bin" / "backtester"
    command.parent.mkdir(exist_ok=True)
    month = '[ "$1 $2" = "suite run" ] && [ -n "$MONTH" ] && set -- "$@" --month "$MONTH"'
    command.write_text(f'#!/bin/sh\n{month}\nexec {shlex.quote(sys.executable)} -m backtester "$@"\n')
    command.chmod(0o755)
    env = {
        **os.environ,
        "PATH": f"{command.parent}:{os.environ['PATH']}",
        "GITHUB_OUTPUT": str(here.parent / "outputs"),
        "GITHUB_STEP_SUMMARY": str(here.parent / "summary"),
        **more,
    }
    return subprocess.run(["bash", "-e", "-c", line], cwd=here, env=env, capture_output=True, text=True)


def works(line: str, here: Path, **more: str) -> str:
    done = sh(line, here, **more)
    assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
    return done.stdout


def clone(place: Path, name: str) -> Path:
    """What a runner starts from: the repository as it was pushed."""
    subprocess.run(["git", "clone", "-q", "-b", "main", place.parent / "there.git", place.parent / name], check=True)
    return place.parent / name


def pushed(place: Path) -> str:
    """The files of the commits that were pushed."""
    log = ["git", "--git-dir", str(place.parent / "there.git"), "log", "--all", "--name-only", "--format="]
    return subprocess.run(log, check=True, capture_output=True, text=True).stdout


def runs_of(text: str) -> dict[str, str]:
    """The shell text of every named step of a GitHub workflow, by job and step."""
    found: dict[str, str] = {}
    job, name, lines = "", "", list(text.splitlines())
    for number, line in enumerate(lines):
        if said := re.fullmatch(r"  (\w+):", line):
            job = said[1]
        if said := re.fullmatch(r"      - name: (\w+)", line):
            name = said[1]
        if said := re.fullmatch(r"        run: (.*)", line):
            block = [each[10:] for each in _indented(lines[number + 1 :])]
            folded = {"|": "\n".join(block), ">-": " ".join(block)}
            found[f"{job} {name}"] = folded.get(said[1], said[1])
    return found


def _indented(lines: list[str]) -> list[str]:
    end = next((number for number, line in enumerate(lines) if not line.startswith(" " * 10)), len(lines))
    return lines[:end]


def test_github_checks_a_pull_request(place: Path) -> None:
    steps = runs_of((RECIPES / "github-actions.yml").read_text())
    assert [name for name in steps if name.startswith("check")] == [f"check {step}" for step in
            ("install", "kernels", "check", "summary")]  # fmt: skip
    assert INSTALLS.search(steps["check install"])
    works(steps["check kernels"], place)
    assert re.fullmatch(r"set=\S+\n", (place.parent / "outputs").read_text())
    works("backtester check suite.toml --baseline baseline --update", place)
    works(steps["check check"], place)
    works(steps["check summary"], place)
    assert "stress.xml" in os.listdir(place) and (place.parent / "summary").read_text()
    book = place / "portfolio.toml"
    book.write_text(book.read_text().replace("size = 17.0", "size = 5.0"))
    red = sh(steps["check check"], place)
    assert red.returncode == 1 and "::error file=portfolio.toml,line=" in red.stdout


MONTHS = ("2026-10", "2026-11", "2026-11")  # the last one again: what is archived is told as it was


def test_github_keeps_the_months(place: Path) -> None:
    steps = runs_of((RECIPES / "github-actions.yml").read_text())
    for number, month in enumerate(MONTHS):
        here = clone(place, f"runner-{number}")
        for step in ("run", "summary", "archive"):
            works(steps[f"month {step}"], here, MONTH=month)
    kept_both(place, here)


def kept_both(place: Path, last: Path) -> None:
    """Two months are pushed, and the page of the second one knows the first."""
    names = pushed(place)
    assert all(f"archive/{month}/result.json" in names for month in MONTHS) and "archive/latest" in names
    assert "archive/.lock" not in names
    assert "## Since 2026-10" in (last / "stress.md").read_text()


def gitlab(job: str) -> list[str]:
    """The shell lines of a job, without what no test can do."""
    text = (RECIPES / "gitlab-ci.yml").read_text()
    [block] = re.findall(rf"^{job}:\n(.*?)(?:^\S|\Z)", text, re.MULTILINE | re.DOTALL)
    [script] = re.findall(r"^  script:\n((?:    .*\n)+)", block, re.MULTILINE)
    return [line.removeprefix("    - ") for line in script.splitlines()]


def test_gitlab_checks_a_merge_request(place: Path) -> None:
    works("backtester check suite.toml --baseline baseline --update", place)
    [line] = gitlab("check")
    works(line, place)
    text = (RECIPES / "gitlab-ci.yml").read_text()
    assert all((place / name).exists() and name in text for name in ("stress.xml", "stress.md"))
    assert len(INSTALLS.findall(text)) == 1


def test_gitlab_keeps_the_months(place: Path) -> None:
    """Also where a limit is breached: the job has failed then, after it has pushed the month."""
    suite = place / "suite.toml"
    suite.write_text(suite.read_text().replace("loss_pct > 90", "loss_pct > -1000"))
    commit = ["-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-q", "-a", "-m", "a limit"]
    for words in (commit, ["push", "-q", "origin", "HEAD:main"]):
        subprocess.run(["git", "-C", place, *words], check=True)
    for number, month in enumerate(MONTHS):
        here = clone(place, f"runner-{number}")
        done = sh("\n".join(gitlab("month")), here, MONTH=month, **_job(here))
        assert done.returncode == 1 and "limit breached: loss_pct > -1000" in done.stderr, done.stderr
    kept_both(place, here)


def _job(here: Path) -> dict[str, str]:
    """What GitLab tells a job of a schedule: a commit is checked out, no branch, and its address leads here."""
    subprocess.run(["git", "-C", here, "checkout", "-q", "--detach"], check=True)
    subprocess.run(["git", "-C", here, "remote", "remove", "origin"], check=True)
    return {
        "CI_SERVER_HOST": "gitlab.test",
        "CI_PROJECT_PATH": "risk/stress",
        "CI_COMMIT_BRANCH": "main",
        "ARCHIVE_TOKEN": "token",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{here.parent}/there.git.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://stress:token@gitlab.test/risk/stress.git",
    }


def test_cron(place: Path) -> None:
    [line] = [line for line in (RECIPES / "crontab").read_text().splitlines() if line[:1].isdigit()]
    assert line.split()[:5] == ["30", "5", "1", "*", "*"]
    works(_here(line.split(maxsplit=5)[5], place), place)
    assert (place / "latest.md").read_text().startswith("# stress, ")


def test_the_unit_starts_what_can_run(place: Path) -> None:
    [start] = re.findall(r"^ExecStart=(.*)$", (RECIPES / "stress.service").read_text(), re.MULTILINE)
    works(_here(start, place), place)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
def test_units_are_sound(tmp_path: Path) -> None:
    for name in ("stress.service", "stress.timer"):
        text = (RECIPES / name).read_text().replace("/srv/stress/.venv/bin/backtester", shutil.which("true") or "true")
        (tmp_path / name).write_text(text.replace("User=stress\n", ""))
    done = subprocess.run(["systemd-analyze", "verify", *sorted(tmp_path.iterdir())], capture_output=True, text=True)
    said = [line for line in done.stderr.splitlines() if "stress." in line]
    assert said == [], done.stderr
    [calendar] = re.findall(r"^OnCalendar=(.*)$", (RECIPES / "stress.timer").read_text(), re.MULTILINE)
    subprocess.run(["systemd-analyze", "calendar", calendar], check=True, capture_output=True)


def test_the_image(place: Path) -> None:
    text = (RECIPES / "Containerfile").read_text()
    lines = [line for line in re.findall(r"^RUN (.*)$", text, re.MULTILINE) if not INSTALLS.search(line)]
    assert lines == ["mkdir -m 1777 /kernels", "backtester doctor --warm"]
    works(lines[1], place)
    [command] = re.findall(r"IMAGE (suite .*)$", text, re.MULTILINE)
    works(f"backtester {command}", place)


def _here(line: str, place: Path) -> str:
    return line.replace("/srv/stress/.venv/bin/backtester", "backtester").replace("/srv/stress", str(place))
