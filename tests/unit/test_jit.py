"""The kernel cache: found again by the next process, never served stale."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from backtester.engine import jit

ROOT = Path(__file__).resolve().parents[2]


PACKAGE = ROOT / "backtester"
#: Every module with a kernel or a helper: a change in any of them can change compiled code.
COMPILED = sorted(
    str(path.relative_to(PACKAGE))
    for path in PACKAGE.rglob("*.py")
    if re.search(r"from backtester\.engine\.jit import .*\b(helper|kernel)\b", path.read_text("utf-8"))
)


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package that the fingerprint is taken of."""
    package = tmp_path / "backtester"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__", "*.parquet"))
    monkeypatch.setattr(jit, "_PACKAGE", package)
    return package


@pytest.mark.usefixtures("sources")
def test_the_same_sources_have_the_same_fingerprint_elsewhere() -> None:
    assert jit.fingerprint() == jit.CACHE_DIR.name


@pytest.mark.parametrize("name", ["enums.py", "engine/events.py", "engine/jit.py", *COMPILED])
def test_an_edited_source_changes_the_fingerprint(sources: Path, name: str) -> None:
    before = jit.fingerprint()
    with (sources / name).open("a") as file:
        file.write("# edited\n")
    assert jit.fingerprint() != before


def test_a_new_or_renamed_source_changes_the_fingerprint(sources: Path) -> None:
    seen = {jit.fingerprint()}
    (sources / "engine" / "zz.py").write_text("A = 1\n")
    seen.add(jit.fingerprint())
    (sources / "engine" / "zz.py").rename(sources / "engine" / "zy.py")
    seen.add(jit.fingerprint())
    assert len(seen) == 3


@pytest.mark.parametrize("flag", ["NUMBA_BOUNDSCHECK", "NUMBA_OPT", "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"])
def test_a_setting_of_the_compiler_changes_the_fingerprint(monkeypatch: pytest.MonkeyPatch, flag: str) -> None:
    monkeypatch.delenv(flag, raising=False)
    before = jit.fingerprint()
    monkeypatch.setenv(flag, "1")
    assert jit.fingerprint() != before


def test_the_chosen_directory_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKTESTER_CACHE_DIR", str(tmp_path / "chosen"))
    assert jit.cache_root() == tmp_path / "chosen" / "kernels"
    assert jit.cache_root().is_dir()


def test_the_users_cache_directory_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BACKTESTER_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert jit.cache_root() == tmp_path / "backtester" / "kernels"


def test_a_directory_that_cannot_be_written_is_replaced_by_a_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    monkeypatch.setenv("BACKTESTER_CACHE_DIR", str(blocked))
    assert not jit.cache_root().is_relative_to(tmp_path / "file")


TINY = """
from backtester.engine import jit

@jit.helper
def twice(x):
    return 2 * x

@jit.kernel
def advance(x):
    return twice(x) + 1

before = jit.is_warm()
print(before, advance(20), jit.is_warm(), sum(advance.stats.cache_hits.values()))
"""


@pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="needs the compiler")
def test_the_second_process_finds_the_kernels_of_the_first(tmp_path: Path) -> None:
    (tmp_path / "tiny.py").write_text(TINY)
    env = os.environ | {"BACKTESTER_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": str(ROOT)}

    def run() -> str:
        done = subprocess.run(
            [sys.executable, "-c", "import tiny"], cwd=tmp_path, env=env, capture_output=True, text=True
        )
        assert not done.stderr
        return done.stdout.strip()

    assert run() == "False 41 True 0"
    assert run() == "True 41 True 1"
