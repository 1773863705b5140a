"""How near paths are to candles, as rows: figures for programs, tables for eyes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from backtester.cli.console import Cell, Settings, rows_text

if TYPE_CHECKING:
    from backtester.scenario.fidelity import Fidelity, Grade, Pair

_MOVES = ("worst_1m", "best_1m", "worst_5m", "best_5m", "range_1m")
_REBOUNDS = ("rebound_10m", "rebound_30m")
_EXTREMES = ("symbol", "candles", "low", "high", "outside", "lows", "after 10m", "after 30m")


def measured_text(measured: Sequence[Fidelity], settings: Settings) -> str:
    """The measures of every symbol and price; in JSON and CSV each pair is two columns, `worst_1m`, `worst_1m_path`."""
    if settings.format in ("json", "csv"):
        rows = [dict(_figures(each)) for each in measured]
        columns = list(rows[0]) if rows else []
        return rows_text("scenario_fidelity", columns, [list(row.values()) for row in rows], settings)
    extremes = rows_text("scenario_fidelity", _EXTREMES, map(_extremes, measured), settings)
    moves = rows_text("scenario_fidelity", ("symbol", "price", *_MOVES), map(_moves, measured), settings)
    return f"{extremes}\n{moves}"


def graded(grades: Iterable[Grade]) -> str:
    """The grades of a path's symbols, in their order."""
    return " ".join(grades)


def _figures(each: Fidelity) -> Iterator[tuple[str, Cell]]:
    for name, value in each._asdict().items():
        if name in each.pairs:
            yield name, value.real if value else None
            yield f"{name}_path", value.path if value else None
        else:
            yield name, value


def _extremes(each: Fidelity) -> list[Cell]:
    low, high = f"{each.low:+.2%} {each.low_s:.0f}s", f"{each.high:+.2%} {each.high_s:.0f}s"
    pairs = [_pair(each.pairs[name]) for name in _REBOUNDS]
    return [each.symbol, f"{each.candles} {each.price}", low, high, f"{each.outside:.1%}", f"{each.lows:+.2%}", *pairs]


def _moves(each: Fidelity) -> list[Cell]:
    return [each.symbol, each.price, *(_pair(each.pairs[name]) for name in _MOVES)]


def _pair(pair: Pair | None) -> str:
    """Of the candles, and of the path, in per cent: three digits, so that a table of them fits."""
    return f"{_percent(pair.real)}/{_percent(pair.path)}" if pair else ""


def _percent(share: float) -> str:
    digits = 0 if abs(share) >= 0.9995 else 1 if abs(share) >= 0.1 else 2
    return f"{100.0 * share:.{digits}f}"
