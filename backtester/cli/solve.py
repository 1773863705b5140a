"""`backtester solve`: reverse stress, how far one thing goes until the portfolio does not survive."""

from __future__ import annotations

import sys
from pathlib import Path
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
    PriceOption,
    ProxyOption,
    RebaseOption,
    ScenarioOption,
    SetOption,
    ShockOption,
    StaleAfterOption,
    TapeOption,
    VenueOption,
)
from backtester.cli.running import JobsOption, announce_compiling, jobs_of, progress_of


def solve(
    ctx: typer.Context,
    portfolio: Annotated[Path, typer.Argument(help="What is held and ordered (TOML).", metavar="PORTFOLIO")],
    solve_for: Annotated[
        Literal["size", "gross_leverage", "buffer", "shock"],
        typer.Option(
            "--for",
            help="What is turned: the size of all positions, orders and plans; the same told as notional by equity; "
            "collateral and isolated margins, all by the same factor; how deep the scenario falls.",
        ),
    ],
    scenario: ScenarioOption = None,
    shock: ShockOption = None,
    venue: VenueOption = None,
    tape: TapeOption = None,
    instrument: InstrumentOption = None,
    override: SetOption = None,
    price: PriceOption = None,
    proxy: ProxyOption = None,
    rebase: RebaseOption = False,
    as_written: AsWrittenOption = False,
    assume_funding_zero: FundingZeroOption = False,
    assume_index_mid: IndexMidOption = False,
    assume_order_book: OrderBookOption = False,
    assume_order_book_frozen: FrozenOrderBookOption = False,
    stale_after: StaleAfterOption = None,
    jobs: JobsOption = None,
) -> int:
    """Find the edge of survival by scenario and venue: the last value nobody is liquidated with, and the next one.

    Example: backtester solve data/exit-portfolio.toml --for size --scenario all
    """
    from backtester.config.command import Acceptances, Command
    from backtester.sweep.render import render_solution
    from backtester.sweep.solve import solve

    chosen = settings(ctx)
    command = Command(
        portfolios=(str(portfolio),),
        scenarios=tuple(scenario or ()),
        venues=tuple(venue or ()),
        shock=shock,
        tapes=tuple(tape or ()),
        instruments=tuple(instrument or ()),
        set=tuple(override or ()),
        prices=tuple(price or ()),
        proxies=tuple(proxy or ()),
        stale_after=stale_after,
        rebase=rebase,
        accept=Acceptances(
            assume_funding_zero, assume_index_mid, assume_order_book, as_written, assume_order_book_frozen
        ),
    )
    announce_compiling(chosen)
    with progress_of(chosen, ", ".join(command.scenarios) or "tape") as listener:
        solution = solve(command, solve_for, chosen.seed, listener=listener, jobs=jobs_of(jobs))
    emit(render_solution(solution, chosen.format, make_console(chosen)), chosen)
    failed = [row for row in solution.unsolved if row.exit_code]
    for text in dict.fromkeys(row.error for row in failed):
        print(text, file=sys.stderr)
    return max((row.exit_code for row in failed), default=0)
