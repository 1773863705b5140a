"""Recorded candles as tests write them: a minute after the other, from one price to the next."""

from __future__ import annotations

from pathlib import Path

import polars as pl

#: 2024-01-01T10:00:00Z
START = 1_704_103_200
HEAD = "ts,symbol,open,high,low,close,volume\n"


def minutes(*rows: tuple[float, float, float, float], symbol: str = "BTC", at: int = 0, seconds: int = 60) -> str:
    """CSV lines of candles one after the other: (open, high, low, close)."""
    return "".join(f"{START + at + k * seconds},{symbol},{','.join(map(str, row))},10\n" for k, row in enumerate(rows))


def flat(count: int, price: float = 100.0) -> list[tuple[float, float, float, float]]:
    """Minutes that hardly move."""
    return [(price, price * 1.0005, price * 0.9995, price)] * count


def fall(price: float, *closes: float) -> list[tuple[float, float, float, float]]:
    """Minutes that go straight from close to close."""
    opens = (price, *closes[:-1])
    return [(a, max(a, b), min(a, b), b) for a, b in zip(opens, closes, strict=True)]


def write(path: Path, *lines: str, head: str = HEAD) -> Path:
    path.write_text(head + "".join(lines), "utf-8")
    return path


def told(frame: pl.DataFrame, *columns: str) -> list[tuple[object, ...]]:
    return frame.select(columns).rows()
