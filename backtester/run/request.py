"""What the user asks for, one scenario and one choice of venues at a time: plain values, read from a command."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from backtester.config.command import Acceptances, Command, scenarios_of, venues_of
from backtester.config.toml import did_you_mean
from backtester.engine.state import DEFAULT_CAPACITIES, Capacities
from backtester.errors import usage_error
from backtester.market.schema import InstrumentFacts, parse_instruments
from backtester.run.drills import DRILLS
from backtester.run.prices import Price, parse_price
from backtester.run.variants import count_combinations
from backtester.scenario.grid import Proxy, parse_proxies
from backtester.scenario.library import find_runnable, members
from backtester.scenario.shock import Shock, parse_shocks
from backtester.venue.loader import VenueRef, load_profile

#: Variants of a portfolio beyond which nobody looks for what would have helped each of them: it takes many worlds more.
MOST_HELPED = 16


class Request(NamedTuple):
    """One portfolio, in one scenario, at one choice of venues."""

    portfolio: Path
    overrides: tuple[str, ...] = ()
    compare: tuple[str, ...] = ()  # `key=a,b,c`: a variant for each value, or each combination of them
    scenario: str | None = None  # id, or path of a .parquet or .toml; several joined by `+`
    of_a_group: bool = False  # a group named it: no fault of the user's if it does not apply
    shock: Shock | None = None  # laid over the scenario, or over the tape as it is
    venue: str | None = None  # [ID][@DATE|@scenario]; None: the account's own, newest rules
    tapes: tuple[str, ...] = ()
    instruments: tuple[InstrumentFacts, ...] = ()
    prices: tuple[Price, ...] = ()  # where the tape begins, over those of the portfolio
    proxies: tuple[Proxy, ...] = ()
    accept: Acceptances = Acceptances()
    stale_after_ns: int | None = None  # age beyond which an order book is old; None: by the rate of its messages
    rebase: bool = False
    topups: bool = True  # look for what would have saved each account, and how much more one that lives would bear
    drills: tuple[str, ...] = ()  # what is rehearsed (run.rehearse)
    seed: int = 0
    capacities: Capacities = DEFAULT_CAPACITIES
    chunk_rows: int = 262_144


def requests(command: Command, seed: int = 0) -> tuple[Request, ...]:
    """Everything that a command asks for: its portfolios × scenarios × shocks × venues, in this order.

    Raises BacktesterError for words that cannot be read, and for scenarios that are not there.
    """
    asked = Request(
        portfolio=Path(),
        overrides=command.set,
        compare=command.compare,
        tapes=command.tapes,
        instruments=parse_instruments(command.instruments),
        prices=tuple(map(parse_price, command.prices)),
        proxies=parse_proxies(command.proxies),
        accept=command.accept,
        stale_after_ns=None if command.stale_after is None else round(command.stale_after * 1e9),
        rebase=command.rebase,
        topups=count_combinations(command.compare) <= MOST_HELPED,
        drills=_drills(command.drills),
        seed=seed,
    )
    shocks = (None,) if command.shock is None else parse_shocks(command.shock)
    scenarios, venues = _scenarios(command.scenarios), _venues(command.venues)
    return tuple(
        asked._replace(portfolio=portfolio, scenario=name, of_a_group=by_a_group, shock=shock, venue=venue)
        for portfolio in _portfolios(command.portfolios)
        for name, by_a_group in scenarios.items()
        for shock in shocks
        for venue in venues
    )


def _drills(names: Sequence[str]) -> tuple[str, ...]:
    """The drills that are named, each once; `all` are all of them."""
    asked = [name.strip() for text in names for name in text.split(",")]
    for name in asked:
        if name not in (*DRILLS, "all"):
            hint = did_you_mean(name, (*DRILLS, "all")) or f"all, or some of {', '.join(DRILLS)}"
            raise usage_error("--drill", f"there is no drill {name}", hint)
    return DRILLS if "all" in asked else tuple(dict.fromkeys(asked))


def _portfolios(names: Sequence[str]) -> tuple[Path, ...]:
    """Their files, each once. A report tells portfolios apart by the names of their files."""
    paths = tuple(dict.fromkeys(map(Path, names)))
    several = [stem for stem, count in Counter(path.stem for path in paths).items() if count > 1]
    if several:
        raise usage_error("PORTFOLIO", f"several files are called {several[0]}", "give them different names")
    return paths


def _scenarios(texts: Sequence[str]) -> dict[str | None, bool]:
    """The scenarios that are named, each once, and whether a group alone named it; None, the tape as it is, if none is.

    All of them are there. `all+outage` is an outage in each, `crashes` are those of a group (library.members).
    """
    if not texts:
        return {None: False}
    names: dict[str | None, bool] = {}
    for name in filter(None, (each for text in texts for each in scenarios_of(text))):
        first, plus, more = name.partition("+")
        group = members(first)
        for each in (first,) if group is None else group:
            found = f"{each}{plus}{more}"
            names[found] = group is not None and names.get(found, True)
    if not names:
        raise usage_error("--scenario", "names none", "see `backtester scenarios list`")
    for each in filter(None, names):
        find_runnable(each)
    return names


def _venues(texts: Sequence[str]) -> tuple[str | None, ...]:
    """The choices of venues that are named, each once; None, every account's own, if none is."""
    if not texts:
        return (None,)
    names = tuple(dict.fromkeys(each for text in texts for each in venues_of(text)))
    if "" in names:
        raise usage_error("--venue", "names none", "see `backtester venues list`")
    for ref in map(VenueRef.parse, names):
        if ref.id:
            load_profile(ref.id, ref.on)
    return names
