"""The options that say what is run and in which markets: `run` has them, and every verb that runs the same cells.

A verb that has one has a parameter of the name of the field that it fills, which is how `command_of` finds it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from backtester.bounds import LONGEST_S
from backtester.cli.completion import scenarios_or_all, tapes, venues
from backtester.options import ACCEPTANCES, OPTIONS

if TYPE_CHECKING:
    from backtester.config.command import Command

PortfoliosArgument = Annotated[
    list[Path], typer.Argument(help="What is held and ordered (TOML).", metavar="PORTFOLIO…")
]

ScenarioOption = Annotated[
    list[str] | None,
    typer.Option(
        OPTIONS["scenarios"],
        metavar="ID[+ID…],…|all",
        autocompletion=scenarios_or_all,
        help="Crashes to replay, also laid over each other (2025-10-10+outage); none: the tape as it is. "
        "May be given more than once.",
    ),
]
ShockOption = Annotated[
    list[str] | None,
    typer.Option(
        OPTIONS["shock"],
        metavar="depth=0.5,…[;…]",
        help="On top of it: factors on depth, bid_depth, ask_depth, spread, volume, trades; latency=+200ms, "
        "refill=60s, funding=0.1%/8h; price=-10% (a gap after a minute) or price=*1.2 (a crash 1.2 times as deep). "
        "price[BTC]=-10%: of one symbol; span=10%: the seven price moves of a SPAN array. Several, with ; between them "
        "or given more than once, are a cell each.",
    ),
]
VenueOption = Annotated[
    list[str] | None,
    typer.Option(
        OPTIONS["venues"],
        metavar="[ID][@DATE|@scenario],…",
        autocompletion=venues,
        help="Rules for every account, newest unless dated; without an ID each keeps its own venue. Several are "
        "run side by side.",
    ),
]
TapeOption = Annotated[
    list[str] | None,
    typer.Option(
        OPTIONS["tapes"],
        metavar="PATH|NAME",
        autocompletion=tapes,
        help="Base tape; may be given more than once. Under a scenario, shipped ones add the markets it lacks.",
    ),
]
InstrumentOption = Annotated[
    list[str] | None,
    typer.Option(OPTIONS["instruments"], metavar="BTC:tick=0.1,lot=0.001", help="Describe a symbol of a bare tape."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        OPTIONS["set"],
        metavar="KEY=VALUE",
        help="Change a value of the portfolio; venue.RULE of its venues, scenario.COLUMN of the scenario. KEY=*1.5 "
        "and KEY=-10% change it by what is there.",
    ),
]
PriceOption = Annotated[
    list[str] | None,
    typer.Option(
        OPTIONS["prices"],
        metavar="BTC=68000",
        help="Move the tape so that it begins at this price, with as much money in its order book.",
    ),
]
ProxyOption = Annotated[
    list[str] | None,
    typer.Option(
        OPTIONS["proxies"],
        metavar="SOL=ETH*1.2",
        help="A path, and an order book (at its --price), for a symbol without; *=ETH*1.5 a path for any, *= for none.",
    ),
]
RebaseOption = Annotated[
    bool, typer.Option(OPTIONS["rebase"], help="Move a portfolio written at other prices to the prices of the tape.")
]
AsWrittenOption = Annotated[
    bool, typer.Option(ACCEPTANCES["as_written"], help="Take entry prices far from those of the tape as they are.")
]
FundingZeroOption = Annotated[
    bool, typer.Option(ACCEPTANCES["funding_zero"], help="Charge nothing where the tape has no funding rate.")
]
IndexMidOption = Annotated[
    bool, typer.Option(ACCEPTANCES["index_mid"], help="Take the mid where the tape has no index.")
]
OrderBookOption = Annotated[
    bool, typer.Option(ACCEPTANCES["order_book"], help="Trade on another venue's order book where its own has no tape.")
]
FrozenOrderBookOption = Annotated[
    bool,
    typer.Option(ACCEPTANCES["frozen_order_book"], help="Believe an order book that stands still under its trades."),
]
StaleAfterOption = Annotated[
    float | None,
    typer.Option(
        OPTIONS["stale_after"],
        min=0,
        max=LONGEST_S,
        help="Flag fills on an order book older than this, in s. Default: 20 times the median time between two of "
        "its messages, 10 to 120.",
    ),
]
DrillOption = Annotated[
    list[str] | None,
    typer.Option(
        OPTIONS["drills"],
        metavar="ID,…|all",
        help="Run it again with something broken for the guards, as late, blind or whipsaw: does the policy hold?",
    ),
]


def command_of(ctx: typer.Context) -> Command:
    """What the verb was told, of all that can be; a field of which the verb has no option is left as it is unsaid."""
    from backtester.config.command import Acceptances, Command

    said = {field: value for field, value in ctx.params.items() if value is not None}
    if shocks := said.pop("shock", None):
        said["shock"] = ";".join(shocks)
    accept = Acceptances(**{field: said[field] for field in ACCEPTANCES if field in said})
    portfolios = tuple(map(str, said["portfolios"]))
    return Command(portfolios, accept=accept, **{field: _kept(said[field]) for field in OPTIONS if field in said})


def _kept(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
