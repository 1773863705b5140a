"""Committed text speaks of the project alone: no machine's paths, no address of a package server."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
THIS = Path(__file__).resolve()
BINARY = {".parquet", ".png", ".gz", ".zst"}
UNSEEN = {".git", ".venv", "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis", "build", "dist"}

FORBIDDEN = {
    "a machine's path": re.compile(r"(?<![\w.~-])/(?:root|home/\w+|Users/\w+|tmp/\w+|opt/\w+)/"),
    "this checkout": re.compile(rf"{re.escape(str(ROOT))}(?!\w)"),
    "a package server": re.compile(r"--(?:extra-)?index-url|--find-links|https?://[^\s/]+/simple\b"),
}


def committed_files() -> list[Path]:
    """Tracked files and new ones that are not ignored; every file where there is no git."""
    asked = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if asked.returncode == 0:
        found = [ROOT / name for name in asked.stdout.split("\0") if name]
    else:
        found = [path for path in ROOT.rglob("*") if not UNSEEN & set(path.relative_to(ROOT).parts)]
    return sorted(path for path in found if path.is_file() and path.suffix not in BINARY and path != THIS)


def faults(text: str) -> list[str]:
    """Every forbidden thing in a text, as `line: what: match`."""
    return [
        f"{text.count(chr(10), 0, match.start()) + 1}: {what}: {match.group()}"
        for what, pattern in FORBIDDEN.items()
        for match in pattern.finditer(text)
    ]


@pytest.mark.parametrize(
    "text",
    [
        f"see {ROOT}/x",
        'open("/home/joe/tape")',
        "PYTHON=/opt/python/bin/python",
        "from https://x.y/simple",
        "--find-links",
    ],
)
def test_the_reader_finds_what_it_looks_for(text: str) -> None:
    assert faults(text)


@pytest.mark.parametrize("text", ["venue/work/x", "../shared/data", "/path/to/python3", "/dev/null", "make install"])
def test_the_reader_lets_plain_text_pass(text: str) -> None:
    assert not faults(text)


def test_no_text_names_a_machine_or_a_package_server() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{fault}" for path in committed_files() for fault in faults(path.read_text("utf-8"))
    ]
    assert not wrong, "\n".join(wrong)


def test_constraints_are_pinned_and_hashed() -> None:
    lines = (ROOT / "constraints.txt").read_text().replace("\\\n", " ").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert len(pins) > 20
    assert [pin for pin in pins if "==" not in pin or "--hash=sha256:" not in pin] == []
