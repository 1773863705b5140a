"""The digests of stored files, in the form of `sha256sum`, so that its `--check` tells which of them were changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from backtester.errors import data_error
from backtester.files import file_digest, names_in, write_text
from backtester.results.places import direction

SUMS = "SHA256SUMS"


def write_sums(directory: Path, names: Iterable[str]) -> None:
    """Write the digests of these files of a directory into it. Raises OSError."""
    lines = (f"{file_digest(directory / name)}  {name}\n" for name in sorted(names))
    write_text(directory / SUMS, "".join(lines))


def changed(directory: Path) -> list[str]:
    """The files of a directory that are not what they were when they were stored, not there any more, or new.

    Raises a data error for digests that are missing or cannot be read.
    """
    stored = dict(_stored(directory / SUMS))
    there = {str(path.relative_to(directory)) for path in _files(directory)} - {SUMS}
    return sorted(name for name in stored.keys() | there if _digest(directory / name) != stored.get(name))


def _files(directory: Path) -> Iterator[Path]:
    """All of them, in directories of it, too; not what a killed writer left behind."""
    for path in (directory / name for name in names_in(directory)):
        yield from (each for each in (path, *path.rglob("*")) if each.is_file())


def _stored(path: Path) -> list[tuple[str, str]]:
    try:
        lines = path.read_text("utf-8").splitlines()
    except FileNotFoundError:
        raise data_error(str(path), "is not there", direction(path.parent)) from None
    except (OSError, ValueError):
        raise data_error(str(path), "cannot be read") from None
    found = [line.partition("  ") for line in lines]
    for number, (digest, _, name) in enumerate(found, 1):
        if len(digest) != 64 or not name or PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise data_error(f"{path}:{number}", "is no line of a sha256 and a name")
    return [(name, digest) for digest, _, name in found]


def _digest(path: Path) -> str | None:
    try:
        return file_digest(path)
    except OSError:
        return None
