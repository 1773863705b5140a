"""The scenarios that come with the program: rows for programs, one line each for eyes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from backtester.cli.console import Settings, make_console, rows_text
from backtester.cli.fidelity import graded

if TYPE_CHECKING:
    from backtester.scenario.path import Scenario

_COLUMNS = (
    "id",
    "type",
    "start",
    "minutes",
    "symbols",
    "grade",
    "worst_fall",
    "best_rise",
    "assumed_share",
    "title",
)
_HEADINGS = ("id", "type", "start, UTC", "lasts", "fall %", "rise %", "assumed", "symbols:grade", "title")
#: Columns from here to there are numbers, and stand at the right.
_NUMBERS = range(3, 7)
_LEAST_SYMBOLS, _LEAST_TITLE = 14, 20


class Listed(NamedTuple):
    """What is told of a scenario. `best_rise`: None but for squeezes; both None for an overlay."""

    scenario: Scenario
    grades: dict[str, str]
    worst_fall: float | None
    best_rise: float | None


def listed(names: Iterable[str]) -> list[Listed]:
    """Scenarios by their names, in this order."""
    from backtester.scenario.fidelity import grades
    from backtester.scenario.library import find
    from backtester.scenario.measure import best_rise, worst_fall

    found = []
    for path in map(find, names):
        fall = None if path.is_overlay else round(worst_fall(path), 4)
        rise = round(best_rise(path), 4) if "squeezes" in path.tags else None
        found.append(Listed(path, dict(grades(path)), fall, rise))
    return found


def list_text(rows: Sequence[Listed], settings: Settings) -> str:
    """In the chosen format: raw values, but in a table one line a scenario, as long as the terminal is wide."""
    if settings.format == "table":
        return "\n".join(_lines(rows, make_console(settings).width))
    return rows_text("scenarios", _COLUMNS, map(_raw, rows), settings)


def _raw(row: Listed) -> tuple[str | float | None, ...]:
    path = row.scenario
    symbols, letters = " ".join(path.symbols), " ".join(row.grades.values())
    figures = row.worst_fall, row.best_rise, round(path.assumed_share, 4)
    return (
        path.id,
        path.type,
        start_text(path, "%Y-%m-%dT%H:%M:%SZ"),
        path.span_ns / 60e9,
        symbols,
        letters,
        *figures,
        path.title,
    )


def _lines(rows: Sequence[Listed], width: int) -> Iterator[str]:
    """Columns as wide as they must be; symbols lose what does not fit, then the title has what is left."""
    from backtester.texts import printable

    fixed = [_HEADINGS[:7], *(tuple(map(printable, _words(row))) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*fixed, strict=True)]
    pairs = [graded(row.grades) for row in rows]
    widest = max((len(" ".join(each)) for each in pairs), default=0)
    gap = 2 if sum(widths) + 2 * len(widths) + widest <= width else 1
    room = width - sum(widths) - gap * len(widths)
    symbols = max(min(room, max(widest, len(_HEADINGS[7]))), _LEAST_SYMBOLS)
    title = room - symbols - gap
    for number, words in enumerate(fixed):
        line = [
            f"{word:>{w}}" if n in _NUMBERS else f"{word:<{w}}"
            for n, (word, w) in enumerate(zip(words, widths, strict=True))
        ]
        line.append(f"{_fitting(pairs[number - 1], symbols) if number else _HEADINGS[7]:<{symbols}}")
        if title >= _LEAST_TITLE:
            line.append(_cut(printable(rows[number - 1].scenario.title) if number else _HEADINGS[8], title))
        yield (" " * gap).join(line).rstrip()


def _words(row: Listed) -> tuple[str, ...]:
    path = row.scenario
    fall, rise = ("" if each is None else in_percent(each) for each in (row.worst_fall, row.best_rise))
    return (
        path.id,
        path.type,
        start_text(path, "%Y-%m-%d %H:%M"),
        lasting(path.span_ns),
        fall,
        rise,
        f"{path.assumed_share:.0%}",
    )


def _fitting(pairs: Sequence[str], most: int) -> str:
    """As many as fit, and how many more there are. Example: `BTC:B ETH:B +5`."""
    for kept in range(len(pairs), -1, -1):
        more = [f"+{len(pairs) - kept}"] if kept < len(pairs) else []
        text = " ".join([*pairs[:kept], *more])
        if len(text) <= most:
            break
    return text


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def in_percent(share: float, digits: int = 1) -> str:
    """With its sign, but for nothing at all. Examples: −51.5, +12.0, 0.0."""
    text = f"{100.0 * share:+.{digits}f}".replace("-", "−")
    return text if text.strip("+−0.") else text[1:]


def lasting(span_ns: int) -> str:
    """How long a window is. Examples: 50 min, 26 h, 1:50 h."""
    minutes = round(span_ns / 60e9)
    hours, rest = divmod(minutes, 60)
    return f"{minutes} min" if not hours else f"{hours}:{rest:02d} h" if rest else f"{hours} h"


def start_text(path: Scenario, form: str) -> str:
    """When a path begins: a date, or for an overlay an offset from the low."""
    from datetime import UTC, datetime

    start_ns = path.start_ns or 0
    return (
        clock(start_ns, 0) if start_ns <= 0 else datetime.fromtimestamp(start_ns // 1_000_000_000, UTC).strftime(form)
    )


def clock(start_ns: int, t_ns: int) -> str:
    """A time of a path: of the day, or for an overlay from the low. Examples: 21:20:15, low-02:00, low+08:00."""
    seconds = (start_ns + t_ns) // 1_000_000_000
    if start_ns <= 0:
        return f"low{'-' if seconds < 0 else '+'}{abs(seconds) // 60:02d}:{abs(seconds) % 60:02d}"
    return f"{seconds // 3600 % 24:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
