"""The months of a suite: `ARCHIVE/2026-11` and so on, each written once and as a whole, and `latest`.

All is made beside the months (`.work`) and put in its place in one step; a lock lets one process write at a time.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from backtester.errors import usage_error, write_error
from backtester.files import sync, sync_names, write_text
from backtester.results.places import LATEST, MONTH
from backtester.results.sums import SUMS

_WORK, _LOCK, _OWNER, _TOLD = ".work", ".lock", ".lock-owner", ".told"


class Archive(NamedTuple):
    """A directory of months."""

    root: Path

    def parts(self, month: str) -> Path:
        """Where the cells of a month are kept until it is whole."""
        return self.root / _WORK / f"{month}-cells"

    def told(self, month: str) -> Path:
        """The file that is there once somebody was told of a month."""
        return self.root / _TOLD / month

    def of(self, month: str) -> Path:
        """The directory of a month, there or not."""
        return self.root / month

    def months(self) -> tuple[str, ...]:
        """The months that are there, the oldest first."""
        if not self.root.is_dir():
            return ()
        return tuple(sorted(path.name for path in self.root.iterdir() if MONTH.fullmatch(path.name) and path.is_dir()))

    def unfinished(self) -> dict[str, int]:
        """The months under way, which are not there yet, the oldest first, and how many of their cells are done."""
        names = sorted(path.name.removesuffix("-cells") for path in (self.root / _WORK).glob("*-cells"))
        return {
            name: len([*self.parts(name).glob(f"*/{SUMS}")])
            for name in names
            if MONTH.fullmatch(name) and not self.of(name).is_dir()
        }

    def before(self, month: str) -> str | None:
        """The last month that is there before another."""
        return max((each for each in self.months() if each < month), default=None)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the archive. Raises a usage error that names who holds it; says why it cannot be written."""
        try:
            with self._held():
                yield
        except OSError as error:
            hint = "name a place of yours in the suite: `archive`"
            raise write_error(f"archive {self.root}", "cannot be written, and is as it was", error, hint) from error

    @contextmanager
    def _held(self) -> Iterator[None]:
        self.root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.root / _LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise usage_error(
                f"archive {self.root}", f"is in use by {self._owner()}", "wait until it is done"
            ) from None
        try:
            write_text(self.root / _OWNER, f"process {os.getpid()} on {socket.gethostname()}\n")
            yield
        finally:
            (self.root / _OWNER).unlink(missing_ok=True)
            lock.release()

    def _owner(self) -> str:
        try:
            return (self.root / _OWNER).read_text("utf-8").strip() or "another process"
        except OSError:
            return "another process"

    @contextmanager
    def adding(self, month: str) -> Iterator[Path]:
        """Give an empty directory to write to, which becomes the month unless the block raises. Raises OSError."""
        written = self._work(month)
        written.mkdir()
        yield written
        sync(written)
        os.rename(written, self.of(month))
        sync_names(self.root)
        self.settle()

    def remove(self, months: Iterable[str]) -> None:
        """Remove months, each in one step. Raises OSError."""
        for month in months:
            gone = self._work(month)
            os.rename(self.of(month), gone)
            shutil.rmtree(gone)
            self.told(month).unlink(missing_ok=True)
        self.settle()

    def settle(self) -> None:
        """Let `latest` lead to the newest month, and leave nothing beside the months that are there. Raises OSError."""
        months, link = self.months(), self.root / LATEST
        if months and not (link.is_symlink() and os.readlink(link) == months[-1]):
            fresh = self._work(LATEST)
            fresh.symlink_to(months[-1])
            os.replace(fresh, link)
        elif not months:
            link.unlink(missing_ok=True)
        for month in months:
            shutil.rmtree(self.parts(month), ignore_errors=True)
        with suppress(OSError):  # another month is under way
            (self.root / _WORK).rmdir()

    def _work(self, name: str) -> Path:
        """A place beside the months where nothing is."""
        path = self.root / _WORK / name
        if path.is_symlink():
            path.unlink()
        shutil.rmtree(path, ignore_errors=True)
        path.parent.mkdir(exist_ok=True)
        return path
