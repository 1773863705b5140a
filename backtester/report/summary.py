"""Many cells in a sentence and some figures: in how many of them an account dies, what they cost at the worst."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from backtester.enums import Verdict
from backtester.report.apart import things_of
from backtester.report.glance import pnl, tone, worst_first
from backtester.report.naming import AnyCell
from backtester.report.records import Cell, FailedCell
from backtester.report.text import changed, is_partly, money, signed, word
from backtester.texts import counted

#: The tail is a tenth of the cells, and no fewer than these.
_FEWEST = 3


class Figure(NamedTuple):
    """One of the few figures that matter: its name, and what else is to be said of it."""

    name: str
    figure: str
    more: str


class Summary(NamedTuple):
    """Several cells as one. `tone`: how the worst of their verdicts is coloured."""

    sentence: str
    said: tuple[Figure, ...]  # what the sentence says, too
    beyond: tuple[Figure, ...]
    tone: str


class _Named(NamedTuple):
    cell: Cell
    name: str  # what sets it apart


def summary(cells: Sequence[AnyCell], currency: str) -> Summary | None:
    """Of several cells of which some have a result; else nothing."""
    things = things_of(cells)
    names = [", ".join(words) for words in zip(*things.values(), strict=True)]
    finished = [_Named(cell, name) for cell, name in zip(cells, names, strict=True) if isinstance(cell, Cell)]
    if len(cells) < 2 or not finished:
        return None
    [thing, *others] = things
    lowest = sorted((each for each in finished if pnl(each.cell) is not None), key=lambda each: pnl(each.cell) or 0.0)
    partly, died = (sum(fate(each.cell) for each in finished) for fate in (is_partly, _died))
    sentence = [_fates(died, partly, len(finished), "cell" if others else thing)]
    nothing = Counter(word(cell.status) for cell in cells if isinstance(cell, FailedCell))
    sentence += [f", {count} {status}" for status, count in nothing.items()]
    said = [Figure("Nothing liquidated", f"{len(finished) - died - partly} of {len(finished)}", "")]
    if lowest:
        least = _result("Lowest PnL", lowest[0])
        said.insert(0, least)
        sentence.append(f"; the lowest PnL: {lowest[0].name}, {least.figure}")
    [worst, *_] = [cell for cell in worst_first(cells) if isinstance(cell, Cell)]
    return Summary("".join(sentence), tuple(said), tuple(_beyond(finished, lowest, currency)), tone(worst))


def summary_line(told: Summary) -> str:
    """What the sentence does not say. Example: `second lowest −79.3 % (2021-04-18, −229,851.53); lowest buffer …`."""
    return "; ".join(f"{each.name[0].lower()}{each.name[1:]} {each.figure} ({each.more})" for each in told.beyond)


def _died(cell: Cell) -> bool:
    """Whether an account lost all that it had, or all of its margin pools."""
    return cell.verdict in (Verdict.INSOLVENT, Verdict.LIQUIDATED) and not is_partly(cell)


def _fates(died: int, partly: int, of: int, what: str) -> str:
    """Example: An account dies in 11 of 35 scenarios, a margin pool alone in 9, nothing in 15."""
    those = counted(of, what)
    if not died and not partly:
        return f"Nothing is liquidated in {'any of ' if of > 1 else ''}{those}"
    first = f"An account dies in {died}" if died else f"A margin pool is liquidated in {partly}"
    alone = f", a margin pool alone in {partly}" if died and partly else ""
    left = f", nothing in {of - died - partly}" if died + partly < of else ""
    return f"{first} of {those}{alone}{left}"


def _beyond(finished: Sequence[_Named], lowest: Sequence[_Named], currency: str) -> Iterator[Figure]:
    """The second lowest result, the mean of the tail, the tightest moment."""
    if len(lowest) > 2:
        yield _result("Second lowest", lowest[1])
    tail = max(_FEWEST, math.ceil(len(lowest) / 10))
    if len(lowest) > tail:
        mean = math.fsum(pnl(each.cell) or 0.0 for each in lowest[:tail]) / tail
        yield Figure(f"Mean of the {tail} lowest", changed(mean), f"of {len(lowest)}")
    buffers = [(each.cell.portfolio.buffer_min, each.name) for each in finished]
    if known := [(buffer, name) for buffer, name in buffers if buffer is not None]:
        buffer, name = min(known)
        yield Figure(f"Lowest buffer, {currency}", money(buffer), name)
    yield from _guarded([each.cell for each in finished], currency)


def _guarded(cells: Sequence[Cell], currency: str) -> Iterator[Figure]:
    """What guards did to the equity at the end, all cells together. A policy that costs more than it saves shows."""
    parts = [[account.unguarded.effect for account in cell.accounts if account.unguarded] for cell in cells]
    effects = [math.fsum(part) for part in parts if part]
    if effects:
        cost = [effect for effect in effects if effect < 0.0]
        more = f"cost {money(-math.fsum(cost))} in {len(cost)} of {len(effects)}"
        yield Figure(f"Guards in all, {currency}", signed(math.fsum(effects)), more)


def _result(name: str, each: _Named) -> Figure:
    return Figure(name, changed(pnl(each.cell)), f"{each.name}, {signed(-each.cell.portfolio.loss)}")
