"""Where survival ends: how far along a row of ever harsher worlds an account still lives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from backtester.run.tries import Fared, Search, Trial

T = TypeVar("T")


class Edge(NamedTuple, Generic[T]):
    """Two neighbours among what was tried, of which the account survives one and not the other."""

    lives: T | None = None  # the harshest with which it survives, as with all milder ones
    fared: Fared | None = None  # in that
    dies: T | None = None  # the mildest with which it does not


def edge(
    rungs: Sequence[T], trial: Callable[[T], Trial | None], finer: Callable[[Edge[T]], Sequence[T]]
) -> Search[Edge[T]]:
    """The edge among `rungs`, mildest first, then once more among finer ones between its neighbours.

    trial  the world of a rung; a rung without one is passed over
    finer  what lies between the neighbours that were found, mildest first; nothing where that is fine enough
    """
    found = yield from _among(rungs, trial)
    nearer = yield from _among(finer(found), trial)
    lives, fared = (found.lives, found.fared) if nearer.lives is None else (nearer.lives, nearer.fared)
    return Edge(lives, fared, found.dies if nearer.dies is None else nearer.dies)


def _among(rungs: Sequence[T], trial: Callable[[T], Trial | None]) -> Search[Edge[T]]:
    found = Edge[T]()
    made = {rung: world for rung in rungs if (world := trial(rung)) is not None}
    fared = (yield [*made.values()]) if made else ()
    for rung, each in zip(made, fared, strict=True):
        if not each.survived:
            return found._replace(dies=rung)
        found = Edge(rung, each)
    return found
