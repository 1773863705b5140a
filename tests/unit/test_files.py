"""Files and directories that change at once, whatever stands in their place and whoever is killed."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from backtester import files
from backtester.files import prove_directory, prove_writable, replacing, replacing_directory, write_text
from tests.unit.disk_cases import asked_of_the_disk

ROOT = Path(__file__).resolve().parents[2]


def write_set(directory: Path, text: str) -> None:
    with replacing_directory(directory, seal="z") as written:
        for name in ("a", "z"):
            (written / name).write_text(text)


def read_set(directory: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in directory.iterdir()}


# Files


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "result.txt"
    target.write_text("old")
    with pytest.raises(ValueError, match="half"), replacing(target) as written:
        written.write_text("new")
        raise ValueError("half")
    with pytest.raises(UnicodeEncodeError):
        write_text(target, "half \ud800")
    assert read_set(tmp_path) == {"result.txt": "old"}


def test_a_new_file_has_an_ordinary_mode_and_an_old_one_keeps_its_own(tmp_path: Path) -> None:
    (tmp_path / "ordinary").touch()
    write_text(tmp_path / "ours", "x")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "ordinary").stat().st_mode
    (tmp_path / "ours").chmod(0o640)
    write_text(tmp_path / "ours", "y")
    assert (tmp_path / "ours").stat().st_mode & 0o777 == 0o640


def test_a_symlink_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    link = tmp_path / "latest"
    link.symlink_to("deep/result")
    for text in ("made", "replaced"):
        write_text(link, text)
        assert link.is_symlink() and (tmp_path / "deep" / "result").read_text() == text
    assert os.listdir(tmp_path / "deep") == ["result"]


def test_a_device_is_written_through() -> None:
    write_text(Path(os.devnull), "x")
    assert Path(os.devnull).is_char_device()
    with pytest.raises(OSError, match="No space left"):
        write_text(Path("/dev/full"), "x")


def test_a_pipe_is_written_through(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    heard: list[str] = []
    reader = threading.Thread(target=lambda: heard.append(pipe.read_text()))
    reader.start()
    write_text(pipe, "x" * 100_000)
    reader.join()
    assert heard == ["x" * 100_000] and pipe.is_fifo()


def test_an_open_descriptor_is_appended_to(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    code = "from backtester.files import *; write_text(Path('/dev/stdout'), 'ours\\n')"
    with log.open("a") as file:
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=file, check=True)
        subprocess.run(["echo", "after"], stdout=file, check=True)
    assert log.read_text() == "before\nours\nafter\n"


def test_what_a_killed_writer_left_is_removed_and_a_living_one_is_left_alone(tmp_path: Path) -> None:
    code = (
        "import os, sys; from backtester.files import *\n"
        "with replacing(Path('x')) as written: written.write_text('half'); os.kill(os.getpid(), 9)"
    )
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = os.listdir(tmp_path)
    with replacing(tmp_path / "slow") as slow:
        slow.write_text("slow")
        write_text(tmp_path / "fast", "fast")
        assert not (tmp_path / left).exists()
    assert read_set(tmp_path) == {"slow": "slow", "fast": "fast"}


# Directories


def test_a_set_is_made_and_changes_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(files, "_move_all")
    target = tmp_path / "deep" / "out"
    write_set(target, "old")
    target.chmod(0o750)
    write_set(target, "new")
    assert read_set(target) == {"a": "new", "z": "new"}
    assert target.stat().st_mode & 0o777 == 0o750
    assert os.listdir(tmp_path / "deep") == ["out"]


def test_a_set_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    write_set(tmp_path / "out", "old")
    with pytest.raises(KeyboardInterrupt), replacing_directory(tmp_path / "out", seal="z") as written:
        (written / "a").write_text("new")
        raise KeyboardInterrupt
    assert read_set(tmp_path / "out") == {"a": "old", "z": "old"}
    assert os.listdir(tmp_path) == ["out"]


def test_files_of_others_stay(tmp_path: Path) -> None:
    write_set(tmp_path, "old")
    (tmp_path / "notes").write_text("mine")
    write_set(tmp_path, "new")
    assert read_set(tmp_path) == {"a": "new", "z": "new", "notes": "mine"}


def test_the_directory_where_we_stand_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = tmp_path.stat().st_ino
    for text in ("old", "new"):
        write_set(Path("."), text)
        assert read_set(Path(".")) == {"a": text, "z": text}
    assert tmp_path.stat().st_ino == before


def test_without_a_swap_the_seal_is_gone_until_all_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_set(tmp_path / "out", "old")
    monkeypatch.setattr(files, "_swap", lambda *_: False)
    moved: list[str] = []

    def replace(old: Path, new: Path) -> None:
        assert not (tmp_path / "out" / "z").exists()
        moved.append(new.name)
        os.rename(old, new)

    monkeypatch.setattr("os.replace", replace)
    write_set(tmp_path / "out", "new")
    assert moved == ["a", "z"]
    assert read_set(tmp_path / "out") == {"a": "new", "z": "new"}


# What the disk has


def test_what_is_in_a_directory_is_synced_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "new" / "deep").mkdir(parents=True)
    for name in ("a", "deep/b"):
        (tmp_path / "new" / name).write_text(name)
    asked = asked_of_the_disk(monkeypatch, tmp_path)
    files.sync(tmp_path / "new")
    assert set(asked) == {f"sync {name}" for name in ("new/a", "new/deep", "new/deep/b", "new")} and len(asked) == 4
    assert asked.index("sync new/deep/b") < asked.index("sync new/deep") and asked[-1] == "sync new"
    files.sync_names(tmp_path)
    assert asked[4:] == ["sync ."]


# Before the work


def test_what_cannot_be_written_is_found_before_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    for refuses in (prove_writable, prove_directory):
        with pytest.raises(NotADirectoryError):
            refuses(tmp_path / "file" / "x")
    with pytest.raises(IsADirectoryError):
        prove_writable(tmp_path)
    prove_directory(tmp_path / "new" / "deep")
    prove_writable(tmp_path / "new-file")
    assert os.listdir(tmp_path) == ["file"]

    class Full:
        def __init__(self, **_: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", Full)
    for refuses in (prove_writable, prove_directory):
        with pytest.raises(OSError, match="No space left"):
            refuses(tmp_path / "x")
