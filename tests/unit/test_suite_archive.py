"""The archive of a suite: months that come whole or not at all, `latest`, one writer at a time."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from backtester.errors import BacktesterError
from backtester.suite.archive import Archive
from tests.unit.disk_cases import asked_of_the_disk


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive")


def add(archive: Archive, *months: str) -> None:
    with archive.locked():
        for month in months:
            with archive.adding(month) as directory:
                (directory / "result").write_text(month)


def names(archive: Archive) -> set[str]:
    return {path.name for path in archive.root.iterdir() if path.name != ".lock"}


def test_months_and_the_newest(archive: Archive) -> None:
    assert archive.months() == () and archive.before("2026-11") is None
    add(archive, "2026-11", "2026-09")
    (archive.root / "2026-13").mkdir()
    (archive.root / "notes").mkdir()
    assert archive.months() == ("2026-09", "2026-11")
    assert [archive.before(month) for month in ("2026-09", "2026-10", "2026-12")] == [None, "2026-09", "2026-11"]
    assert os.readlink(archive.root / "latest") == "2026-11"
    assert (archive.root / "latest" / "result").read_text() == "2026-11"


def test_one_that_fails_leaves_nothing(archive: Archive) -> None:
    add(archive, "2026-10")
    with pytest.raises(ZeroDivisionError), archive.locked(), archive.adding("2026-11") as directory:
        (directory / "half").write_text("half")
        raise ZeroDivisionError
    assert archive.months() == ("2026-10",)
    add(archive, "2026-11")
    assert names(archive) == {"2026-10", "2026-11", "latest"}
    assert sorted(path.name for path in archive.of("2026-11").iterdir()) == ["result"]


def test_the_disk_has_a_month_before_its_name_and_its_name_before_all_else_goes(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asked_of_the_disk(monkeypatch, archive.root)
    monkeypatch.setattr("backtester.suite.archive.Archive.settle", lambda _: asked.append("settle"))
    add(archive, "2026-11")
    work = ".work/2026-11"
    assert asked == [f"sync {work}/result", f"sync {work}", f"rename {work} to 2026-11", "sync .", "settle"]


def test_what_a_kill_left_is_settled(archive: Archive) -> None:
    """Between the last two steps: the month is there, `latest` is the old one."""
    add(archive, "2026-10")
    archive.of("2026-11").mkdir()
    (archive.root / ".work" / "latest").mkdir(parents=True)
    (archive.parts("2026-11") / "cell").mkdir(parents=True)
    archive.settle()
    assert os.readlink(archive.root / "latest") == "2026-11" and names(archive) == {"2026-10", "2026-11", "latest"}


def test_months_are_removed(archive: Archive) -> None:
    add(archive, "2026-08", "2026-09", "2026-10")
    archive.remove(["2026-08", "2026-10"])
    assert archive.months() == ("2026-09",) and os.readlink(archive.root / "latest") == "2026-09"
    archive.remove(["2026-09"])
    assert names(archive) == set()


def test_the_second_is_told_who_writes(archive: Archive) -> None:
    told = re.escape(f"is in use by process {os.getpid()} on ")
    with archive.locked(), pytest.raises(BacktesterError, match=told), archive.locked():
        pass
    with archive.locked():
        pass


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BacktesterError, match=r"error\[usage\] archive .*file: cannot be written"), \
            Archive(tmp_path / "file").locked():  # fmt: skip
        pass
