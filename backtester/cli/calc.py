"""`backtester calc`: one formula with its numbers put in, the tier in force, and the rule it comes from."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from backtester.cli.completion import symbols, venues
from backtester.cli.console import emit, render, settings
from backtester.errors import usage_error
from backtester.texts import printable

if TYPE_CHECKING:
    from rich.console import RenderableType

    from backtester.calc.answer import Answer
    from backtester.calc.quotes import Quotes
    from backtester.calc.render import Sheet
    from backtester.config.portfolio import PortfolioFile

app = typer.Typer(
    help="One formula at a time: liquidation price, maintenance margin, funding, safe leverage. Of one position, or of "
    "all in a portfolio.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Venue = Annotated[
    str | None,
    typer.Option(
        "--venue",
        metavar="ID[@DATE]",
        autocompletion=venues,
        help="Rules of a venue; with a portfolio, in place of its venues.",
    ),
]
Symbol = Annotated[str | None, typer.Option("--symbol", metavar="BTC", autocompletion=symbols, help="Market.")]
SideOption = Annotated[Literal["long", "short"] | None, typer.Option("--side", help="Direction.")]
Size = Annotated[float | None, typer.Option("--size", metavar="UNITS", help="Size in units of the base.")]
Leverage = Annotated[float | None, typer.Option("--leverage", metavar="X", help="Leverage setting.")]
Portfolio = Annotated[
    Path | None, typer.Option("--portfolio", metavar="FILE", help="All positions of a portfolio (TOML) instead.")
]
Override = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a value of the portfolio.")
]
Mark = Annotated[
    list[str] | None, typer.Option("--mark", metavar="PRICE|BTC=PRICE,…", help="Mark price, or one for each symbol.")
]


@app.command()
def liquidation(
    ctx: typer.Context,
    venue: Venue = None,
    symbol: Symbol = None,
    side: SideOption = None,
    size: Size = None,
    entry: Annotated[float | None, typer.Option("--entry", metavar="PRICE", help="Entry price.")] = None,
    mode: Annotated[
        Literal["isolated", "cross"] | None, typer.Option("--mode", help="Margin mode; isolated if not said.")
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option("--margin", metavar="QUOTE", help="Isolated margin, or balance of the cross account."),
    ] = None,
    leverage: Leverage = None,
    other_maintenance: Annotated[
        float | None,
        typer.Option("--other-maintenance", metavar="QUOTE", help="Cross: maintenance of the other positions."),
    ] = None,
    other_pnl: Annotated[
        float | None,
        typer.Option("--other-pnl", metavar="QUOTE", help="Cross: unrealised PnL of the other positions."),
    ] = None,
    mark: Mark = None,
    portfolio: Portfolio = None,
    override: Override = None,
) -> None:
    """Liquidation, takeover and bankruptcy price. Without --mark the position was opened just now.

    Example: backtester calc liquidation --venue hyperliquid --symbol BTC --side long --size 1 --entry 1e5 --margin 2500
    """
    from backtester.calc.flags import Flags, liquidation_inputs
    from backtester.calc.holdings import find_profile, holdings
    from backtester.calc.liquidation import FORMULA
    from backtester.calc.liquidation import liquidation as answer

    flags = Flags(venue, symbol, side, size, entry, mode, margin, leverage, other_maintenance, other_pnl)
    marks, file = _prices("--mark", mark), _load(portfolio, override, venue)
    if file is None:
        asked = liquidation_inputs(flags, marks)
        answers = [answer(find_profile(venue), asked)]
    else:
        flags.leave_to_portfolio()
        answers = [answer(each.profile, each.position) for each in holdings(file, venue, marks)]
    _emit(ctx, "liquidation", FORMULA, answers, file)


@app.command()
def maintenance(
    ctx: typer.Context,
    venue: Venue = None,
    symbol: Symbol = None,
    size: Size = None,
    leverage: Leverage = None,
    mark: Mark = None,
    portfolio: Portfolio = None,
    override: Override = None,
) -> None:
    """Tier, maintenance and initial margin of a size at a mark.

    Example: backtester calc maintenance --venue hyperliquid --symbol BTC --size 2000 --mark 100000
    """
    from backtester.calc.flags import Flags, maintenance_inputs
    from backtester.calc.holdings import find_profile, holdings
    from backtester.calc.maintenance import FORMULA, Inputs
    from backtester.calc.maintenance import maintenance as answer

    flags = Flags(venue, symbol, size=size, leverage=leverage)
    marks, file = _prices("--mark", mark), _load(portfolio, override, venue)
    if file is None:
        asked = maintenance_inputs(flags, marks)
        answers = [answer(find_profile(venue), asked)]
    else:
        flags.leave_to_portfolio()
        answers = [answer(each.profile, Inputs.of(each.position)) for each in holdings(file, venue, marks)]
    _emit(ctx, "maintenance", FORMULA, answers, file)


@app.command()
def funding(
    ctx: typer.Context,
    venue: Venue = None,
    symbol: Symbol = None,
    side: SideOption = None,
    size: Size = None,
    rate: Annotated[
        list[str] | None, typer.Option("--rate", metavar="RATE|BTC=RATE,…", help="Rate of one interval: 0.01%, 1bps.")
    ] = None,
    premium: Annotated[
        list[str] | None,
        typer.Option(
            "--premium", metavar="RATE|BTC=RATE,…", help="Average premium of one interval, in place of a rate."
        ),
    ] = None,
    impact_bid: Annotated[
        float | None, typer.Option("--impact-bid", metavar="PRICE", help="With --impact-ask and --index: the premium.")
    ] = None,
    impact_ask: Annotated[float | None, typer.Option("--impact-ask", metavar="PRICE", help="See --impact-bid.")] = None,
    mark: Mark = None,
    index: Annotated[
        list[str] | None,
        typer.Option("--index", metavar="PRICE|BTC=PRICE,…", help="Index price, where a venue pays on it."),
    ] = None,
    intervals: Annotated[int, typer.Option("--intervals", metavar="N", min=1, help="How many are held.")] = 1,
    cost: Annotated[
        str | None,
        typer.Option("--cost", metavar="RATE", help="Of entering and leaving, for the breakeven; else two taker fees."),
    ] = None,
    portfolio: Portfolio = None,
    override: Override = None,
) -> None:
    """What a position pays or gets for being held; the rate as given, or by the venue's formula from a premium.

    Example: backtester calc funding --venue hyperliquid --symbol BTC --side long --size 2 --index 50000 --rate 0.01%
    """
    from backtester.calc.flags import Flags
    from backtester.calc.funding import FORMULA
    from backtester.calc.funding import funding as answer
    from backtester.calc.funding_inputs import Origin, funding_inputs, one_payer, payers
    from backtester.calc.quotes import parse_quotes, read_fraction

    flags, file = Flags(venue, symbol, side, size), _load(portfolio, override, venue)
    rates = parse_quotes("--rate", rate or (), read_fraction)
    origin = Origin(rates, parse_quotes("--premium", premium or (), read_fraction), impact_bid, impact_ask)
    paid = None if cost is None else read_fraction("--cost", cost)
    if file is None:
        paying = one_payer(flags)
    else:
        flags.leave_to_portfolio()
        paying = payers(file, venue)
    asked = funding_inputs(paying, origin, _prices("--mark", mark), _prices("--index", index), intervals, paid)
    answers = [answer(payer.profile, inputs) for payer, inputs in zip(paying, asked, strict=True)]
    _emit(ctx, "funding", FORMULA, answers, file)


@app.command("leverage")
def safe_leverage(
    ctx: typer.Context,
    venue: Venue = None,
    symbol: Symbol = None,
    side: SideOption = None,
    size: Size = None,
    margin: Annotated[
        float | None, typer.Option("--margin", metavar="QUOTE", help="Equity behind the position.")
    ] = None,
    move: Annotated[
        str | None, typer.Option("--move", metavar="10%", help="Adverse move of the price that is to be survived.")
    ] = None,
    cost: Annotated[
        str, typer.Option("--cost", metavar="RATE", help="Of leaving, as a part of notional: slippage, fees, funding.")
    ] = "0",
    mark: Mark = None,
    portfolio: Portfolio = None,
    override: Override = None,
) -> None:
    """Leverage that is allowed at this size, in use, and safe in an adverse move.

    Example: backtester calc leverage --venue hyperliquid --symbol BTC --side long --size 1 --mark 100000 --move 10%
    """
    from backtester.calc.flags import Flags, leverage_inputs, read_shock
    from backtester.calc.holdings import find_profile, holdings
    from backtester.calc.leverage import FORMULA, Inputs, leverage

    flags, shock = Flags(venue, symbol, side, size, margin=margin), read_shock(move, cost)
    marks, file = _prices("--mark", mark), _load(portfolio, override, venue)
    if file is None:
        asked = leverage_inputs(flags, marks, shock)
        answers = [leverage(find_profile(venue), asked)]
    else:
        flags.leave_to_portfolio()
        answers = [leverage(each.profile, Inputs.of(each, shock)) for each in holdings(file, venue, marks)]
    _emit(ctx, "leverage", FORMULA, answers, file)


def _prices(option: str, given: list[str] | None) -> Quotes:
    from backtester.calc.quotes import parse_quotes, read_price

    return parse_quotes(option, given or (), read_price)


def _load(portfolio: Path | None, overrides: list[str] | None, venue: str | None) -> PortfolioFile | None:
    if portfolio is None:
        if overrides:
            raise usage_error("--set", "changes a portfolio, and there is none", "add --portfolio")
        return None
    from backtester.calc.holdings import judge
    from backtester.config.portfolio import load_portfolio

    return load_portfolio(portfolio, overrides or (), judge(venue))


def _emit(
    ctx: typer.Context, calc: str, formula: str, answers: Iterable[Answer[Any, Any]], file: PortfolioFile | None
) -> None:
    """Write the answers in the chosen format."""
    from backtester.calc.render import Calculation, Source, to_csv, to_json, to_markdown, to_sheet

    chosen = settings(ctx)
    asked = Calculation(calc, formula, tuple(answers), Source(file.name, file.sha256) if file else None)
    if chosen.format == "table":
        emit(render(chosen, *_drawn(to_sheet(asked))), chosen)
    else:
        emit({"json": to_json, "csv": to_csv, "markdown": to_markdown}[chosen.format](asked), chosen)


def _drawn(sheet: Sheet) -> Iterable[RenderableType]:
    """The sheet for a terminal: of several positions with a head, of one without."""
    from rich.table import Table
    from rich.text import Text

    yield Text(printable(sheet.title), style="bold")
    alone = sheet.columns[0] == "figure"
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=not alone, header_style="dim")
    for number, column in enumerate(sheet.columns):
        table.add_column(
            column, justify="left" if number in ((0, 2) if alone else (0, 1)) else "right", overflow="fold"
        )
    for row in sheet.rows:
        table.add_row(*map(printable, row))
    yield table
    notes = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    for note in sheet.notes:
        notes.add_row(*map(printable, note))
    yield from (Text(""), notes)
