"""Requests in, results out: the plan of all that was asked, pass by pass."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from backtester.engine import jit
from backtester.errors import BacktesterError
from backtester.run.plan import Rider, make_plan
from backtester.run.request import Request
from backtester.run.result import RunFailure, RunResult
from backtester.run.ride import Progress, ride
from backtester.shipped import data_dir


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
    plan = make_plan(requests)
    outcomes: dict[int, RunResult | RunFailure] = {}
    for done, numbers in enumerate(plan.passes):
        riders = [cell for number in numbers if isinstance(cell := plan.cells[number], Rider)]
        outcomes |= zip(numbers, _try(riders, _share(progress, done, len(plan.passes))), strict=True)
    return tuple(cell if isinstance(cell, RunFailure) else outcomes[n] for n, cell in enumerate(plan.cells))


def _share(progress: Progress, done: int, passes: int) -> Progress:
    """What one of several passes tells of itself, as a part of them all."""
    return lambda fraction: progress((done + fraction) / passes)


def _try(riders: Sequence[Rider], progress: Progress) -> list[RunResult | RunFailure]:
    """A pass. What is wrong with all of it may be the fault of one request: then each has a pass of its own."""
    try:
        return ride(riders, progress)
    except BacktesterError as error:
        apart = [list(of_one) for _, of_one in groupby(riders, lambda rider: rider.request)]
        if len(apart) == 1:
            return [rider.failed(error) for rider in riders]
        return [outcome for of_one in apart for outcome in _try(of_one, progress)]


def warm() -> None:
    """Compile every kernel of the run path by running the shipped demo."""
    run_cell(Request(data_dir() / "demo-portfolio.toml", scenario="2025-10-10"))


def is_warm() -> bool:
    """Whether the kernels of the run path were compiled before."""
    return jit.is_warm("advance") and jit.is_warm("transform")
