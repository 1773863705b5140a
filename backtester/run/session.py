"""Requests in, results out: the plan of all that was asked, pass by pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import TypeVar

from backtester.engine import jit
from backtester.errors import BacktesterError
from backtester.run.plan import Rider, make_plan
from backtester.run.request import Request
from backtester.run.result import RunFailure, RunResult
from backtester.run.ride import Progress, ride
from backtester.shipped import data_dir

T = TypeVar("T")


def run_cell(request: Request, progress: Progress = lambda fraction: None) -> RunResult:
    """Run one portfolio through one tape, plain or stressed. `progress` hears the fraction of the tape's time."""
    (outcome,) = run_cells([request._replace(compare=())], progress)
    if isinstance(outcome, RunFailure):
        raise outcome.error
    return outcome


def run_cells(
    requests: Sequence[Request], progress: Progress = lambda fraction: None
) -> tuple[RunResult | RunFailure, ...]:
    """Run every variant (`compare`) of every request, each as if it were alone: one that fails ends no other.

    `progress` hears the fraction that is done of all passes.
    """
    return collect(requests, lambda result: result, progress)


def collect(
    requests: Sequence[Request], take: Callable[[RunResult], T], progress: Progress = lambda fraction: None
) -> tuple[T | RunFailure, ...]:
    """The same, of which only what `take` makes of each result is kept."""
    plan = make_plan(requests)
    taken: dict[int, T | RunFailure] = {}
    for done, numbers in enumerate(plan.passes):
        riders = [cell for number in numbers if isinstance(cell := plan.cells[number], Rider)]
        taken |= zip(numbers, _try(riders, take, _share(progress, done, len(plan.passes))), strict=True)
    return tuple(cell if isinstance(cell, RunFailure) else taken[n] for n, cell in enumerate(plan.cells))


def _share(progress: Progress, done: int, passes: int) -> Progress:
    """What one of several passes tells of itself, as a part of them all."""
    return lambda fraction: progress((done + fraction) / passes)


def _try(riders: Sequence[Rider], take: Callable[[RunResult], T], progress: Progress) -> list[T | RunFailure]:
    """A pass. What is wrong with all of it may be the fault of one request: then each has a pass of its own."""
    try:
        return [each if isinstance(each, RunFailure) else take(each) for each in ride(riders, progress)]
    except BacktesterError as error:
        apart = [list(of_one) for _, of_one in groupby(riders, lambda rider: rider.request)]
        if len(apart) == 1:
            return [rider.failed(error) for rider in riders]
        return [outcome for of_one in apart for outcome in _try(of_one, take, progress)]


def warm() -> None:
    """Compile every kernel of the run path by running the shipped demo."""
    run_cell(Request(data_dir() / "demo-portfolio.toml", scenario="2025-10-10"))


def is_warm() -> bool:
    """Whether the kernels of the run path were compiled before."""
    return jit.is_warm("advance") and jit.is_warm("transform")
