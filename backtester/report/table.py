"""The report for a terminal: the verdict first, then the way there, then the figures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from backtester.config.values import Instant
from backtester.report.chart import Canvas, columns, gauge, held, sparkline
from backtester.report.glance import Details, is_whole, tone
from backtester.report.market import title_of
from backtester.report.outline import Beside, Block, Note, Opening, Picture, Sources, Whole, opening_lines, outline
from backtester.report.records import Cell, MarginPath, MarketPath, PhaseKind, ReportModel
from backtester.report.sheet import Sheet, folded
from backtester.report.summary import summary_line
from backtester.report.text import clock, headline, money, offset, price, stretch
from backtester.texts import printable, shortened

_TONES = {
    "insolvent": "bold red",
    "liquidated": "bold red",
    "partly": "bold red",
    "adl": "bold red",
    "reduced": "bold yellow",
    "alerted": "bold yellow",
    "survived": "bold green",
}
_LINE_STYLES = {"story": "", "error": "", "notice": "yellow", "caution": "yellow"} | {
    "ok": "green",
    "breached": "red",
    "unknown": "yellow",
    "not_applicable": "dim",
}
_GAP = 2  # blanks between columns
_WORDS, _SHORTEST = 2, 20  # a word of a table has at most this part of the terminal, but never fewer characters
_LITTLE = 16  # characters that a column gets before the others have their share
_LABEL = 14  # characters of a chart's labels
_CHART_HEIGHT = 4
_NARROWEST_CHART, _WIDEST_CHART = 20, 120


def table_parts(model: ReportModel, details: Details = "brief") -> list[RenderableType]:
    """What to print, one below the other, at any width."""
    currency = model.reporting_currency
    *parts, _ = (part for block in outline(model, details, is_whole(details)) for part in _parts(block, currency))
    return parts


def _parts(block: Block, currency: str) -> Iterator[RenderableType]:
    """A block, and a blank line to the next."""
    if isinstance(block, Sheet):
        yield SheetView(block, blank_after=True)
        return
    if isinstance(block, Beside | Sources) or (isinstance(block, Picture) and not block.cell.margin_paths):
        return
    if isinstance(block, Opening):
        yield from _opening(block, currency)
    elif isinstance(block, Whole):
        yield from _whole(block)
    elif isinstance(block, Picture):
        yield PathView(block.cell, currency)
    elif isinstance(block, Note):
        yield Text(block.text, style="dim")
    elif block.title:
        yield from (Text(block.title, style="bold"), *(Text(printable(f"· {line}")) for line in block.lines))
    else:
        yield from (Text(line, style="dim") for line in block.lines)
    yield Text("")


def _whole(block: Whole) -> Iterator[RenderableType]:
    yield Text(printable(block.summary.sentence), style=_TONES[block.summary.tone])
    if block.caution:
        yield Text(printable(block.caution), style=_LINE_STYLES["caution"])
    if line := summary_line(block.summary):
        yield Text(printable(line))


def _opening(block: Opening, currency: str) -> Iterator[RenderableType]:
    cell = block.cell
    style = _TONES[tone(cell)] if isinstance(cell, Cell) else "bold red"
    yield Text(printable(headline(cell)), style=style)
    yield from (Text(printable(line), style=_LINE_STYLES[kind]) for kind, line in opening_lines(block, currency))


class SheetView:
    """A sheet as wide as the terminal allows: it leaves out columns, the least important first, and folds texts."""

    def __init__(self, sheet: Sheet, *, blank_after: bool = False) -> None:
        self.sheet, self.blank_after = sheet, blank_after

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        sheet = self.sheet._replace(rows=tuple(tuple(map(printable, row)) for row in self.sheet.rows))
        sheet = sheet.shortened(max(options.max_width // _WORDS, _SHORTEST))
        shown = fitting(sheet, options.max_width)
        if sheet.optional and _total(map(sheet.narrowest, shown)) > options.max_width:
            return
        title = Text(printable(sheet.title), style="bold")
        if left_out := len(sheet.columns) - len(shown):
            columns = "column" if left_out == 1 else "columns"
            title.append(f"  ({left_out} more {columns} on a wider terminal)", style="not bold dim")
        yield title
        table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="dim")
        widths = spread(sheet, shown, options.max_width)
        for number, width in zip(shown, widths, strict=True):
            column = sheet.columns[number]
            heading = folded(column.heading, width)
            table.add_column(heading, justify="left" if column.is_text else "right", width=width, overflow="fold")
        for row in sheet.rows:
            table.add_row(*(folded(row[number], width) for number, width in zip(shown, widths, strict=True)))
        yield table
        yield from (Text(note, style="dim") for note in sheet.notes(shown))
        if self.blank_after:
            yield Text("")


def fitting(sheet: Sheet, width: int) -> list[int]:
    """Numbers of the columns that fit into `width` characters."""
    shown = list(range(len(sheet.columns)))
    while rank := max(sheet.columns[number].rank for number in shown):
        if _total(map(sheet.narrowest if rank == 1 else sheet.widest, shown)) <= width:
            break
        shown = [number for number in shown if sheet.columns[number].rank != rank]
    return shown


def spread(sheet: Sheet, shown: Sequence[int], width: int) -> list[int]:
    """Widths of these columns: what they need unfolded, as far as there is room.

    A column that needs a little more gets it first; then all have a like share, less what they do not need.
    Where even their longest words have no room, the widest column gives way, so that short ones stay whole.
    """
    widths = {number: sheet.narrowest(number) for number in shown}
    for _ in range(_total(widths.values()) - width):
        widest = max(shown, key=lambda number: widths[number])
        widths[widest] = max(1, widths[widest] - 1)
    lacks = {number: sheet.widest(number) - widths[number] for number in shown}
    left = width - _total(widths.values())
    for done, number in enumerate(sorted(shown, key=lambda number: lacks[number])):
        share = max(left // (len(shown) - done), _LITTLE)
        more = max(0, min(left, share, lacks[number]))
        widths[number] += more
        left -= more
    return list(widths.values())


def _total(widths: Iterable[int]) -> int:
    """Of a table with these columns."""
    return sum(width + _GAP for width in widths) - _GAP


class PathView:
    """Marks and margin over time, drawn as wide as the terminal allows, events below."""

    def __init__(self, cell: Cell, currency: str) -> None:
        self.cell, self.currency = cell, currency

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = min(options.max_width - _LABEL - 1, _WIDEST_CHART)
        if width < _NARROWEST_CHART:
            return
        for line in path_lines(self.cell, self.currency, width):
            yield Segment(printable(line))
            yield Segment.line()


def path_lines(cell: Cell, currency: str, width: int) -> Iterator[str]:
    """The chart as text: a line of blocks per mark, four of dots per account, one of blocks per pool, the clock."""
    yield f"Path: marks; equity (line) and maintenance (dots) in {currency}"
    for path in cell.market_paths:
        yield from _mark_lines(cell, path, width)
    yield from _outage_lines(cell, width)
    for account, margins in groupby(cell.margin_paths, key=lambda margin: margin.account):
        for margin in margins:
            yield from (_margin_lines if margin.pool is None else _buffer_line)(cell, margin, width)
        yield from _event_lines(cell, account, width)
    begin, end = clock(cell.start_ts), f"{clock(cell.end_ts)} {offset(cell.end_ts, cell.start_ts)}"
    yield f"{'UTC':>{_LABEL}} {begin}{end:>{width - len(begin)}}"


def _places(cell: Cell, times_ns: Sequence[int]) -> list[float]:
    """Where times lie between the start (0) and the end (1)."""
    span = max(1, cell.end_ts.ts_ns - cell.start_ts.ts_ns)
    return [min(max((ts_ns - cell.start_ts.ts_ns) / span, 0.0), 1.0) for ts_ns in times_ns]


def _mark_lines(cell: Cell, path: MarketPath, width: int) -> Iterator[str]:
    """One block per column: the lowest mark in it, or the last one before; below it which market, if it says more."""
    if not path.ts_ns:
        return
    shown = held(_places(cell, path.ts_ns), path.lowest, width, min)
    yield f"{path.symbol + ' mark':>{_LABEL}} {sparkline(shown)}"
    low, high = min(path.lowest), max(path.highest)
    title = title_of(cell, path)
    said = [
        *([] if title == path.symbol else [title]),
        f"low {price(low)} {_during(cell, path, path.lowest.index(low))}",
        f"high {price(high)} {_during(cell, path, path.highest.index(high))}",
    ]
    together = ", ".join(said)
    yield from (f"{'':>{_LABEL}} {line}" for line in ([together] if len(together) <= width else said))


def _during(cell: Cell, path: MarketPath, bucket: int) -> str:
    """When something in a bucket was: all that is kept of it."""
    begin = path.ts_ns[bucket]
    return stretch(Instant(begin), Instant(min(begin + path.width_ns, cell.end_ts.ts_ns)))


def _outage_lines(cell: Cell, width: int) -> Iterator[str]:
    """When the venue was out, of any market."""
    outages = (each for each in cell.phases if each.kind is PhaseKind.OUTAGE)
    out = [_places(cell, (each.start_ts.ts_ns, each.end_ts.ts_ns)) for each in outages]
    if out:
        line = ("▒" if any(_reaches(each, column, width) for each in out) else " " for column in range(width))
        yield f"{'outage':>{_LABEL}} {''.join(line)}".rstrip()


def _reaches(places: Sequence[float], column: int, width: int) -> bool:
    """Whether what lasts from one place to another reaches into a column."""
    begin, end = places
    return begin * width < column + 1 and end * width > column


def _margin_lines(cell: Cell, path: MarginPath, width: int) -> Iterator[str]:
    """Equity of an account as a band of dots, maintenance as every second dot."""
    if not path.ts_ns:
        return
    lows, highs = path.equity_min, path.equity_max
    bottom, top = min(0.0, *lows), max(highs)
    canvas = Canvas(width, _CHART_HEIGHT, bottom, top)
    last = 0
    for column, items in enumerate(columns(_places(cell, path.ts_ns), 2 * width)):
        seen = items or [last]
        level = lows[last]
        canvas.bar(column, min(level, *(lows[i] for i in seen)), max(level, *(highs[i] for i in seen)))
        last = seen[-1]
        if column % 2 == 0:
            needed = max(path.maintenance_max[i] for i in seen)
            canvas.bar(column, needed, needed)
    labels = [path.account, money(top), *[""] * (_CHART_HEIGHT - 3), money(bottom)]
    for label, line in zip(labels, canvas.lines(), strict=True):
        yield f"{shortened(label, _LABEL):>{_LABEL}} {line}".rstrip()


def _buffer_line(cell: Cell, path: MarginPath, width: int) -> Iterator[str]:
    """What a pool had above maintenance, one block per column: the least in it, or what it was before."""
    level, shown = math.inf, []
    for items in columns(_places(cell, path.ts_ns), width):
        level = min((path.buffer_min[i] for i in items), default=level)
        shown.append(level if math.isfinite(level) else None)
    yield f"{shortened(f'{path.pool} buffer', _LABEL):>{_LABEL}} {gauge(shown)}".rstrip()


def _event_lines(cell: Cell, account: str, width: int) -> Iterator[str]:
    """Where the account's stops fired, and where the venue liquidated."""
    fired = [each.trigger_ts.ts_ns for each in cell.orders if each.account == account and each.trigger_ts is not None]
    forced = [each.ts.ts_ns for each in cell.liquidations if each.account == account]
    for label, sign, times in (("stops", "▲", fired), ("liquidations", "✕", forced)):
        if times:
            found = columns(_places(cell, times), width)
            yield f"{label:>{_LABEL}} {''.join(sign if items else ' ' for items in found)}".rstrip()
