"""Reverse stress: how far one thing can be turned until a portfolio does not survive, by scenario and venue.

All values of a round, of all portfolios, are worlds of the passes that their scenarios need. Nothing is inferred: the
answer is two neighbouring values that were run, of which one survived and the other did not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from itertools import chain
from typing import NamedTuple

from backtester.config.command import Command
from backtester.config.portfolio import Position
from backtester.config.values import Instant
from backtester.enums import Verdict
from backtester.errors import ExitCode, usage_error
from backtester.metrics.cell import measure, shared_currency
from backtester.report.records import Cell
from backtester.report.text import verdict_words
from backtester.results.model import all_errors
from backtester.run.plan import Rider, make_plan
from backtester.run.request import Request, requests
from backtester.run.result import RunFailure, RunResult
from backtester.run.session import Listener, anew, collect, nobody
from backtester.scenario.shock import parse_shock, parse_shocks
from backtester.sweep.axes import AXES, Axis
from backtester.sweep.records import Fate, Figures, Found, Pool, Solution, Tried, Unsolved
from backtester.sweep.search import edge, next_factors, ordered, spans

#: What a portfolio survives with.
SURVIVALS = frozenset({Verdict.REDUCED, Verdict.ALERTED, Verdict.SURVIVED})


class Question(NamedTuple):
    """One portfolio, scenario and venue: a cell without any factor, and what was tried of it so far."""

    rider: Rider
    tried: tuple[Tried, ...] = ()
    failed: RunFailure | None = None  # what is no answer: missing data, an engine fault


def solve(command: Command, axis: str, seed: int = 0, *, listener: Listener = nobody, jobs: int = 1) -> Solution:
    """Find the edge of survival of every portfolio, scenario and venue of a command, `jobs` passes at a time.

    `listener` hears of each round. Raises BacktesterError for a command that is wrong, and
    when nothing of it has an answer.
    """
    if axis == "shock" and not command.scenarios:
        raise usage_error("--for shock", "turns how deep a crash goes, and there is none", "name one with --scenario")
    if command.shock is not None and len(parse_shocks(command.shock)) > 1:
        raise usage_error(
            "--shock", "is an array, and each shock of it has an edge of its own", "solve for one at a time"
        )
    asked = [each._replace(topups=False) for each in requests(command, seed)]
    plan = make_plan(asked)
    questions = [Question(each) for each in plan.cells if isinstance(each, Rider)]
    while any(wanted := [_wanted(AXES[axis], each) for each in questions]):
        questions = _round(command, AXES[axis], questions, wanted, listener, jobs)
    answers = iter(questions)
    rows = tuple(
        _unsolved(each) if isinstance(each, RunFailure) else _answer(command, AXES[axis], next(answers))
        for each in plan.cells
    )
    if all(isinstance(row, Unsolved) for row in rows):
        raise all_errors([*(each for each in plan.cells if isinstance(each, RunFailure)), *_failures(questions)])
    accounts = [account for each in questions for account in each.rider.variant.portfolio.portfolio.accounts]
    currency = shared_currency(account.collateral.asset for account in accounts)
    return Solution(axis, currency, seed, command, rows)


def _wanted(axis: Axis, question: Question) -> list[Decimal]:
    return [] if question.failed else next_factors(axis.ladder, question.tried)


def _round(
    command: Command,
    axis: Axis,
    questions: Sequence[Question],
    wanted: Sequence[Sequence[Decimal]],
    listener: Listener,
    jobs: int,
) -> list[Question]:
    """All questions with what they wanted to know."""
    asked = [
        [_request(command, axis, each.rider, factor) for factor in factors]
        for each, factors in zip(questions, wanted, strict=True)
    ]
    outcomes = collect([*chain.from_iterable(asked)], anew(_take), listener, jobs)
    if len(outcomes) < sum(map(len, asked)):  # cells that mean the same are one
        still = next(each for each in asked if len(make_plan(each).cells) < len(each))
        raise usage_error("--for", f"turns nothing of {still[0].portfolio}", "all of its sizes are 0")
    made = iter(outcomes)
    return [
        _learnt(axis, each, [(factor, next(made)) for factor in factors])
        for each, factors in zip(questions, wanted, strict=True)
    ]


def _request(command: Command, axis: Axis, rider: Rider, factor: Decimal) -> Request:
    """The cell with a factor: what `run` makes of the command that is printed for it."""
    turn, asked = axis.turn(factor, _pools(rider), command.shock), rider.request
    shock = parse_shock(turn.shock) if turn.shock else asked.shock
    return asked._replace(overrides=(*asked.overrides, *turn.set), shock=shock)


def _take(result: RunResult) -> Figures | RunFailure:
    measured = measure(result)
    return measured if isinstance(measured, RunFailure) else _figures(measured.cell)


def _figures(cell: Cell) -> Figures:
    buffers = [account.buffer_min for account in cell.accounts if account.buffer_min is not None]
    first = min((each.ts.ts_ns for each in cell.liquidations), default=None)
    return Figures(
        verdict=cell.verdict,
        words=verdict_words(cell).lower(),
        loss=cell.portfolio.loss,
        loss_pct=cell.portfolio.loss_pct,
        buffer_min=min(buffers, default=None),
        first_liquidation=None if first is None else Instant(first),
        start=cell.start_ts,
        notional=math.fsum(account.notional for account in cell.accounts),
        collateral=math.fsum(account.collateral for account in cell.accounts),
        equity_start=cell.portfolio.equity_start,
    )


def _learnt(axis: Axis, question: Question, made: Sequence[tuple[Decimal, Figures | RunFailure]]) -> Question:
    if not made:
        return question
    failed, tried = question.failed, list(question.tried)
    for factor, outcome in made:
        if isinstance(outcome, Figures):
            tried.append(Tried(factor, Fate.LIVES if outcome.verdict in SURVIVALS else Fate.DIES, outcome))
        elif outcome.applicable and outcome.error.exit_code <= ExitCode.CONFIG:
            tried.append(Tried(factor, Fate.REFUSED, None, str(outcome.error)))
        else:
            failed = failed or outcome
    if not any(each.figures for each in tried):  # whatever the factor: something else is wrong
        nearest = min(made, key=lambda each: abs(each[0].ln()))[1]
        failed = failed or (nearest if isinstance(nearest, RunFailure) else None)
    return question._replace(tried=ordered(axis.ladder, tried), failed=failed)


def _answer(command: Command, axis: Axis, question: Question) -> Found | Unsolved:
    if question.failed:
        return _unsolved(question.failed)
    rider, asked = question.rider, question.rider.request
    found = spans(question.tried)
    last, after = edge(found)
    accounts = rider.variant.portfolio.portfolio.accounts
    return Found(
        portfolio=asked.portfolio.stem,
        scenario=asked.scenario,
        venue=", ".join(dict.fromkeys(profile.name for profile in rider.variant.profiles)),
        command=command._replace(
            portfolios=(str(asked.portfolio),),
            scenarios=tuple(filter(None, [asked.scenario])),
            venues=tuple(filter(None, [asked.venue])),
        ),
        collateral=math.fsum(account.collateral.amount for account in accounts),
        pools=_pools(rider),
        tried=question.tried,
        spans=found,
        last=last,
        next=after,
    )


def _pools(rider: Rider) -> tuple[Pool, ...]:
    """The collateral of all accounts as the portfolio has it, whatever another venue takes it for; isolated margins."""
    portfolio = rider.variant.portfolio
    assets = sorted({asset for account in portfolio.document.data["accounts"] for asset in account["collateral"]})
    isolated = [
        _isolated(f"accounts[{account.name}].positions[{position.symbol}].", position)
        for account in portfolio.portfolio.accounts
        for position in account.positions
        if position.margin_mode == "isolated" and position.size
    ]
    by_key = {pool.key: pool for pool in sorted(isolated, reverse=True)}  # hedge mode: two may have one key
    return (*(Pool(f"collateral.{asset}") for asset in assets), *sorted(by_key.values()))


def _isolated(place: str, position: Position) -> Pool:
    if position.leverage is None:
        return Pool(f"{place}margin")
    return Pool(f"{place}leverage", Decimal(repr(position.leverage)))


def _unsolved(failure: RunFailure) -> Unsolved:
    status, code = ("failed", failure.error.exit_code) if failure.applicable else ("not_applicable", ExitCode.OK)
    return Unsolved(failure.portfolio, failure.scenario, failure.venue, status, str(failure.error), int(code))


def _failures(questions: Sequence[Question]) -> list[RunFailure]:
    return [each.failed for each in questions if each.failed]
