"""A small suite for tests: two portfolios, two variants each, ten seconds of a tape."""

from __future__ import annotations

from pathlib import Path

from tests.unit.run_cases import account, order, portfolio, position, tape

SUITE = """\
name = "small"
portfolios = ["books/*.toml"]
scenarios = []
tapes = ["tape.parquet"]
compare = ["positions.leverage=5,20"]
archive = "kept"
"""


def small_suite(directory: Path, more: str = "") -> Path:
    """Its file, beside `books/a.toml`, `books/b.toml` and `tape.parquet`."""
    tape(directory)
    books = directory / "books"
    books.mkdir()
    for name, size in (("a", 1.0), ("b", 2.0)):
        portfolio(books, account(position(size=size), order("out", at="1s"))).rename(books / f"{name}.toml")
    path = directory / "suite.toml"
    path.write_text(SUITE + more)
    return path


def contents(directory: Path) -> dict[str, bytes]:
    """Every file of a directory and below."""
    files = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_bytes() for path in sorted(files)}
