"""Read a facts file (TOML) and say everything that is wrong with it.

Every figure names its source: a key of `[sources]`, several joined by `+`, or `assumed`. Times are UTC, `HH:MM:SS` on
the window's first day (earlier than the window's start: the day after) or `YYYY-MM-DDTHH:MM:SS`. In an overlay, which
has no prices (`path`), they are offsets from the low of the path that it is laid over: `-2m`, `8m`.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from backtester.config.lines import Place
from backtester.config.toml import Document, Fault, Record, faults_error, read_document, shown, validate
from backtester.config.values import parse_duration_ns
from backtester.scenario.facts import ASSUMED, Candle, Candles, Facts, Figure, OtherNames, Price, Table, Unused
from backtester.scenario.path import ANY, COLUMNS, GROUPS, LINEAR, NOT_APPLIED, OVERLAY, Source

NS = 1_000_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: What a [[held]] table may fill. Prices, basis and spread have tables of their own.
HELD = tuple(name for name in COLUMNS if name not in LINEAR and name not in NOT_APPLIED and name != "spread_mult")

#: What a group of scenarios may be called: nothing that could be a file, a date or `all`.
TAG = re.compile(r"(?!all$)[a-z]+(-[a-z]+)*")

Row = list[Any]


class WindowTable(Record):
    """When the scenario happens, and why then. `from_low`: start and end of an overlay, as offsets from the low.

    step_s: how far apart its steps are while prices are calm (20 s); the faster candles are, the closer they stand.
    """

    start: datetime | None = None
    end: datetime | None = None
    from_low: list[str] | None = None
    step_s: int = 20
    why: str


class PricesTable(Record):
    """How candles become a path: `baseline`, the calm minutes that trade intensity is measured against."""

    baseline: list[str]
    why: str


class CandlesTable(Record):
    """rows: [time, open, high, low, close, volume]; low_at, high_at: a candle's time -> the time of its extreme.

    like: the symbol whose perp they are assumed to look like inside. Candles of a mark are compared, never drawn.
    """

    symbol: str
    price: Literal["perp", "index", "mark"] = "perp"
    like: str = ""
    interval_s: int
    source: str
    low_at: dict[str, str] | None = None
    high_at: dict[str, str] | None = None
    rows: list[Row]


class BasisTable(Record):
    """rows: [time, bps, source, note?]."""

    symbol: str
    venue: str = ANY
    rows: list[Row]


class SpreadTable(Record):
    """rows: [time, bps, source, note?]; compiled into multiples of `normal_bps`."""

    symbol: str
    venue: str = ANY
    normal_bps: float
    normal_source: str
    rows: list[Row]


class HeldTable(Record):
    """rows: [time, one value per column, source, note?]."""

    symbol: str
    venue: str = ANY
    columns: list[str]
    rows: list[Row]


class OthersTable(Record):
    """How a name moves that has no candles here: like `of`, times beta; none stated, as far as the farthest that has.

    All of it is assumed.
    """

    of: str
    beta: float | None = None
    why: str


class UnusedTable(Record):
    """A published figure that the path does not use."""

    figure: str
    source: str
    why: str


class FactsFile(Record):
    """The whole document as it stands."""

    id: str
    title: str
    type: Literal["HIST", "HYPT", "REVERSE"]
    tags: Sequence[str] = ()
    calibration: str
    window: WindowTable
    sources: dict[str, str]
    prices: PricesTable | None = None
    candles: Sequence[CandlesTable] = ()
    basis: Sequence[BasisTable] = ()
    spread: Sequence[SpreadTable] = ()
    held: Sequence[HeldTable] = ()
    others: OthersTable | None = None
    unused: Sequence[UnusedTable] = ()


def read_facts(path: Path) -> Facts:
    """Read and check a facts file. Raises BacktesterError with every problem found."""
    return facts_of(read_document(path))


def facts_of(document: Document) -> Facts:
    """Check a facts file that was read. Raises BacktesterError with every problem found."""
    return _Reader(document, validate(FactsFile, document)).facts()


class _Reader:
    """Turns the document's texts into times and figures; collects faults and goes on."""

    def __init__(self, document: Document, file: FactsFile) -> None:
        self.document = document
        self.file = file
        self.faults: list[Fault] = []
        self.is_overlay = file.window.from_low is not None
        self.prices = file.prices or PricesTable(baseline=[], why="")
        self.start, self.end = self.window()
        self.check_kind()

    def window(self) -> tuple[datetime, datetime]:
        """Start and end; those of an overlay are counted from 1970. Raises what is wrong with them."""
        window = self.file.window
        bounds = [bound.replace(tzinfo=bound.tzinfo or UTC) for bound in (window.start, window.end) if bound]
        try:
            bounds += [_after_low(text) for text in window.from_low or ()]
        except ValueError:
            bounds = []
        if len(bounds) != 2:
            message = 'expected start and end, or from_low = ["-2m", "8m"] for an overlay'
            raise faults_error(self.document, [Fault(("window",), message)])
        start, end = bounds
        if end <= start or (self.is_overlay and not start <= EPOCH < end):
            message = "must hold the low, as from -2m to 8m does" if self.is_overlay else "must be after the start"
            raise faults_error(self.document, [Fault(("window", "from_low" if self.is_overlay else "end"), message)])
        return start, end

    def check_kind(self) -> None:
        """Prices need candles, and a path without prices has none of what belongs to them."""
        for key in ("prices", "candles"):
            if not self.is_overlay and not getattr(self.file, key):
                self.fault((key,), "missing key")
        for key in ("prices", "candles", "basis", "others"):
            if self.is_overlay and getattr(self.file, key):
                self.fault((key,), "cannot stand here: an overlay has no prices")

    def facts(self) -> Facts:
        file = self.file
        facts = Facts(
            id=file.id,
            title=file.title,
            type=file.type,
            tags=self.tags(),
            calibration=file.calibration,
            start_ns=_ns(self.start),
            end_ns=_ns(self.end),
            calm_ns=self.calm_ns(),
            baseline=self.baseline(),
            candles=tuple(self.candles(number, table) for number, table in enumerate(file.candles)),
            tables=self.tables(),
            others=self.others(),
            unused=tuple(
                Unused(table.figure, self.source(("unused", number, "source"), table.source), table.why)
                for number, table in enumerate(file.unused)
            ),
            sources=tuple(Source(key, text) for key, text in sorted(file.sources.items())),
            sha256=self.document.sha256,
        )
        if self.faults:
            raise faults_error(self.document, self.faults)
        return facts

    def fault(self, place: Place, message: str, hint: str = "") -> None:
        self.faults.append(Fault(place, message, hint))

    def time(self, place: Place, text: Any) -> int:
        """t_ns of a time text; 0 after a fault."""
        try:
            if self.is_overlay:
                moment = _after_low(text)
            elif "T" in text:
                moment = datetime.fromisoformat(text)
                moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            else:
                clock = datetime.strptime(text, "%H:%M:%S").time()
                moment = datetime.combine(self.start.date(), clock, UTC)
                moment += timedelta(days=moment < self.start)
        except (TypeError, ValueError):
            hint = "write it like -2m or 90s" if self.is_overlay else "write it like 21:15:00 or 2025-10-11T00:00:00"
            self.fault(place, f"expected a time, was {shown(text)}", hint)
            return 0
        if not self.start <= moment <= self.end:
            self.fault(place, f"{text} lies outside the window")
        return _ns(moment) - _ns(self.start)

    def numbers(self, place: Place, cells: Sequence[Any]) -> tuple[float, ...]:
        for cell in cells:
            if isinstance(cell, bool) or not isinstance(cell, int | float) or not _is_finite(cell):
                self.fault(place, f"expected a number, was {shown(cell)}")
                return tuple(0.0 for _ in cells)
        return tuple(float(cell) for cell in cells)

    def source(self, place: Place, text: Any) -> str:
        for key in str(text).split("+"):
            if key != ASSUMED and key not in self.file.sources:
                self.fault(place, f"unknown source {shown(key)}", "add it to [sources], or write assumed")
        return str(text)

    def tags(self) -> tuple[str, ...]:
        for number, tag in enumerate(self.file.tags):
            if not TAG.fullmatch(tag):
                self.fault(("tags", number), f"{shown(tag)} is no group", "write it in small letters, like crashes")
        return tuple(sorted({*self.file.tags, GROUPS[self.file.type]}))

    def calm_ns(self) -> int:
        step = self.file.window.step_s
        if not 0 < step <= 60 or 60 % step:
            self.fault(("window", "step_s"), "must divide a minute, as 5, 20 and 60 do")
            return NS
        return step * NS

    def baseline(self) -> tuple[int, int]:
        place = ("prices", "baseline")
        if self.is_overlay:
            return 0, 0
        times = [self.time(place, text) for text in self.prices.baseline]
        if len(times) != 2 or times[0] >= times[1]:
            self.fault(place, "expected two ascending times")
            return 0, 0
        return times[0], times[1]

    def candles(self, number: int, table: CandlesTable) -> Candles:
        place: Place = ("candles", number)
        rows = [candle for at, row in enumerate(table.rows) if (candle := self.candle((*place, "rows", at), row))]
        interval = table.interval_s * NS
        starts = {row.t_ns for row in rows}
        moments = []
        for key, texts in (("low_at", table.low_at), ("high_at", table.high_at)):
            pairs = [
                (self.time((*place, key), a), self.time((*place, key), b)) for a, b in sorted((texts or {}).items())
            ]
            if any(start not in starts or not start < moment < start + interval for start, moment in pairs):
                self.fault((*place, key), "expected times of candles, and times inside them")
            moments.append(tuple(pairs))
        if interval <= 0:
            self.fault((*place, "interval_s"), "must be more than 0")
        source = self.source((*place, "source"), table.source)
        models = {other.symbol for other in self.file.candles} - {
            other.symbol for other in self.file.candles if other.like
        }
        if table.like and table.like not in models:
            self.fault((*place, "like"), f"{shown(table.like)} has no candles of its own", _one_of(models))
        return Candles(table.symbol, Price(table.price), table.like, interval, source, tuple(rows), *moments)

    def candle(self, place: Place, row: Row) -> Candle | None:
        if len(row) != 6:
            self.fault(place, "expected [time, open, high, low, close, volume]")
            return None
        open_, high, low, close, volume = self.numbers(place, row[1:])
        if not 0.0 < low <= min(open_, close) <= max(open_, close) <= high or volume < 0.0:
            self.fault(place, "needs 0 < low ≤ open, close ≤ high and a volume of at least 0")
        return Candle(self.time(place, row[0]), open_, high, low, close, volume)

    def tables(self) -> tuple[Table, ...]:
        file = self.file
        tables = []
        for number, basis in enumerate(file.basis):
            place: Place = ("basis", number)
            tables.append(self.table(place, basis.venue, basis.symbol, ("basis_bps",), 1.0, basis.rows))
        for number, spread in enumerate(file.spread):
            place = ("spread", number)
            self.source((*place, "normal_source"), spread.normal_source)
            is_usable = spread.normal_bps > 0.0 and _is_finite(spread.normal_bps)
            if not is_usable:
                self.fault((*place, "normal_bps"), f"must be a number of more than 0, was {shown(spread.normal_bps)}")
            scale = 1.0 / spread.normal_bps if is_usable else 1.0
            tables.append(self.table(place, spread.venue, spread.symbol, ("spread_mult",), scale, spread.rows))
        for number, held in enumerate(file.held):
            place = ("held", number)
            for at, column in enumerate(held.columns):
                allowed = [name for name in HELD if name in OVERLAY] if self.is_overlay else HELD
                if column not in allowed:
                    hint = f"one of {', '.join(allowed)}"
                    self.fault((*place, "columns", at), f"{shown(column)} cannot stand here", hint)
            tables.append(self.table(place, held.venue, held.symbol, tuple(held.columns), 1.0, held.rows))
        return tuple(tables)

    def others(self) -> OtherNames | None:
        table = self.file.others
        if table is None:
            return None
        drawn = {part.symbol for part in self.file.candles if part.price != "mark"}
        if table.of not in drawn and not self.is_overlay:
            self.fault(("others", "of"), f"{shown(table.of)} has no candles", _one_of(drawn))
        if table.beta is not None and not 0.0 < table.beta < math.inf:
            self.fault(("others", "beta"), f"must be a number of more than 0, was {shown(table.beta)}")
        return OtherNames(table.of, table.beta, table.why)

    def table(
        self, place: Place, venue: str, symbol: str, columns: tuple[str, ...], scale: float, rows: list[Row]
    ) -> Table:
        if symbol == ANY and place[0] != "held":
            self.fault((*place, "symbol"), "needs the symbol it belongs to")
        figures = [
            figure
            for at, row in enumerate(rows)
            if (figure := self.figure((*place, "rows", at), row, len(columns))) is not None
        ]
        if columns != ("forced_flow_quote",) and (not figures or figures[0].t_ns != 0):
            self.fault((*place, "rows"), "must begin at the window's start")
        if any(b.t_ns <= a.t_ns for a, b in pairwise(figures)):
            self.fault((*place, "rows"), "times must ascend")
        return Table(venue, symbol, columns, scale, tuple(figures))

    def figure(self, place: Place, row: Row, values: int) -> Figure | None:
        if len(row) not in (values + 2, values + 3):
            what = "a number" if values == 1 else f"{values} numbers"
            self.fault(place, f"expected [time, {what}, source] and perhaps a note")
            return None
        note = str(row[-1]) if len(row) == values + 3 else ""
        numbers = self.numbers(place, row[1 : values + 1])
        return Figure(self.time(place, row[0]), numbers, self.source(place, row[values + 1]), note)


def _is_finite(number: float) -> bool:
    """Whether a number of TOML, which has inf, nan and whole numbers of any length, fits a float."""
    return abs(number) <= sys.float_info.max


def _one_of(names: set[str]) -> str:
    return f"one of {', '.join(sorted(names))}" if names else ""


def _after_low(text: Any) -> datetime:
    """An offset from the low, as a moment after 1970. Raises ValueError or TypeError."""
    sign, duration = (-1, text[1:]) if text[:1] == "-" else (1, text)
    return EPOCH + sign * timedelta(microseconds=parse_duration_ns(duration) // 1000)


def _ns(moment: datetime) -> int:
    """ns since the epoch, exact for whole microseconds."""
    return (moment - EPOCH) // timedelta(microseconds=1) * 1000
