"""What cells are called: portfolio, scenario, venues with or without the date of their rules, variant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from backtester.report.records import Cell, FailedCell, Named
from backtester.texts import shortened

AnyCell = Cell | FailedCell
_LONGEST_TITLE = 60


def scenario_words(scenario: str | None) -> str:
    """A scenario, or that there is none."""
    return scenario or "tape as it is"


def undated(venues: str) -> str:
    """Venues by their ids. Example: of `hyperliquid@2026-08-22, binance-usdm@2026-09-29` both ids."""
    return ", ".join(venue.partition("@")[0] for venue in venues.split(", "))


def place_name(scenario: str | None, venues: str) -> str:
    """Example: `2025-10-10 on hyperliquid@2026-08-22`; the venues left out where none is known."""
    return f"{scenario_words(scenario)} on {venues}" if venues else scenario_words(scenario)


def variant_words(variant: Named) -> str:
    """What is appended to the name of a cell. Example: `  leverage=10  size=2`."""
    return "".join(f"  {key}={value}" for key, value in variant.items)


def cell_name(cell: AnyCell) -> str:
    """What a cell is about. Example: `book, 2025-10-10 on hyperliquid@2026-08-22  leverage=10`."""
    return _name(cell, cell.venue)


def portfolio_words(cell: AnyCell) -> str:
    """The portfolio's file, and what it calls itself where that says more. Example: `book (the desk's hedge)`."""
    name, title = cell.portfolio.name, cell.portfolio.title
    return name if title.casefold() in name.casefold() else f"{name} ({shortened(title, _LONGEST_TITLE)})"


def titled_name(cell: AnyCell) -> str:
    """What a cell is about, for its headline. Example: `book (the desk's hedge), 2025-10-10 on hyperliquid`."""
    return f"{portfolio_words(cell)}{cell_name(cell).removeprefix(cell.portfolio.name)}"


def undated_names(cells: Sequence[AnyCell]) -> list[str]:
    """Cells without the date of the rules, whichever holds; with it where only that tells some apart."""
    names = [_name(cell, undated(cell.venue)) for cell in cells]
    times = Counter(names)
    return [name if times[name] == 1 else cell_name(cell) for name, cell in zip(names, cells, strict=True)]


def _name(cell: AnyCell, venues: str) -> str:
    return f"{cell.portfolio.name}, {place_name(cell.scenario, venues)}{variant_words(cell.variant)}"
