"""Digests of stored files: what `sha256sum --check` would say."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from backtester.errors import BacktesterError
from backtester.results.sums import SUMS, changed, write_sums


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    for name in ("b.parquet", "a.json"):
        (tmp_path / name).write_text(f"what {name} holds\n")
    write_sums(tmp_path, ["b.parquet", "a.json"])
    return tmp_path


def test_files_as_they_were(stored: Path) -> None:
    assert [line.split()[1] for line in (stored / SUMS).read_text().splitlines()] == ["a.json", "b.parquet"]
    assert changed(stored) == []


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="no sha256sum here")
def test_sha256sum_reads_them(stored: Path) -> None:
    assert subprocess.run(["sha256sum", "--check", "--quiet", SUMS], cwd=stored).returncode == 0


def test_changed_and_missing_files_are_named(stored: Path) -> None:
    (stored / "a.json").write_text("something else")
    assert changed(stored) == ["a.json"]
    (stored / "b.parquet").unlink()
    assert changed(stored) == ["a.json", "b.parquet"]


def test_a_file_that_is_new_is_named_unless_a_killed_writer_left_it(stored: Path) -> None:
    for place in (".backtester-0123", "portfolios"):
        (stored / place).mkdir()
        (stored / place / "more.toml").write_text("")
    assert changed(stored) == ["portfolios/more.toml"]


@pytest.mark.parametrize("text", ["abc  a.json\n", "0" * 64 + "  ../a.json\n", "0" * 64, b"\xff\xfe"])
def test_digests_that_are_none(stored: Path, text: str | bytes) -> None:
    (stored / SUMS).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(BacktesterError, match=SUMS):
        changed(stored)


def test_digests_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(BacktesterError, match="is not there"):
        changed(tmp_path)
