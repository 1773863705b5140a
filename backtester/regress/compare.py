"""Two results compared: the inputs that differ, and every figure of every cell that changed, the worst first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any, NamedTuple

from backtester.config.values import Instant
from backtester.regress.cells import Pair, pair_cells
from backtester.regress.inputs import InputChange, changed_inputs
from backtester.regress.shown import shown, shown_apart, told
from backtester.regress.walk import Difference, Sign, comparable, differences
from backtester.report.glance import in_short
from backtester.report.measures import Quantity, badness
from backtester.report.naming import AnyCell, cell_name
from backtester.report.records import Cell, FailedCell, ReportModel
from backtester.report.text import NONE, pools_words, verdict_words


class Effect(Enum):
    """Whether a change is for the worse."""

    WORSE = "worse"
    BETTER = "better"
    NEUTRAL = "neutral"


class Change(NamedTuple):
    """One figure, row or cell that changed; `was` and `now` are before and after as the report shows them."""

    sign: Sign  # ~ another value, + new, - gone
    cell: str
    place: str  # in the cell: accounts[main].positions[BTC].funding; "" is the cell itself
    figure: str  # the same, whosever: accounts.positions.funding
    quantity: Quantity
    before: Any
    after: Any
    effect: Effect
    was: str
    now: str
    old: float | None  # before as a number, of a time ns after the start; None where it is none
    by: float | None  # how far it went from there; None where one of both is no number
    weight: float  # of money: as a share of the account's equity; of other numbers: of the larger value
    is_detail: bool  # one row of many of which the record above says the sum


class Compared(NamedTuple):
    """A pair of cells, and what changed from one to the other, the worst first."""

    pair: Pair
    changes: tuple[Change, ...]


class Comparison(NamedTuple):
    """What differs between two results, cell by cell."""

    inputs: tuple[InputChange, ...]
    pairs: tuple[Compared, ...]
    currency: str  # of the second

    @property
    def changes(self) -> tuple[Change, ...]:
        """Those of all cells, the worst first."""
        return tuple(sorted((change for each in self.pairs for change in each.changes), key=rank))

    @property
    def cells(self) -> int:
        """How many cells both of them have."""
        return sum(None not in each.pair for each in self.pairs)


def compare(before: ReportModel, after: ReportModel) -> Comparison:
    """Everything that differs, however little. Comparing the other way round mirrors it."""
    pairs = (Compared(pair, tuple(sorted(_changes(pair), key=rank))) for pair in pair_cells(before.cells, after.cells))
    return Comparison(changed_inputs(before, after), tuple(pairs), after.reporting_currency)


# --- the worst first -----------------------------------------------------------------------------------------------

_TIERS = {Quantity.VERDICT: 0, Quantity.COUNT: 1, Quantity.ROW: 1, Quantity.OUTCOME: 1, Quantity.MONEY: 2}
_REST, _DETAILS = 3, 4
_EFFECTS = (Effect.WORSE, Effect.BETTER, Effect.NEUTRAL)


def rank(change: Change) -> tuple[int, int, float]:
    """Verdicts, counts, money, the rest; of these worse, better, neither; of these by size."""
    tier = _DETAILS if change.is_detail else _TIERS.get(change.quantity, _REST)
    return (tier, _EFFECTS.index(change.effect), -change.weight)


# --- cells ---------------------------------------------------------------------------------------------------------


def _changes(pair: Pair) -> Iterator[Change]:
    if isinstance(pair.before, Cell) and isinstance(pair.after, Cell):
        yield from _figures(pair.before, pair.after)
    elif _came_to(pair.before) != _came_to(pair.after):
        yield _cell(pair)


def _came_to(cell: AnyCell | None) -> tuple[str, str | None] | None:
    return None if cell is None else (cell.status, cell.error)


def _cell(pair: Pair) -> Change:
    """A cell that only one of them has, or that only one of them finished."""
    return Change(
        sign="+" if pair.before is None else "-" if pair.after is None else "~",
        cell=cell_name(pair.cell),
        place="",
        figure="",
        quantity=Quantity.VERDICT,
        before=_word(pair.before),
        after=_word(pair.after),
        effect=_effect_of(pair),
        was=_in_words(pair.before),
        now=_in_words(pair.after),
        old=None,
        by=None,
        weight=0.0,
        is_detail=False,
    )


def _word(cell: AnyCell | None) -> str | None:
    """The verdict of a cell, or what it has instead of one, as in the document."""
    if cell is None:
        return None
    return cell.status if isinstance(cell, FailedCell) else cell.verdict.name.lower()


def _in_words(cell: AnyCell | None) -> str:
    if cell is None:
        return NONE
    reason = cell.error.partition("\n")[0] if isinstance(cell, FailedCell) else ""
    return f"{in_short(cell)}: {reason}" if reason else in_short(cell)


def _effect_of(pair: Pair) -> Effect:
    """A result is better than none; a cell that only one of them has is neither."""
    is_result = [isinstance(cell, Cell) for cell in pair]
    if None in pair or is_result[0] == is_result[1]:
        return Effect.NEUTRAL
    return Effect.WORSE if is_result[0] else Effect.BETTER


# --- figures -------------------------------------------------------------------------------------------------------


#: Figures that a report says with what else the cell holds.
_CELLS_WORDS: Mapping[str, Callable[[Cell], str]] = MappingProxyType(
    {"verdict": lambda cell: verdict_words(cell).lower(), "portfolio.pools_liquidated": pools_words}
)


def _figures(before: Cell, after: Cell) -> Iterator[Change]:
    starts, equities = (before.start_ts, after.start_ts), _equities(before, after)
    for found in differences(before, after):
        change = _change(found, cell_name(after), starts, equities)
        words = _CELLS_WORDS.get(found.place)
        yield change if words is None else change._replace(was=words(before), now=words(after))


def _equities(before: Cell, after: Cell) -> Mapping[str, float]:
    """What the accounts began with, the larger of both; "" is all of them."""
    found: dict[str, float] = {}
    for cell in (before, after):
        began = [("", cell.portfolio.equity_start), *((each.name, each.equity_start) for each in cell.accounts)]
        for name, equity in began:
            found[name] = max(found.get(name, 0.0), equity)
    return found


def _change(found: Difference, cell: str, starts: tuple[Instant, Instant], equities: Mapping[str, float]) -> Change:
    quantity, values = found.measure.quantity, (found.before, found.after)
    if quantity is Quantity.ROW:
        was, now = (_row_in_words(value, found.place, start) for value, start in zip(values, starts, strict=True))
    else:
        was, now = shown_apart(values, quantity, starts)
    old, new = (comparable(value, found.measure, start) for value, start in zip(values, starts, strict=True))
    by = new - old if found.sign == "~" and is_number(old) and is_number(new) else None
    return Change(
        sign=found.sign,
        cell=cell,
        place=found.place,
        figure=found.figure,
        quantity=quantity,
        before=found.before,
        after=found.after,
        effect=_effect(found, old, new),
        was=was,
        now=now,
        old=old if is_number(old) else None,
        by=by,
        weight=_weight(found, old, new, equities),
        is_detail=found.is_detail,
    )


def _row_in_words(row: Any, place: str, start: Instant) -> str:
    """What a row holds; `yes` where that is its name alone."""
    if row is None:
        return NONE
    if place.endswith(f"[{row}]"):
        return "yes"
    return told(row, start) if hasattr(row, "_fields") else shown(row, Quantity.ROW, start)


def _effect(found: Difference, old: Any, new: Any) -> Effect:
    if found.sign == "~":
        before, after = (badness(found.measure, found.field, each) for each in (old, new))
    else:  # a row beside none
        before, after = (badness(found.measure, "", float(each is not None)) for each in (old, new))
    if before is None or after is None or before == after:
        return Effect.NEUTRAL
    return Effect.WORSE if after > before else Effect.BETTER


def is_number(value: Any) -> bool:
    """A number that is no code of an enum."""
    return type(value) in (int, float)


def _weight(found: Difference, old: Any, new: Any, equities: Mapping[str, float]) -> float:
    """How large a change is; one from or to what is not known is as large as what is known."""
    before, after = (float(each) if is_number(each) else 0.0 for each in (old, new))
    size = abs(after - before)
    if found.measure.quantity is not Quantity.MONEY:
        return size / max(abs(before), abs(after), size) if size else 0.0
    equity = equities.get(found.account, 0.0) or equities[""]
    return size / equity if equity > 0.0 else size
