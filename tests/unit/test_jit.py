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


@pytest.mark.parametrize("name", ["enums.py", "engine/events.py", "engine/jit.py", "formulas/funding.py", *COMPILED])
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


def run_tiny(directory: Path) -> tuple[str, str]:
    """What a process that imports TINY says on stdout and stderr."""
    (directory / "tiny.py").write_text(TINY)
    env = os.environ | {"BACKTESTER_CACHE_DIR": str(directory / "cache"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", "import tiny"], cwd=directory, env=env, capture_output=True, text=True)
    return done.stdout.strip(), done.stderr


compiles = pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="needs the compiler")


@compiles
def test_the_second_process_finds_the_kernels_of_the_first(tmp_path: Path) -> None:
    assert run_tiny(tmp_path) == ("False 41 True 0", "")
    assert run_tiny(tmp_path) == ("True 41 True 1", "")


@compiles
def test_a_damaged_kernel_is_compiled_again_and_that_is_said_once(tmp_path: Path) -> None:
    run_tiny(tmp_path)
    index, code = (next((tmp_path / "cache").rglob(f"*{ending}")) for ending in (".nbi", ".nbc"))
    whole = code.read_bytes()
    changed = bytearray(whole)
    changed[len(whole) // 2] ^= 1  # in the machine code: only its digest tells
    for file, damage in [(index, b"garbage"), (code, whole[:-9]), (code, bytes(changed))]:
        file.write_bytes(damage)
        said, warned = run_tiny(tmp_path)
        assert said == "True 41 True 0"
        assert warned.count("\n") == 1 and "is damaged, compiling again" in warned
    assert run_tiny(tmp_path) == ("True 41 True 1", "")


# Whose it is


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a cache goes that has no other place."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("BACKTESTER_CACHE_DIR", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path / f"backtester-{os.getuid()}"


def test_a_temporary_cache_is_for_us_alone(temporary: Path) -> None:
    assert jit.cache_root() == temporary
    assert temporary.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o755])
def test_a_temporary_cache_that_others_reach_is_not_used(temporary: Path, mode: int) -> None:
    temporary.mkdir()
    temporary.chmod(mode)
    alone = jit.cache_root()
    assert alone not in (temporary, *temporary.parents) and alone.stat().st_mode & 0o777 == 0o700


def test_a_cache_of_another_or_behind_a_link_is_not_used(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (temporary.parent / "theirs").mkdir(0o700)
    temporary.symlink_to("theirs")
    assert jit.cache_root() != temporary
    temporary.unlink()
    ours = os.getuid()
    temporary.mkdir(0o700)
    assert jit.cache_root() == temporary
    monkeypatch.setattr("os.getuid", lambda: ours + 1)
    temporary.rename(temporary.with_name(f"backtester-{ours + 1}"))
    assert jit.cache_root().name != f"backtester-{ours + 1}"


def test_a_chosen_cache_in_which_anybody_writes_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKTESTER_CACHE_DIR", str(tmp_path))
    (tmp_path / "kernels").mkdir()
    (tmp_path / "kernels").chmod(0o777)
    assert not jit.cache_root().is_relative_to(tmp_path / "kernels")
