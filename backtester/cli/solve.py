"""`backtester solve`: reverse stress, how far one thing goes until the portfolio does not survive."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

import typer

from backtester.cli.console import emit, make_console, settings
from backtester.cli.options import (
    AsWrittenOption,
    FrozenOrderBookOption,
    FundingZeroOption,
    IndexMidOption,
    InstrumentOption,
    OrderBookOption,
    PortfoliosArgument,
    PriceOption,
    ProxyOption,
    RebaseOption,
    ScenarioOption,
    SetOption,
    ShockOption,
    StaleAfterOption,
    TapeOption,
    VenueOption,
    command_of,
)
from backtester.cli.running import JobsOption, announce_compiling, jobs_of, progress_of


def solve(
    ctx: typer.Context,
    portfolios: PortfoliosArgument,
    solve_for: Annotated[
        Literal["size", "gross_leverage", "buffer", "shock"],
        typer.Option(
            "--for",
            help="What is turned: the size of all positions, orders and plans; the same told as notional by equity; "
            "collateral and isolated margins, all by the same factor; how deep the scenario falls.",
        ),
    ],
    scenarios: ScenarioOption = None,
    shock: ShockOption = None,
    venues: VenueOption = None,
    tapes: TapeOption = None,
    instruments: InstrumentOption = None,
    set: SetOption = None,
    prices: PriceOption = None,
    proxies: ProxyOption = None,
    rebase: RebaseOption = False,
    as_written: AsWrittenOption = False,
    funding_zero: FundingZeroOption = False,
    index_mid: IndexMidOption = False,
    order_book: OrderBookOption = False,
    frozen_order_book: FrozenOrderBookOption = False,
    stale_after: StaleAfterOption = None,
    jobs: JobsOption = None,
) -> int:
    """Find the edges of survival by scenario and venue: the last value nobody is liquidated with, and the next one.

    Example: backtester solve data/exit-portfolio.toml --for size --scenario all
    """
    from backtester.sweep.render import render_solution
    from backtester.sweep.solve import solve

    chosen = settings(ctx)
    command = command_of(ctx)
    announce_compiling(chosen)
    with progress_of(chosen, ", ".join(command.scenarios) or "tape") as listener:
        solution = solve(command, solve_for, chosen.seed, listener=listener, jobs=jobs_of(jobs))
    emit(render_solution(solution, chosen.format, make_console(chosen)), chosen)
    failed = [row for row in solution.unsolved if row.exit_code]
    for text in dict.fromkeys(row.error for row in failed):
        print(text, file=sys.stderr)
    return max((row.exit_code for row in failed), default=0)
