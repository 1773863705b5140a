"""Broken and hostile suites and archives: no month is ever half there, nor is one changed without a word."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from backtester.errors import ExitCode
from backtester.results.places import MADE_FROM, MONTH
from backtester.results.sums import SUMS
from backtester.suite.summary import SUMMARY
from tests.property.mutations import Outcome, call, text_mutant
from tests.unit.suite_cases import contents, small_suite

_MORE = """\
set = ["severe_loss=10%"]
assume = ["funding_zero"]
max_failures = 1
stale_after = 60.0
[limits]
fail = ["loss > 1e9", "verdict in [insolvent]"]
warn = ["loss_pct > 40"]
"""
_MONTH = "2026-11"
_WHOLE = frozenset({"result.json", "SHA256SUMS", SUMMARY, MADE_FROM, "fills.parquet"})


def suites(folder: Path, draw: random.Random) -> Iterator[Outcome]:
    """A suite with one to three of its words changed, run; whatever month is there is whole."""
    path = _suite(folder)
    sound = path.read_text()
    text = sound
    for _ in range(draw.randint(1, 3)):
        text = text_mutant(text, draw)
    path.write_text(text)
    try:
        yield call("suite", "run", path, "--month", _MONTH)
        yield call("suite", "status", path)
    finally:
        path.write_text(sound)
        for month in [each for each in path.parent.rglob("*") if MONTH.fullmatch(each.name)]:
            assert {each.name for each in month.iterdir()} >= _WHOLE, f"{month} is half there"
            shutil.rmtree(month)


def archives(folder: Path, draw: random.Random) -> Iterator[Outcome]:
    """A month in which a file was changed: whoever reads it says so, and nobody changes it any further."""
    path = _archived(folder)
    month = path.parent / "kept" / _MONTH
    name = draw.choice(sorted(contents(month)))
    file = month / name
    sound = file.read_bytes()
    _change(file, sound, draw)
    touched = contents(month)
    try:
        for words in (("run", path, "--month", _MONTH), ("run", path, "--month", "2026-12"), ("status", path)):
            outcome = call("suite", *words)
            is_named = name in outcome.said or name == SUMS  # a wrong digest: the file that lacks its own is named
            assert outcome.code == ExitCode.DATA and is_named, f"{name}: {outcome}"
            yield outcome
        assert contents(month) == touched and not (month.parent / "2026-12").exists()
    finally:
        file.write_bytes(sound)


def _change(file: Path, sound: bytes, draw: random.Random) -> None:
    at = draw.randrange(len(sound))
    match draw.randrange(4):
        case 0:
            file.unlink()
        case 1:
            file.write_bytes(sound[:at])
        case 2:
            file.write_bytes(sound + b" ")
        case _:
            file.write_bytes(sound[:at] + bytes([sound[at] ^ (1 << draw.randrange(8))]) + sound[at + 1 :])


@cache
def _suite(folder: Path) -> Path:
    place = folder / "suite"
    place.mkdir()
    return small_suite(place, _MORE)


@cache
def _archived(folder: Path) -> Path:
    place = folder / "archived"
    place.mkdir()
    path = small_suite(place)
    assert call("suite", "run", path, "--month", _MONTH).code == ExitCode.OK
    return path
