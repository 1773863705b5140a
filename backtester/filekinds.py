"""What a file is, told by its first bytes: a file given to the wrong reader is named, with the verb that reads it."""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import NamedTuple

from backtester.errors import Diagnostic

_HEAD_BYTES = 4_096


class FileKind(NamedTuple):
    """A sort of file: what it is called, and what to do with one."""

    name: str
    advice: str


PARQUET = FileKind("a Parquet file", "a tape is read by --tape, `data inspect` and `data check`, a path by --scenario")
GZIP = FileKind("a gzip file", "unpack it first, or give a CSV file the ending .gz")
CSV = FileKind("a CSV file", "`backtester data ingest wide-snapshots` reads order books in CSV rows")
RECORDING = FileKind("a recording of JSON with receive times", "`backtester data ingest binance-ws` reads Binance's")
JSON = FileKind("JSON", "no verb reads it as it is; a recording has its receive time before the JSON of each line")
TOML = FileKind("a TOML file", "`backtester run` reads a portfolio, --scenario a scenario")

_MAGIC = {
    b"PAR1": PARQUET,
    b"\x1f\x8b": GZIP,
    b"\x04\x22\x4d\x18": FileKind("an lz4 file", "unpack it first (lz4 -d)"),
    b"\x28\xb5\x2f\xfd": FileKind("a zstd file", "unpack it first (zstd -d)"),
    b"PK\x03\x04": FileKind("a zip file", "unpack it first (unzip)"),
    b"BZh": FileKind("a bzip2 file", "unpack it first (bunzip2)"),
    b"\xfd7zXZ\x00": FileKind("an xz file", "unpack it first (unxz)"),
    b"ARROW1": FileKind("an Arrow file", "write it as Parquet"),
    b"\x89HDF": FileKind("an HDF5 file", "write it as Parquet or CSV"),
    b"\x93NUMPY": FileKind("a NumPy file", "write it as Parquet or CSV"),
    b"SQLite format 3": FileKind("an SQLite file", "write its table as Parquet or CSV"),
    b"\xff\xfe": FileKind("text in UTF-16", "write it in UTF-8"),
    b"\xfe\xff": FileKind("text in UTF-16", "write it in UTF-8"),
}
#: Of the first line that says something; the first that fits.
_TEXTS = (
    (re.compile(r"\d{9,20} [\[{]"), RECORDING),
    (re.compile(r"\[\[?[\w.\"' -]+\]\]?\s*(#.*)?$|[\w.\"'-]+\s*="), TOML),
    (re.compile(r"\{|\[\s*[\[{\d\"]"), JSON),
    (re.compile(r"[^=]*,[^=]*$"), CSV),
)
#: Endings by which a CSV file says how it is packed.
_PACKED = {".gz": "a gzip file", ".bz2": "a bzip2 file", ".lz4": "an lz4 file", ".zst": "a zstd file"}


def kind_of(head: bytes) -> FileKind | None:
    """The kind of a file that begins with these bytes; None for what is of no known kind, or empty."""
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            return kind
    if b"\x00" in head:
        return FileKind("binary data of no known kind", "")
    text = head.decode("utf-8-sig", "replace")
    lines = (line.strip() for line in text.splitlines())
    first = next((line for line in lines if line and not line.startswith("#")), "")
    return next((kind for pattern, kind in _TEXTS if pattern.match(first)), None)


def foreign(path: Path | str, code: str, *fitting: FileKind, unpacks: bool = False) -> list[Diagnostic]:
    """One problem if a file is certainly none of the `fitting` kinds; `unpacks`: of what it holds if it is gzip.

    A file that is missing, or of no known kind, is left to its reader.
    """
    try:
        with Path(path).open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return []
    kind = kind_of(head)
    if kind is GZIP and unpacks:
        kind = kind_of(_unpacked(head))
    if kind is None or kind in fitting or (CSV in fitting and kind.name == _PACKED.get(Path(path).suffix)):
        return []
    return [
        Diagnostic(code, str(path), f"is {kind.name}, not {' or '.join(each.name for each in fitting)}", kind.advice)
    ]


def _unpacked(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(head, _HEAD_BYTES)
    except zlib.error:
        return b""
