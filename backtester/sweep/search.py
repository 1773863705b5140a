"""The edges of survival among factors: a coarse ladder first, then ever finer between neighbours that fare differently.

Nothing is taken for monotone: every change of fate that the ladder shows is followed until its two neighbours are near.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Context, Decimal
from itertools import groupby, pairwise
from typing import NamedTuple

from backtester.sweep.records import Fate, Span, Tried

#: So near are two neighbours of different fate at the end, the larger by the smaller one.
NEAR = 1.005
#: A hair finer, so that rounding leaves them near.
_FINER = Decimal("1.0038")
_DIGITS = Context(prec=4)
#: How often a ladder is made longer where its end decides nothing, by so many rungs, each so much more.
RUNGS, RUNG = 10, Decimal(2) ** (Decimal(1) / 2)


class Ladder(NamedTuple):
    """What is tried at first, and then at a time between two neighbours; `reach`: how often an end is made longer."""

    rungs: tuple[Decimal, ...]
    points: int = 12
    reach: int = 1
    more_is_harsher: bool = True


def next_factors(ladder: Ladder, tried: Sequence[Tried]) -> list[Decimal]:
    """What to try after `tried` (mildest first); nothing when every change of fate is narrowed down."""
    if not tried:
        return sorted(map(_rounded, ladder.rungs))
    known = {each.factor for each in tried}
    wanted = [*_beyond(ladder, tried), *_between(ladder, tried)]
    return sorted({factor for factor in wanted if factor not in known})


def ordered(ladder: Ladder, tried: Iterable[Tried]) -> tuple[Tried, ...]:
    """The mildest first."""
    return tuple(sorted(tried, key=lambda each: each.factor, reverse=not ladder.more_is_harsher))


def spans(tried: Sequence[Tried]) -> tuple[Span, ...]:
    """Neighbours of one fate as one, mildest first."""
    grouped = [list(each) for _, each in groupby(tried, key=lambda each: each.fate)]
    return tuple(Span(each[0].fate, each[0], each[-1]) for each in grouped)


def edge(found: Sequence[Span]) -> tuple[Tried | None, Tried | None]:
    """The last survivor before the first death, and what came next; without a death the last one before a refusal."""
    deaths = [n for n, span in enumerate(found) if span.fate is Fate.DIES]
    end = deaths[0] if deaths else len(found)
    lives = [n for n in range(end) if found[n].fate is Fate.LIVES]
    if not lives:
        return None, found[deaths[0]].first if deaths else None
    after = lives[-1] + 1
    return found[lives[-1]].last, found[after].first if after < len(found) else None


def _beyond(ladder: Ladder, tried: Sequence[Tried]) -> Iterator[Decimal]:
    """More of the ladder where its harshest rung is survived, or its mildest one is not."""
    away = RUNG if ladder.more_is_harsher else 1 / RUNG
    least, most = _rounded(min(ladder.rungs)), _rounded(max(ladder.rungs))
    limits = (least / RUNG ** (RUNGS * ladder.reach), most * RUNG ** (RUNGS * ladder.reach))
    for end, step, open_fate in ((tried[-1], away, Fate.LIVES), (tried[0], 1 / away, Fate.DIES)):
        if end.fate is open_fate:
            rungs = (_rounded(end.factor * step**n) for n in range(1, RUNGS + 1))
            yield from (rung for rung in rungs if limits[0] * Decimal("0.999") <= rung <= limits[1] * Decimal("1.001"))


def _between(ladder: Ladder, tried: Sequence[Tried]) -> Iterator[Decimal]:
    """Factors between neighbours that fare differently, at equal ratios."""
    for one, other in pairwise(tried):
        low, high = sorted((one.factor, other.factor))
        ratio = high / low
        if one.fate is other.fate or ratio <= Decimal(str(NEAR)):
            continue
        steps = _steps(ratio, ladder.points + 1)
        yield from (_rounded(low * ratio ** (Decimal(n) / steps)) for n in range(1, steps))


def _steps(ratio: Decimal, most: int) -> int:
    """The fewest equal ratios that make `ratio` and are fine enough, `most` if those are more.

    They are counted in decimals: the last digit of a binary logarithm is another one on another machine.
    Example: 1.0075 is two steps of at most 1.0038.
    """
    return next((steps for steps in range(1, most) if _FINER**steps >= ratio), most)


def _rounded(factor: Decimal) -> Decimal:
    return _DIGITS.plus(factor).normalize()
