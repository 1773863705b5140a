"""What the user asks for: plain values, which a process can send to another."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from backtester.engine.state import DEFAULT_CAPACITIES, Capacities
from backtester.market.schema import InstrumentFacts
from backtester.run.prices import Price
from backtester.run.resolve import Acceptances
from backtester.scenario.grid import Proxy
from backtester.scenario.shock import Shock


class Request(NamedTuple):
    """What the user asked for, as read from the command line."""

    portfolio: Path
    overrides: tuple[str, ...] = ()
    compare: tuple[str, ...] = ()  # `key=a,b,c`: a variant for each value, or each combination of them
    scenario: str | None = None  # id, or path of a .parquet or .toml; several joined by `+`
    any_scenario: bool = False  # it is one of all there are: no fault of the user's if it does not apply
    shock: Shock | None = None  # laid over the scenario, or over the tape as it is
    venue: str | None = None  # [ID][@DATE|@scenario]; None: the account's own, newest rules
    tapes: tuple[str, ...] = ()
    instruments: tuple[InstrumentFacts, ...] = ()
    prices: tuple[Price, ...] = ()  # where the tape begins, over those of the portfolio
    proxies: tuple[Proxy, ...] = ()
    accept: Acceptances = Acceptances()
    stale_after_ns: int | None = None  # age beyond which an order book is old; None: by the rate of its messages
    rebase: bool = False
    seed: int = 0
    capacities: Capacities = DEFAULT_CAPACITIES
    chunk_rows: int = 262_144
