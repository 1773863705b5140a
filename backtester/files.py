"""Files and directories that change at once: a reader sees what was there or what is there now, never a part of it.

What is written is first written into a directory of its own beside its place, `.backtester-XXXXXXXX`, which is locked
while its writer lives: what a killed one left behind is unlocked, and removed by the next that writes there. A place
that is no plain file (a device, a pipe, an open descriptor like /dev/stdout) is written through.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from secrets import token_hex

_PREFIX = ".backtester-"
_PROBE_BYTES = 65_536  # what a disk must have left: a full one takes the name of a file, but no byte of it
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # of Linux, renameat2(2)


def reason(error: OSError) -> str:
    """What the system says of an error, whoever raised it: pyarrow words its own otherwise."""
    return os.strerror(error.errno) if error.errno else str(error)


def prove_writable(path: Path) -> None:
    """Raise OSError where `path` cannot be written, before there is anything to write; leave nothing behind."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    if not is_written_through(path):
        _probe(path.resolve().parent)


def prove_directory(directory: Path) -> None:
    """The same for a directory, of which any part may be missing."""
    existing = directory.resolve()
    while not existing.exists():
        existing = existing.parent
    _probe(existing)


def file_digest(path: Path) -> str:
    """The sha256 of a file. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def names_in(directory: Path) -> set[str]:
    """What a directory holds, none if it is missing; what a killed writer left behind does not count."""
    if not directory.exists():
        return set()
    return {name for name in os.listdir(directory) if not name.startswith(_PREFIX)}


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path to write to, and put what was written there in the place of `path` unless the block raises.

    A symlink stays: what it leads to is replaced. A file that was there keeps its mode. Raises OSError.

    >>> with replacing(Path("result.json")) as written:  # doctest: +SKIP
    ...     written.write_text("{}")
    """
    if is_written_through(path):
        yield path
        return
    target = path.resolve()
    with _workshop(target.parent) as workshop:
        written = workshop / target.name
        yield written
        _keep_mode(target, written)
        os.replace(written, target)


def write_text(path: Path, text: str) -> None:
    """Replace `path` by `text`, UTF-8, at once."""
    data = text.encode("utf-8")
    with replacing(path) as written, written.open("ab") as file:  # appended: a log behind /dev/stdout stays
        file.write(data)


@contextmanager
def replacing_directory(directory: Path, seal: str) -> Iterator[Path]:
    """Give an empty directory to write files to; they take the place of those in `directory` unless the block raises.

    The directories are swapped. Where they cannot be (it holds other files too, is mounted, is where we stand) the
    files are moved one by one: `seal`, which vouches for the others, is taken away first and comes last.

    Raises OSError.
    """
    directory = directory.resolve()
    with _standing(directory):
        yield from _replacing(directory, seal)


@contextmanager
def _standing(directory: Path) -> Iterator[None]:
    """Let a directory be there; what was not there before is gone again if the block raises."""
    missing = [each for each in (directory, *directory.parents) if not each.exists()]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for each in missing:
            with suppress(OSError):
                each.rmdir()
        raise


def _replacing(directory: Path, seal: str) -> Iterator[Path]:
    has_neighbours = os.access(directory.parent, os.W_OK) and not directory.is_mount()
    with _workshop(directory.parent if has_neighbours else directory) as workshop:
        written = workshop / "new"
        written.mkdir()
        yield written
        if not (_is_replaceable(directory, written) and _swap(written, directory)):
            _move_all(written, directory, seal)


def _is_replaceable(directory: Path, written: Path) -> bool:
    """Whether a swap takes nothing away: no file of others, not the directory in which we stand."""
    others = set(os.listdir(directory)) - set(os.listdir(written))
    return not others and not directory.samefile(os.curdir)


def _swap(written: Path, directory: Path) -> bool:
    """Exchange two directories in one step; False where the system or the file system has no such step."""
    import ctypes

    _keep_mode(directory, written)
    exchange = getattr(ctypes.CDLL(None), "renameat2", None)
    ours, theirs = os.fsencode(written), os.fsencode(directory)
    return exchange is not None and exchange(_AT_FDCWD, ours, _AT_FDCWD, theirs, _RENAME_EXCHANGE) == 0


def _move_all(written: Path, directory: Path, seal: str) -> None:
    (directory / seal).unlink(missing_ok=True)
    for name in sorted(os.listdir(written), key=lambda name: (name == seal, name)):
        _keep_mode(directory / name, written / name)
        os.replace(written / name, directory / name)


@contextmanager
def _workshop(place: Path) -> Iterator[Path]:
    """A directory in `place` to write in, locked; gone afterwards, with those of writers that were killed."""
    for left in place.glob(f"{_PREFIX}*"):
        _remove_if_left(left)
    with ExitStack() as lock:
        workshop = _made(place, lock)
        try:
            yield workshop
        finally:
            shutil.rmtree(workshop, ignore_errors=True)


def _made(place: Path, lock: ExitStack) -> Path:
    """A new directory in `place`, held by `lock`; again, where another writer took it for left before it was held."""
    while True:
        workshop = place / f"{_PREFIX}{token_hex(4)}"
        workshop.mkdir(0o700)
        with suppress(FileNotFoundError, BlockingIOError), ExitStack() as tried:
            tried.enter_context(_locked(workshop))
            workshop.stat()  # it may have gone between being opened and being locked
            lock.push(tried.pop_all())
            return workshop


def _remove_if_left(workshop: Path) -> None:
    with suppress(OSError), _locked(workshop):
        shutil.rmtree(workshop)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Hold the lock of a directory. Raises BlockingIOError while somebody else does."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def _probe(directory: Path) -> None:
    with tempfile.TemporaryFile(dir=directory) as file:
        file.write(bytes(_PROBE_BYTES))


def _keep_mode(old: Path, new: Path) -> None:
    with suppress(FileNotFoundError):
        os.chmod(new, stat.S_IMODE(old.stat().st_mode))


def is_written_through(path: Path) -> bool:
    """Whether `path` leads to something that cannot be replaced: no plain file, or one that a descriptor holds open."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    return not stat.S_ISREG(mode) or _is_descriptor(path)


def _is_descriptor(path: Path) -> bool:
    """Whether a chain of symlinks passes a list of open files, as /dev/stdout does by /proc/self/fd/1."""
    while path.is_symlink():
        if path.parent.resolve().is_relative_to("/proc"):
            return True
        path = path.parent / path.readlink()
    return False


def sync(directory: Path) -> None:
    """Let the disk have everything in a directory, and then itself. Raises OSError."""
    for path in (*sorted(directory.rglob("*"), reverse=True), directory):  # what is in a directory comes before it
        _sync(path)


def sync_names(directory: Path) -> None:
    """Let the disk have what was renamed into a directory, or within it. Raises OSError."""
    _sync(directory)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
