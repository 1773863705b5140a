"""Requests in, results out: the plan of all that was asked, pass by pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain, groupby
from typing import Generic, NamedTuple, TypeVar

from backtester.engine import jit
from backtester.errors import BacktesterError
from backtester.run.plan import Plan, Rider, make_plan
from backtester.run.request import Request
from backtester.run.result import RunFailure, RunResult
from backtester.run.ride import Progress, ride
from backtester.run.threads import threads
from backtester.shipped import data_dir

T = TypeVar("T")


class Done(NamedTuple):
    """How far all passes are: the fraction of their time, and so many `cells` `of` all."""

    fraction: float
    cells: int
    of: int


Listener = Callable[[Done], None]


class Sought(NamedTuple, Generic[T]):
    """A cell that was looked for: what is there of it; where that is nothing it is run, and `take` gets the result."""

    found: T | None
    take: Callable[[RunResult], T]


def anew(take: Callable[[RunResult], T]) -> Callable[[Rider], Sought[T]]:
    """How to look for cells of which nothing is stored."""
    return lambda rider: Sought(None, take)


def nobody(done: Done) -> None:
    """Listens to nothing."""


def run_cell(request: Request, listener: Listener = nobody) -> RunResult:
    """Run one portfolio through one tape, plain or stressed."""
    (outcome,) = run_cells([request._replace(compare=())], listener)
    if isinstance(outcome, RunFailure):
        raise outcome.error
    return outcome


def run_cells(requests: Sequence[Request], listener: Listener = nobody) -> tuple[RunResult | RunFailure, ...]:
    """Run every variant (`compare`) of every request, each as if it were alone: one that fails ends no other."""
    return collect(requests, anew(lambda result: result), listener)


def collect(
    requests: Sequence[Request],
    seek: Callable[[Rider], Sought[T]],
    listener: Listener = nobody,
    jobs: int = 1,
) -> tuple[T | RunFailure, ...]:
    """The same, of which only what is made of each result is kept; `jobs` passes at a time, each in a thread.

    What comes out does not depend on `jobs`. A cell is looked for (`seek`) before it is run.
    """
    plan = make_plan(requests)
    shares = Shares(plan, listener)

    def run(number: int) -> list[T | RunFailure]:
        riders = [cell for n in plan.passes[number] if isinstance(cell := plan.cells[n], Rider)]
        sought = [seek(rider) for rider in riders]
        lacking = [(rider, each.take) for rider, each in zip(riders, sought, strict=True) if each.found is None]
        made = iter(_try(lacking, shares.of(number)) if lacking else ())
        shares.ended(number)
        return [next(made) if each.found is None else each.found for each in sought]

    if min(jobs, len(plan.passes)) < 2:  # where an interruption ends it at once, in the middle of a kernel's making too
        return _in_place(plan, map(run, range(len(plan.passes))))
    with threads(jobs) as pool:
        try:
            found = list(pool.map(run, range(len(plan.passes))))
        except BaseException:
            shares.end()
            raise
    return _in_place(plan, found)


def _in_place(plan: Plan, found: Iterable[Sequence[T | RunFailure]]) -> tuple[T | RunFailure, ...]:
    """What the passes found, in the order of the plan's cells."""
    taken = dict(zip(chain.from_iterable(plan.passes), chain.from_iterable(found), strict=True))
    return tuple(cell if isinstance(cell, RunFailure) else taken[n] for n, cell in enumerate(plan.cells))


class Shares:
    """What each of several passes tells of itself, as parts of them all."""

    def __init__(self, plan: Plan, listener: Listener) -> None:
        self._plan, self._listener, self._ended = plan, listener, False
        self._done = [0.0] * len(plan.passes)
        self._cells = len(plan.cells) - sum(map(len, plan.passes))  # those that fail before anything is run

    def of(self, number: int) -> Progress:
        """Where pass `number` tells how far it is. There it hears, too, that nobody waits for it any more."""

        def tell(fraction: float) -> None:
            if self._ended:
                raise KeyboardInterrupt
            self._done[number] = fraction
            self._tell()

        return tell

    def ended(self, number: int) -> None:
        """Pass `number` is done."""
        self._done[number] = 1.0
        self._cells += len(self._plan.passes[number])
        self._tell()

    def _tell(self) -> None:
        self._listener(Done(sum(self._done) / len(self._done), self._cells, len(self._plan.cells)))

    def end(self) -> None:
        """Let every pass end where it is."""
        self._ended = True


def _try(asked: Sequence[tuple[Rider, Callable[[RunResult], T]]], progress: Progress) -> list[T | RunFailure]:
    """A pass, each rider with what takes its result.

    What is wrong with all of it may be the fault of one request: then each has a pass of its own.
    """
    try:
        outcomes = zip(asked, ride([rider for rider, _ in asked], progress), strict=True)
        return [each if isinstance(each, RunFailure) else take(each) for (_, take), each in outcomes]
    except BacktesterError as error:
        apart = [list(of_one) for _, of_one in groupby(asked, lambda each: each[0].request)]
        if len(apart) == 1:
            return [rider.failed(error) for rider, _ in asked]
        return [outcome for of_one in apart for outcome in _try(of_one, progress)]


def warm() -> None:
    """Compile every kernel of the run path by running the shipped demo."""
    run_cell(Request(data_dir() / "demo-portfolio.toml", scenario="2025-10-10"))


def is_warm() -> bool:
    """Whether the kernels of the run path were compiled before."""
    return jit.is_warm("advance") and jit.is_warm("transform")
