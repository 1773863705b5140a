"""How near paths are to candles, as rows: figures for programs, tables for eyes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from backtester.cli.console import Cell, Settings, rows_text

if TYPE_CHECKING:
    from backtester.scenario.fidelity import Fidelity, Pair

_MOVES = ("worst_1m", "best_1m", "worst_5m", "best_5m", "range_1m")
_REBOUNDS = ("rebound_10m", "rebound_30m")
_FIRST = ("BTC", "ETH")
_EXTREMES = ("symbol", "candles", "low", "high", "outside", "lows", "after 10m", "after 30m")


def measured_text(measured: Sequence[Fidelity], settings: Settings, ids: Sequence[str] = ()) -> str:
    """The measures of every symbol and price; in JSON and CSV each pair is two columns, `worst_1m`, `worst_1m_path`.

    `ids`: of the scenario that each is of, where there are several.
    """
    of: list[dict[str, Cell]] = [{"id": id} for id in ids] or [{} for _ in measured]
    if settings.format in ("json", "csv"):
        rows = [id | dict(_figures(each)) for id, each in zip(of, measured, strict=True)]
        columns = list(rows[0]) if rows else []
        return rows_text("scenario_fidelity", columns, [list(row.values()) for row in rows], settings)
    head = ("id",) if ids else ()
    tables = ((_EXTREMES, _extremes), (("symbol", "price", *_MOVES), _moves))
    return "\n".join(
        rows_text(
            "scenario_fidelity",
            (*head, *columns),
            [[*id.values(), *row(each)] for id, each in zip(of, measured, strict=True)],
            settings,
        )
        for columns, row in tables
    )


def graded(grades: Mapping[str, str]) -> list[str]:
    """Symbols with their grades, the two that all have in front. Example: BTC:B, ETH:C, SOL."""
    symbols = sorted(grades, key=lambda symbol: (symbol not in _FIRST, symbol))
    return [symbol if grades[symbol] == "-" else f"{symbol}:{grades[symbol]}" for symbol in symbols]


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
