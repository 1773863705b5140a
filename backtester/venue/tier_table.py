"""The tiers of many markets as a text table beside a profile, for TOML reads slowly and says the same at length.

    # comments stand before the header
    symbols;floor_quote;maintenance_rate;max_leverage
    BTCUSDT ETHUSDT;0;0.004;125
    ;50000;0.005;100
    ADAUSDT;0;0.01;75

A row that names symbols begins the tiers that these markets share; rows without symbols continue them.
"""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from backtester.config.lines import Place
from backtester.config.toml import Document, Fault, Record, faults_error, validate
from backtester.config.venue import TierRow, tier_faults
from backtester.errors import config_error

COLUMNS = ("symbols", "floor_quote", "maintenance_rate", "max_leverage")


class TierBlock(Record):
    """The tiers of the markets that share them."""

    symbols: tuple[str, ...]
    tiers: tuple[TierRow, ...]


class _Blocks(Record):
    blocks: tuple[TierBlock, ...]


class TierTable(NamedTuple):
    """A table as read."""

    blocks: tuple[TierBlock, ...]


class _Sheet(Document):
    """A table as a document: a place is said as its column."""

    def said(self, place: Place) -> str:
        column = next((key for key in reversed(place) if key in COLUMNS), "")
        return f"{self.name}:{self.line(place)} {column}".rstrip()


def read_tier_table(path: Path) -> TierTable:
    """Read a table. Raises one configuration error with all that is wrong, each with its line.

    The table above makes two blocks; the second tier of BTCUSDT starts at 50,000.
    """
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise config_error(str(path), f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise config_error(str(path), f"not UTF-8 at byte {error.start}") from error
    sheet, faults = _parse(text, str(path), hashlib.sha256(raw).hexdigest())
    if faults:
        raise faults_error(sheet, faults)
    blocks = validate(_Blocks, sheet).blocks
    if faults := [*_block_faults(blocks)]:
        raise faults_error(sheet, faults)
    return TierTable(blocks)


def _parse(text: str, name: str, sha256: str) -> tuple[_Sheet, list[Fault]]:
    """Rows as the blocks of a document; numbers that are none stay text."""
    every_row = enumerate(csv.reader(text.splitlines(), delimiter=";"), start=1)
    rows = [(line, row) for line, row in every_row if row and not row[0].startswith("#")]
    lines: dict[Place, int] = {(): rows[0][0] if rows else 1}
    blocks: list[dict[str, Any]] = []
    faults: list[Fault] = []
    if not rows or tuple(rows.pop(0)[1]) != COLUMNS:
        rows = []
        faults.append(Fault((), f"expected the header {';'.join(COLUMNS)}"))
    for line, (symbols, *cells) in rows:
        if problem := _malformed(cells, is_orphan=not (symbols or blocks)):
            lines[(line,)] = line
            faults.append(Fault((line,), problem))
            continue
        if symbols:
            lines["blocks", len(blocks)] = line
            blocks.append({"symbols": tuple(symbols.split()), "tiers": ()})
        tiers = blocks[-1]["tiers"]
        lines["blocks", len(blocks) - 1, "tiers", len(tiers)] = line
        blocks[-1]["tiers"] = (*tiers, dict(zip(COLUMNS[1:], map(_number, cells), strict=True)))
    return _Sheet(name, {"blocks": tuple(blocks)}, lambda: lines, sha256), faults


def _malformed(cells: list[str], *, is_orphan: bool) -> str:
    if len(cells) != len(COLUMNS) - 1:
        return f"expected {len(COLUMNS)} columns, found {len(cells) + 1}"
    return "the first row names its symbols" if is_orphan else ""


def _number(cell: str) -> float | str:
    try:
        return float(cell)
    except ValueError:
        return cell


def _block_faults(blocks: tuple[TierBlock, ...]) -> Iterator[Fault]:
    named = Counter(symbol for block in blocks for symbol in block.symbols)
    for number, block in enumerate(blocks):
        yield from tier_faults(block.tiers, ("blocks", number, "floor_quote"))
        for symbol in block.symbols:
            if named[symbol] > 1:
                yield Fault(("blocks", number, "symbols"), f"{symbol} is named more than once")
