"""What a shell offers for the values of options and arguments: ids of scenarios, venues, tapes and markets.

Typer keeps what begins like the word that is typed; the shell itself offers files where nothing does.
"""

from __future__ import annotations

from pathlib import Path

import typer


def scenarios(incomplete: str) -> list[str]:
    """Ids of shipped scenarios, also behind others. Example: `2025-10-10+o` is completed to `2025-10-10+outage`."""
    from backtester.shipped import scenarios_dir

    cut = max(incomplete.rfind(","), incomplete.rfind("+")) + 1
    return [incomplete[:cut] + name for name in _stems(scenarios_dir(), "parquet")]


def scenarios_or_all(incomplete: str) -> list[str]:
    """The same, and the groups: `all`, `crashes`, …"""
    from backtester.scenario.library import groups

    return [*groups(), *scenarios(incomplete)]


def venues() -> list[str]:
    """Ids of shipped venues."""
    from backtester.shipped import venues_dir

    return _stems(venues_dir(), "toml")


def tapes() -> list[str]:
    """Names of shipped tapes."""
    from backtester.shipped import data_dir

    return _stems(data_dir(), "parquet")


def symbols(ctx: typer.Context) -> list[str]:
    """The markets of the venue that stands before on the command line; none where that is not known.

    An option without its value keeps the parser from naming the arguments: a venue among them is the first.
    """
    from backtester.errors import BacktesterError
    from backtester.venue.loader import VenueRef, load_profile

    try:
        ref = VenueRef.parse(ctx.params.get("venue") or next(iter(ctx.args), ""))
        markets = load_profile(ref.id, ref.on).markets
    except BacktesterError:
        return []
    return [market.symbol for market in markets]


def _stems(directory: Path, ending: str) -> list[str]:
    return sorted(path.stem for path in directory.glob(f"*.{ending}"))
