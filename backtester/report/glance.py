"""Many cells at a glance: one row each, the worst first, and a matrix where two things set them apart."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from backtester.config.values import Instant
from backtester.report.apart import is_scale, reached, things_of, turning
from backtester.report.executions import PlanReport
from backtester.report.naming import AnyCell
from backtester.report.records import Cell, FailedCell
from backtester.report.sheet import Column, Heat, Sheet
from backtester.report.text import (
    NONE,
    bps,
    changed,
    is_partly,
    money,
    percent,
    price,
    signed,
    size,
    verdict_words,
    when,
)
from backtester.texts import counted

#: How much of many cells is told: nothing but the table of them, the worst in brief, that whole, all of them whole.
Details = Literal["none", "brief", "worst", "all"]
#: What a cell that is told in brief ends with.
MORE = "accounts, liquidations, stops, orders, trades and costs as tables: --details worst"

#: More columns than this make no matrix: the rows say it all.
WIDEST = 8


class Placed(NamedTuple):
    """A cell and the words that set it apart from the others, one for each thing that does."""

    cell: AnyCell
    words: tuple[str, ...]


def glance(cells: Sequence[AnyCell], currency: str) -> Iterator[Sheet]:
    """Nothing for a single cell; else the matrix, if there is one, and a row a cell, or a plan of it.

    The worst first; variants by one number as they were asked for, so that what it does can be followed.
    """
    if len(cells) < 2:
        return
    things = things_of(cells)
    placed = [Placed(cell, words) for cell, words in zip(cells, zip(*things.values(), strict=True), strict=True)]
    scaled = is_scale(cells)
    across = [*dict.fromkeys(each.words[-1] for each in placed)]
    if not (scaled and [*things] == ["variant"]):
        placed.sort(key=lambda each: _badness(each.cell))
    yield from _matrix(placed, tuple(things), across if scaled and len(things) == 2 else None)
    yield _rows(placed, tuple(things), currency, f"{reached(cells)}{turning(cells)}")


def planned(cells: Sequence[AnyCell]) -> tuple[tuple[Cell, str], ...]:
    """Finished cells with plans and the words that set them apart, in the order of the command; none of a single."""
    things = things_of(cells).values()
    words = [", ".join(each) for each in zip(*things, strict=True)]
    found = [(cell, said) for cell, said in zip(cells, words, strict=True) if isinstance(cell, Cell) and cell.plans]
    return tuple(found) if len(found) > 1 else ()


def told(cells: Sequence[AnyCell], details: Details) -> Sequence[AnyCell]:
    """The cells whose report is printed: a single one always is."""
    if len(cells) < 2 or details == "all":
        return cells
    return () if details == "none" else worst_first(cells)[:1]


def is_whole(details: Details) -> bool:
    """Whether a cell that is told is told with all its tables."""
    return details in ("worst", "all")


def untold(cells: Sequence[AnyCell], details: Details) -> str:
    """How to see the results that are not told; nothing when all are, or nobody wants to."""
    left = _finished(cells) - _finished(told(cells, details))
    return f"{counted(left, 'more cell')}: --details all tells them whole" if left and details != "none" else ""


def _finished(cells: Sequence[AnyCell]) -> int:
    return sum(isinstance(cell, Cell) for cell in cells)


def worst_first(cells: Sequence[AnyCell]) -> list[AnyCell]:
    """By verdict, then by the share that is lost; cells without a result come last."""
    return sorted(cells, key=_badness)


def _badness(cell: AnyCell) -> tuple[float, float]:
    if isinstance(cell, FailedCell):
        return (math.inf, float(cell.status != "failed"))
    return (float(cell.verdict), -(cell.portfolio.loss_pct or 0.0))


def _matrix(placed: Sequence[Placed], things: tuple[str, ...], scale: list[str] | None) -> Iterator[Sheet]:
    """The first thing down, the second across, the worst of the others in each place, unless places stay empty.

    `scale`: the second in its own order.
    """
    if len(things) < 2:
        return
    down = list(dict.fromkeys(each.words[0] for each in placed))
    across = scale or sorted({each.words[1] for each in placed})
    found: dict[tuple[str, str], list[AnyCell]] = {}
    for each in placed:
        found.setdefault((each.words[0], each.words[1]), []).append(each.cell)
    if len(across) > WIDEST or len(found) < len(down) * len(across):
        return
    worst = f"; worst {' and '.join(things[2:])}" if len(things) > 2 else ""
    title = f"{things[0].capitalize()} by {things[1]}: verdict and PnL{worst}"
    columns = (Column(things[0], is_text=True), *(Column(word, is_text=True) for word in across))
    rows = tuple((row, *(_folded(found[row, word]) for word in across)) for row in down)
    heat = tuple((None, *(_heat(found[row, word][0]) for word in across)) for row in down)
    yield Sheet(title, columns, rows, optional=True, heat=heat)


def _heat(cell: AnyCell) -> Heat | None:
    """Its verdict, and the share that is lost, of all there was at most; nothing of what came to nothing."""
    return Heat(tone(cell), min(max(-(pnl(cell) or 0.0), 0.0), 1.0)) if isinstance(cell, Cell) else None


def tone(cell: Cell) -> str:
    """How its verdict is coloured: a class of the style sheet. Example: partly."""
    return "partly" if is_partly(cell) else cell.verdict.name.lower()


def _folded(cells: Sequence[AnyCell]) -> str:
    """The first of several cells, the worst of those that finished, and how many came to nothing.

    Example: `survived −28.3 %, 1 failed`.
    """
    finished = [in_short(cell) for cell in cells if isinstance(cell, Cell)]
    nothing = Counter(in_short(cell) for cell in cells if isinstance(cell, FailedCell))
    if not finished and len(nothing) == 1:
        return next(iter(nothing))
    return ", ".join((*finished[:1], *(f"{count} {words}" for words, count in nothing.items())))


def in_short(cell: AnyCell) -> str:
    """Example: `liquidated −79.6 %`."""
    if isinstance(cell, FailedCell):
        return cell.status.replace("_", " ")
    return f"{verdict_words(cell).lower()} {changed(pnl(cell))}"


def pnl(cell: Cell) -> float | None:
    """What a portfolio won (+) or lost (-), as a fraction of its equity."""
    return None if cell.portfolio.loss_pct is None else -cell.portfolio.loss_pct / 100.0


def counts(cells: Sequence[AnyCell]) -> str:
    """How many cells came to what, the worst first. Example: `12 cells: 5 liquidated, 6 survived, 1 failed`."""
    words = [_in_a_word(cell) for cell in worst_first(cells)]
    return f"{counted(len(cells), 'cell')}: {', '.join(f'{n} {word}' for word, n in Counter(words).items())}"


def _in_a_word(cell: AnyCell) -> str:
    return cell.status.replace("_", " ") if isinstance(cell, FailedCell) else verdict_words(cell).lower()


def _rows(placed: Sequence[Placed], things: tuple[str, ...], currency: str, compared: str) -> Sheet:
    cells = [each.cell for each in placed]
    plans = any(isinstance(cell, Cell) and cell.plans for cell in cells)
    reasons = any(isinstance(cell, FailedCell) for cell in cells)
    columns = [*(Column(thing, is_text=True) for thing in things), *_FIGURES, *(_PLANS if plans else (_FEES,))]
    rows = [(*each.words, *row) for each in placed for row in _figures(each.cell, plans)]
    if reasons:
        columns.append(Column("why", is_text=True))
        whys = [_why(each.cell) for each in placed for _ in _figures(each.cell, plans)]
        rows = [(*row, why) for row, why in zip(rows, whys, strict=True)]
    told = "; slippage in bps of the arrival price" if plans else ""
    heat = tuple(
        tuple(_heat(each.cell) if column is _VERDICT else None for column in columns)
        for each in placed
        for _ in _figures(each.cell, plans)
    )
    return Sheet(f"{counts(cells)}; {currency}{told}{compared}", tuple(columns), tuple(rows), heat=heat)


_VERDICT = Column("verdict", is_text=True)
_FIGURES = (
    _VERDICT,
    Column("PnL"),
    Column("%"),
    Column("equity end", rank=3),
    Column("buffer low"),
    Column("liquidated", rank=1, is_text=True),
)
_FEES = Column("all fees", rank=5)  # of trading and of liquidation
_PLANS = (
    Column("fees", rank=5),
    Column("plan", rank=6, is_text=True),
    Column("filled", rank=4),
    Column("unfilled", rank=5),
    Column("vwap", rank=4),
    Column("slippage"),
    Column("shortfall", rank=8),
    Column("maker", rank=9),
)


def _figures(cell: AnyCell, plans: bool) -> Iterator[tuple[str, ...]]:
    """One row, or one for each plan with its fees."""
    if isinstance(cell, FailedCell):
        yield (_in_a_word(cell), *(NONE,) * (len(_FIGURES) - 1 + (len(_PLANS) if plans else 1)))
        return
    said = (
        verdict_words(cell).lower(),
        signed(-cell.portfolio.loss),
        changed(pnl(cell)),
        money(cell.portfolio.equity_end),
        money(cell.portfolio.buffer_min),
        _first_liquidation(cell),
    )
    if not cell.plans:
        yield (*said, money(cell.portfolio.fees), *(NONE,) * (len(_PLANS) - 1 if plans else 0))
    for plan in cell.plans:
        yield (*said, money(plan.fees), *_plan(plan))


def _first_liquidation(cell: Cell) -> str:
    first = min((each.ts.ts_ns for each in cell.liquidations), default=None)
    return NONE if first is None else when(Instant(first), cell.start_ts)


def _plan(each: PlanReport) -> tuple[str, ...]:
    return (
        each.id,
        size(each.filled_size),
        size(each.unfilled_size),
        price(each.vwap),
        bps(each.arrival_slippage_bps),
        bps(each.shortfall.total_bps if each.shortfall else None),
        percent(each.maker_share),
    )


def _why(cell: AnyCell) -> str:
    """The first line of why a cell has no result."""
    return cell.error.partition("\n")[0] if isinstance(cell, FailedCell) else ""
