"""A suite that is killed, or whose disk is full: no month is half there, and the next call makes it whole."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.unit.suite_cases import contents, small_suite

pytestmark = [pytest.mark.slow, pytest.mark.compiled]

KILLS, SIZES_KB = 20, (0, 80, 200, 400, 800)


def command(path: Path, month: str = "2026-11") -> list[str]:
    return [sys.executable, "-m", "backtester", "suite", "run", str(path), "--month", month]


def finished(path: Path, month: str = "2026-11") -> dict[str, bytes]:
    """What the archive holds after a call that nobody disturbs."""
    done = subprocess.run(command(path, month), capture_output=True, text=True)
    assert done.returncode == 0, f"{done.returncode}: {done.stdout}{done.stderr}"
    return kept(path)


def kept(path: Path) -> dict[str, bytes]:
    return {name: data for name, data in contents(path.parent / "kept").items() if not name.startswith(".lock")}


@pytest.fixture
def twelve(tmp_path: Path) -> Path:
    """A suite of twelve cells."""
    path = small_suite(tmp_path)
    path.write_text(path.read_text().replace("leverage=5,20", "leverage=5,10,15,20,25,30"))
    return path


def test_killed_at_random_moments(twelve: Path) -> None:
    whole = finished(twelve)
    shutil.rmtree(twelve.parent / "kept")
    begin = time.monotonic()
    assert finished(twelve) == whole
    lasted = time.monotonic() - begin  # with kernels that are compiled
    draw = random.Random(17)
    interrupted = 0
    for _ in range(KILLS):
        shutil.rmtree(twelve.parent / "kept")
        process = subprocess.Popen(command(twelve), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(draw.uniform(0.3, 1.1) * lasted)
        process.send_signal(signal.SIGKILL)
        interrupted += process.wait() == -signal.SIGKILL
        months = {name.partition("/")[0] for name in kept(twelve)} - {".work"}
        assert months <= {"2026-11"} and all(kept(twelve)[name] == whole[name] for name in whole if months)
        assert finished(twelve) == whole
    assert interrupted > KILLS // 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a disk of a few kB")
def test_a_full_disk(twelve: Path) -> None:
    """An archive on a disk of its own, which is full at five moments; the month before stays as it was."""
    disk = twelve.parent / "kept"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        before = finished(twelve, "2026-10")
        used = sum(map(len, before.values())) // 1024
        for left in SIZES_KB:
            subprocess.run(["mount", "-o", f"remount,size={used + 200 + left}k", disk], check=True)
            done = subprocess.run(command(twelve), capture_output=True, text=True)
            assert (done.returncode, done.stdout) == (5, "") and "No space left on device" in done.stderr
            assert done.stderr.count("error[disk]") == 1 and "Traceback" not in done.stderr
            assert {name: data for name, data in kept(twelve).items() if name.startswith("2026-10")} == {
                name: data for name, data in before.items() if name.startswith("2026-10")
            }
            assert not (disk / "2026-11").exists()
        subprocess.run(["mount", "-o", "remount,size=16m", disk], check=True)
        assert "2026-11/result.json" in finished(twelve)
    finally:
        subprocess.run(["umount", disk], check=True)
