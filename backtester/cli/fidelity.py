"""How near paths are to candles, as rows: figures for programs, a table for eyes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from backtester.cli.console import Cell, Settings, rows_text

if TYPE_CHECKING:
    from backtester.scenario.fidelity import Fidelity, Grade, Pair

PAIRS = ("worst_1m", "best_1m", "worst_5m", "best_5m", "range_1m", "rebound_10m", "rebound_30m")


def measured_text(measured: Sequence[Fidelity], settings: Settings) -> str:
    """The measures of every symbol and price; in JSON and CSV each pair is two columns, `worst_1m`, `worst_1m_path`."""
    if settings.format in ("json", "csv"):
        rows = [dict(_figures(each)) for each in measured]
        columns = list(rows[0]) if rows else []
        return rows_text("scenario_fidelity", columns, [list(row.values()) for row in rows], settings)
    columns = ["symbol", "price", "candles", "low", "high", *PAIRS, "outside", "farthest_low"]
    return rows_text("scenario_fidelity", columns, map(_cells, measured), settings)


def graded(grades: Iterable[Grade]) -> str:
    """The grades of a path's symbols, in their order."""
    return " ".join(grades)


def _figures(each: Fidelity) -> Iterator[tuple[str, Cell]]:
    for name, value in each._asdict().items():
        if name in PAIRS:
            yield name, value.real if value else None
            yield f"{name}_path", value.path if value else None
        else:
            yield name, value


def _cells(each: Fidelity) -> list[Cell]:
    pairs = [_pair(getattr(each, name)) for name in PAIRS]
    low, high = f"{each.low:+.2%} {each.low_s:.0f}s", f"{each.high:+.2%} {each.high_s:.0f}s"
    return [each.symbol, each.price, each.candles, low, high, *pairs, f"{each.outside:.1%}", f"{each.lows:+.2%}"]


def _pair(pair: Pair | None) -> str:
    """Of the candles, and of the path, in per cent: three digits, so that a table of them fits."""
    return f"{_percent(pair.real)}/{_percent(pair.path)}" if pair else ""


def _percent(share: float) -> str:
    return f"{100.0 * share:.1f}" if abs(share) >= 0.1 else f"{100.0 * share:.2f}"
