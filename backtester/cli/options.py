"""The options that say what is run and in which markets: `run` has them, and every verb that runs the same cells."""

from __future__ import annotations

from typing import Annotated

import typer

from backtester.bounds import LONGEST_S
from backtester.cli.completion import scenarios_or_all, tapes, venues

ScenarioOption = Annotated[
    list[str] | None,
    typer.Option(
        "--scenario",
        metavar="ID[+ID…],…|all",
        autocompletion=scenarios_or_all,
        help="Crashes to replay, also laid over each other (2025-10-10+outage); none: the tape as it is. "
        "May be given more than once.",
    ),
]
ShockOption = Annotated[
    str | None,
    typer.Option(
        "--shock",
        metavar="depth=0.5,…",
        help="On top of it: factors on depth, bid_depth, ask_depth, spread, volume, trades; latency=+200ms, "
        "refill=60s, funding=0.1%/8h; price=-10% (a gap after a minute) or price=*1.2 (a crash 1.2 times as deep).",
    ),
]
VenueOption = Annotated[
    list[str] | None,
    typer.Option(
        "--venue",
        metavar="[ID][@DATE|@scenario],…",
        autocompletion=venues,
        help="Rules for every account, newest unless dated; without an ID each keeps its own venue. Several are "
        "run side by side.",
    ),
]
TapeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--tape",
        metavar="PATH|NAME",
        autocompletion=tapes,
        help="Base tape; may be given more than once. Under a scenario, shipped ones add the markets it lacks.",
    ),
]
InstrumentOption = Annotated[
    list[str] | None,
    typer.Option("--instrument", metavar="BTC:tick=0.1,lot=0.001", help="Describe a symbol of a bare tape."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a value of the portfolio; venue.RULE of its venues, scenario.COLUMN of the scenario. KEY=*1.5 "
        "and KEY=-10% change it by what is there.",
    ),
]
PriceOption = Annotated[
    list[str] | None,
    typer.Option(
        "--price",
        metavar="BTC=68000",
        help="Move the tape so that it begins at this price, with as much money in its order book.",
    ),
]
ProxyOption = Annotated[
    list[str] | None,
    typer.Option(
        "--proxy", metavar="SOL=ETH*1.2", help="A path, and an order book (at its --price), for a symbol without."
    ),
]
RebaseOption = Annotated[
    bool, typer.Option("--rebase", help="Move a portfolio written at other prices to the prices of the tape.")
]
AsWrittenOption = Annotated[
    bool, typer.Option("--as-written", help="Take entry prices far from those of the tape as they are.")
]
FundingZeroOption = Annotated[
    bool, typer.Option("--assume-funding-zero", help="Charge nothing where the tape has no funding rate.")
]
IndexMidOption = Annotated[bool, typer.Option("--assume-index-mid", help="Take the mid where the tape has no index.")]
OrderBookOption = Annotated[
    bool, typer.Option("--assume-order-book", help="Trade on another venue's order book where its own has no tape.")
]
FrozenOrderBookOption = Annotated[
    bool,
    typer.Option("--assume-order-book-frozen", help="Believe an order book that stands still under its trades."),
]
StaleAfterOption = Annotated[
    float | None,
    typer.Option(
        "--stale-after",
        min=0,
        max=LONGEST_S,
        help="Flag fills on an order book older than this, in s. Default: 20 times the median time between two of "
        "its messages, 10 to 120.",
    ),
]
