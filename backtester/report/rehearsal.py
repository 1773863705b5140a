"""Drills in tables: of one cell with their figures, of several the verdict by drill and scenario."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from backtester.enums import DrillVerdict, Limit
from backtester.report.apart import things_of
from backtester.report.drilled import DrillReport
from backtester.report.naming import AnyCell
from backtester.report.records import Cell
from backtester.report.sheet import Column, Sheet
from backtester.report.text import NONE, clock, money, percent, when, word

#: What each drill breaks.
BROKEN = {
    "bad_tick": "one mark at half its price",
    "unit": "sizes a thousand times too large",
    "frozen_equity": "equity stands still",
    "stale_view": "prices stand still for 1 min",
    "blind": "positions stand still for 1 min",
    "lost": "orders get lost for 1 min",
    "refused": "orders are refused for 1 min",
    "late": "orders go out 10 s late",
    "triple": "each order goes out three times",
    "rate_limited": "one order in 10 s is taken",
    "loop": "guards act at every look",
    "flip": "three times, and not reduce-only",
    "no_human": "nobody confirms",
    "stop_lost": "stops at the venue are gone",
    "leg_adl": "the best position is taken away",
    "whipsaw": "prices come back in 2 min",
    "venue_down": "the venue is down for 20 min",
}
#: More columns than this make no matrix.
_WIDEST = 6


def rehearsal_sheet(cell: Cell, currency: str) -> Sheet:
    """A row a drill, those that were missed first."""
    rows = sorted(cell.drills, key=lambda each: each.verdict)
    return Sheet(f"Rehearsal: {_counts(cell)}; {currency}", _DRILLS, tuple(_row(cell, each) for each in rows))


_DRILLS = (
    Column("drill", is_text=True),
    Column("what breaks", rank=2, is_text=True),
    Column("at", rank=3, is_text=True),
    Column("verdict", is_text=True),
    Column("first held by", rank=1, is_text=True),
    Column("lost by it", note="against the run as it was; of whipsaw and venue_down against that tape without guards"),
    Column("harm", note="against no guards, below 0 what they saved"),
    Column("in 60 s", rank=1, note="most that guards closed within a minute, of the notional at the start"),
    Column("liquidated", rank=2, is_text=True),
)


def _row(cell: Cell, each: DrillReport) -> tuple[str, ...]:
    held = "" if each.limit is Limit.NONE else f"{each.limit.name.lower()} {clock(each.limit_ts)}"
    return (
        each.id,
        BROKEN.get(each.id, NONE),  # a stored result may have a drill that is no more
        when(each.ts, cell.start_ts),
        said(each.verdict),
        held,
        money(each.loss),
        money(each.harm),
        percent(each.share_60s) if each.share_60s else NONE,
        each.liquidated,
    )


def said(verdict: DrillVerdict) -> str:
    """Example: `not reached`, `MISSED`."""
    return "MISSED" if verdict is DrillVerdict.MISSED else word(verdict.name.lower())


def _counts(cell: Cell) -> str:
    """Example: 2 missed, 3 caught, 8 harmless, 2 not reached."""
    found = [each.verdict for each in cell.drills]
    return ", ".join(f"{found.count(each)} {word(each.name.lower())}" for each in DrillVerdict if each in found)


def rehearsals(cells: Sequence[AnyCell]) -> Iterator[Sheet]:
    """Of several cells that were rehearsed the verdicts, a drill down, a cell across."""
    drilled = [cell for cell in cells if isinstance(cell, Cell) and cell.drills]
    if len(drilled) < 2 or len(drilled) > _WIDEST:
        return
    things = things_of(drilled)
    heads = [", ".join(words) for words in zip(*things.values(), strict=True)]
    ids = dict.fromkeys(each.id for cell in drilled for each in cell.drills)
    found = [{each.id: said(each.verdict) for each in cell.drills} for cell in drilled]
    rows = tuple((name, *(of.get(name, NONE) for of in found)) for name in ids)
    columns = (Column("drill", is_text=True), *(Column(head, is_text=True) for head in heads))
    yield Sheet("Rehearsal: which drills the guards stood", columns, rows)
